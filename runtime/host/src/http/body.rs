//! Collects the body of a request, in the pieces in which it arrives, within limits.
//!
//! The body passes through [`Scanner`] as it arrives. A body that cannot be read, or whose token belongs to no person,
//! is refused at the byte that shows it, and a refused body is not kept.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use runtime_user::UserId;
use tokio::time::{Instant, timeout_at};

use super::budget::Held;
use super::pace::{Pace, Rate};
use super::refusal::Refusal;
use super::scan::{Check, Scanner, Span};
use super::service::Sender;

/// Limits on the size and the duration of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest body, bytes.
    pub bytes_max: u64,
    /// The longest pause between two pieces, ms.
    pub pause_ms: u64,
    /// The slowest rate at which it may arrive: a larger body has more time.
    pub rate: Rate,
    /// How much of it may arrive before it has shown whose it is, bytes.
    pub anonymous_bytes_max: u64,
    /// How long it may take until it has shown whose it is, ms.
    pub anonymous_ms: u64,
}

/// A body that has arrived.
#[derive(Debug)]
pub struct Arrived {
    /// The contents, with the token blanked out: no cell sees it.
    pub pieces: Vec<Bytes>,
    /// Its size, bytes.
    pub bytes: u64,
    /// The caller that the body names.
    pub sender: Option<Sender>,
    /// Its share of the host's memory.
    pub held: Held,
}

/// Smaller pieces are joined, so that a body in tiny pieces uses no more memory than it has bytes.
const PIECE_BYTES_MIN: usize = 16 * 1024;
/// Size of the buffers that they are joined in, bytes.
const GATHER_BYTES: usize = 64 * 1024;
/// How long a refused body is read further, so that a sender who is still writing receives the reason.
const DRAIN: Duration = Duration::from_secs(5);
/// How much of a refused body is read further, bytes.
const DRAIN_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Reads the whole body, which counts for `held`. `check` says how closely its JSON is checked; with `None` it is not checked, and no sender is
/// looked for in it: the code that reads it judges it. `authenticate` is called once, when the token has arrived.
/// `sender_waits`: the sender sends nothing before it is asked for the body.
///
/// # Errors
/// 400, 403, 408, 413 or 503. The rest of the body has been read and thrown away, within limits.
pub async fn collect(
    mut body: Incoming,
    limits: BodyLimits,
    held: Held,
    check: Option<Check>,
    sender_waits: bool,
    authenticate: impl Fn(&str) -> Result<Sender, Refusal>,
) -> Result<Arrived, Refusal> {
    if body.size_hint().lower() > limits.bytes_max {
        // A read would make a sender that waits for `100 Continue` send the whole body.
        if !sender_waits {
            drain(body, Duration::from_millis(limits.pause_ms)).await;
        }
        return Err(Refusal::too_large(limits.bytes_max));
    }
    let arrived = read(&mut body, limits, held, check, &authenticate).await;
    // A sender that is too slow, or gone, sends nothing more that is worth waiting for.
    if arrived.as_ref().is_err_and(|refusal| refusal.status != 408) {
        drain(body, Duration::from_millis(limits.pause_ms)).await;
    }
    arrived
}

async fn read(
    body: &mut (impl HttpBody<Data = Bytes> + Unpin),
    limits: BodyLimits,
    held: Held,
    check: Option<Check>,
    authenticate: &impl Fn(&str) -> Result<Sender, Refusal>,
) -> Result<Arrived, Refusal> {
    let (mut pace, pause) = (Pace::new(limits.rate), Duration::from_millis(limits.pause_ms));
    let mut gathered = Gathered { held, pieces: Vec::new(), small: BytesMut::new(), bytes: 0 };
    let (mut scanner, mut sender) = (check.map(Scanner::new), None);
    let shown_by = Instant::now() + Duration::from_millis(limits.anonymous_ms);
    loop {
        let (due, paused) = (pace.wait(), Instant::now() + pause);
        let until =
            if gathered.held.is_strangers() { due.min(paused).min(shown_by) } else { due.min(paused) };
        let frame = timeout_at(until, body.frame()).await;
        let frame = frame.map_err(|_| match () {
            () if until == due => Refusal::slow_body(limits.rate, gathered.bytes),
            () if until == paused => Refusal::paused_body(limits.pause_ms, gathered.bytes),
            () => Refusal::slow_token(limits.anonymous_ms),
        })?;
        let Some(frame) = frame else { break };
        let Ok(piece) = frame.map_err(|_| Refusal::broken_body())?.into_data() else { continue };
        pace.moved(piece.len() as u64);
        gathered.count(&piece, limits.bytes_max)?;
        if let Some(scanner) = &mut scanner {
            scanner.feed(&piece)?;
            if sender.is_none()
                && let Some(token) = scanner.user()
            {
                let known = authenticate(&token)?;
                gathered.belongs_to(known.user)?;
                sender = Some(known);
            }
        }
        if gathered.held.is_strangers() && gathered.bytes > limits.anonymous_bytes_max {
            return Err(Refusal::late_token(limits.anonymous_bytes_max));
        }
        gathered.add(&piece)?;
    }
    if let Some(scanner) = &scanner {
        scanner.finish()?;
    }
    let token = scanner.as_ref().and_then(Scanner::user_span);
    if sender.is_none() && token.is_some() {
        return Err(Refusal::unknown_token());
    }
    let Gathered { held, mut pieces, small, bytes } = gathered;
    if !small.is_empty() {
        pieces.push(small.freeze());
    }
    let pieces = match token {
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
    fn count(&mut self, piece: &Bytes, bytes_max: u64) -> Result<(), Refusal> {
        self.bytes += piece.len() as u64;
        if self.bytes > bytes_max { Err(Refusal::too_large(bytes_max)) } else { Ok(()) }
    }

    fn belongs_to(&mut self, user: UserId) -> Result<(), Refusal> {
        if self.held.belongs_to(user) { Ok(()) } else { Err(Refusal::overloaded()) }
    }

    fn add(&mut self, piece: &Bytes) -> Result<(), Refusal> {
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

/// The same body with `-` in place of every byte of the span, so that lengths and the positions in errors stay the
/// same.
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

/// Reads on and throws away, so that a sender who is still writing receives the answer rather than a broken connection.
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
    use handshake::limit::Source;

    use super::super::budget::{Budget, Holder};
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use tokio::time::Sleep;

    const RATE: Rate = Rate { bytes_per_s_min: 1_024, window_ms: 60_000 };
    const LIMITS: BodyLimits = BodyLimits {
        bytes_max: 64 << 20,
        pause_ms: 30_000,
        rate: RATE,
        anonymous_bytes_max: 1 << 20,
        anonymous_ms: 100_000,
    };
    const STRANGER: Holder = Holder::Stranger(Source::V4([127, 0, 0]));

    /// A JSON body that arrives in pieces of a fixed size, each after a pause.
    struct Drip {
        left: Bytes,
        piece: usize,
        every: Duration,
        next: Pin<Box<Sleep>>,
    }

    impl HttpBody for Drip {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            if self.left.is_empty() {
                return Poll::Ready(None);
            }
            ready!(self.next.as_mut().poll(context));
            let next = Instant::now() + self.every;
            self.next.as_mut().reset(next);
            let count = self.piece.min(self.left.len());
            Poll::Ready(Some(Ok(hyper::body::Frame::data(self.left.split_to(count)))))
        }
    }

    /// The outcome of a body of that size at that pace, and after how many seconds.
    fn drip(bytes: usize, piece: usize, every_ms: u64) -> (Result<u64, Refusal>, u64) {
        let body = [b"{\"user\":\"u\",\"a\":\"".to_vec(), vec![b'x'; bytes], b"\"}".to_vec()].concat();
        drip_body(body, piece, every_ms)
    }

    fn drip_body(body: Vec<u8>, piece: usize, every_ms: u64) -> (Result<u64, Refusal>, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let begun = Instant::now();
            let every = Duration::from_millis(every_ms);
            let next = Box::pin(tokio::time::sleep(every));
            let mut body = Drip { left: body.into(), piece, every, next };
            let budget = Budget::new(1 << 30, 1 << 30);
            let sender = |_: &str| Ok(Sender { user: UserId([7; 16]), device: None });
            let read = read(&mut body, LIMITS, budget.hold(STRANGER), Some(Check::Grammar), &sender).await;
            (read.map(|arrived| arrived.bytes), begun.elapsed().as_secs())
        })
    }

    // Row: "A body may pause for an hour"
    #[test]
    fn a_body_that_keeps_coming_is_taken_however_long_it_takes() {
        // 3.5 MB at 8 kB/s take seven minutes, 20 MB at 2 kB/s almost three hours.
        for (bytes, piece, every_ms, least_s) in
            [(3_500_000, 8_000, 1_000, 420), (20_000_000, 16_384, 8_000, 9_000)]
        {
            let (read, took_s) = drip(bytes, piece, every_ms);
            assert_eq!(read, Ok(bytes as u64 + 19), "{piece} bytes every {every_ms} ms");
            assert!(took_s >= least_s, "{took_s}");
        }
        // A small one on a link that pauses.
        assert!(drip(10_000, 4_000, 20_000).0.is_ok());
    }

    // Row: "A body may pause for an hour"
    #[test]
    fn a_body_that_drips_or_pauses_ends_and_the_limit_that_was_reached_is_named() {
        for (piece, every_ms, most_s, named) in [
            (1, 1_000, 61, "1024 bytes a second"),
            (1, 29_000, 61, "1024 bytes a second"),
            (1_000, 1_500, 200, "1024 bytes a second"),
            (1, 31_000, 30, "30000 ms"),
            (50_000, 40_000, 30, "30000 ms"),
        ] {
            let (read, took_s) = drip(10_000_000, piece, every_ms);
            let refusal = read.expect_err("refused");
            let shown = format!("{piece} bytes every {every_ms} ms: {refusal} after {took_s} s");
            assert_eq!((refusal.status, &*refusal.code), (408, "slow-body"), "{shown}");
            assert!(refusal.message.contains(named) && took_s <= most_s, "{shown}");
        }
    }

    #[test]
    fn attack_81_a_body_that_does_not_show_whose_it_is_has_less_time_and_less_room() {
        let anonymous = |bytes: usize| [b"{\"a\":\"".to_vec(), vec![b'x'; bytes]].concat();
        let (read, took_s) = drip_body(anonymous(900_000), 2_000, 1_000);
        let refusal = read.expect_err("refused");
        assert_eq!((refusal.status, &*refusal.code, took_s), (408, "slow-token", 100));
        let (read, _) = drip_body(anonymous(2 << 20), 64 << 10, 1);
        let refusal = read.expect_err("refused");
        assert_eq!((refusal.status, &*refusal.code), (413, "late-token"));
        // The token at the end of a body that is small and quick enough is as good as one at its beginning.
        let late = [anonymous(900_000), b"\",\"user\":\"u\"}".to_vec()].concat();
        assert!(drip_body(late, 16 << 10, 1_000).0.is_ok());
    }

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
        let budget = Budget::new(1 << 20, 0);
        let held = budget.hold(Holder::Person(UserId([7; 16])));
        let mut gathered = Gathered { held, pieces: Vec::new(), small: BytesMut::new(), bytes: 0 };
        let mut want = Vec::new();
        for index in 0..40_000_u32 {
            let piece = Bytes::copy_from_slice(&index.to_le_bytes());
            want.extend_from_slice(&piece);
            gathered.add(&piece).expect("within the budget");
        }
        let large = Bytes::from(vec![7; PIECE_BYTES_MIN]);
        gathered.add(&large).expect("within the budget");
        want.extend_from_slice(&large);
        assert_eq!(gathered.pieces.concat(), want);
        assert!(gathered.pieces.len() <= 4, "{} pieces", gathered.pieces.len());
        assert_eq!(budget.free(), (1 << 20) - want.len() as u64);
    }
}
