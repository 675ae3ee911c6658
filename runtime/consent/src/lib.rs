//! What an owner lets a cell from elsewhere read: the document that says so, how it is narrowed, and what of each
//! entry is shown.
//!
//! [`Consent`] is the document: streams, over which time, how precisely, for what, until when. [`Reach`] is its
//! compiled form, which every call of such a cell passes through (`runtime/user`, `cells/grant`). The rule in one
//! sentence: a query is answered as if each stream held only the entries inside its window, coarsened, in the order of
//! their coarse times and of ids that say nothing. docs/formats/grant.md describes the document and the grid.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z, angles degrees, lengths metres.
//! * Invariants: a narrowing never widens; under a coarse grant only members that a schema marks are shown; what is
//!   shown does not depend on anything finer than the grain.
//! * Not here: stores, clocks, who may grant (`runtime/user`), signatures of packages.

mod consent;
mod data;
mod grid;
mod ids;
mod metadata;
mod narrow;
mod pattern;
mod precision;
mod reach;
mod shape;
mod words;

pub use consent::{
    Asking, BadConsent, CONSENT_BYTES_MAX, Consent, Leaves, STREAMS_MAX, State, StreamGrant, StreamName,
    Wants, document_of,
};
pub use grid::centre_of;
pub use ids::Pseudonyms;
pub use narrow::{Narrowing, Widens};
pub use pattern::{covers_key, is_pattern, is_within};
pub use precision::{BadPrecision, Place, Time};
pub use reach::{Reach, StreamReach};
pub use shape::{BadShape, MARK, Mark, Shape};
