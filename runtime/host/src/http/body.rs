//! Collects the body of a request, in the pieces in which it arrives, within limits.
//!
//! The body is read through [`Scanner`] on its way, so a body that cannot be read or whose token is nobody's is refused
//! at the byte that shows it, and what is refused is not kept.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use tokio::time::{Instant, timeout_at};

use super::budget::{Budget, Held};
use super::refusal::Refusal;
use super::scan::{Check, Scanner, Span};
use super::service::Sender;

/// How much and how long a body may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest body, bytes.
    pub bytes_max: u64,
    /// The longest pause between two pieces, ms.
    pub pause_ms: u64,
    /// The longest time for all of it, ms.
    pub total_ms: u64,
}

/// A body that has arrived.
#[derive(Debug)]
pub struct Arrived {
    /// What it says, the token blanked out: no cell gets to see it.
    pub pieces: Vec<Bytes>,
    /// Its size, bytes.
    pub bytes: u64,
    /// Who the body says is calling.
    pub sender: Option<Sender>,
    /// Its share of the host's memory.
    pub held: Held,
}

/// Pieces smaller than this are put together, so that a body in crumbs costs no more memory than it has bytes.
const PIECE_BYTES_MIN: usize = 16 * 1024;
/// Size of what they are put into, bytes.
const GATHER_BYTES: usize = 64 * 1024;
/// How long a refused body is read on, so that its sender, who still writes, gets to see the reason.
const DRAIN: Duration = Duration::from_secs(5);
/// How much of a refused body is read on, bytes.
const DRAIN_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Reads the whole body, looked at as closely as `check` says. `authenticate` is asked once, when the token has arrived. `sender_waits`: nothing comes
/// before the body is asked for.
///
/// # Errors
/// 400, 403, 408, 413 or 503. What was still to come has been read and thrown away, within limits.
pub async fn collect(
    mut body: Incoming,
    limits: BodyLimits,
    budget: &Budget,
    check: Check,
    sender_waits: bool,
    authenticate: impl Fn(&str) -> Result<Sender, Refusal>,
) -> Result<Arrived, Refusal> {
    if body.size_hint().lower() > limits.bytes_max {
        // Reading would tell a sender who waits for `100 Continue` to send it all.
        if !sender_waits {
            drain(body, Duration::from_millis(limits.pause_ms)).await;
        }
        return Err(Refusal::too_large(limits.bytes_max));
    }
    let arrived = read(&mut body, limits, budget, check, &authenticate).await;
    // Who is too slow, or gone, sends nothing more that is worth waiting for.
    if arrived.as_ref().is_err_and(|refusal| refusal.status != 408) {
        drain(body, Duration::from_millis(limits.pause_ms)).await;
    }
    arrived
}

async fn read(
    body: &mut Incoming,
    limits: BodyLimits,
    budget: &Budget,
    check: Check,
    authenticate: &impl Fn(&str) -> Result<Sender, Refusal>,
) -> Result<Arrived, Refusal> {
    let end = Instant::now() + Duration::from_millis(limits.total_ms);
    let mut gathered = Gathered { held: budget.hold(), pieces: Vec::new(), small: BytesMut::new(), bytes: 0 };
    let (mut scanner, mut sender) = (Scanner::new(check), None);
    loop {
        let pause = Instant::now() + Duration::from_millis(limits.pause_ms);
        let frame = timeout_at(end.min(pause), body.frame());
        let frame = frame.await.map_err(|_| Refusal::slow_body(limits.pause_ms.min(limits.total_ms)))?;
        let Some(frame) = frame else { break };
        let Ok(piece) = frame.map_err(|_| Refusal::broken_body())?.into_data() else { continue };
        gathered.add(&piece, limits.bytes_max)?;
        scanner.feed(&piece)?;
        if sender.is_none()
            && let Some(token) = scanner.user()
        {
            sender = Some(authenticate(&token)?);
        }
    }
    scanner.finish()?;
    if sender.is_none() && scanner.user_span().is_some() {
        return Err(Refusal::unknown_token());
    }
    let Gathered { held, mut pieces, small, bytes } = gathered;
    if !small.is_empty() {
        pieces.push(small.freeze());
    }
    let pieces = match scanner.user_span() {
        Some(span) => blank(pieces, span),
        None => pieces,
    };
    Ok(Arrived { pieces, bytes, sender, held })
}

struct Gathered {
    held: Held,
    pieces: Vec<Bytes>,
    small: BytesMut,
    bytes: u64,
}

impl Gathered {
    fn add(&mut self, piece: &Bytes, bytes_max: u64) -> Result<(), Refusal> {
        self.bytes += piece.len() as u64;
        if self.bytes > bytes_max {
            return Err(Refusal::too_large(bytes_max));
        }
        if !self.held.take(piece.len() as u64) {
            return Err(Refusal::overloaded());
        }
        if piece.len() >= PIECE_BYTES_MIN {
            if !self.small.is_empty() {
                self.pieces.push(self.small.split().freeze());
            }
            self.pieces.push(piece.clone());
            return Ok(());
        }
        if self.small.len() + piece.len() > GATHER_BYTES {
            self.pieces.push(std::mem::take(&mut self.small).freeze());
        }
        self.small.extend_from_slice(piece);
        Ok(())
    }
}

/// The same body with `-` for every byte of the span: lengths, and with them the places that errors name, stay.
fn blank(pieces: Vec<Bytes>, span: Span) -> Vec<Bytes> {
    let mut out = Vec::with_capacity(pieces.len() + 2);
    let mut from = 0_u64;
    for piece in pieces {
        let bytes = piece.len() as u64;
        // Offsets within this piece; the differences are at most its length.
        let start = span.start.saturating_sub(from).min(bytes) as usize;
        let end = span.end.saturating_sub(from).min(bytes) as usize;
        if start < end {
            out.push(piece.slice(..start));
            out.push(Bytes::from(vec![b'-'; end - start]));
            out.push(piece.slice(end..));
        } else {
            out.push(piece);
        }
        from += bytes;
    }
    out.retain(|piece| !piece.is_empty());
    out
}

/// Reads on and throws away, so that a sender who still writes sees the answer rather than a broken connection.
pub async fn drain(mut body: Incoming, pause: Duration) {
    let end = Instant::now() + DRAIN;
    let mut bytes = 0_u64;
    while bytes < DRAIN_BYTES_MAX {
        match timeout_at(end.min(Instant::now() + pause), body.frame()).await {
            Ok(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, |piece| piece.len() as u64),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_blanked_out_wherever_the_pieces_are_cut() {
        let body = br#"{"user":"secret","z":1}"#;
        let span = Span { start: 9, end: 15 };
        for cut in 0..body.len() {
            let pieces = vec![Bytes::copy_from_slice(&body[..cut]), Bytes::copy_from_slice(&body[cut..])];
            let out = blank(pieces, span).concat();
            assert_eq!(out, br#"{"user":"------","z":1}"#, "cut at {cut}");
        }
    }

    #[test]
    fn crumbs_are_put_together_and_large_pieces_are_kept_as_they_are() {
        let budget = Budget::new(1 << 20);
        let mut gathered =
            Gathered { held: budget.hold(), pieces: Vec::new(), small: BytesMut::new(), bytes: 0 };
        let mut want = Vec::new();
        for index in 0..40_000_u32 {
            let piece = Bytes::copy_from_slice(&index.to_le_bytes());
            want.extend_from_slice(&piece);
            gathered.add(&piece, u64::MAX).expect("within the budget");
        }
        let large = Bytes::from(vec![7; PIECE_BYTES_MIN]);
        gathered.add(&large, u64::MAX).expect("within the budget");
        want.extend_from_slice(&large);
        assert_eq!(gathered.pieces.concat(), want);
        assert!(gathered.pieces.len() <= 4, "{} pieces", gathered.pieces.len());
        assert_eq!(budget.free(), (1 << 20) - want.len() as u64);
    }
}
