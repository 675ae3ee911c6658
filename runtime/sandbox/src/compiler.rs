//! Compiles in a separate process, since a component may be designed to hang a compiler or to fill its memory.
//!
//! * [`Compiler`] starts the child; `child` is the child, in builds with the feature `compiler`.
//! * The component goes in and the native code comes out through pipes, so that nobody exchanges a file on the way.
//! * Exit status of the child: 0 done, 2 bad arguments, 3 the component is refused, 4 the compiler failed on it, 5 its
//!   memory was not enough, 1 anything else. The last line on standard error gives the reason.

#[cfg(feature = "compiler")]
mod child;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::{Refusal, text};
#[cfg(feature = "compiler")]
pub use child::compiler_main;

/// The largest native code of a component, bytes.
pub const NATIVE_BYTES_MAX: usize = 256 << 20;

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
    /// It took more memory than allowed.
    #[error("compiling needs more than {address_bytes} bytes of address space")]
    MemoryLimit {
        /// The limit, bytes.
        address_bytes: u64,
    },
    /// Its native code is too large.
    #[error("its native code is over the limit of {limit_bytes} bytes")]
    NativeTooLarge {
        /// The limit, bytes.
        limit_bytes: usize,
    },
    /// The compiler cannot do it: it gave up in a way that it should not.
    #[error("the compiler failed on it: {why}")]
    Failed {
        /// The compiler's own words.
        why: String,
    },
    /// The compiler ended by a signal or an unexpected status.
    #[error("the compiler ended with {how}, saying {said:?}")]
    Crashed {
        /// Signal or status.
        how: String,
        /// Its last line on standard error.
        said: String,
    },
    /// The compiler cannot be started, or its files cannot be written.
    #[error("cannot run the compiler {}", program.display())]
    Io {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Compiler {
    /// `program args… <limits> - -` must end in `compiler_main`; `args` are the leading arguments.
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

    /// Compiles a component; returns native code for this build's engine.
    pub fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        let io = |source| CompileError::Io { program: self.program.clone(), source };
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .args([self.limits.cpu_s.to_string(), self.limits.address_bytes.to_string()])
            .args(["-", "-"])
            .env_clear()
            // Each thread of the compiler uses part of the limited address space.
            .env("RAYON_NUM_THREADS", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        let talked = self.talk(&mut child, wasm);
        let status = child.wait().map_err(io)?;
        let Talk { native, said } = talked.map_err(io)?;
        match native {
            None => Err(CompileError::WallLimit { wall_s: self.limits.wall_s }),
            Some(native) if native.len() > NATIVE_BYTES_MAX => {
                Err(CompileError::NativeTooLarge { limit_bytes: NATIVE_BYTES_MAX })
            }
            Some(native) => self.judge(status, said).map(|()| native),
        }
    }

    /// Gives the component to the child, and takes what it answers until it ends or its time is over.
    fn talk(&self, child: &mut Child, wasm: &[u8]) -> io::Result<Talk> {
        let taken = "the child's streams are piped, and taken once";
        let mut stdin = child.stdin.take().expect(taken);
        let stdout = child.stdout.take().expect(taken);
        let stderr = child.stderr.take().expect(taken);
        let spawn = |name: &str| thread::Builder::new().name(format!("cell-compiler-{name}"));
        thread::scope(|scope| {
            let begun = (|| {
                // A child that refuses before it has read everything closes the pipe; its status tells why.
                spawn("in").spawn_scoped(scope, move || drop(stdin.write_all(wasm)))?;
                let said = spawn("err").spawn_scoped(scope, move || last_line(stderr))?;
                let (sender, receiver) = mpsc::channel();
                spawn("out").spawn_scoped(scope, move || {
                    let mut native = Vec::new();
                    let read = stdout.take(NATIVE_BYTES_MAX as u64 + 1).read_to_end(&mut native);
                    // If the child was too slow, the receiver is gone and the output is not needed.
                    let _ = sender.send(read.map(|_| native));
                })?;
                io::Result::Ok((said, receiver))
            })();
            let wall = Duration::from_secs(self.limits.wall_s);
            let native = begun.as_ref().ok().and_then(|(_, receiver)| receiver.recv_timeout(wall).ok());
            if !matches!(&native, Some(Ok(native)) if native.len() <= NATIVE_BYTES_MAX) {
                // The threads end with the child. It may have ended already.
                let _ = child.kill();
            }
            let said = begun?.0.join().expect("reading a line does not panic");
            Ok(Talk { native: native.transpose()?, said })
        })
    }

    fn judge(&self, status: ExitStatus, said: String) -> Result<(), CompileError> {
        let CompileLimits { cpu_s, address_bytes, .. } = self.limits;
        match (status.code().map(u8::try_from), status.signal()) {
            (Some(Ok(0)), _) => Ok(()),
            (Some(Ok(STATUS_REFUSED)), _) => Err(CompileError::Refused(Refusal::Invalid { why: said })),
            (Some(Ok(STATUS_FAILED)), _) => Err(CompileError::Failed { why: said }),
            (Some(Ok(STATUS_MEMORY)), _) => Err(CompileError::MemoryLimit { address_bytes }),
            (_, Some(signal)) if signal == rustix::process::Signal::XCPU.as_raw() => {
                Err(CompileError::CpuLimit { cpu_s })
            }
            // An allocation that fails ends the process after this line.
            (_, Some(_)) if said.contains(NO_MEMORY) => Err(CompileError::MemoryLimit { address_bytes }),
            _ => Err(CompileError::Crashed { how: status.to_string(), said }),
        }
    }
}

/// What a child answered.
struct Talk {
    /// `None`: it was not done in time.
    native: Option<Vec<u8>>,
    said: String,
}

/// What the standard library says before an allocation that fails ends the process.
const NO_MEMORY: &str = "memory allocation of ";

/// The last line of what a child says, for people, without the advice that Rust's runtime adds; reads to the end.
fn last_line(mut stderr: impl Read) -> String {
    let (mut last, mut piece) = (Vec::new(), [0; 1_024]);
    while let Ok(bytes @ 1..) = stderr.read(&mut piece) {
        last.extend_from_slice(&piece[..bytes]);
        let surplus = last.len().saturating_sub(SAID_BYTES_MAX);
        last.drain(..surplus);
    }
    let said = String::from_utf8_lossy(&last);
    let tells = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    // Two threads that find no memory write into each other's words.
    let no_memory = said.lines().rfind(|line| line.contains(NO_MEMORY));
    text::one_line(no_memory.or_else(|| said.lines().rfind(tells)).unwrap_or_default())
}

/// How much of the end of a child's words is kept, bytes.
const SAID_BYTES_MAX: usize = 4_096;
/// The child's exit status for a component that it refuses.
const STATUS_REFUSED: u8 = 3;
/// The child's exit status where its compiler panicked.
const STATUS_FAILED: u8 = 4;
/// The child's exit status where it could have no more memory, or no thread for want of it.
const STATUS_MEMORY: u8 = 5;
