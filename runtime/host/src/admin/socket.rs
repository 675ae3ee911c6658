//! The socket through which verbs ask a running host: one line of JSON each way.
//!
//! The system limits the path of a socket to about 100 bytes. Where the folder's path is longer, the socket is reached
//! through the folder's own file descriptor, whose path is short.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime_user::Runtime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::ask::{Ask, Context};
use super::command::Command;
use super::phone_address::PhoneAddress;
use runtime_program::Failure;

/// Largest command, bytes. A command is a few paths and names.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// How long a verb may take to send its command.
const COMMAND_WAIT: Duration = Duration::from_secs(5);
/// Pause after a verb could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The name of the socket in the data folder.
const SOCKET_FILE: &str = "control.sock";

fn path(data: &Path) -> PathBuf {
    data.join(SOCKET_FILE)
}

/// A path of the socket that is short enough for the system.
struct Reachable {
    path: PathBuf,
    /// The folder, open for as long as a path through its descriptor is used.
    _folder: Option<File>,
}

impl Reachable {
    fn new(data: &Path) -> io::Result<Self> {
        let path = path(data);
        if SocketAddr::from_pathname(&path).is_ok() {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(data)?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(SOCKET_FILE);
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// The open socket, through which verbs send commands. The file is removed when it is dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl ControlSocket {
    /// Opens the socket. Only the process that holds the folder's lock may call it.
    ///
    /// # Errors
    /// The error of the operating system: most often, the folder is not writable.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = path(data);
        // A crashed host left it. No process listens there, since this one holds the lock.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&Reachable::new(data)?.path)?;
        let desk = Self { listener, path };
        fs::set_permissions(&desk.path, fs::Permissions::from_mode(0o600))?;
        Ok(desk)
    }

    /// Answers verbs for as long as it is awaited. Each verb gets the value that `phone_address` has at that moment.
    pub async fn answer(&self, runtime: Arc<Runtime>, phone_address: watch::Receiver<PhoneAddress>) {
        loop {
            let socket = match self.listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    // Most often the process is out of file descriptors; a moment later some connection has ended.
                    tracing::warn!(%error, "verb not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (runtime, phone_address) = (Arc::clone(&runtime), phone_address.borrow().clone());
            tokio::spawn(async move {
                if let Err(error) = answer(socket, runtime, phone_address).await {
                    tracing::debug!(%error, "verb not answered");
                }
            });
        }
    }
}

async fn answer(socket: UnixStream, runtime: Arc<Runtime>, phone_address: PhoneAddress) -> io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(read.take(COMMAND_BYTES_MAX));
    timeout(COMMAND_WAIT, reader.read_line(&mut line)).await??;
    let outcome = match serde_json::from_str::<Command>(&line) {
        Ok(command) => {
            let done = tokio::task::spawn_blocking(move || {
                command.answer(&Context { runtime: &runtime, phone_address: &phone_address })
            });
            let done = done.await;
            done.unwrap_or_else(|_| {
                Err(Failure::new("the command stopped half way", "look into the host's log"))
            })
        }
        Err(error) => Err(Failure::of(&error, "use a `cellar` of the same version as the host")),
    };
    let mut text = serde_json::to_string(&outcome)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

/// Sends a command to the host that holds the folder; the inner result is the host's answer.
///
/// # Errors
/// Where no host answers: the folder is held by another program, or by a host that is starting or stopping.
pub fn ask<A: Ask>(data: &Path, ask: &A) -> io::Result<Result<A::Answer, Failure>> {
    exchange(data, &ask.clone().into())
}

/// As [`ask`], for a command whose type is known only when it is given.
///
/// # Errors
/// As [`ask`].
pub fn ask_any(data: &Path, command: &Command) -> io::Result<Result<serde_json::Value, Failure>> {
    exchange(data, command)
}

fn exchange<T: serde::de::DeserializeOwned>(
    data: &Path,
    command: &Command,
) -> io::Result<Result<T, Failure>> {
    let mut socket = BlockingStream::connect(&Reachable::new(data)?.path)?;
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    socket.write_all(line.as_bytes())?;
    let mut reply = String::new();
    BufReader::new(socket.take(1 << 30)).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}
