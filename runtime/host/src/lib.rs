//! The host: one port, TLS, HTTP, configuration, many people; and everything that `cellar` can do.
//!
//! * Holds: [`port`], [`http`] and [`tls`] (the port), [`gateway`] (one address for many hosts), [`admin`] (people), [`phone`] (a phone on the command line), [`cli`] and
//!   [`verbs`] (the binary), [`console`] (what it says), [`config`] and [`logs`].
//! * Units: limits end in their unit.
//! * Not here: what happens to a request behind its route (`runtime/user`).

// Printing panics where it fails: everything goes through `console` or the log.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod admin;
pub mod bench;
pub mod cells;
pub mod cli;
pub mod config;
pub mod console;
pub mod demo;
pub mod failure;
pub mod gateway;
pub mod http;
pub mod logs;
pub mod phone;
pub mod port;
pub mod replay;
mod resources;
mod signals;
pub mod tls;
mod typed;
pub mod verbs;
pub mod when;
