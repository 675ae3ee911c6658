//! What every program of this project has in common: how it reads input, prints, logs, fails and is stopped.
//!
//! * Holds: [`console`] (standard output and error), [`exit`] (the exit status),
//!   [`failure`] (one line: what happened and what to do), [`logs`],
//!   [`signals`], [`resources`] (what the operating system allows), [`typed`] and [`when`] (what people type), [`input`]
//!   (files that people name).
//! * Not here: what any program does.

// Printing panics where it fails: everything goes through `console` or the log.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod console;
pub mod exit;
pub mod failure;
pub mod input;
pub mod logs;
pub mod resources;
pub mod signals;
pub mod typed;
pub mod when;

pub use failure::Failure;
pub use input::{read_bytes, read_text};
