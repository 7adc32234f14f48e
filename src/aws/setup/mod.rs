//! What a cell or a fleet needs in an account: queues with dead-letter queues, rules, targets, policies, topic; of a fleet its table
//! too. Made, repaired, shown, removed.

mod apply;
mod ask;
pub(super) mod diff;
pub(super) mod found;
mod leftovers;
mod members;
mod observed;
mod owner;
pub(super) mod policy;
pub(super) mod rows;
pub(super) mod table;
mod tasks;
mod teardown;
mod template;
pub(super) mod wanted;
mod yaml;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use super::identity::Identity;
use super::json::services::{CLOUDTRAIL, DYNAMODB, SERVICE_QUOTAS};
use super::json::{JsonClient, Retries};
use super::{Clients, errors};

pub use ask::{Ask, FleetAsk};
pub use diff::{Action, Step};
pub use leftovers::{Leftover, Leftovers};
pub(super) use owner::Owner;
pub use tasks::ClusterTasks;
pub use teardown::{Removal, Thing};
pub use template::template;
pub(super) use wanted::TARGET;
pub use wanted::{PROBE_SOURCE, Place};

use found::Found;
use members::Members;
use rows::Rows;
use wanted::Wanted;

/// What ends `setup`: one line, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SetupError {
    message: String,
    usage: bool,
}

impl SetupError {
    fn usage(message: String) -> Self {
        Self { message, usage: true }
    }

    fn other(message: String) -> Self {
        Self { message, usage: false }
    }

    /// Whether the caller's arguments are to blame.
    pub fn is_usage(&self) -> bool {
        self.usage
    }

    /// What a call was refused for.
    pub(super) fn of<E, R>(about: &str, action: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let (code, cause) = (errors::code(error), errors::cause(error));
        let todo = if errors::is_denied(&code) {
            format!("; the caller needs {action} (docs/iam.md)")
        } else if code.contains("QueueDeletedRecently") {
            "; SQS keeps a deleted queue's name for 60 seconds: wait a minute and run the command again".to_owned()
        } else if ["ResourceInUse", "LimitExceeded"].iter().any(|part| code.contains(part))
            && action.starts_with("dynamodb:")
        {
            "; another change of a table is under way: run the command again in a minute".to_owned()
        } else if code.contains("KmsDisabled") || code.starts_with("KMS") || code.starts_with("Kms") {
            "; see to the key, or take SSE-SQS".to_owned()
        } else {
            String::new()
        };
        Self::other(format!("{about}: {action}: {cause}{todo}"))
    }
}

/// What the calls need.
pub(super) struct Sdk {
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) dynamodb: JsonClient,
    pub(super) cloudtrail: JsonClient,
    pub(super) service_quotas: JsonClient,
}

impl Sdk {
    pub(super) fn new(clients: &Clients) -> Self {
        Self {
            sqs: aws_sdk_sqs::Client::new(&clients.config),
            sns: aws_sdk_sns::Client::new(&clients.config),
            events: aws_sdk_eventbridge::Client::new(&clients.config),
            dynamodb: JsonClient::new(&clients.config, DYNAMODB, Retries::Configured),
            cloudtrail: JsonClient::new(&clients.config, CLOUDTRAIL, Retries::Configured),
            // Where a network does not lead to it, that is to be known soon.
            service_quotas: JsonClient::new(&clients.config, SERVICE_QUOTAS, Retries::Never),
        }
    }
}

/// An answer, or none where the thing is not there.
pub(super) fn gone<T, E, R>(about: &str, action: &str, sent: Result<T, SdkError<E, R>>) -> Result<Option<T>, SetupError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match sent {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => {
            let code = errors::code(&error);
            let absent =
                ["NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException", "TableNotFound", "NotFound"];
            if absent.iter().any(|name| code.contains(name)) {
                return Ok(None);
            }
            Err(SetupError::of(about, action, &error))
        }
    }
}

/// What is to be done for a cell or a fleet, before it is done.
pub struct Setup {
    sdk: Sdk,
    /// Of a fleet.
    rows: Option<Rows>,
    wanted: Wanted,
    found: Found,
    region: String,
    /// What is done to each thing.
    pub steps: Vec<Step>,
}

impl Setup {
    /// Looks at the account.
    ///
    /// # Errors
    /// A name that AWS does not take, a topic's ARN that is none, a table that cannot be a fleet's, fewer cells than the fleet has,
    /// or the first call that AWS refused.
    pub async fn plan(clients: &Clients, identity: &Identity, ask: &Ask) -> Result<Self, SetupError> {
        ask.check()?;
        let place = place(clients, identity)?;
        let sdk = Sdk::new(clients);
        let members = Members::find(clients, &sdk, ask).await?;
        let ask = &observing(&sdk, members.wanted(ask)?).await?;
        let wanted = Wanted::new(ask, &place);
        check_patterns(&wanted)?;
        let found = Found { cells: members.rows, ..Found::read(&sdk, &wanted).await? };
        if wanted.topic.name.is_none() && found.topic.is_none() {
            return Err(SetupError::usage(format!("--topic is {:?}: there is no such topic", wanted.topic.arn)));
        }
        check_table(&wanted, &found)?;
        let steps = diff::steps(&wanted, &found);
        let table = wanted.table.as_ref().filter(|_| wanted.is_fleet);
        let rows = table.map(|table| Rows::new(clients, &table.name, &wanted.name));
        Ok(Self { sdk, rows, wanted, found, region: place.region, steps })
    }

    /// Does it, and says how the cell or the fleet is to be started.
    ///
    /// # Errors
    /// The first call that AWS refused. Running it again goes on from there.
    pub async fn apply(mut self) -> Result<Vec<(&'static str, String)>, SetupError> {
        apply::apply(&self.sdk, self.rows.as_ref(), &self.wanted, &mut self.found, &self.steps).await?;
        Ok(self.environment())
    }

    /// The settings of `taskwatch serve`; of what is not there yet, nothing.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let wanted = &self.wanted;
        let url = |queue: &wanted::WantedQueue| self.found.queues.get(&queue.name).map(|there| there.url.clone());
        let is_fleet = wanted.is_fleet;
        let events = wanted.pipelines.first().filter(|_| !is_fleet);
        let store = wanted.table.as_ref().map(|table| format!("dynamodb:{}", table.name));
        let all = [
            (if is_fleet { "TASKWATCH_FLEET" } else { "TASKWATCH_CELL" }, Some(wanted.name.clone())),
            ("AWS_REGION", Some(self.region.clone())),
            ("TASKWATCH_STORE", store.filter(|_| self.found.table.is_some())),
            ("TASKWATCH_EVENTS_QUEUE_URL", events.and_then(|pipeline| url(&pipeline.events))),
            ("TASKWATCH_REQUESTS_QUEUE_URL", url(&wanted.requests)),
            ("TASKWATCH_REQUESTS_DLQ_URL", url(&wanted.requests_dlq)),
            ("TASKWATCH_TOPIC_ARN", self.found.topic.as_ref().map(|_| wanted.topic.arn.clone())),
            ("TASKWATCH_EVENT_BUS", wanted.bus.clone().filter(|_| self.found.bus)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A table that is there must be one that a fleet can have, and nobody else's.
fn check_table(wanted: &Wanted, found: &Found) -> Result<(), SetupError> {
    let (Some(table), Some(there)) = (&wanted.table, &found.table) else { return Ok(()) };
    let wrong = |what: String| Err(SetupError::usage(format!("--store is \"dynamodb:{}\": {what}", table.name)));
    if let Some((found, todo)) = there.unfit(&table.name) {
        return wrong(format!("{found}. {todo}"));
    }
    match &there.made_for {
        Some(other) if *other != table.owner => wrong(format!(
            "that table was made for {other}, and each fleet has its own, as each cell without one: name another table"
        )),
        _ => Ok(()),
    }
}

/// The ask, observing where the cell does so already: no other run of `setup` ends that.
async fn observing(sdk: &Sdk, ask: Ask) -> Result<Ask, SetupError> {
    let first = ask.observer();
    let is_its = |rule: found::FoundRule| rule.targets.iter().any(|target| target["Id"] == TARGET);
    let observes = match ask.observe {
        true => true,
        false => found::rule(sdk, &ask::Member::tasks_rule(&first.name)).await?.is_some_and(is_its),
    };
    Ok(Ask { observe: observes, ..ask })
}

/// EventBridge quotas: a pattern has at most 2,048 characters.
fn check_patterns(wanted: &Wanted) -> Result<(), SetupError> {
    let rules = wanted.pipelines.iter().flat_map(wanted::Pipeline::rules);
    let longest = rules.map(|rule| rule.pattern.to_string().len()).max().unwrap_or(0);
    match longest {
        0..=2_048 => Ok(()),
        _ => Err(SetupError::usage(format!(
            "--cluster: the rule's pattern would have {longest} characters, and EventBridge takes 2048: name fewer clusters, or none for all"
        ))),
    }
}

/// The account and region that the calls go to.
pub(super) fn place(clients: &Clients, identity: &Identity) -> Result<Place, SetupError> {
    let none = || SetupError::usage("no AWS region is set: use --region or AWS_REGION".to_owned());
    let region = clients.region().ok_or_else(none)?;
    Ok(Place { partition: identity.partition.clone(), region, account: identity.account.clone() })
}
