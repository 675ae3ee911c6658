//! The host: one port for all people, the administration of people, and the configuration of both.
//!
//! * Contents: [`port`] and [`http`] (the port), [`admin`] (commands of owners and operators, with their answers),
//!   [`config`] (with [`acme`]), and [`Host`], which assembles these.
//! * Units: limits end in their unit.
//! * Not here: what happens to a request behind its route (`runtime/user`); the command line (`runtime/cellar`).

// Printing panics where it fails, so all output goes through `runtime_program::console` or the log.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod acme;
pub mod admin;
mod assemble;
pub mod config;
pub mod http;
pub mod port;

pub use assemble::{Host, OpenError, open_runtime};
