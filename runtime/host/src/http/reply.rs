//! The body of an answer, whole or in pieces, and the one line that the log gets of its request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use runtime_user::{Broken, UserId};
use tokio::sync::mpsc;

use super::budget::Held;
use super::watch::Phase;

/// What the log gets of one request: nothing of its path, its body or its headers. Written when it is dropped.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    pub(crate) user: Option<UserId>,
    pub(crate) bytes_in: u64,
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
            route: "unknown",
            status: 0,
            user: None,
            bytes_in: 0,
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
        let Self { method, route, status, bytes_in, bytes_out, complete, .. } = *self;
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

enum Content {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Result<Bytes, Broken>>),
}

/// The body of an answer.
pub struct Reply {
    content: Content,
    record: Record,
    /// A cell that answers in pieces may still be reading the request's body.
    _held: Option<Held>,
}

impl Reply {
    pub(crate) fn whole(bytes: Bytes, mut record: Record) -> Self {
        // Nobody asks for the body of an answer to HEAD.
        record.complete = bytes.is_empty() || record.method == "HEAD";
        Self { content: Content::Whole(Some(bytes)), record, _held: None }
    }

    pub(crate) fn pieces(
        pieces: mpsc::Receiver<Result<Bytes, Broken>>,
        record: Record,
        held: Option<Held>,
    ) -> Self {
        Self { content: Content::Pieces(pieces), record, _held: held }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = match &mut self.content {
            Content::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok),
            Content::Pieces(pieces) => ready!(pieces.poll_recv(context)),
        };
        let last = matches!(self.content, Content::Whole(_)) || next.is_none();
        match &next {
            Some(Ok(bytes)) => self.record.bytes_out += bytes.len() as u64,
            // The end of a chunked answer is not written then, so the caller sees that it is cut.
            Some(Err(broken)) => {
                tracing::warn!(route = self.record.route, reason = %broken.reason, "answer broke off")
            }
            None => {}
        }
        self.record.complete |= last;
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}
