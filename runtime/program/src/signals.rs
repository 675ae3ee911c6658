//! The signals of a process that serves until it is stopped. docs/operator.md lists them.
//!
//! * Invariants: a signal that can be handled ends the process only in good order. SIGPIPE is ignored from the start,
//!   by Rust's standard library.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals whose default would end the process and that have no meaning for it. With XFSZ ignored, a file over its
/// limit is an error of the write; a keyboard's QUIT would write the keys in memory to a core file.
const IGNORED: [Number; 7] =
    [Number::USR1, Number::USR2, Number::ALARM, Number::VTALARM, Number::PROF, Number::IO, Number::XFSZ];

/// The signals with a meaning, handled from the moment this is created.
pub struct Signals {
    stop: [Signal; 3],
    reload: Signal,
}

impl Signals {
    /// Handles every signal from now on.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn handle() -> io::Result<Self> {
        for number in IGNORED {
            // A handler that was once set stays; these signals need no receiver.
            drop(signal(SignalKind::from_raw(number.as_raw()))?);
        }
        Ok(Self {
            stop: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::quit())?,
            ],
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves when the process is asked to stop; until then calls `reload` for each SIGHUP.
    pub async fn until_stop(mut self, mut reload: impl FnMut()) {
        let [interrupt, terminate, quit] = &mut self.stop;
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = quit.recv() => break,
                _ = self.reload.recv() => reload(),
            }
        }
        tracing::info!("asked to stop");
    }
}
