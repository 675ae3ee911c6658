//! The command line `cellar`: its verbs, and what each prints.
//!
//! * Contents: [`cli`] (the arguments and the exit status) and [`verbs`] (what each verb does, one file for each).
//! * Not here: the commands that the verbs send (`runtime/host`, `admin`); `cellar demo` and `cellar bench`, which are
//!   separate programs so that this one links neither the simulator nor the stages' native build.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
mod companion;
pub mod verbs;
