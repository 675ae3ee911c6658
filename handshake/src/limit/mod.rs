//! How much a stranger may ask for: token buckets and counts, of bounded memory, with the clock given.
//!
//! * Units: moments are milliseconds since 1970. A clock that is set back delays nobody for longer than it takes to
//!   fill a bucket.
//! * Invariants: no limit is kept by person alone where a stranger could reach it, since that would hand strangers a
//!   switch to lock people out. What holds everybody up holds up a source, which is a network.
//! * Bounds: at most [`SOURCES_MAX`] buckets of a kind; beyond that the fullest go, whose loss forgives least.
//! * Not here: what is done with who is refused (the port drops, HTTP answers 429).

mod bucket;
mod handshakes;
mod source;
#[cfg(test)]
mod tests;

pub use bucket::{Buckets, Rate};
pub use handshakes::{HANDSHAKES_PER_RUNTIME_MAX, HANDSHAKES_PER_SOURCE_MAX, Handshakes, Slot};
pub use source::{Source, TokenPrefix};

/// Most buckets of one kind; about 40 bytes each.
pub const SOURCES_MAX: usize = 8192;
/// New connections of one source: 20 a second, 40 at once.
pub const CONNECTIONS: Rate = Rate { per_minute: 20 * 60, burst: 40 };
/// Connections of one source to labels of pairing windows.
pub const PAIRINGS: Rate = Rate { per_minute: 10, burst: 10 };
/// Bad tokens of one source.
pub const BAD_TOKENS: Rate = Rate { per_minute: 30, burst: 30 };
/// Bad tokens that begin alike, from all sources together.
pub const BAD_TOKENS_ALIKE: Rate = Rate { per_minute: 10, burst: 10 };

/// Every limit of one process that strangers reach.
#[derive(Debug, Clone)]
pub struct Limits {
    connections: Buckets<Source>,
    pairings: Buckets<Source>,
    bad_tokens: Buckets<Source>,
    bad_tokens_alike: Buckets<TokenPrefix>,
    /// Handshakes that are under way.
    pub handshakes: Handshakes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Buckets::new(CONNECTIONS, SOURCES_MAX),
            pairings: Buckets::new(PAIRINGS, SOURCES_MAX),
            bad_tokens: Buckets::new(BAD_TOKENS, SOURCES_MAX),
            bad_tokens_alike: Buckets::new(BAD_TOKENS_ALIKE, SOURCES_MAX),
            handshakes: Handshakes::default(),
        }
    }
}

impl Limits {
    /// Limits that nobody has touched.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new connection.
    ///
    /// # Errors
    /// Milliseconds until one more is taken.
    pub fn connection(&mut self, source: Source, now_ms: u64) -> Result<(), u64> {
        self.connections.take(source, now_ms)
    }

    /// A connection to the label of a pairing window, beside [`Self::connection`].
    ///
    /// # Errors
    /// Milliseconds until one more is taken.
    pub fn pairing(&mut self, source: Source, now_ms: u64) -> Result<(), u64> {
        self.pairings.take(source, now_ms)
    }

    /// Asked before a token is looked up. What others did to tokens that begin alike holds up a source only if it
    /// has shown bad tokens itself, so the person whose token it is comes through.
    ///
    /// # Errors
    /// Milliseconds until this source may show a token of this beginning.
    pub fn may_show_token(&self, source: Source, prefix: TokenPrefix, now_ms: u64) -> Result<(), u64> {
        let wait_ms = self.bad_tokens.wait_ms(&source, now_ms);
        let alike_ms = match self.bad_tokens.is_full(&source, now_ms) {
            true => 0,
            false => self.bad_tokens_alike.wait_ms(&prefix, now_ms),
        };
        match wait_ms.max(alike_ms) {
            0 => Ok(()),
            wait_ms => Err(wait_ms),
        }
    }

    /// The token was bad.
    pub fn token_was_bad(&mut self, source: Source, prefix: TokenPrefix, now_ms: u64) {
        // An empty bucket stays empty: who shows tokens without asking first gains nothing by it.
        let _ = self.bad_tokens.take(source, now_ms);
        let _ = self.bad_tokens_alike.take(prefix, now_ms);
    }
}
