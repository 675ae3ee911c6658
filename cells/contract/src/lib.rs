//! The parts of `wit/` that both sides of a sandbox need in Rust: ids, columns of locations, the form of a
//! stream's key, and the limits that a cell can reach.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, angles degrees, lengths metres, sizes bytes.
//! * Invariants: an [`EntryId`] has 12 bytes; the columns of [`LocationRows`] have one length.
//! * Not here: the packed forms of entries (`cells/model`), and the resources of one run (`runtime/sandbox`).

mod hex;
mod id;
mod key;
pub mod limits;
mod locations;

pub use hex::{BadHex, parse_hex};
pub use id::EntryId;
pub use key::{KEY_PART_BYTES_MAX, is_key};
pub use locations::LocationRows;
