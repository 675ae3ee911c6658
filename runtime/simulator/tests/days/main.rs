//! Simulated days, seen from outside: as the texts that a server receives.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic: the test has failed then")]

mod common;
mod entries;
mod trips;
