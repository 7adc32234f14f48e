//! What the processes of a fleet know of each other, and how they share what the account allows. Pure: each process decides by
//! itself, from what it has read, on its own clock.

mod beats;
#[cfg(test)]
mod claiming;
mod member;
#[cfg(test)]
mod ownership;
mod places;
mod shares;
#[cfg(test)]
mod simulation;
mod takeover;
mod view;

pub use beats::{BEAT, Beats, DEAD, SUSPENDED};
pub use member::{Act, Hold, Holds, Member, Seen, SeenCell, SeenProcess};
pub use places::{Claim, Places};
pub use shares::{HOLD, Share, Want, split};
pub use takeover::{Takeover, Takeovers};
pub use view::{CellView, FleetView, ProcessView};
