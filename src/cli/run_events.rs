//! How `taskwatch run` learns what becomes of its tasks: by DescribeTasks, or by events where it is told to.

use super::error::CliError;
use super::run_args::RunArgs;
use super::settings::Settings;
use crate::aws::{Clients, EventsPath};

/// Where the news of this run's tasks comes from.
pub(super) enum News {
    /// DescribeTasks: nothing is made, and nothing has to be there.
    Described,
    /// The user's own queue.
    Queue(String),
    /// A queue and a rule for this run alone.
    Own(EventsPath),
}

impl News {
    /// What the arguments ask for. A queue and a rule are made only for `--events`.
    pub(super) async fn of(
        arguments: &RunArgs,
        settings: &Settings,
        clients: &Clients,
        cell: &str,
    ) -> Result<Self, CliError> {
        if arguments.events {
            let made = EventsPath::make(clients, cell).await;
            let hint =
                "--events needs the rights that docs/iam.md names; without it, run follows its tasks by DescribeTasks";
            return made.map(Self::Own).map_err(|e| CliError::other(format!("{e}; {hint}")));
        }
        let Some(url) = &arguments.events_queue else { return Ok(Self::Described) };
        let of_settings = settings.events_queue_url.as_ref() == Some(url);
        let made_for = if of_settings { settings.cell.clone() } else { clients.queue_made_for(url).await };
        if of_settings || made_for.is_some() {
            let cell = made_for.map(|cell| format!(" {cell}")).unwrap_or_default();
            return Err(CliError::usage(format!(
                "--events-queue {url}: that is the events queue of the cell{cell}, and each would take the other's events; \
                 leave it out (run then follows by DescribeTasks), or use --events for a queue of its own"
            )));
        }
        Ok(Self::Queue(url.clone()))
    }

    /// The URL of the queue by which events come.
    pub(super) fn queue_url(&self) -> Option<&str> {
        match self {
            Self::Described => None,
            Self::Queue(url) => Some(url),
            Self::Own(path) => Some(&path.queue_url),
        }
    }

    /// Removes what was made.
    pub(super) async fn remove(self, clients: &Clients) {
        if let Self::Own(path) = self {
            path.remove(clients).await;
        }
    }
}
