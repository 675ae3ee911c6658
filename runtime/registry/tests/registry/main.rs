//! Packages to and from a registry of these tests, which can also lie, and to and from folders.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

mod attacks;
mod carried;
mod program;
mod server;
mod support;
