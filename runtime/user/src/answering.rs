//! How an answer in pieces leaves a run: through a bounded channel, to a caller who may be slow or gone.

use std::time::Duration;

use bytes::Bytes;
use runtime_sandbox::Failure;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::exchange::Broken;

/// Pieces on their way; with pages of 256 KiB this bounds what a slow caller holds at about a megabyte.
const PIECES_WAITING_MAX: usize = 4;

/// How long a caller may not take a single piece before the run gives up, s.
const PATIENCE_S: u64 = 30;

/// Status, content type and the channel that the pieces come through.
pub(crate) type Begun = (u16, String, mpsc::Receiver<Result<Bytes, Broken>>);

/// The sending side of an answer in pieces; survives the run, so that its end can be told.
#[derive(Clone)]
pub(crate) struct Pieces {
    pieces: mpsc::Sender<Result<Bytes, Broken>>,
    handle: Handle,
}

impl Pieces {
    /// Waits for a slow caller with a limit; answers whether the piece was taken.
    pub(crate) fn send(&self, piece: Result<Bytes, Broken>) -> bool {
        let piece = match self.pieces.try_send(piece) {
            Ok(()) => return true,
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
        };
        let patience = Duration::from_secs(PATIENCE_S);
        let sent =
            self.handle.block_on(async { tokio::time::timeout(patience, self.pieces.send(piece)).await });
        matches!(sent, Ok(Ok(())))
    }
}

/// What `exchange.begin` and `exchange.write` do.
pub(crate) enum Answering {
    /// This run has no caller to answer in pieces: a stage, or a call on the connection's own thread, which must
    /// not wait and is repeated on the pool.
    Never,
    /// Nothing has been sent yet.
    Ready {
        /// Takes the beginning of the answer.
        head: oneshot::Sender<Begun>,
        /// Lets a plain thread wait with a limit.
        handle: Handle,
    },
    /// Pieces are being sent.
    Begun(Pieces),
}

impl Answering {
    /// Starts an answer; what it is sent through outlives the run.
    pub(crate) fn begin(&mut self, status: u16, content_type: &str) -> Result<Pieces, Failure> {
        match std::mem::replace(self, Self::Never) {
            Self::Ready { head, handle } => {
                let (pieces, receiver) = mpsc::channel(PIECES_WAITING_MAX);
                head.send((status, content_type.to_owned(), receiver)).map_err(|_| Failure::Unavailable)?;
                let pieces = Pieces { pieces, handle };
                *self = Self::Begun(pieces.clone());
                Ok(pieces)
            }
            begun @ Self::Begun(_) => {
                *self = begun;
                Err(Failure::Invalid("the answer has already begun".to_owned()))
            }
            Self::Never => Err(Failure::Unavailable),
        }
    }

    /// Sends a piece. A caller who is gone, or reads nothing, ends the answer.
    pub(crate) fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let Self::Begun(pieces) = self else {
            return Err(Failure::Invalid("no answer has begun".to_owned()));
        };
        if pieces.send(Ok(Bytes::from(bytes))) { Ok(()) } else { Err(Failure::Unavailable) }
    }
}
