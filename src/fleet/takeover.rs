//! How a process came by a cell.

use std::collections::BTreeMap;

/// How a process came by a cell that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takeover {
    /// Nobody had ever served it.
    First,
    /// The process that served it before gave it back.
    HandedOver,
    /// The process that served it before died, or was taken for dead.
    Died,
}

/// How often a process came by each cell, in each way.
pub type Takeovers = BTreeMap<String, BTreeMap<Takeover, u64>>;

impl Takeover {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::First, Self::HandedOver, Self::Died];

    /// As metrics and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::HandedOver => "handed_over",
            Self::Died => "died",
        }
    }
}
