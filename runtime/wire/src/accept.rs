//! Accepts connections, as many at once as there are permits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Waits for a free permit, then for a connection. The permit is free again when it is dropped.
///
/// # Errors
/// The error of the operating system; most often it is out of file descriptors.
pub async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(|_| io::ErrorKind::BrokenPipe)?;
    let (socket, peer) = listener.accept().await?;
    // Answers are written whole; waiting to fill a packet would only delay them.
    socket.set_nodelay(true)?;
    bound_unsent(&socket);
    Ok((socket, peer, place))
}

/// The most unsent bytes that the system buffers. A larger buffer would hide for minutes whether a slow peer still
/// receives anything.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 32 * 1024;

#[cfg(target_os = "linux")]
fn bound_unsent(socket: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
        tracing::debug!(%error, "what is unsent is not bounded");
    }
}

#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &TcpStream) {}
