//! One person's entries and documents, encrypted at rest.
//!
//! A [`Store`] is a folder with one engine file, a keyring and a key slot. [`Store::commit`] commits a [`Batch`] whole
//! or not at all, and the batch is on disk when the call returns. A [`Snapshot`] is what the store held at one moment;
//! reading it never waits for a writer. Entries are kept in sealed blocks of up to 1,024 rows of one stream and month;
//! what the blocks hold is known only from sealed descriptors, which are kept in memory as the index.
//! docs/formats/store.md describes the layout.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, as the double that a phone sent; sizes are bytes.
//! * Invariants: an acknowledged commit survives power loss; texts come back byte for byte; a changed byte
//!   on disk gives an error, never other data; ids that the store gives out rise.
//! * Not here: who may read (`runtime/user`), what entries mean (`cells/`), whether a text is valid JSON (the caller).

mod batch;
pub mod block;
mod cache;
mod draft;
pub mod engine;
mod error;
mod forgotten;
mod index;
mod keys;
mod layout;
mod month;
mod options;
mod read;
mod rows;
mod steps;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod vault;

pub use cells_contract::limits::DOCUMENT_BYTES_MAX;
pub use runtime_types::LocationRows;

pub use batch::{Batch, CheckedEntry, Mark, NewEntry};
pub use error::{CommitError, DiskTrouble, EngineError, KeyError, OpenError, ReadError};
pub use forgotten::FORGOTTEN_PREFIX;
pub use keys::{DataKey, Held, KeyProvider, NotOpened, SmallFile, Unattended, is_sealed_apart};
pub use options::{Clock, EngineKind, Options, SystemClock};
pub use read::{Cursor, Head, LocationCursor, OwnedRow, Progress, Row, Snapshot};
pub use steps::{remove_tree, step};
pub use store::{Committed, Erased, SettleReport, Shredded, Store};

/// The most that the texts of one entry may have together, bytes.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;
