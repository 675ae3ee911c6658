//! The command line `cellar`: its verbs, and what each prints.
//!
//! * Holds: [`cli`] (the arguments and the exit status) and [`verbs`] (what each verb does, a file a verb).
//! * Not here: what the verbs ask for (`runtime/host`, `admin`); `cellar demo` and `cellar bench`, which are programs of
//!   their own so that this one links neither the simulator nor the stages' native build.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
mod companion;
pub mod verbs;
