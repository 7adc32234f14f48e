//! The RunTask call of runs that leave together.

use std::sync::Arc;

use uuid::Uuid;

use crate::cell::definitions::Definitions;
use crate::cell::ports::RunTaskCall;
use crate::cell::runs::RunIndex;
use crate::core::ids::Token;
use crate::core::run::Run;
use crate::core::run_task::RunTask;

/// Puts calls together.
pub(in crate::cell) struct CallBuilder {
    pub(in crate::cell) cell: String,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) definitions: Arc<Definitions>,
}

impl CallBuilder {
    /// The call for these members, whose token is committed. `None`: they are gone.
    pub(super) async fn call(&self, members: &[Uuid], token: Token) -> Option<RunTaskCall> {
        Some(RunTaskCall {
            run_task: self.run_task(members).await?,
            count: u32::try_from(members.len()).unwrap_or(1),
            client_token: token.to_string(),
            started_by: token.started_by(&self.cell),
        })
    }

    /// The request of the members, placement and environment included. They are alike, or there is only one.
    async fn run_task(&self, members: &[Uuid]) -> Option<RunTask> {
        let first = *members.first()?;
        let (spec, placement, env) = self.runs.read(first, |run| {
            let placement = run.attempt().map_or(0, |a| a.placement);
            (Arc::clone(&run.spec), placement, env(run))
        })?;
        let run_task = match placement.checked_sub(1).and_then(|i| spec.placements.get(i)) {
            Some(over) => spec.run_task.at(over),
            None => spec.run_task.clone(),
        };
        if !spec.inject_env {
            return Some(run_task);
        }
        let containers = self.definitions.containers_of(run_task.task_definition()).await.unwrap_or_default();
        let names: Vec<String> = containers.iter().map(|c| c.name.clone()).collect();
        Some(run_task.with_env(&names, &env))
    }

    /// `clientToken`: a function of the cell, and of each run, attempt and call that it stands for. 40 hex digits; ECS
    /// takes 64 of ASCII 33-126. All of them count: a crash may leave some members with the token committed and others
    /// without, and those are launched anew, by another call.
    pub(super) fn token(&self, runs: &[Uuid]) -> Token {
        let call_of = |run: &Run| run.attempt().map(|a| (run.id, a.number, a.call));
        let calls = runs.iter().filter_map(|id| self.runs.read(*id, call_of).flatten());
        let calls = calls.map(|(run, attempt, call)| format!("|{run}|{attempt}|{call}"));
        Token::of(std::iter::once(self.cell.clone()).chain(calls))
    }
}

fn env(run: &Run) -> Vec<(String, String)> {
    let attempt = run.attempt().map_or(1, |a| a.number);
    vec![
        ("TASKWATCH_RUN".into(), run.id.to_string()),
        ("TASKWATCH_ATTEMPT".into(), attempt.to_string()),
        ("TASKWATCH_ARRAY_INDEX".into(), run.index.to_string()),
    ]
}
