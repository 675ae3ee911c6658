//! An answer in pieces on its way from a run to a caller who may be slow or gone.
//!
//! Pieces that a caller has not received yet wait in memory, within a bound for each person and one for all, and the
//! run can end meanwhile. Beyond these bounds the run waits for its caller, and gives up its worker's place until then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use runtime_sandbox::Seat;
use runtime_types::{Shares, UserId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

use crate::runs::exchange::Broken;

/// How much of all answers to one person may wait for its callers, KiB.
const WAITING_KIB_MAX: u64 = 32 << 10;
/// How much of all answers together may wait for their callers, KiB; the more people have answers that wait, the less
/// of it each of them may use.
const ALL_WAITING_KIB_MAX: u64 = 128 << 10;
/// What may wait for the callers of a person however little is left, KiB: room for one part.
const WAITING_KIB_LEAST: u64 = 64;
/// A larger piece is counted in parts, so that it moves on however little is left, bytes.
const PART_BYTES: usize = 64 << 10;

// Otherwise a part could wait for ever.
const _: () = assert!(PART_BYTES <= (WAITING_KIB_LEAST as usize) << 10);

/// A smaller answer is not counted: it takes no more than what a request takes anyway, bytes.
const UNCOUNTED_BYTES_MAX: usize = 16 << 10;
/// How long a caller may receive no piece before the run gives up, once the bounds are reached.
const PATIENCE: Duration = Duration::from_secs(30);

/// The memory for what waits of all answers of a runtime.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kib: Mutex<Shares<UserId>>,
    /// Something was given back.
    given: Notify,
}

impl Default for Room {
    fn default() -> Self {
        let kib = Mutex::new(Shares::new(ALL_WAITING_KIB_MAX, WAITING_KIB_MAX, WAITING_KIB_LEAST));
        Self(Arc::new(Shared { kib, given: Notify::new() }))
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Shares<UserId>> {
        self.0.kib.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, user: UserId, bytes: usize) -> Option<Taken> {
        let kib = bytes.div_ceil(1024) as u64;
        self.lock().take(user, kib).then(|| Taken { room: self.clone(), user, kib })
    }

    /// The memory for a whole answer; an empty one needs none. `None`: too much waits for this person's callers.
    pub(crate) fn take_whole(&self, user: UserId, bytes: usize) -> Option<Option<Taken>> {
        if bytes <= UNCOUNTED_BYTES_MAX { Some(None) } else { self.take(user, bytes).map(Some) }
    }
}

/// Memory of an answer that is in use; released when it is dropped.
#[derive(Debug)]
pub struct Taken {
    room: Room,
    user: UserId,
    kib: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.lock().give(&self.user, self.kib);
        self.room.0.given.notify_waiters();
    }
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
    room: Room,
    user: UserId,
    seat: Seat,
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

/// Both sides of an answer to that person. `seat`: where the run waits for a worker's place to be needed again.
pub(crate) fn pieces(room: &Room, user: UserId, seat: Seat, handle: Handle) -> (Pieces, Receiver) {
    let (send, receive) = mpsc::unbounded_channel();
    (Pieces { send, room: room.clone(), user, seat, handle }, Receiver(receive))
}

impl Pieces {
    /// Sends a piece; waits, with a limit, if too much waits already. Returns whether a caller can still receive it.
    pub(crate) fn send(&self, content: Result<Bytes, Broken>) -> bool {
        let mut bytes = match content {
            Ok(bytes) => bytes,
            Err(_) => return self.send.send(Piece { content, _taken: None }).is_ok(),
        };
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(PART_BYTES));
            let Some(taken) = self.take(part.len()) else { return false };
            if self.send.send(Piece { content: Ok(part), _taken: Some(taken) }).is_err() {
                return false;
            }
        }
        true
    }

    fn take(&self, bytes: usize) -> Option<Taken> {
        if let Some(taken) = self.room.take(self.user, bytes) {
            return Some(taken);
        }
        let wait = async {
            loop {
                let mut given = std::pin::pin!(self.room.0.given.notified());
                given.as_mut().enable();
                if let Some(taken) = self.room.take(self.user, bytes) {
                    return taken;
                }
                given.await;
            }
        };
        let wait = || {
            self.handle.block_on(async {
                tokio::select! {
                    taken = tokio::time::timeout(PATIENCE, wait) => taken.ok(),
                    () = self.send.closed() => None,
                }
            })
        };
        self.seat.aside(wait).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use runtime_sandbox::{PoolSettings, WorkerPool};

    use super::*;

    const MIB: usize = 1 << 20;

    fn piece() -> Result<Bytes, Broken> {
        Ok(Bytes::from(vec![7; MIB]))
    }

    fn person(number: u8) -> UserId {
        UserId([number; 16])
    }

    struct Bench {
        tokio: tokio::runtime::Runtime,
        pool: WorkerPool,
        room: Room,
    }

    impl Bench {
        fn new() -> Self {
            let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
            let pool = WorkerPool::start(PoolSettings::readers(1)).expect("threads");
            Self { tokio: tokio.expect("a runtime"), pool, room: Room::default() }
        }

        fn pieces(&self, user: UserId) -> (Pieces, Receiver) {
            pieces(&self.room, user, self.pool.seat(user), self.tokio.handle().clone())
        }

        /// Sends a piece from a job of the person's.
        fn job(&self, user: UserId, pieces: Pieces) -> std::sync::mpsc::Receiver<bool> {
            let (sent, done) = std::sync::mpsc::channel();
            self.pool.submit(user, move || sent.send(pieces.send(piece())).expect("awaited")).expect("room");
            done
        }
    }

    #[test]
    fn a_run_ends_while_its_caller_has_taken_nothing_and_waits_only_past_the_bound() {
        let bench = Bench::new();
        let (pieces, mut receiver) = bench.pieces(person(1));
        for _ in 0..32 {
            assert!(pieces.send(piece()), "within the bound nobody waits");
        }
        let late = bench.job(person(1), pieces);
        let mut bytes = bench.tokio.block_on(receiver.recv()).expect("a piece").expect("sound").len();
        let rest = bench.tokio.block_on(async {
            while let Some(piece) = receiver.recv().await {
                bytes += piece.expect("sound").len();
            }
            bytes
        });
        assert!(late.recv().expect("no panic"), "a piece that was taken makes room for the next");
        assert_eq!(rest, 33 * MIB);
        assert_eq!(bench.room.lock().free(), ALL_WAITING_KIB_MAX);
    }

    #[test]
    fn a_caller_who_is_gone_ends_the_wait() {
        let bench = Bench::new();
        let (first, receiver) = bench.pieces(person(1));
        (0..32).for_each(|_| assert!(first.send(piece())));
        let waiting = bench.job(person(1), first);
        drop(receiver);
        assert!(!waiting.recv().expect("no panic"));
        assert_eq!(bench.room.lock().free(), ALL_WAITING_KIB_MAX);
    }

    #[test]
    fn attack_80_however_many_people_read_nothing_the_next_persons_answer_moves_on() {
        let bench = Bench::new();
        let mut unread = Vec::new();
        for greedy in 0..20 {
            let (pieces, receiver) = bench.pieces(person(greedy));
            while let Some(taken) = bench.room.take(person(greedy), 1024) {
                let content = Ok(Bytes::from_static(&[7; 1024]));
                pieces.send.send(Piece { content, _taken: Some(taken) }).expect("here");
            }
            unread.push(receiver);
        }
        let (pieces, mut receiver) = bench.pieces(person(99));
        let sent = bench.job(person(99), pieces);
        let bytes = bench.tokio.block_on(async {
            let mut bytes = 0;
            while let Some(piece) = receiver.recv().await {
                bytes += piece.expect("sound").len();
            }
            bytes
        });
        assert!(sent.recv().expect("no panic") && bytes == MIB);
    }
}
