//! A program beside this one that is started for one question: what it is asked goes through a pipe, and nowhere else.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Why it said nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It could not be started, or its pipes broke.
    Process(io::Error),
    /// It did not answer in time.
    TooSlow,
}

/// Asks the program once, with one word on its command line.
pub(crate) fn exchange(
    program: &Path,
    verb: &str,
    question: Vec<u8>,
    wait: Duration,
    reply_bytes_max: u64,
) -> Result<Vec<u8>, Trouble> {
    let mut child = Command::new(program)
        .arg(verb)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Trouble::Process)?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (said, heard) = mpsc::channel();
    // It reads the whole question before it says anything, so this thread writes and reads in turn.
    std::thread::spawn(move || {
        let exchange = || -> io::Result<Vec<u8>> {
            input.map_or(Ok(()), |mut input| input.write_all(&question))?;
            let mut reply = Vec::new();
            output.map_or(Ok(0), |output| output.take(reply_bytes_max).read_to_end(&mut reply))?;
            Ok(reply)
        };
        // Nobody listens any more if it took too long.
        let _ = said.send(exchange());
    });
    let reply = heard.recv_timeout(wait);
    // It has closed its output, or is of no use any more.
    let _ = child.kill();
    let _ = child.wait();
    reply.map_err(|_| Trouble::TooSlow)?.map_err(Trouble::Process)
}
