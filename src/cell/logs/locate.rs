//! Finds the log of any container of an attempt, and reads it for somebody who asks.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::{LogReader, Patience};
use super::{log_of, place_of};
use crate::core::log::{LogLine, LogPlace};
use crate::core::run::{Attempt, Run, Stage};
use crate::core::task::Task;

/// A person who asks waits so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lines of one container of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogLines)]
pub struct LogAnswer {
    /// The run.
    pub run: Uuid,
    /// Its name.
    pub name: String,
    /// The attempt's number.
    pub attempt: u32,
    /// The attempt's task.
    pub task_arn: Option<String>,
    /// Whether the attempt is over: no container of it writes any more.
    pub over: bool,
    /// The container.
    pub container: Option<String>,
    /// Its log driver.
    pub driver: Option<String>,
    /// The log group.
    pub group: Option<String>,
    /// The stream.
    pub stream: Option<String>,
    /// The Region of the group.
    pub region: Option<String>,
    /// The stream in AWS's console.
    pub url: Option<String>,
    /// Its lines, oldest first, unmasked; null where there are none to show.
    pub lines: Option<Vec<LogLine>>,
    /// Why there are none, and what to do.
    pub why: Option<String>,
    /// Asks for what is written behind these lines.
    pub next_token: Option<String>,
}

impl LogReader {
    /// Lines of a container of an attempt: the last ones, or those behind a token. Without a container, of the one that
    /// decided.
    pub async fn read(
        &self,
        run: &Run,
        attempt: &Attempt,
        container: Option<&str>,
        (most, token): (u32, Option<&str>),
    ) -> LogAnswer {
        let patience = Patience::of(PATIENCE);
        let mut answer = LogAnswer {
            run: run.id,
            name: run.name.clone(),
            attempt: attempt.number,
            task_arn: attempt.task_arn.as_ref().map(ToString::to_string),
            over: attempt.stage == Stage::Over || (run.status.is_final() && attempt.stopped_at.is_some()),
            container: None,
            driver: None,
            group: None,
            stream: None,
            region: None,
            url: None,
            lines: None,
            why: None,
            next_token: token.map(str::to_owned),
        };
        let place = match self.locate(run, attempt, container, patience.0).await {
            Ok(place) => place,
            Err(why) => return LogAnswer { why: Some(why), ..answer },
        };
        let view = place.view(answer.task_arn.as_deref().unwrap_or_default());
        (answer.container, answer.driver) = (Some(view.container), view.driver);
        (answer.group, answer.stream, answer.region, answer.url) = (view.group, view.stream, view.region, view.url);
        if let Some(why) = view.why {
            return LogAnswer { why: Some(why), ..answer };
        }
        let lines = match token {
            None => self.last(&place, most, patience).await,
            Some(token) => self.later(&place, most, token, patience).await,
        };
        match lines {
            Ok((lines, next)) => LogAnswer { lines: Some(lines), next_token: next, ..answer },
            Err(why) => LogAnswer { why: Some(why.to_string()), ..answer },
        }
    }

    /// The last lines of the container that decided how a task ended, and its name; or why there are none to show.
    ///
    /// # Errors
    /// A text for people.
    pub async fn of_task(
        &self,
        task: &Task<'_>,
        deciding: &[String],
        most: u32,
    ) -> Result<(String, Vec<LogLine>), String> {
        let definition = &task.task_definition_arn;
        let containers = self.parts.definitions.containers_of(definition).await;
        let containers = containers.ok_or_else(|| unreadable(definition))?;
        let place = log_of(task, &containers, deciding).ok_or("the task has no container that is known")?;
        if let Some(why) = place.why() {
            return Err(why);
        }
        let lines = self.last(&place, most, Patience::of(PATIENCE)).await.map_err(|why| why.to_string())?;
        Ok((place.container, lines.0))
    }

    /// Where the lines are, by what the attempt keeps, or by ECS. Otherwise why nobody can tell.
    async fn locate(
        &self,
        run: &Run,
        attempt: &Attempt,
        container: Option<&str>,
        until: Instant,
    ) -> Result<LogPlace, String> {
        let Some(task_arn) = attempt.task_arn.as_ref().map(ToString::to_string) else {
            return Err(format!("attempt {} has no task, so that nothing of it ran", attempt.number));
        };
        let kept = attempt.log.as_deref().filter(|place| container.is_none_or(|name| name == place.container));
        if let Some(place) = kept {
            return Ok(place.clone());
        }
        let asked = self.ask_ecs(run, &task_arn, container);
        tokio::time::timeout_at(until, asked)
            .await
            .unwrap_or_else(|_| Err("ECS gave no answer in time: ask again".into()))
    }

    async fn ask_ecs(&self, run: &Run, task_arn: &str, container: Option<&str>) -> Result<LogPlace, String> {
        let described = self.parts.ecs.describe_tasks(&cluster_of(task_arn, run), &[task_arn.to_owned()]).await;
        let described = described.map_err(|error| format!("DescribeTasks: {error}"))?;
        // What ECS has forgotten had the task definition of the request, if that names one revision.
        let named = run.task_definition();
        let of_the_request = || {
            crate::core::name::in_arn(named).contains(':').then(|| Task {
                task_arn: task_arn.to_owned().into(),
                task_definition_arn: named.to_owned().into(),
                ..Task::default()
            })
        };
        let task = described.tasks.into_iter().next().or_else(of_the_request).ok_or(
            "ECS has forgotten the task, as it does an hour after its end, and the request names no revision of its task \
             definition: nobody can tell where its log is",
        )?;
        let definition = &task.task_definition_arn;
        let containers =
            self.parts.definitions.containers_of(definition).await.ok_or_else(|| unreadable(definition))?;
        let essential = containers.iter().filter(|c| c.essential).map(|c| c.name.clone());
        let deciding: Vec<String> = match run.spec.decided_by.as_slice() {
            [] => essential.collect(),
            named => named.to_vec(),
        };
        let place = match container {
            Some(name) => place_of(name, &task, &containers),
            None => log_of(&task, &containers, &deciding),
        };
        place.ok_or_else(|| {
            let known: Vec<&str> = containers.iter().map(|c| c.name.as_str()).collect();
            format!("the task has no container {:?}, only {}", container.unwrap_or_default(), known.join(", "))
        })
    }
}

fn unreadable(definition: &str) -> String {
    format!("{definition} cannot be read: allow ecs:DescribeTaskDefinition (docs/iam.md)")
}

/// The cluster in a task's ARN; of the short form of before 2018 the run's.
fn cluster_of(task_arn: &str, run: &Run) -> String {
    match task_arn.rsplit('/').collect::<Vec<_>>()[..] {
        [_, cluster, _] => cluster.to_owned(),
        _ => run.cluster().to_owned(),
    }
}
