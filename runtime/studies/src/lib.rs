//! The gate through which totals of a study leave a host: a process of its own, which lives for one answer, draws the
//! noise and answers each epoch once.
//!
//! * The noise is that of OpenDP, which proves for its exact sampler which ε a scale keeps. Its generator is ChaCha20,
//!   seeded by the operating system in this process, which forks no other and draws for one answer.
//! * Invariants: a mark that says that an epoch was answered is on disk before its noise is drawn; an epoch with a mark
//!   gets the answer that was stored, or none.
//! * Not here: contributions. The gate gets their sums, through a pipe.

mod error;
mod gate;
mod noise;

use std::io::Read;
use std::process::ExitCode;

use clap::Parser;
use runtime_program::{Failure, console, exit};
use runtime_study::{Ask, Reply};

pub use error::GateError;
pub use gate::answer;

/// Largest question of a host, bytes.
const ASK_BYTES_MAX: u64 = 1 << 20;

/// Draw noise for the totals of a study; a host starts this, nobody else
#[derive(Debug, Parser)]
#[command(name = "cellar-studies", version)]
enum Command {
    /// Read one question from the standard input and answer it on the standard output
    Gate,
}

/// Reads the arguments of the process and carries them out.
pub fn main() -> ExitCode {
    exit::main("cellar-studies", |command| match command {
        Command::Gate => answer_input(),
    })
}

fn answer_input() -> Result<(), Failure> {
    let remedy = "use a `cellar` of the same version, which starts this program itself";
    let mut text = String::new();
    let read = std::io::stdin().take(ASK_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::of(&error, remedy))?;
    // The message of the parser would contain parts of the question.
    let ask: Ask = serde_json::from_str(&text)
        .map_err(|_| Failure::new("the question of the host does not read", remedy))?;
    let reply = match answer(&ask) {
        Ok(answer) => Reply::Answer(answer),
        Err(error) => Reply::Refused { why: runtime_types::chain(&error) },
    };
    let reply = serde_json::to_string(&reply).map_err(|error| Failure::of(&error, "report this"))?;
    console::text(reply)
}
