//! Streams of locations read whole: as columns without exact duplicates, and single entries where a result
//! needs more than numbers. Every stage that works on locations reads them the same way.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, angles degrees, accuracy metres.
//! * Memory: 53 bytes a location, 2 more where devices are told apart; texts are read for suspected duplicates and single entries only.
//! * Not here: what the locations are good for (each stage).

mod columns;
mod duplicates;
mod point_text;
mod repeats;
mod single;

use cells_sdk::Failure;
use cells_sdk::model::page::BadPage;

pub use columns::{Locations, Sampling, for_each_entry, for_each_id, read};
pub use duplicates::without_exact_duplicates;
pub use point_text::{BadPoint, PointText};
pub use repeats::Repeats;
pub use single::{Found, at_time, first_that_fits};

/// Why locations could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The runtime refused.
    #[error("cannot read {keys}")]
    Refused {
        /// The keys of the query.
        keys: String,
        /// Its words.
        #[source]
        source: Failure,
    },
    /// The runtime sent a page that breaks its own rules.
    #[error("cannot read {keys}")]
    Page {
        /// The keys of the query.
        keys: String,
        /// Which rule.
        #[source]
        source: BadPage,
    },
}
