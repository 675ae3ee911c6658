//! JSON objects of bounded length, one on each line.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Longest line, bytes: twice the length of the largest change.
pub(super) const LINE_BYTES_MAX: u64 = 32 * 1024;

/// A connection that carries lines both ways.
pub(super) struct Lines<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    pub fn new(socket: S) -> Self {
        Self(BufReader::new(socket))
    }

    /// The next line.
    ///
    /// # Errors
    /// The error of the socket; `InvalidData` for a line that is too long or is not the expected message.
    pub async fn read<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut line = Vec::new();
        (&mut self.0).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            let whole = line.len() as u64 == LINE_BYTES_MAX;
            let kind = if whole { io::ErrorKind::InvalidData } else { io::ErrorKind::UnexpectedEof };
            return Err(kind.into());
        }
        serde_json::from_slice(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Resolves once there is something to read, or the connection has ended; returns whether it has ended.
    pub async fn has_ended(&mut self) -> bool {
        self.0.fill_buf().await.map_or(true, <[u8]>::is_empty)
    }

    pub async fn write(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.write_all(&line).await?;
        self.0.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<serde_json::Value> {
        let (near, far) = tokio::io::duplex(64);
        let mut near = near;
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move {
            // The reader may stop half way.
            let _ = near.write_all(&bytes).await;
        });
        let read = Lines::new(far).read().await;
        writing.await.expect("no panic");
        read
    }

    #[tokio::test]
    async fn a_line_is_read_whole_and_what_is_none_is_refused() {
        assert_eq!(read(b"{\"a\":1}\nmore").await.expect("a line"), serde_json::json!({ "a": 1 }));
        let long = vec![b' '; LINE_BYTES_MAX as usize + 1];
        for (bytes, want) in [
            (&b"{\"a\":1}"[..], io::ErrorKind::UnexpectedEof),
            (b"", io::ErrorKind::UnexpectedEof),
            (b"none\n", io::ErrorKind::InvalidData),
            (&long, io::ErrorKind::InvalidData),
        ] {
            assert_eq!(read(bytes).await.expect_err("refused").kind(), want);
        }
    }
}
