//! Reads a client's first message without answering it, and passes the bytes on as if they had not been read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use handshake::hello::{Hello, HelloReader, Progress, Refused};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// How much is read at once, bytes: usually enough for a whole hello.
const READ_BYTES: usize = 2048;

/// Why there is no hello.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The hello was not complete in time.
    #[error("no hello within {limit_ms} ms")]
    Slow {
        /// The time limit, ms.
        limit_ms: u64,
    },
    /// The caller closed the connection.
    #[error("the caller went away")]
    Gone(#[from] io::Error),
    /// The bytes are not a hello.
    #[error("{why}")]
    Refused {
        /// Why they are not.
        why: Refused,
        /// The bytes that were read so far.
        seen: Vec<u8>,
    },
}

/// Reads until the hello is complete, at most `limit_ms`; returns it with every byte that was read.
pub async fn peek(socket: &mut (impl AsyncRead + Unpin), limit_ms: u64) -> Result<(Hello, Vec<u8>), Unread> {
    let read = async {
        let (mut reader, mut seen) = (HelloReader::new(), Vec::with_capacity(READ_BYTES));
        loop {
            let start = seen.len();
            if socket.read_buf(&mut seen).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            match reader.feed(&seen[start..]) {
                Progress::NeedMore => seen.reserve(READ_BYTES),
                Progress::Hello(hello) => return Ok((hello, seen)),
                Progress::Refused(why) => return Err(Unread::Refused { why, seen }),
            }
        }
    };
    timeout(Duration::from_millis(limit_ms), read).await.unwrap_or(Err(Unread::Slow { limit_ms }))
}

/// A socket some of whose bytes were already read.
#[derive(Debug)]
pub struct Rewound<S> {
    seen: Vec<u8>,
    taken: usize,
    socket: S,
}

impl<S> Rewound<S> {
    /// The socket with the bytes `seen` in front of it.
    pub fn new(seen: Vec<u8>, socket: S) -> Self {
        Self { seen, taken: 0, socket }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken < self.seen.len() {
            let left = &self.seen[self.taken..];
            let now = left.len().min(buf.remaining());
            buf.put_slice(&left[..now]);
            self.taken += now;
            if self.taken == self.seen.len() {
                (self.seen, self.taken) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn bytes_that_were_seen_come_first_whatever_the_size_of_a_read() {
        for size in [1, 3, 64] {
            let (mut near, far) = tokio::io::duplex(64);
            near.write_all(b" and the rest").await.expect("room");
            drop(near);
            let mut socket = Rewound::new(b"seen".to_vec(), far);
            let (mut all, mut piece) = (Vec::new(), vec![0; size]);
            loop {
                match socket.read(&mut piece).await.expect("read") {
                    0 => break,
                    count => all.extend_from_slice(&piece[..count]),
                }
            }
            assert_eq!(all, b"seen and the rest");
        }
    }

    #[tokio::test]
    async fn what_is_no_hello_is_refused_and_who_stops_half_way_is_gone() {
        for (bytes, want) in
            [(&b"GET / HTTP/1.1\r\n\r\n"[..], "plain http"), (&b"\x16\x03\x01"[..], "went away")]
        {
            let (mut near, mut far) = tokio::io::duplex(64);
            near.write_all(bytes).await.expect("room");
            drop(near);
            let error = peek(&mut far, 10_000).await.expect_err("no hello");
            assert!(error.to_string().contains(want), "{error}");
        }
    }
}
