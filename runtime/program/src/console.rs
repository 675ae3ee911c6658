//! Standard output and standard error of the command line. A failed write is a returned value here, never a panic.
//!
//! * Invariants: a reader that has left ([`io::ErrorKind::BrokenPipe`]) is not a failure, as with other Unix tools; any
//!   other failure on standard output is one line on standard error and exit status 1; standard error is best effort.
//! * Not here: the log of a host ([`crate::logs`]).

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::failure::Failure;

/// Whether a write has found that standard output has no reader any more.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Prints a line on standard output.
///
/// # Errors
/// [`Failure`] where it cannot be written. A reader that has left is not an error.
pub fn line(text: impl Display) -> Result<(), Failure> {
    text_of(format!("{text}\n"))
}

/// Prints a text unchanged on standard output.
///
/// # Errors
/// As for [`line()`].
pub fn text(text: impl Display) -> Result<(), Failure> {
    text_of(text.to_string())
}

/// Prints a value as a line of JSON on standard output.
///
/// # Errors
/// As for [`line()`].
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(|error| Failure::of(&error, "report this"))?)
}

fn text_of(text: String) -> Result<(), Failure> {
    match write_all(&mut io::stdout().lock(), text.as_bytes()) {
        Ok(Written::Whole) => Ok(()),
        Ok(Written::ReaderGone) => {
            READER_GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(unwritten(&error)),
    }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new(
        format!("cannot write to standard output: {error}"),
        "what was asked for has been done, only the answer is lost: make room, or send it elsewhere",
    )
}

/// Whether standard output may still have a reader; a verb that only shows something ends where it has none.
pub fn has_reader() -> bool {
    !READER_GONE.load(Ordering::Relaxed)
}

/// Prints a line on standard error, if that is possible.
pub fn note(text: impl Display) {
    let _ = write_all(&mut io::stderr().lock(), format!("{text}\n").as_bytes());
}

#[derive(Debug, PartialEq)]
enum Written {
    Whole,
    ReaderGone,
}

/// Writes all of it, also where a parent has set the pipe to non-blocking.
fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<Written> {
    loop {
        let step = if bytes.is_empty() { out.flush().map(|()| 0) } else { out.write(bytes) };
        match step {
            Ok(0) if bytes.is_empty() => return Ok(Written::Whole),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) => match error.kind() {
                io::ErrorKind::BrokenPipe => return Ok(Written::ReaderGone),
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => std::thread::sleep(RETRY),
                _ => return Err(error),
            },
        }
    }
}

/// Pause between two attempts where a non-blocking pipe is full.
const RETRY: std::time::Duration = std::time::Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts two bytes at a time, and gives each call the next of the prepared results.
    struct Script(Vec<io::Result<usize>>, Vec<u8>);

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = if self.0.is_empty() { Ok(bytes.len()) } else { self.0.remove(0) }?;
            let count = count.min(bytes.len());
            self.1.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn interrupted_short_and_refused_writes_are_tried_again() {
        let steps =
            vec![Err(io::ErrorKind::Interrupted.into()), Ok(1), Err(io::ErrorKind::WouldBlock.into()), Ok(2)];
        let mut out = Script(steps, Vec::new());
        assert_eq!(write_all(&mut out, b"abcdef").expect("written"), Written::Whole);
        assert_eq!(out.1, b"abcdef");
    }

    #[test]
    fn a_reader_that_left_is_no_failure_and_a_full_disk_is_one() {
        let mut out = Script(vec![Ok(1), Err(io::ErrorKind::BrokenPipe.into())], Vec::new());
        assert_eq!(write_all(&mut out, b"abc").expect("no failure"), Written::ReaderGone);
        let mut out = Script(vec![Err(io::ErrorKind::StorageFull.into())], Vec::new());
        let error = write_all(&mut out, b"abc").expect_err("refused");
        assert!(unwritten(&error).to_string().contains("standard output"), "{error}");
        let mut out = Script(vec![Ok(0)], Vec::new());
        assert!(write_all(&mut out, b"abc").is_err());
    }
}
