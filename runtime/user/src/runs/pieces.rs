//! An answer in pieces on its way from a run to a caller who may be slow or gone.
//!
//! A run that waits for its caller holds a thread, and all people share a few threads. So pieces that a caller has not
//! received yet wait in memory, within a bound for each answer and one for all, and the run can end meanwhile. A run
//! waits only beyond these bounds.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::runs::exchange::Broken;

/// How much of one answer may wait for its caller, KiB.
const WAITING_KIB_MAX: u32 = 32 << 10;
/// How much of all answers together may wait for their callers, KiB.
const ALL_WAITING_KIB_MAX: u32 = 128 << 10;
/// How long a caller may receive no piece before the run gives up, once the bounds are reached.
const PATIENCE: Duration = Duration::from_secs(30);

// A piece must fit if nothing else waits, or it would wait for ever.
const _: () = assert!(ALL_WAITING_KIB_MAX >= WAITING_KIB_MAX);

/// The memory for the waiting pieces of all answers of a runtime.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_WAITING_KIB_MAX as usize)))
    }
}

/// Memory that is in use, counted for one answer and for all; released when it is dropped.
#[derive(Debug)]
struct Taken {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Piece {
    content: Result<Bytes, Broken>,
    _taken: Option<Taken>,
}

/// The sending side of an answer in pieces; outlives the run, so that the end can be sent.
#[derive(Clone)]
pub(crate) struct Pieces {
    send: mpsc::UnboundedSender<Piece>,
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
    handle: Handle,
}

/// The receiving side: pieces as the cell produced them. An error is the last item, and means that the answer is cut
/// off.
#[derive(Debug)]
pub struct Receiver(mpsc::UnboundedReceiver<Piece>);

impl Receiver {
    /// An answer that is complete already, for tests.
    pub fn of(pieces: impl IntoIterator<Item = Result<Bytes, Broken>>) -> Self {
        let (send, receive) = mpsc::unbounded_channel();
        for content in pieces {
            send.send(Piece { content, _taken: None }).expect("the receiver is here");
        }
        Self(receive)
    }

    /// The next piece; `None` at the end.
    pub async fn recv(&mut self) -> Option<Result<Bytes, Broken>> {
        self.0.recv().await.map(|piece| piece.content)
    }

    /// As [`Self::recv`], in the form of a poll.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.content))
    }
}

/// Both sides of an answer.
pub(crate) fn pieces(room: &Room, handle: Handle) -> (Pieces, Receiver) {
    let (send, receive) = mpsc::unbounded_channel();
    let own = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
    (Pieces { send, own, all: Arc::clone(&room.0), handle }, Receiver(receive))
}

impl Pieces {
    /// Sends a piece; waits, with a limit, if too much waits already. Returns whether a caller can still receive it.
    pub(crate) fn send(&self, content: Result<Bytes, Broken>) -> bool {
        let bytes = content.as_ref().map_or(0, Bytes::len);
        let Some(taken) = self.take(bytes) else { return false };
        self.send.send(Piece { content, _taken: Some(taken) }).is_ok()
    }

    fn take(&self, bytes: usize) -> Option<Taken> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(WAITING_KIB_MAX).clamp(1, WAITING_KIB_MAX);
        let of = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).try_acquire_many_owned(kib).ok();
        if let Some((own, all)) = of(&self.own).zip(of(&self.all)) {
            return Some(Taken { _own: own, _all: all });
        }
        let wait = async {
            let own = Arc::clone(&self.own).acquire_many_owned(kib).await.ok()?;
            let all = Arc::clone(&self.all).acquire_many_owned(kib).await.ok()?;
            Some(Taken { _own: own, _all: all })
        };
        self.handle.block_on(async {
            tokio::select! {
                taken = tokio::time::timeout(PATIENCE, wait) => taken.ok().flatten(),
                () = self.send.closed() => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn piece() -> Result<Bytes, Broken> {
        Ok(Bytes::from(vec![7; MIB]))
    }

    #[test]
    fn a_run_ends_while_its_caller_has_taken_nothing_and_waits_only_past_the_bound() {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        let tokio = tokio.expect("a runtime");
        let (pieces, mut receiver) = pieces(&Room::default(), tokio.handle().clone());
        for _ in 0..32 {
            assert!(pieces.send(piece()), "within the bound nobody waits");
        }
        let late = std::thread::spawn(move || pieces.send(piece()));
        assert!(tokio.block_on(receiver.recv()).is_some_and(|piece| piece.is_ok()));
        assert!(late.join().expect("no panic"), "a piece that was taken makes room for the next");
        let rest = tokio.block_on(async {
            let mut rest = 0;
            while receiver.recv().await.is_some() {
                rest += 1;
            }
            rest
        });
        assert_eq!(rest, 32);
    }

    #[test]
    fn what_one_answer_gives_back_another_may_take_and_a_caller_who_is_gone_ends_the_wait() {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        let tokio = tokio.expect("a runtime");
        let room = Room::default();
        let (first, receiver) = pieces(&room, tokio.handle().clone());
        (0..32).for_each(|_| assert!(first.send(piece())));
        assert_eq!(room.0.available_permits(), (ALL_WAITING_KIB_MAX - WAITING_KIB_MAX) as usize);
        let waiting = std::thread::spawn(move || first.send(piece()));
        drop(receiver);
        assert!(!waiting.join().expect("no panic"));
        assert_eq!(room.0.available_permits(), ALL_WAITING_KIB_MAX as usize);
    }
}
