//! What the processes of a fleet know of each other, and how they share what the account allows. Pure: each process decides by
//! itself, from what it has read, on its own clock.

mod beats;
mod shares;
#[cfg(test)]
mod simulation;

pub use beats::{BEAT, Beats, DEAD, SUSPENDED};
pub use shares::{HOLD, Share, split};
