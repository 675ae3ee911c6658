//! How much a stranger may use: token buckets and counts, of bounded memory, with the clock as an argument.
//!
//! * Units: moments are milliseconds since 1970. A clock that is set back delays no request for longer than it takes to
//!   fill a bucket.
//! * Invariants: no limit that strangers can reach depends on the person alone, since strangers could then lock people
//!   out. Limits that delay requests depend on the source, which is a network.
//! * Bounds: at most [`SOURCES_MAX`] buckets of a kind; beyond that the fullest are dropped, which forgives least.
//! * Not here: what happens to refused requests (the port drops them, HTTP answers 429).

mod bucket;
mod handshakes;
mod places;
mod source;
#[cfg(test)]
mod tests;

pub use bucket::{Buckets, Rate};
pub use handshakes::{HANDSHAKES_PER_RUNTIME_MAX, HANDSHAKES_PER_SOURCE_MAX, Handshakes, Slot};
pub use places::{NoPlace, Places};
pub use source::{Source, TokenPrefix};

/// Most buckets of one kind; about 40 bytes each.
pub const SOURCES_MAX: usize = 8192;
/// New connections of one source: 20 a second, 40 at once.
pub const CONNECTIONS: Rate = Rate { per_minute: 20 * 60, burst: 40 };
/// Connections of one source at one moment, without those of callers that have proved who they are.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 64;
/// Connections of one person's devices at one moment.
pub const CONNECTIONS_PER_PERSON_MAX: usize = 64;
/// Connections of one source to labels of pairing windows.
pub const PAIRINGS: Rate = Rate { per_minute: 10, burst: 10 };
/// Bad tokens of one source.
pub const BAD_TOKENS: Rate = Rate { per_minute: 30, burst: 30 };
/// Bad tokens with the same beginning, from all sources together.
pub const BAD_TOKENS_ALIKE: Rate = Rate { per_minute: 10, burst: 10 };

/// Every limit of one process that strangers can reach.
#[derive(Debug, Clone)]
pub struct Limits {
    connections: Buckets<Source>,
    pairings: Buckets<Source>,
    bad_tokens: Buckets<Source>,
    bad_tokens_alike: Buckets<TokenPrefix>,
    /// Handshakes in progress.
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
    /// Unused limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a new connection.
    ///
    /// # Errors
    /// Milliseconds until one more is accepted.
    pub fn connection(&mut self, source: Source, now_ms: u64) -> Result<(), u64> {
        self.connections.take(source, now_ms)
    }

    /// Counts a connection to the label of a pairing window, in addition to [`Self::connection`].
    ///
    /// # Errors
    /// Milliseconds until one more is accepted.
    pub fn pairing(&mut self, source: Source, now_ms: u64) -> Result<(), u64> {
        self.pairings.take(source, now_ms)
    }

    /// Must be called before a token is looked up. Bad tokens of others with the same beginning delay a source only if
    /// it has shown bad tokens itself, so the token's owner gets through.
    ///
    /// # Errors
    /// Milliseconds until this source may show a token with this beginning.
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

    /// Counts a bad token.
    pub fn token_was_bad(&mut self, source: Source, prefix: TokenPrefix, now_ms: u64) {
        // An empty bucket stays empty: showing tokens without calling `may_show_token` first gains nothing.
        let _ = self.bad_tokens.take(source, now_ms);
        let _ = self.bad_tokens_alike.take(prefix, now_ms);
    }
}
