//! Watches one connection: what it is doing, and whether its peer stops reading.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::pace::{Pace, Rate};

/// How long a connection may take for each thing that its peer has to do.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first byte of a request's head to its last; also from the connection to that first byte, ms.
    pub head_ms: u64,
    /// Between an answer and the next request, ms.
    pub idle_ms: u64,
    /// Between two moments at which the peer receives a part of an answer, ms.
    pub write_ms: u64,
    /// The minimum rate at which it must receive an answer: a larger answer has more time.
    pub rate: Rate,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Doing {
    /// Nothing of the next request has arrived.
    Waiting,
    /// A part of a request's head has arrived.
    Head,
    /// This many requests are being answered.
    Requests(u32),
}

#[derive(Debug)]
struct Now {
    doing: Doing,
    since: Instant,
    answered: bool,
}

/// What a connection is doing, shared by its socket, its requests and its watchdog.
#[derive(Debug)]
pub struct Phase {
    now: Mutex<Now>,
    changed: Notify,
}

/// Why a connection was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A head did not arrive completely: the peer is to get a 408.
    SlowHead,
    /// There was no request to answer.
    Idle,
}

impl Phase {
    /// The phase of a connection that has just begun.
    pub fn new() -> Arc<Self> {
        let now = Now { doing: Doing::Waiting, since: Instant::now(), answered: false };
        Arc::new(Self { now: Mutex::new(now), changed: Notify::new() })
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.doing;
        change(&mut now);
        if now.doing != before {
            now.since = Instant::now();
            drop(now);
            self.changed.notify_one();
        }
    }

    fn bytes_came(&self) {
        self.change(|now| {
            if now.doing == Doing::Waiting {
                now.doing = Doing::Head;
            }
        });
    }

    /// A request's head is complete.
    pub(super) fn request_began(&self) {
        self.change(|now| {
            now.doing = match now.doing {
                Doing::Requests(count) => Doing::Requests(count + 1),
                _ => Doing::Requests(1),
            };
        });
    }

    /// A request's answer has ended, or will never end.
    pub(super) fn request_ended(&self) {
        self.change(|now| {
            now.answered = true;
            now.doing = match now.doing {
                Doing::Requests(count) if count > 1 => Doing::Requests(count - 1),
                _ => Doing::Waiting,
            };
        });
    }

    /// The time that the peer has now, ms, its beginning, and what it means if the peer takes longer; none while the
    /// host is working.
    fn limit(&self, patience: Patience) -> Option<(u64, Instant, Ended)> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match now.doing {
            Doing::Waiting if now.answered => Some((patience.idle_ms, now.since, Ended::Idle)),
            Doing::Waiting => Some((patience.head_ms, now.since, Ended::Idle)),
            Doing::Head => Some((patience.head_ms, now.since, Ended::SlowHead)),
            Doing::Requests(_) => None,
        }
    }

    /// Resolves when the peer has used up its time.
    pub async fn watch(&self, patience: Patience) -> Ended {
        loop {
            let changed = self.changed.notified();
            let Some((limit_ms, since, ended)) = self.limit(patience) else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(since + Duration::from_millis(limit_ms)) => return ended,
            }
        }
    }
}

/// A socket that reports its traffic and gives up on a peer that receives nothing.
pub struct Watched<S> {
    socket: S,
    phase: Arc<Phase>,
    write_pause: Duration,
    pace: Pace,
    /// Number of bytes that were written.
    sent: Arc<AtomicU64>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// Watches a socket.
    pub fn new(socket: S, phase: Arc<Phase>, patience: Patience) -> Self {
        let write_pause = Duration::from_millis(patience.write_ms);
        let (pace, sent) = (Pace::new(patience.rate), Arc::default());
        Self { socket, phase, write_pause, pace, sent, stalled: None }
    }

    /// Counts the bytes that are written.
    pub fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// Passes on the result of a write of `bytes`, unless the peer has used up its time.
    fn written<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(outcome) = outcome {
            self.stalled = None;
            let moved = outcome.as_ref().map_or(0, |taken| bytes(taken) as u64);
            self.sent.fetch_add(moved, Ordering::Relaxed);
            self.pace.moved(moved);
            return Poll::Ready(outcome);
        }
        let due = self.pace.wait().min(Instant::now() + self.write_pause);
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.phase.bytes_came();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(outcome, |count| *count, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.written(outcome, |count| *count, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(context);
        self.written(outcome, |()| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_shutdown(context);
        self.written(outcome, |()| 0, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const PATIENCE: Patience = Patience {
        head_ms: 10_000,
        idle_ms: 75_000,
        write_ms: 30_000,
        rate: Rate { bytes_per_s_min: 1_024, window_ms: 60_000 },
    };

    /// Whether an answer of that size reaches a peer that receives `piece` bytes after each pause.
    fn taken(bytes: usize, piece: usize, every_ms: u64) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let (socket, mut peer) = duplex(16 * 1024);
            let mut socket = Watched::new(socket, Phase::new(), PATIENCE);
            let reading = tokio::spawn(async move {
                let (mut buffer, mut read) = (vec![0; piece], 0);
                while let Ok(count @ 1..) = peer.read(&mut buffer).await {
                    read += count;
                    tokio::time::sleep(Duration::from_millis(every_ms)).await;
                }
                read
            });
            let sent = socket.write_all(&vec![7; bytes]).await;
            drop(socket);
            match sent {
                Ok(()) => reading.await.expect("no panic") == bytes,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    false
                }
            }
        })
    }

    #[test]
    fn an_answer_goes_on_for_as_long_as_the_peer_keeps_taking_it() {
        assert!(taken(3_500_000, 8_000, 1_000), "seven minutes");
        assert!(taken(3_500_000, 16_000, 15_000), "almost an hour");
        assert!(taken(100_000, 16_384, 20_000));
    }

    #[test]
    fn who_takes_nothing_or_a_byte_now_and_then_is_given_up() {
        assert!(!taken(3_500_000, 1, 1_000));
        assert!(!taken(3_500_000, 1, 29_000));
        assert!(!taken(3_500_000, 10_000, 25_000));
        assert!(!taken(3_500_000, 16_384, 31_000));
    }
}
