//! The body of an answer, whole or in pieces, and the one log line of its request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use runtime_user::{Broken, PieceReceiver, Taken, UserId};
use tokio::time::Instant as Moment;

use super::budget::Held;
use super::pace::Rate;
use super::routes::Template;
use super::watch::Phase;

/// The log line of one request: it contains nothing of the path, the body or the headers. Written when it is dropped.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) method: &'static str,
    pub(crate) route: Template,
    pub(crate) status: u16,
    pub(crate) user: Option<UserId>,
    pub(crate) bytes_in: u64,
    /// The body was neither read nor asked for.
    pub(crate) unread: bool,
    bytes_out: u64,
    started: Instant,
    complete: bool,
    phase: Arc<Phase>,
}

impl Record {
    pub(crate) fn start(method: &'static str, phase: Arc<Phase>) -> Self {
        phase.request_began();
        Self {
            method,
            route: Template::Own("unknown"),
            status: 0,
            user: None,
            bytes_in: 0,
            unread: false,
            bytes_out: 0,
            started: Instant::now(),
            complete: false,
            phase,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.phase.request_ended();
        let user = self.user.map(|user| user.short()).unwrap_or_default();
        let elapsed_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Self { method, status, bytes_in, bytes_out, complete, .. } = *self;
        let route = self.route.as_str();
        if complete {
            tracing::info!(method, route, status, user, bytes_in, bytes_out, elapsed_us, "request answered");
        } else {
            tracing::info!(
                method,
                route,
                status,
                user,
                bytes_in,
                bytes_out,
                elapsed_us,
                "request broken off"
            );
        }
    }
}

/// How much of a whole answer is given to a connection at once, bytes: what the connection has is counted nowhere.
const PART_BYTES: usize = 64 << 10;

enum Content {
    Whole(Bytes),
    Pieces(PieceReceiver),
}

/// The deadline for the caller to receive the part of an answer that it was given; none while the host waits for the
/// cell.
#[derive(Debug)]
pub(crate) struct Taking {
    rate: Rate,
    due: Mutex<Option<Moment>>,
}

impl Taking {
    fn set(&self, due: Option<Moment>) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }

    /// Whether the caller has taken too long.
    pub(crate) fn is_overdue(&self) -> bool {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|due| due < Moment::now())
    }
}

/// The body of an answer.
pub struct Reply {
    content: Content,
    record: Record,
    taking: Option<Arc<Taking>>,
    /// A cell that answers in pieces may still be reading the request's body.
    _held: Option<Held>,
    /// The memory of a whole answer.
    _taken: Option<Taken>,
}

impl Reply {
    pub(crate) fn whole(bytes: Bytes, taken: Option<Taken>, mut record: Record) -> Self {
        // The body of an answer to HEAD is never read.
        record.complete = bytes.is_empty() || record.method == "HEAD";
        Self { content: Content::Whole(bytes), record, taking: None, _held: None, _taken: taken }
    }

    pub(crate) fn pieces(pieces: PieceReceiver, record: Record, held: Option<Held>) -> Self {
        Self { content: Content::Pieces(pieces), record, taking: None, _held: held, _taken: None }
    }

    /// A handle that shows, while the answer is under way, whether its caller still receives it.
    pub(crate) fn watch(&mut self, rate: Rate) -> Arc<Taking> {
        let taking = Arc::new(Taking { rate, due: Mutex::default() });
        self.taking = Some(Arc::clone(&taking));
        taking
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        // A caller that asks for the next piece has received the one before.
        if let Some(taking) = &self.taking {
            taking.set(None);
        }
        let next = match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(Ok(bytes.split_to(bytes.len().min(PART_BYTES)))),
            Content::Pieces(pieces) => ready!(pieces.poll_recv(context)),
        };
        let last = next.is_none() || self.is_end_stream();
        match &next {
            Some(Ok(bytes)) => {
                self.record.bytes_out += bytes.len() as u64;
                if let Some(taking) = &self.taking {
                    taking.set(Some(Moment::now() + taking.rate.time_to_take(bytes.len() as u64)));
                }
            }
            // The end of a chunked answer is then not written, so the caller sees that it was cut off.
            Some(Err(broken)) => {
                tracing::warn!(route = self.record.route.as_str(), reason = %broken.reason, "answer broke off")
            }
            None => {}
        }
        self.record.complete |= last;
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}
