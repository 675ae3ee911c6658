//! The program that draws the noise: started for one answer.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use runtime_study::{Answer, Ask, Reply};

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
    let mut child = Command::new(program)
        .arg("gate")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(GateTrouble::Process)?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (said, heard) = mpsc::channel();
    // It reads the whole question before it says anything, so this thread writes and reads in turn.
    std::thread::spawn(move || {
        let exchange = || -> io::Result<Vec<u8>> {
            input.map_or(Ok(()), |mut input| input.write_all(&question))?;
            let mut reply = Vec::new();
            output.map_or(Ok(0), |output| output.take(REPLY_BYTES_MAX).read_to_end(&mut reply))?;
            Ok(reply)
        };
        // Nobody listens any more if it took too long.
        let _ = said.send(exchange());
    });
    let reply = heard.recv_timeout(GATE_WAIT);
    // It has closed its output, or is of no use any more.
    let _ = child.kill();
    let _ = child.wait();
    let reply = reply.map_err(|_| GateTrouble::TooSlow)?.map_err(GateTrouble::Process)?;
    match serde_json::from_slice(&reply) {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Refused { why }) => Err(GateTrouble::Refused { why }),
        Err(_) => Err(GateTrouble::NoAnswer),
    }
}
