//! The one integration binary: from end to end, through the public API of the crate.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod api;
mod architecture;
mod aws_lines;
mod breakers;
mod callbacks;
mod cell;
mod circles;
mod circumstances;
mod cli;
mod clients;
mod clusters;
mod commands;
mod conformance;
mod cost;
mod crash;
mod destinations;
mod docs;
mod emulators;
mod explaining;
mod faults;
mod fleet_setup;
mod fleet_sim;
mod fuzz;
mod host;
mod infra;
mod library;
mod local_docs;
mod logs;
mod logs_served;
mod machines;
mod migrate;
mod model;
mod observed;
mod peers;
mod placements;
mod processes;
mod run;
mod samples;
mod seed;
mod setup;
mod sim;
mod support;
mod table;
mod table_store;
mod terraform;
#[cfg(feature = "otlp")]
mod traces;
mod trouble;
