//! Many runs in numbers: how many there are in each status, what they failed of, and what they wait for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::error::ApiError;
use super::extract::Params;
use super::filter::Wanted;
use super::view::cut;
use crate::cell::{WaitReason, WaitingFor};
use crate::core::failure::Class;
use crate::core::filter::RunFilter;
use crate::core::name::request_of;
use crate::core::pattern::alike;
use crate::core::run::{Run, Status};
use crate::front::{Front, Seen};
use crate::store::{Query, StoreError};

/// Runs that are counted: all of any array request, and no more of others, for each is read.
const MOST: usize = 10_000;
/// Runs that are read at once.
const PAGE: usize = 1_000;
/// Groups that are shown, the largest first.
const GROUPS: usize = 20;
/// Runs that are named of each group.
const EXAMPLES: usize = 3;

/// Many runs in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rollup {
    /// How many were counted.
    runs: usize,
    /// Whether these are all that fit: of more than 10,000 the newest are counted.
    complete: bool,
    /// Those by status, without those of which there is none.
    statuses: BTreeMap<&'static str, usize>,
    /// What runs failed of that are FAILED, TIMED_OUT or ABORTED: the largest groups first, 20 at most.
    causes: Vec<CauseGroup>,
    /// Groups that are not among them.
    causes_left_out: usize,
    /// What runs wait for that are QUEUED or PENDING_RETRY: the largest groups first, 20 at most.
    waits: Vec<WaitGroup>,
    /// Groups that are not among them.
    waits_left_out: usize,
}

/// Runs that failed of one thing: with one status, exit code and error, and one cause but for ids and numbers in it. `status`,
/// `error`, `exitCode` and `causePattern` as the `status`, `error`, `exitCode` and `cause` of a list give these runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CauseGroup {
    runs: usize,
    status: Status,
    exit_code: Option<i64>,
    error: Option<String>,
    class: Option<Class>,
    /// Of one of them, cut.
    cause: Option<String>,
    /// The cause with `*` for each word with a digit in it.
    cause_pattern: Option<String>,
    /// What to do about it.
    hint: Option<String>,
    /// The names of a few of them.
    examples: Vec<String>,
}

/// Runs that wait for one thing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WaitGroup {
    runs: usize,
    status: Status,
    reason: WaitReason,
    /// Of one of them.
    text: String,
    /// The names of a few of them.
    examples: Vec<String>,
}

/// Counts the runs that fit, and groups those that failed by cause and those that wait by what they wait for.
#[utoipa::path(get, path = "/v1/rollup", tag = "runs", operation_id = "rollup", params(Wanted),
    responses((status = 200, description = "The runs in numbers", body = Rollup)))]
pub(super) async fn rollup(State(api): State<Api>, Params(wanted): Params<Wanted>) -> Result<Json<Rollup>, ApiError> {
    let mut counted = Counted::default();
    let complete = count(&api.front, wanted.filter()?, &mut counted).await?;
    Ok(Json(counted.shown(complete)))
}

/// Counts the runs that fit; whether these are all.
async fn count(front: &Front, filter: RunFilter, counted: &mut Counted) -> Result<bool, StoreError> {
    // Those of one request are found without a look at all others.
    if let Some(name) = filter.exact_name().map(str::to_owned) {
        let mut from = 0;
        loop {
            let page = front.find_page(request_of(&name), from, PAGE).await?;
            counted.add_all(page.items.iter().filter(|seen| filter.fits(&seen.run)));
            let Some(next) = page.next else { return Ok(true) };
            from = next;
        }
    }
    let mut query = Query { filter, before: None, limit: PAGE };
    while counted.runs < MOST {
        let page = front.list(query.clone()).await?;
        counted.add_all(&page.items);
        let Some(next) = page.next else { return Ok(true) };
        query.before = Some(next);
    }
    Ok(false)
}

/// What makes runs alike that failed, and runs that wait.
type CauseKey = (Status, Option<i64>, Option<String>, Option<String>);
type WaitKey = (Status, String);

#[derive(Default)]
struct Counted {
    runs: usize,
    statuses: BTreeMap<Status, usize>,
    causes: BTreeMap<CauseKey, CauseGroup>,
    waits: BTreeMap<WaitKey, WaitGroup>,
}

impl Counted {
    fn add_all<'s>(&mut self, runs: impl IntoIterator<Item = &'s Seen>) {
        for Seen { run, waiting_for, .. } in runs {
            self.runs += 1;
            *self.statuses.entry(run.status).or_default() += 1;
            if let Some(waiting_for) = waiting_for {
                self.waits(run, waiting_for);
            } else if run.can_be_redriven() {
                self.failed(run);
            }
        }
    }

    fn failed(&mut self, run: &Run) {
        let failure = run.failure();
        let exit_code = run.attempt().and_then(|attempt| attempt.exit_code).filter(|code| *code != 0);
        let error = failure.map(|failure| failure.error.clone());
        let pattern = failure.map(|failure| alike(&failure.cause));
        let group = match self.causes.entry((run.status, exit_code, error, pattern)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let (status, exit_code, error, cause_pattern) = new.key().clone();
                new.insert(CauseGroup {
                    runs: 0,
                    status,
                    exit_code,
                    error,
                    class: failure.map(|failure| failure.class),
                    cause: failure.map(|failure| cut(&failure.cause)),
                    cause_pattern,
                    hint: failure.map(|failure| failure.hint_for(&run.name)),
                    examples: Vec::new(),
                })
            }
        };
        group.runs += 1;
        name(&mut group.examples, run);
    }

    fn waits(&mut self, run: &Run, WaitingFor { reason, text, .. }: &WaitingFor) {
        let group = self.waits.entry((run.status, alike(text))).or_insert_with(|| WaitGroup {
            runs: 0,
            status: run.status,
            reason: *reason,
            text: text.clone(),
            examples: Vec::new(),
        });
        group.runs += 1;
        name(&mut group.examples, run);
    }

    fn shown(self, complete: bool) -> Rollup {
        let (causes, causes_left_out) = largest(self.causes.into_values().collect(), |group| group.runs);
        let (waits, waits_left_out) = largest(self.waits.into_values().collect(), |group| group.runs);
        let statuses = self.statuses.into_iter().map(|(status, runs)| (status.as_str(), runs)).collect();
        Rollup { runs: self.runs, complete, statuses, causes, causes_left_out, waits, waits_left_out }
    }
}

fn name(examples: &mut Vec<String>, run: &Run) {
    if examples.len() < EXAMPLES {
        examples.push(run.name.clone());
    }
}

/// The largest groups, and how many others there are.
fn largest<G>(mut groups: Vec<G>, runs: impl Fn(&G) -> usize) -> (Vec<G>, usize) {
    groups.sort_by_key(|group| Reverse(runs(group)));
    let left_out = groups.len().saturating_sub(GROUPS);
    groups.truncate(GROUPS);
    (groups, left_out)
}
