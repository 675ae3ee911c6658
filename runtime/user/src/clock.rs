//! The system's clock, in the units that its readers want. Only what is shown to people or compared with other
//! machines reads it; a lease does not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) fn epoch_s() -> f64 {
    since_epoch().as_secs_f64()
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn epoch_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}
