//! The program that draws the noise: started for one answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use runtime_study::{Answer, Ask, Reply};

use crate::studies::companion::{Trouble, exchange};

/// How long an answer may take.
const GATE_WAIT: Duration = Duration::from_secs(30);
/// Largest answer, bytes: that of a study with the most numbers.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// Why the gate gave no answer. Whether the epoch is spent, its mark says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateTrouble {
    /// This host has no such program.
    #[error("this host cannot draw noise: install `cellar-studies` beside `cellar`")]
    NoProgram,
    /// It could not be started, or its pipes broke.
    #[error("the program that draws the noise does not run")]
    Process(#[source] io::Error),
    /// It did not answer in time.
    #[error("the program that draws the noise has not answered within {} s", GATE_WAIT.as_secs())]
    TooSlow,
    /// What it said is no answer.
    #[error("the program that draws the noise stopped without an answer")]
    NoAnswer,
    /// It refuses.
    #[error("{why}")]
    Refused {
        /// Why, in its words.
        why: String,
    },
}

/// Asks the program once. The sums go through a pipe, and nowhere else.
pub(crate) fn ask(program: Option<&Path>, ask: &Ask) -> Result<Answer, GateTrouble> {
    let program = program.ok_or(GateTrouble::NoProgram)?;
    let question = serde_json::to_vec(ask).expect("texts and numbers are JSON");
    let reply = exchange(program, "gate", question, GATE_WAIT, REPLY_BYTES_MAX);
    let reply = reply.map_err(|trouble| match trouble {
        Trouble::Process(error) => GateTrouble::Process(error),
        Trouble::TooSlow => GateTrouble::TooSlow,
    })?;
    match serde_json::from_slice(&reply) {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Refused { why }) => Err(GateTrouble::Refused { why }),
        Err(_) => Err(GateTrouble::NoAnswer),
    }
}
