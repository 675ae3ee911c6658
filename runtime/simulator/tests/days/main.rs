//! Simulated days, seen from outside: as texts that a server gets.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic: the test has failed then")]

mod common;
mod entries;
mod trips;
