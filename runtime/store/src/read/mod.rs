//! Reading: snapshots, and cursors that merge blocks in the order of a query.

mod cursor;
mod locations;
mod merge;
mod snapshot;
mod source;
mod token;

pub use cursor::{Cursor, OwnedRow, Progress, Row};
pub use locations::LocationCursor;
pub use snapshot::{Head, Snapshot};
