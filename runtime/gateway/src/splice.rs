//! Passes bytes on between two connections, without reading them.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many bytes are passed on at once: a full record of TLS.
const PIECE_BYTES: usize = 16 * 1024;

/// Passes bytes on both ways, until both sides have ended, one has broken off, or no byte has moved for `idle`
/// (detected within twice that time).
///
/// # Errors
/// The error of a socket; `TimedOut` after `idle`.
pub(super) async fn splice(mut near: TcpStream, mut far: TcpStream, idle: Duration) -> io::Result<()> {
    let moved = AtomicU64::new(0);
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let both = async {
        tokio::try_join!(
            one_way(&mut from_near, &mut to_far, &moved),
            one_way(&mut from_far, &mut to_near, &moved)
        )
    };
    let mut both = std::pin::pin!(both);
    let mut before = None;
    loop {
        tokio::select! {
            done = &mut both => return done.map(|_| ()),
            () = tokio::time::sleep(idle) => {
                let now = moved.load(Ordering::Relaxed);
                if before.replace(now) == Some(now) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }
}

async fn one_way(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece).await? {
            0 => return to.shutdown().await,
            count => {
                to.write_all(&piece[..count]).await?;
                moved.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Two ends of one connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        (near, listener.accept().await.expect("accepted").0)
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_both_ways_and_one_side_may_end_first() {
        let ((mut phone, near), (far, mut host)) = (pair().await, pair().await);
        let splicing = tokio::spawn(splice(near, far, Duration::from_secs(600)));
        phone.write_all(b"question").await.expect("written");
        phone.shutdown().await.expect("ended");
        let mut asked = String::new();
        host.read_to_string(&mut asked).await.expect("read");
        host.write_all(b"answer").await.expect("written");
        drop(host);
        let mut answered = String::new();
        phone.read_to_string(&mut answered).await.expect("read");
        assert_eq!((asked.as_str(), answered.as_str()), ("question", "answer"));
        splicing.await.expect("no panic").expect("ended well");
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_ends() {
        let ((_phone, near), (far, _host)) = (pair().await, pair().await);
        let ended = splice(near, far, Duration::from_millis(1)).await;
        assert_eq!(ended.expect_err("idle").kind(), io::ErrorKind::TimedOut);
    }
}
