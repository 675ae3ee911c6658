//! The socket through which verbs ask a running host: one line of JSON each way.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime_user::Runtime;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::command::{Command, Door, execute};
use crate::failure::Failure;

/// A command is a few paths and names.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// How long a verb may take to say what it wants.
const COMMAND_WAIT: Duration = Duration::from_secs(5);

fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// The socket, open: verbs may ask from here on.
pub struct Desk {
    listener: UnixListener,
}

impl Desk {
    /// Opens the socket. Only who holds the folder's lock may call it.
    ///
    /// # Errors
    /// What the operating system says: most often that the folder's path is longer than a socket's may be.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = path(data);
        // What a crashed host left; nobody listens there, since the lock is ours.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener })
    }

    /// Answers verbs until it is dropped.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn answer(self, runtime: Arc<Runtime>, door: Door) -> io::Result<()> {
        loop {
            let (socket, _) = self.listener.accept().await?;
            let (runtime, door) = (Arc::clone(&runtime), door.clone());
            tokio::spawn(async move {
                if let Err(error) = answer(socket, runtime, door).await {
                    tracing::debug!(%error, "verb not answered");
                }
            });
        }
    }
}

async fn answer(socket: UnixStream, runtime: Arc<Runtime>, door: Door) -> io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(read.take(COMMAND_BYTES_MAX));
    timeout(COMMAND_WAIT, reader.read_line(&mut line)).await??;
    let outcome = match serde_json::from_str::<Command>(&line) {
        Ok(command) => {
            let done = tokio::task::spawn_blocking(move || execute(&runtime, &door, command)).await;
            done.unwrap_or_else(|_| Err(Failure::new("the command broke off", "look into the host's log")))
        }
        Err(error) => Err(Failure::of(&error, "use a `cellar` of the same version as the host")),
    };
    let mut text = serde_json::to_string(&outcome)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

/// Asks the host that has the folder; the inner result is its answer.
///
/// # Errors
/// Where nobody answers: who has the folder is no host, or one that is starting or stopping.
pub fn ask(data: &Path, command: &Command) -> io::Result<Result<Value, Failure>> {
    exchange(&path(data), command)
}

fn exchange(path: &Path, command: &Command) -> io::Result<Result<Value, Failure>> {
    let mut socket = BlockingStream::connect(path)?;
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    socket.write_all(line.as_bytes())?;
    let mut reply = String::new();
    BufReader::new(socket.take(1 << 30)).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}
