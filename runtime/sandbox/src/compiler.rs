//! Compiles in a separate process, since a component may be designed to hang a compiler or to fill its memory.
//!
//! * [`Compiler`] starts the child; `child` is the child, in builds with the feature `compiler`.
//! * Exit status of the child: 0 done, 2 bad arguments, 3 the component is refused (one line on standard output gives
//!   the reason), 1 anything else.

#[cfg(feature = "compiler")]
mod child;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::{Refusal, text};
#[cfg(feature = "compiler")]
pub use child::compiler_main;

/// The limits of the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all its threads together, s.
    pub cpu_s: u64,
    /// Address space, bytes.
    pub address_bytes: u64,
    /// From start to end, s: stops a child that waits for ever without computing.
    pub wall_s: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { cpu_s: 60, address_bytes: 2 << 30, wall_s: 180 }
    }
}

/// How to start the child: a program that ends in `compiler_main`.
#[derive(Debug, Clone)]
pub struct Compiler {
    program: PathBuf,
    args: Vec<OsString>,
    limits: CompileLimits,
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// It is not admitted.
    #[error("the component is refused")]
    Refused(#[source] Refusal),
    /// It took more processor time than allowed.
    #[error("compiling took more than {cpu_s} s of processor time")]
    CpuLimit {
        /// The limit, s.
        cpu_s: u64,
    },
    /// It did not end in time.
    #[error("compiling did not end within {wall_s} s")]
    WallLimit {
        /// The limit, s.
        wall_s: u64,
    },
    /// The compiler ended by a signal or an unexpected status, most often because it ran out of memory.
    #[error("the compiler ended with {how} (its address space is limited to {address_bytes} bytes)")]
    Crashed {
        /// Signal or status.
        how: String,
        /// The limit on its address space, bytes.
        address_bytes: u64,
    },
    /// The compiler cannot be started, or its files cannot be written.
    #[error("cannot run the compiler {}", program.display())]
    Io {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Compiler {
    /// `program args… <limits> <component> <native>` must end in `compiler_main`; `args` are the leading arguments.
    pub fn new(program: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { program: program.into(), args, limits: CompileLimits::default() }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: CompileLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Compiles the component in the file `wasm` into the file `native`.
    pub fn compile(&self, wasm: &Path, native: &Path) -> Result<(), CompileError> {
        let io = |source| CompileError::Io { program: self.program.clone(), source };
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .args([self.limits.cpu_s.to_string(), self.limits.address_bytes.to_string()])
            .args([wasm, native])
            .env_clear()
            // Each thread of the compiler uses part of the limited address space.
            .env("RAYON_NUM_THREADS", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io)?;
        let words = self.words(&mut child).map_err(io)?;
        let status = child.wait().map_err(io)?;
        match words {
            Some(words) => self.judge(status, &words),
            None => Err(CompileError::WallLimit { wall_s: self.limits.wall_s }),
        }
    }

    /// The child's output until it ended; `None` if it had to be killed.
    fn words(&self, child: &mut Child) -> std::io::Result<Option<String>> {
        let stdout = child.stdout.take().expect("standard output is piped");
        let (sender, receiver) = mpsc::channel();
        let reader = std::thread::Builder::new().name("cell-compiler".to_owned()).spawn(move || {
            let mut words = Vec::new();
            let read = stdout.take(4_096).read_to_end(&mut words);
            // If the child was too slow, the receiver is gone and the output is not needed.
            let _ = sender.send(read.map(|_| words));
        });
        let words =
            reader.and_then(|_| match receiver.recv_timeout(Duration::from_secs(self.limits.wall_s)) {
                Ok(words) => words.map(Some),
                Err(_) => Ok(None),
            });
        if !matches!(words, Ok(Some(_))) {
            child.kill()?;
        }
        Ok(words?.map(|words| text::one_line(&String::from_utf8_lossy(&words))))
    }

    fn judge(&self, status: ExitStatus, words: &str) -> Result<(), CompileError> {
        let CompileLimits { cpu_s, address_bytes, .. } = self.limits;
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(status), _) if status == i32::from(STATUS_REFUSED) => {
                Err(CompileError::Refused(Refusal::Invalid { why: words.to_owned() }))
            }
            (_, Some(signal)) if signal == rustix::process::Signal::XCPU.as_raw() => {
                Err(CompileError::CpuLimit { cpu_s })
            }
            _ => Err(CompileError::Crashed { how: status.to_string(), address_bytes }),
        }
    }
}

/// The child's exit status for a component that it refuses.
const STATUS_REFUSED: u8 = 3;
