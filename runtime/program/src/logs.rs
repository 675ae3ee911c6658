//! The log: each event is one line on stderr. Log lines contain identifiers, never readings or tokens.
//!
//! A separate thread writes the lines. The code that logs never waits for the reader of stderr and never learns that a
//! line could not be written: such lines are counted, and the count is logged once lines can be written again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::{EnvFilter, reload};

use serde::{Deserialize, Serialize};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Lines that may wait for the reader of the log; further lines are lost.
const LINES_MAX: usize = 4_096;
/// How long the end of the process waits for lines that are not yet written.
const END_WAIT: Duration = Duration::from_secs(1);

/// Why the log was not started or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A filter that cannot be read.
    #[error("`{filter}` is no filter for the log: use a level such as info, or target=level pairs")]
    Filter {
        /// The text of the filter.
        filter: String,
        /// The cause.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The thread that writes lines could not be started.
    #[error("no thread for the log")]
    Thread(#[from] io::Error),
    /// The log has ended, or another one was set up before.
    #[error("the log's filter cannot be changed")]
    Gone,
}

/// A receiver of log lines in either format.
pub type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

/// Sets another filter.
type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

/// A subscriber that writes lines in that format to `writer`.
///
/// # Errors
/// [`LogError::Filter`].
pub fn subscriber(format: LogFormat, filter: &str, writer: BoxMakeWriter) -> Result<Subscriber, LogError> {
    Ok(reloadable(format, filter, writer)?.0)
}

fn reloadable(
    format: LogFormat,
    filter: &str,
    writer: BoxMakeWriter,
) -> Result<(Subscriber, SetFilter), LogError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parse(filter)?)
        .with_writer(writer)
        .with_ansi(false)
        // A line that cannot be formatted is lost; a report about it on stderr could fail in turn.
        .log_internal_errors(false);
    Ok(match format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(builder.finish()), Box::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(builder.finish()), Box::new(move |filter| handle.reload(filter)))
        }
    })
}

/// The process's log. Lines that wait are written when it is dropped.
pub struct Log {
    set_filter: SetFilter,
    lines: Lines,
    written: Mutex<Receiver<()>>,
}

impl Log {
    /// Replaces the filter.
    ///
    /// # Errors
    /// [`LogError`]; the filter stays as it was.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        (self.set_filter)(parse(filter)?).map_err(|_| LogError::Gone)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The thread may wait for a reader that never continues.
        if self.lines.send.try_send(Job::End).is_ok() {
            let written = self.written.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = written.recv_timeout(END_WAIT);
        }
    }
}

/// Sends the process's log to stderr, including the panics of its threads.
///
/// # Errors
/// [`LogError`]. A log that was set up before stays.
pub fn start(format: LogFormat, filter: &str) -> Result<Log, LogError> {
    let (lines, written) = Lines::start(io::stderr())?;
    let (made, set_filter) = reloadable(format, filter, BoxMakeWriter::new(lines.clone()))?;
    if tracing::subscriber::set_global_default(made).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(Log { set_filter, lines, written: Mutex::new(written) })
}

/// Logs a panic in one line. Its message is logged only where it is a literal: others may contain personal data.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let words = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("see the source");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, words, "panicked");
}

enum Job {
    Line(Vec<u8>),
    End,
}

/// Passes lines to the thread that writes them; never waits, never fails.
#[derive(Clone)]
struct Lines {
    send: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the thread; the receiver gets a message when everything before the end has been written.
    fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Receiver<()>)> {
        let (send, jobs) = sync_channel(LINES_MAX);
        let (done, written) = sync_channel(1);
        let lines = Self { send, lost: Arc::default() };
        let lost = Arc::clone(&lines.lost);
        std::thread::Builder::new().name("cellar-log".to_owned()).spawn(move || {
            write_lines(out, &jobs, &lost);
            let _ = done.send(());
        })?;
        Ok((lines, written))
    }
}

fn write_lines(mut out: impl Write, jobs: &Receiver<Job>, lost: &AtomicU64) {
    // The beginning of a line that was written before the disk was full must not become the beginning of the next one.
    let mut torn = false;
    while let Ok(Job::Line(line)) = jobs.recv() {
        let newline: &[u8] = if torn { b"\n" } else { b"" };
        match out.write_all(newline).and_then(|()| out.write_all(&line)).and_then(|()| out.flush()) {
            Ok(()) => {
                torn = false;
                let lines = lost.swap(0, Ordering::Relaxed);
                if lines > 0 {
                    tracing::warn!(lines, "lines of the log were lost: they could not be written");
                }
            }
            Err(_) => {
                torn = true;
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// One line, passed on when it is complete.
struct Line<'a> {
    lines: &'a Lines,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty()
            && self.lines.send.try_send(Job::Line(std::mem::take(&mut self.text))).is_err()
        {
            self.lines.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Condvar;

    /// A writer that can be made to block, and to fail like a full disk.
    #[derive(Clone, Default)]
    struct Disk(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        text: Vec<u8>,
        full: bool,
        stuck: bool,
        tried: usize,
    }

    impl Disk {
        fn change(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().expect("no panic"));
            self.0.1.notify_all();
        }

        /// Waits until the condition holds.
        fn wait(&self, until: impl Fn(&State) -> bool) {
            let state = self.0.0.lock().expect("no panic");
            drop(self.0.1.wait_while(state, |state| !until(state)).expect("no panic"));
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().expect("no panic").text.clone()).expect("UTF-8")
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let state = self.0.0.lock().expect("no panic");
            let mut state = self.0.1.wait_while(state, |state| state.stuck).expect("no panic");
            state.tried += 1;
            let answer = if state.full {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                state.text.extend_from_slice(bytes);
                Ok(bytes.len())
            };
            self.0.1.notify_all();
            answer
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(lines: &Lines, text: &str) {
        lines.make_writer().write_all(text.as_bytes()).expect("never fails");
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_lost_alone() {
        let disk = Disk::default();
        let (lines, written) = Lines::start(disk.clone()).expect("a thread");
        log(&lines, "one\n");
        disk.wait(|state| state.text == b"one\n");
        disk.change(|state| state.full = true);
        log(&lines, "two\n");
        disk.wait(|state| state.tried == 2);
        disk.change(|state| state.full = false);
        log(&lines, "three\n");
        lines.send.send(Job::End).expect("taken");
        written.recv().expect("written");
        assert_eq!(disk.text(), "one\n\nthree\n");
    }

    #[test]
    fn nobody_waits_for_a_reader_that_is_stuck() {
        let disk = Disk::default();
        disk.change(|state| state.stuck = true);
        let (lines, written) = Lines::start(disk.clone()).expect("a thread");
        for number in 0..3 * LINES_MAX {
            log(&lines, &format!("{number}\n"));
        }
        let lost = lines.lost.load(Ordering::Relaxed) as usize;
        assert!((2 * LINES_MAX - 1..=2 * LINES_MAX).contains(&lost), "{lost}");
        disk.change(|state| state.stuck = false);
        lines.send.send(Job::End).expect("taken");
        written.recv().expect("written");
        let text = disk.text();
        let numbers: Vec<usize> = text.lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(numbers.len(), 3 * LINES_MAX - lost);
        assert!(numbers.is_sorted(), "what is kept is in order");
    }
}
