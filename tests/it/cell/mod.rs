//! The cell in a world of fakes, on paused time: each invariant singly.

mod bounds;
mod breakers;
mod callbacks;
mod calls;
mod clock;
mod doubt;
mod events;
mod lease;
mod limits;
mod observed;
mod orders;
mod outbox;
mod pace;
mod poll;
mod repeats;
mod requests;
mod restart;
mod store;
mod threads;
mod waiting;
