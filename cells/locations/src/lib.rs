//! Reads whole streams of locations: as columns without exact duplicates, and single entries where a result needs more
//! than numbers. Every stage that works on locations reads them in the same way.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, angles degrees, accuracy metres.
//! * Memory: 53 bytes for each location, 2 more where devices are distinguished; texts are read only for suspected
//!   duplicates and single entries.
//! * Not here: the use of the locations (each stage).

mod backlog;
mod columns;
mod duplicates;
mod point_text;
mod repeats;
mod single;

pub use backlog::{ROWS_A_RUN, end_after, spans_taken};
pub use columns::{ANY_CADENCE, Locations, Sampling, read};
pub use duplicates::without_exact_duplicates;
pub use point_text::{BadPoint, PointText};
pub use repeats::Repeats;
pub use single::{Found, at_time, first_that_fits};
