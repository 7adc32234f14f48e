//! A cell's path in an account: queues with dead-letter queues, rule, target, policies, topic. Made, repaired, shown, removed.

mod apply;
mod ask;
pub(super) mod diff;
pub(super) mod found;
mod leftovers;
pub(super) mod policy;
mod tasks;
mod teardown;
mod template;
pub(super) mod wanted;
mod yaml;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use super::Clients;
use super::identity::Identity;

pub use ask::Ask;
pub use diff::{Action, Step};
pub use leftovers::{Leftover, Leftovers};
pub use tasks::ClusterTasks;
pub use teardown::{Removal, Thing};
pub use template::template;
pub use wanted::{PROBE_SOURCE, Place};
pub(super) use wanted::{TAG, TARGET};

use found::Found;
use wanted::{Role, Wanted};

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
        let (code, cause) = (super::errors::code(error), super::errors::cause(error));
        let todo = if super::errors::is_denied(&code) {
            format!("; the caller needs {action} (docs/iam.md)")
        } else if code.contains("QueueDeletedRecently") {
            "; SQS keeps a deleted queue's name for 60 seconds: wait a minute and run the command again".to_owned()
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
}

impl Sdk {
    pub(super) fn new(clients: &Clients) -> Self {
        Self {
            sqs: aws_sdk_sqs::Client::new(&clients.config),
            sns: aws_sdk_sns::Client::new(&clients.config),
            events: aws_sdk_eventbridge::Client::new(&clients.config),
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
            let code = super::errors::code(&error);
            let absent = ["NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException", "NotFound"];
            if absent.iter().any(|name| code.contains(name)) {
                return Ok(None);
            }
            Err(SetupError::of(about, action, &error))
        }
    }
}

/// What is to be done for one cell, before it is done.
pub struct Setup {
    sdk: Sdk,
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
    /// A name that AWS does not take, a topic's ARN that is none, or the first call that AWS refused.
    pub async fn plan(clients: &Clients, identity: &Identity, ask: &Ask) -> Result<Self, SetupError> {
        ask.check()?;
        let place = place(clients, identity)?;
        let wanted = Wanted::new(ask, &place);
        // EventBridge quotas: a pattern has at most 2,048 characters.
        let length = wanted.rule.pattern.to_string().len();
        if length > 2_048 {
            return Err(SetupError::usage(format!(
                "--cluster: the rule's pattern would have {length} characters, and EventBridge takes 2048: name fewer clusters, or none for all"
            )));
        }
        let sdk = Sdk::new(clients);
        let found = Found::read(&sdk, &wanted).await?;
        if wanted.topic.name.is_none() && found.topic.is_none() {
            return Err(SetupError::usage(format!("--topic is {:?}: there is no such topic", wanted.topic.arn)));
        }
        let steps = diff::steps(&wanted, &found);
        Ok(Self { sdk, wanted, found, region: place.region, steps })
    }

    /// Does it, and says how the cell is to be started.
    ///
    /// # Errors
    /// The first call that AWS refused. Running it again goes on from there.
    pub async fn apply(mut self) -> Result<Vec<(&'static str, String)>, SetupError> {
        apply::apply(&self.sdk, &self.wanted, &mut self.found, &self.steps).await?;
        Ok(self.environment())
    }

    /// The settings of `taskwatch serve` for this path; of what is not there yet, nothing.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let url = |role: Role| self.found.queues.get(&self.wanted.queue(role).name).map(|queue| queue.url.clone());
        let all = [
            ("TASKWATCH_CELL", Some(self.wanted.cell.clone())),
            ("AWS_REGION", Some(self.region.clone())),
            ("TASKWATCH_EVENTS_QUEUE_URL", url(Role::Events)),
            ("TASKWATCH_REQUESTS_QUEUE_URL", url(Role::Requests)),
            ("TASKWATCH_REQUESTS_DLQ_URL", url(Role::RequestsDlq)),
            ("TASKWATCH_TOPIC_ARN", self.found.topic.as_ref().map(|_| self.wanted.topic.arn.clone())),
            ("TASKWATCH_EVENT_BUS", self.wanted.bus.clone().filter(|_| self.found.bus)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// The account and region that the calls go to.
pub(super) fn place(clients: &Clients, identity: &Identity) -> Result<Place, SetupError> {
    let none = || SetupError::usage("no AWS region is set: use --region or AWS_REGION".to_owned());
    let region = clients.region().ok_or_else(none)?;
    Ok(Place { partition: identity.partition.clone(), region, account: identity.account.clone() })
}
