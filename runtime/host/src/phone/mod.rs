//! A phone on the command line: it knows its host by the public key, puts batches as a phone does and asks for entries.
//!
//! * Invariants: nothing is sent to a host whose key is not the pinned one; a batch has at most 10,000 entries, as a
//!   phone's sync has.
//! * Not here: what the host does with them.

mod batches;
mod client;
mod connect;
mod elements;

pub use batches::{BadDump, ENTRIES_PER_BATCH_MAX, batches, entries_of, read_file};
pub use client::{Phone, PhoneError, Reply};
pub use connect::{BadConnect, Connect};
pub use elements::{BadArray, elements};
