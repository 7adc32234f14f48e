//! Does what the state wants done, by the cell's API; the answers come as messages.

use std::time::Duration;

use futures::future::ready;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::data::{self, Full, Page, Pause};
use super::list::Question;
use super::order::{Order, Runs};
use super::state::{Effect, Message};
use crate::cli::client::Server;
use crate::cli::console;
use crate::cli::error::CliError;

/// No answer takes longer.
const ANSWER: Duration = Duration::from_secs(15);
/// Orders for several runs that are under way at once.
const AT_ONCE: usize = 8;

/// Begins to do it.
pub(super) fn perform(server: &Server, effect: Effect, tell: &Sender<Message>) {
    let (server, tell) = (server.clone(), tell.clone());
    tokio::spawn(async move {
        if let Some(message) = done(&server, effect).await {
            // Nobody listens: the view has ended.
            let _ = tell.send(message).await;
        }
    });
}

async fn done(server: &Server, effect: Effect) -> Option<Message> {
    Some(match effect {
        Effect::List(question) => Message::Listed(question.number, list(server, &question).await),
        Effect::Show(id) => {
            let answer = in_time(server, server.get(&["runs", &id], &[])).await;
            let full = answer.and_then(|run| data::read(run).ok_or_else(|| strange(server)));
            Message::Shown(id, full.map(|full| Box::new(with_consoles(full))))
        }
        Effect::Count(filter) => {
            let answer = in_time(server, server.get(&["rollup"], &filter.query())).await;
            let counted = answer.and_then(|counted| data::read(counted).ok_or_else(|| strange(server)));
            Message::Counted(filter, counted.map(Box::new))
        }
        Effect::Do(order) => {
            let answer = obey(server, &order).await;
            Message::Obeyed(order, answer)
        }
        Effect::Quit(_) => return None,
    })
}

/// A run with the addresses of its tasks in the AWS console.
fn with_consoles(mut full: Full) -> Full {
    for attempt in &mut full.attempts {
        attempt.console = attempt.task_arn.as_deref().and_then(console::task);
    }
    full
}

/// The runs that a question is for.
pub(super) async fn list(server: &Server, question: &Question) -> Result<Page, String> {
    let mut query = question.filter.query();
    query.push(("limit", question.limit.to_string()));
    let answer = in_time(server, server.get(&["runs"], &query)).await?;
    data::read(answer).ok_or_else(|| strange(server))
}

async fn obey(server: &Server, order: &Order) -> Result<(), String> {
    let change = async |change: Value| in_time(server, server.patch(&["limits"], &change)).await.map(drop);
    match order {
        Order::Stop(runs) => {
            let reason = json!({"reason": "stopped by an operator (taskwatch watch)"});
            for_each(server, runs, "stop", Some(&reason)).await
        }
        Order::Redrive(runs) => for_each(server, runs, "redrive", None).await,
        Order::Pause(pause) => change(json!({"pause": [body(pause)]})).await,
        Order::Resume(pause) => change(json!({"resume": [body(pause)]})).await,
    }
}

/// Gives the same order for each run, a few at a time.
async fn for_each(server: &Server, runs: &Runs, what: &str, body: Option<&Value>) -> Result<(), String> {
    let one = async |(id, _): &(String, String)| in_time(server, server.post(&["runs", id, what], body)).await.err();
    let failed: Vec<String> =
        stream::iter(&runs.runs).map(one).buffer_unordered(AT_ONCE).filter_map(ready).collect().await;
    match (failed.as_slice(), runs.runs.len()) {
        ([], _) => Ok(()),
        ([why, ..], 1) => Err(why.clone()),
        ([why, ..], all) => Err(format!("{what}: {} of {all} runs were refused: {why}", failed.len())),
    }
}

fn body(pause: &Pause) -> Value {
    match pause {
        Pause::Queue(name) => json!({"queue": name}),
        Pause::TaskDefinition(name) => json!({"taskDefinition": name}),
    }
}

async fn in_time(server: &Server, answer: impl Future<Output = Result<Value, CliError>>) -> Result<Value, String> {
    match timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{}: no answer for {} s", server.url(), ANSWER.as_secs())),
    }
}

fn strange(server: &Server) -> String {
    format!("{}: an answer that cannot be read", server.url())
}
