//! The runtime that owns live runs and carries out what the core decides.

pub mod ports;
