//! The links of the raw chain, as the other files read them.

use cells_sdk::model::EntryId;
use serde::Deserialize;

/// All stages of one pipeline run write at the same moment, plus a microsecond for each entry: the smoothing of a
/// section is written no earlier than this before the section, s.
pub const RUN_SPREAD_S: f64 = 1.0;

/// A raw trip.
#[derive(Debug, Clone, Deserialize)]
pub struct Trip {
    /// Ids rise along the chain.
    #[serde(skip)]
    pub id: EntryId,
    /// When it was made, s.
    #[serde(skip)]
    pub write_ts: f64,
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
    /// The place where it began.
    pub start_place: EntryId,
    /// The place where it ended.
    pub end_place: EntryId,
}

/// The beginning of a trip or of a span without readings.
#[derive(Deserialize)]
pub struct Start {
    /// s
    pub start_ts: f64,
}
