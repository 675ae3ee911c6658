//! The code that all programs of this project share: how they read input, print, log, fail and stop.
//!
//! * Contents: [`console`] (standard output and error), [`exit`] (the exit status), [`failure`] (one line: what
//!   happened and what to do), [`logs`], [`memory`], [`signals`], [`resources`] (what the operating system allows),
//!   [`typed`] and [`when`] (what people type), [`input`] (files that people name).
//! * Not here: what any single program does.

// Printing panics where it fails, so all output goes through `console` or the log.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod console;
pub mod exit;
pub mod failure;
pub mod input;
pub mod logs;
pub mod memory;
pub mod resources;
pub mod signals;
pub mod typed;
pub mod when;

pub use failure::Failure;

/// The program of that name which is installed beside this one.
///
/// # Errors
/// The operating system does not say where this program is.
pub fn beside_this(name: &str) -> std::io::Result<std::path::PathBuf> {
    // If this one was started through a link, the others are beside the target of the link.
    Ok(std::env::current_exe()?.canonicalize()?.with_file_name(name))
}

pub use input::{EXPANDED_BYTES_MAX, EXPANSION_MAX, Input, read_text};
