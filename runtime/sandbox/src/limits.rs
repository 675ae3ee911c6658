//! The limits of one run. docs/limits.md has every value with its reason.
//!
//! * Units: milliseconds and bytes. A grant lowers a limit, never raises it: [`Limits::lowered_by`].

pub use cells_contract::limits::{
    BODY_PIECE_BYTES_MAX, COLUMN_ROWS_MAX, CONTRIBUTION_NUMBERS_MAX, CURSORS_MAX, DOCUMENT_BYTES_MAX,
    LOG_LINE_BYTES_MAX, PAGE_BYTES, PAGE_FORMAT, QUERY_IDS_MAX, QUERY_KEYS_MAX, ROWS_MAX,
    STATE_KEY_BYTES_MAX, STATE_SCAN_BYTES_MAX, STATE_SCAN_KEYS_MAX, STATE_VALUE_BYTES_MAX,
};

/// The largest component that is admitted, bytes.
pub const COMPONENT_BYTES_MAX: u64 = 32 << 20;
/// The largest body that `handle` may return at once, bytes; a larger answer is sent in pieces.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// The largest state that a stage may keep, bytes.
pub const STAGE_STATE_BYTES_MAX: usize = 1 << 20;
/// The size of an id in calls, bytes.
pub const ID_BYTES: usize = 12;
/// How many log lines of a run are kept; further ones are only counted.
pub const LOG_LINES_MAX: u32 = 64;
/// The longest content type, bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 200;

/// The limits of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock from instantiation to the answer, without the time that the run waited for a slow caller, ms.
    /// Noticed within two ticks of 10 ms.
    pub wall_ms: u32,
    /// How long the run may wait for a slow caller in `exchange.begin` and `exchange.write`, together, ms.
    pub waiting_ms: u32,
    /// All linear memories and tables of the instance together, bytes; at most the pool's slot.
    pub memory_bytes: u64,
    /// From the store and the documents into the cell, bytes. Beyond it, reading returns `over-budget`.
    pub read_bytes: u64,
    /// From the cell into the write buffer, bytes. Beyond it, writing returns `over-budget`.
    pub written_bytes: u64,
    /// All pieces of an answer together, bytes. Beyond it, sending returns `over-budget`.
    pub output_bytes: u64,
    /// How much one call may pass out of the cell, bytes. Beyond it, the run ends.
    pub call_bytes: u64,
}

impl Limits {
    /// The limits of an endpoint's call, unless the grant has lower ones.
    pub const fn endpoint() -> Self {
        Self {
            wall_ms: 2_000,
            waiting_ms: 60_000,
            memory_bytes: 32 << 20,
            read_bytes: 512 << 20,
            written_bytes: 80 << 20,
            output_bytes: 1 << 30,
            call_bytes: 8 << 20,
        }
    }

    /// The limits of a stage's run, unless the grant has lower ones.
    pub const fn stage() -> Self {
        Self {
            wall_ms: 30_000,
            waiting_ms: 0,
            memory_bytes: 256 << 20,
            read_bytes: 512 << 20,
            written_bytes: 64 << 20,
            output_bytes: 0,
            call_bytes: 16 << 20,
        }
    }

    /// The limits of a contribution, unless the grant has lower ones: those of a stage that writes nothing.
    pub const fn contribution() -> Self {
        Self { written_bytes: 0, ..Self::stage() }
    }

    /// The smaller of both, limit by limit.
    #[must_use]
    pub fn lowered_by(self, grant: Self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(grant.wall_ms),
            waiting_ms: self.waiting_ms.min(grant.waiting_ms),
            memory_bytes: self.memory_bytes.min(grant.memory_bytes),
            read_bytes: self.read_bytes.min(grant.read_bytes),
            written_bytes: self.written_bytes.min(grant.written_bytes),
            output_bytes: self.output_bytes.min(grant.output_bytes),
            call_bytes: self.call_bytes.min(grant.call_bytes),
        }
    }
}

/// The usage of a run, for the audit record and the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Wall clock without waiting for a slow caller, µs.
    pub elapsed_us: u64,
    /// Waiting for a slow caller, µs.
    pub waited_us: u64,
    /// From the store and the documents, bytes.
    pub read_bytes: u64,
    /// Into the write buffer, bytes.
    pub written_bytes: u64,
    /// Pieces of the answer, bytes; without the body that `handle` returned.
    pub output_bytes: u64,
    /// The body of the request, bytes.
    pub body_bytes: u64,
    /// Memories and tables now, bytes; they only grow.
    pub memory_bytes: u64,
    /// Log lines over the limit.
    pub log_lines_dropped: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_lowers_limits_and_never_raises_them() {
        let grant = Limits { wall_ms: 10, memory_bytes: 1 << 40, ..Limits::endpoint() };
        let limits = Limits::endpoint().lowered_by(grant);
        assert_eq!((limits.wall_ms, limits.memory_bytes), (10, Limits::endpoint().memory_bytes));
    }
}
