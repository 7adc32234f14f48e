//! Why a cell makes nothing durable at the moment: whoever asks for something is told at once, and does not wait.

/// Why nothing that is asked for becomes durable at the moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Standstill {
    /// The process may not act for its cells.
    #[error(
        "this process does not hear from its fleet's table, and takes nothing until it does; send the request again, or to another process"
    )]
    Suspended,
    /// The store does not take changes.
    #[error("{0}; send the request again then")]
    Store(String),
    /// The cell has ended, or is another process's.
    #[error("the cell is shutting down; send the request again")]
    Closed,
}
