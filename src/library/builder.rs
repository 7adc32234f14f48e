//! How a `Taskwatch` is to be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::{ConnectError, Taskwatch};
use crate::aws::{Clients, EventsPath, Target};
use crate::cell::{Cell, CellConfig, Clock, Ids, LOG_RATE, POLL, Ports, WithLines};
use crate::store::{FileStore, MemoryStore, Store};

/// How it learns what becomes of its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Events {
    /// By DescribeTasks, 100 tasks a call, at a tenth of the API's quota: every second at first, ever more rarely while nothing
    /// changes, every 16 s at last. Nothing has to be there. Good for some hundreds of tasks at once.
    #[default]
    Described,
    /// By an events queue that `taskwatch setup` made for this cell's name: no call at all, for any number of tasks.
    /// Nobody else may read that queue.
    Queue(String),
    /// By a queue and a rule that [`Builder::connect`] makes and [`Taskwatch::shutdown`] takes away. For endpoints such as
    /// `taskwatch local`. On AWS it takes the rights of `taskwatch setup`, leaves both behind when the process is killed, and
    /// SQS gives a queue's name again only 60 s after its deletion: leave the cell's name to chance.
    Own,
}

/// How a [`Taskwatch`] is to be. What is not said comes from the environment, as for the AWS CLI.
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<String>,
    target: Target,
    events: Events,
    directory: Option<PathBuf>,
    settings: Vec<Setting>,
}

/// Sets something in a cell's configuration.
struct Setting(Box<dyn FnOnce(&mut CellConfig) + Send>);

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setting")
    }
}

impl Builder {
    /// The cell's name, 1 to 64 of `A-Za-z0-9-_`: the first part of every `startedBy`, by which its events are known.
    /// A random one unless set; no two processes at work may have the same.
    #[must_use]
    pub fn cell(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The AWS region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.target.region = Some(region.into());
        self
    }

    /// The profile of the AWS configuration.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.target.profile = Some(profile.into());
        self
    }

    /// Another AWS endpoint.
    #[must_use]
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.target.endpoint_url = Some(url.into());
        self
    }

    /// An endpoint that checks no credentials and where rules cost nothing: `taskwatch local`, in this process
    /// ([`crate::local::start`]) or in another. [`Events::Own`], region `us-east-1`.
    #[must_use]
    pub fn local(mut self, url: impl Into<String>) -> Self {
        self.target.test_credentials = true;
        self.events = Events::Own;
        self.region("us-east-1").endpoint_url(url)
    }

    /// How it learns what becomes of its tasks.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The URL of this cell's events queue: [`Events::Queue`].
    #[must_use]
    pub fn events_queue(self, url: impl Into<String>) -> Self {
        self.events(Events::Queue(url.into()))
    }

    /// Keeps runs in a directory (SQLite) instead of memory: after a crash the next process with this directory and this
    /// [`cell`](Self::cell) name goes on where this one was, and a `name` stands for its run for a week.
    #[must_use]
    pub fn store_in(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// The SNS topic that is told how each run ended, unless its request names another.
    #[must_use]
    pub fn topic(self, arn: impl Into<String>) -> Self {
        let arn = arn.into();
        self.configure(|config| config.destinations.topic = Some(arn))
    }

    /// Any other of the cell's settings: rates, runs in flight, circuit breakers (off here unless set).
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = taskwatch::Taskwatch::builder().configure(|cell| {
    ///     cell.run_task_rate = 5.0;
    ///     cell.reconcile_after = Duration::from_secs(60);
    /// });
    /// ```
    #[must_use]
    pub fn configure(mut self, set: impl FnOnce(&mut CellConfig) + Send + 'static) -> Self {
        self.settings.push(Setting(Box::new(set)));
        self
    }

    /// Reads the AWS configuration, opens the store, and begins.
    ///
    /// # Errors
    /// No region; a profile that is not there; a store that cannot be opened, or one in a directory without a [`cell`](Self::cell) name; a name that
    /// cannot be; an events path that could not be made.
    pub async fn connect(self) -> Result<Taskwatch, ConnectError> {
        if self.directory.is_some() && self.name.is_none() {
            return Err(ConnectError::NoName);
        }
        let name = self.name.unwrap_or_else(|| format!("lib-{}", Uuid::new_v4().simple()));
        let clients = Clients::load(&self.target).await?;
        let mut config = CellConfig::new(&name);
        config.region = clients.region().ok_or(ConnectError::NoRegion)?;
        // A program that waits for its runs wants them to end.
        config.breaker.failures = 0;
        let store: Arc<dyn Store> = match &self.directory {
            Some(directory) => Arc::new(FileStore::open(directory)?),
            None => Arc::new(MemoryStore::default()),
        };
        let (url, path) = match self.events {
            Events::Described => (None, None),
            Events::Queue(url) => (Some(url), None),
            Events::Own => {
                let path = EventsPath::make(&clients, &name).await?;
                (Some(path.queue_url.clone()), Some((clients.clone(), path)))
            }
        };
        match &url {
            // https://sqs.<region>.amazonaws.com/<account>/<name>
            Some(url) => config.account = url.rsplit('/').nth(1).unwrap_or_default().to_owned(),
            None => config.poll = Some(POLL),
        }
        self.settings.into_iter().for_each(|setting| setting.0(&mut config));
        let ports = Ports {
            ecs: Arc::new(clients.ecs()),
            events: url.map(|url| Arc::new(clients.queue(url)) as _),
            requests: None,
            requests_dlq: None,
            launchers: None,
            notifier: Arc::new(WithLines::new(Arc::new(clients.publisher()), clients.log_reader(LOG_RATE))),
            store,
            clock: Clock::system(),
            ids: Ids::default(),
        };
        Ok(Taskwatch::new(Cell::start(config, ports).await?, path))
    }
}
