//! The service in paused time, by its own front door.

mod api;
mod faults;
mod lives;
mod shapes;
mod support;
