//! How an answer in pieces is sent from a run.

use bytes::Bytes;
use runtime_sandbox::{Failure, Seat};
use runtime_types::UserId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::runs::pieces::{Pieces, Receiver, Room, pieces};

/// Status, content type and the receiver of the pieces.
pub(crate) type Begun = (u16, String, Receiver);

/// What `exchange.begin` and `exchange.write` do.
pub(crate) enum Answering {
    /// This run has no caller to answer in pieces: a stage, or a call on the connection's own thread, which must
    /// not wait and is repeated on the pool.
    Never,
    /// Nothing has been sent yet.
    Ready {
        /// Receives the start of the answer.
        head: oneshot::Sender<Begun>,
        /// Lets an ordinary thread wait with a time limit.
        handle: Handle,
        /// The memory in which pieces wait for their caller.
        room: Room,
        /// Whose answer it is.
        user: UserId,
        /// Where the run waits if that memory is used up.
        seat: Seat,
    },
    /// Pieces are being sent.
    Begun(Pieces),
}

impl Answering {
    /// Starts an answer; the returned sender outlives the run.
    pub(crate) fn begin(&mut self, status: u16, content_type: &str) -> Result<Pieces, Failure> {
        match std::mem::replace(self, Self::Never) {
            Self::Ready { head, handle, room, user, seat } => {
                let (pieces, receiver) = pieces(&room, user, seat, handle);
                head.send((status, content_type.to_owned(), receiver)).map_err(|_| Failure::Unavailable)?;
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

    /// Sends a piece. If the caller has gone or reads nothing, the answer ends.
    pub(crate) fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let Self::Begun(pieces) = self else {
            return Err(Failure::Invalid("no answer has begun".to_owned()));
        };
        if pieces.send(Ok(Bytes::from(bytes))) { Ok(()) } else { Err(Failure::Unavailable) }
    }
}
