//! The service in paused time, by its own front door.

mod api;
mod faults;
mod lives;
mod seed;
mod shapes;
mod support;
mod texts;
