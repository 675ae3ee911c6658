//! The options with which a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The current time: for new ids and for the change of sealing keys.
pub trait Clock: Send + Sync {
    /// Seconds since 1970-01-01T00:00:00Z.
    fn now_s(&self) -> f64;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_s(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |past| past.as_secs_f64())
    }
}

/// Which engine keeps the sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// One file, the default.
    Redb,
    /// A folder of files; only in builds with the feature `sled`.
    Sled,
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// The engine; a store is opened with the engine that it was created with.
    pub engine: EngineKind,
    /// Memory that the engine may use for its cache, bytes.
    pub engine_cache_bytes: usize,
    /// Memory that decoded blocks may take while they are not being read, bytes.
    pub block_cache_bytes: usize,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: EngineKind::Redb,
            engine_cache_bytes: 1 << 20,
            block_cache_bytes: 4 << 20,
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("engine", &self.engine)
            .field("engine_cache_bytes", &self.engine_cache_bytes)
            .field("block_cache_bytes", &self.block_cache_bytes)
            .finish_non_exhaustive()
    }
}
