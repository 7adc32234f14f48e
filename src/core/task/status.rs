//! The statuses of a task.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `lastStatus` of a task (ECS developer guide, "Task lifecycle").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Its place is made ready.
    Provisioning,
    /// It waits for its containers.
    Pending,
    /// What is around it is made ready.
    Activating,
    /// It runs.
    Running,
    /// What is around it is taken away.
    Deactivating,
    /// Its containers are stopped.
    Stopping,
    /// Its containers have ended, and its place is given back.
    Deprovisioning,
    /// It has ended.
    Stopped,
    /// It has ended, and ECS is about to forget it.
    Deleted,
    /// A status not known today.
    Other(Box<str>),
}

impl TaskStatus {
    /// As ECS writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
            Self::Deleted => "DELETED",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for TaskStatus {
    fn from(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "PROVISIONING" => Self::Provisioning,
            "PENDING" => Self::Pending,
            "ACTIVATING" => Self::Activating,
            "RUNNING" => Self::Running,
            "DEACTIVATING" => Self::Deactivating,
            "STOPPING" => Self::Stopping,
            "DEPROVISIONING" => Self::Deprovisioning,
            "STOPPED" => Self::Stopped,
            "DELETED" => Self::Deleted,
            _ => Self::Other(text.into()),
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for TaskStatus {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TaskStatus {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self::from(std::borrow::Cow::<'de, str>::deserialize(input)?.as_ref()))
    }
}
