//! A phone as a library: it identifies its host by the public key, puts batches as a phone does and asks for entries.
//!
//! * Invariants: nothing is sent to a host whose key is not the pinned one; a batch has at most 10,000 entries, like a
//!   phone's sync.
//! * A dump's entries are sent in the form in which a phone first sent them; entries that phones never make are left
//!   out.
//! * Not here: what the host does with them.

mod batches;
mod client;
mod connect;
mod link;
mod native;
mod pair;
mod roster;
mod state;
mod unformat;

pub use batches::{BadDump, ENTRIES_PER_BATCH_MAX, batches, entries_of};
pub use client::{Phone, PhoneError, Reply};
pub use connect::{BadConnect, Connect};
pub use link::{Call, Requests, Secured, secure, secure_with};
pub use native::Native;
pub use pair::{Code, pair};
pub use roster::News;
pub use state::{BadPhoneFile, PhoneFile, PhoneKeys};
