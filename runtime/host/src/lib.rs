//! The host: one port, TLS, HTTP, configuration, many people; and everything that `cellar` can do.
//!
//! * Holds: [`http`] and [`tls`] (the port), [`phone`] (a phone on the command line).
//! * Units: limits end in their unit.
//! * Not here: what happens to a request behind its route (`runtime/user`).

pub mod cells;
pub mod http;
pub mod phone;
pub mod replay;
pub mod tls;
