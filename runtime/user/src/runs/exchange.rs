//! Input and output of an endpoint's call: a body that has arrived, and an answer as a whole or in pieces.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::cells::paths::Target;
use crate::runs::head::Head;
use crate::runs::pieces::{Receiver, Taken};

use crate::data::stamp::Stamp;

/// The body of a request, whole, in the pieces in which it arrived.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pieces: VecDeque<Bytes>,
    bytes: u64,
}

impl Body {
    /// A body made of these pieces.
    pub fn from_chunks(pieces: Vec<Bytes>) -> Self {
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: pieces.into(), bytes }
    }

    /// The number of bytes that have not been read.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The next bytes, at most `bytes_max` (at least 1); empty at the end.
    pub fn read(&mut self, bytes_max: usize) -> Bytes {
        while let Some(piece) = self.pieces.front_mut() {
            let taken = piece.split_to(piece.len().min(bytes_max.max(1)));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            if !taken.is_empty() {
                self.bytes -= taken.len() as u64;
                return taken;
            }
        }
        Bytes::new()
    }
}

/// A call of an endpoint cell.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its target, found by the catalogue's paths.
    pub target: Target,
    /// When it arrived, s.
    pub now: f64,
    /// What it says besides its path and its body.
    pub head: Head,
    /// The whole body.
    pub body: Body,
    /// The device that sent it, as far as its connection has proved; the entries in it get this stamp.
    pub device: Option<Stamp>,
}

/// An answer in pieces was cut off: the caller must see a broken connection, not an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off: {reason}")]
pub struct Broken {
    /// Safe for a log.
    pub reason: String,
}

/// The answer of an endpoint cell.
#[derive(Debug)]
pub enum Answer {
    /// The whole answer, after everything that the run wrote is on disk.
    Whole {
        /// 200 to 599.
        status: u16,
        /// A type such as `application/json`.
        content_type: String,
        /// At most 4 MiB.
        body: Vec<u8>,
        /// Its share of the memory for answers, until the caller has received it; `None` for a small one.
        taken: Option<Taken>,
    },
    /// Pieces, while the cell produces them.
    Pieces {
        /// 200 to 599.
        status: u16,
        /// A type such as `application/json`.
        content_type: String,
        /// Ends when the cell is done; an error means that the answer is cut off.
        pieces: Receiver,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_in_pieces_of_any_size() {
        let pieces = || vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cde")];
        for size in 1..6 {
            let mut body = Body::from_chunks(pieces());
            assert_eq!(body.len(), 5);
            let mut whole = Vec::new();
            loop {
                let piece = body.read(size);
                if piece.is_empty() {
                    break;
                }
                assert!(piece.len() <= size);
                whole.extend_from_slice(&piece);
            }
            assert_eq!((whole.as_slice(), body.is_empty()), (&b"abcde"[..], true));
        }
    }
}
