//! A host in a process of its own, as an operator starts it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use runtime_program::beside_this;

use super::BenchError;
use crate::memory_of::{Memory, memory_mb};

const START_S_MAX: u64 = 60;

/// A host that is killed when dropped. Everything that it has answered is on disk then.
pub(crate) struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Served {
    /// Starts `cellar serve` over a data folder; it listens when this returns.
    pub(crate) fn start(data: &Path) -> Result<Self, BenchError> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = command("serve", data)?;
        let mut host = Self(command.args(["--listen", &format!("127.0.0.1:{port}")]).spawn()?);
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = host.0.try_wait()? {
                return Err(BenchError::Network(format!("the host ended with {status} before it listened")));
            }
            if started.elapsed() > Duration::from_secs(START_S_MAX) {
                return Err(BenchError::Network(format!("the host does not listen after {START_S_MAX} s")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(host)
    }

    /// Gives a new data folder what a host has before it has people: its identity.
    pub(crate) fn found(data: &Path) -> Result<(), BenchError> {
        Self::start(data).map(drop)
    }

    /// The memory of its process, MB.
    pub(crate) fn memory_mb(&self, which: Memory) -> f64 {
        memory_mb(&self.0.id().to_string(), which)
    }
}

/// `cellar VERB --data DATA`, without the settings of this machine. What it answers is dropped; its log and its errors are
/// shown.
pub(crate) fn command(verb: &str, data: &Path) -> Result<Command, BenchError> {
    let mut command = Command::new(beside_this("cellar")?);
    command.env("CELLAR_CONFIG", "/dev/null").arg(verb).arg("--data").arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}
