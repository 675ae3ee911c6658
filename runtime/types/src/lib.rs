//! The basic types that every package of the runtime shares: people, streams, entries, times, shares of what is
//! bounded.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, as the double that a phone sent; ids are bytes.
//! * Invariants: a [`StreamKey`] has been parsed, an [`EntryId`] has 12 bytes, a [`Query`]'s bounds are not NaN.
//! * Not here: what entries mean (`cells/model`), where they are stored (`runtime/store`).

mod error;
mod id;
mod query;
mod shares;
mod stream;
mod times;
mod visible;

pub use cells_contract::{BadHex, EntryId, LocationRows};
pub use error::chain;
pub use id::UserId;
pub use query::{BadQuery, Order, Query, TimeField};
pub use shares::Shares;
pub use stream::{Area, BadStreamKey, Stream, StreamKey};
pub use times::EntryTimes;
pub use visible::is_visible;
