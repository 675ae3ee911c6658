//! What a person enters about trips and stays: which entry a label or form belongs to, and how it is kept there.
//!
//! An input names a span of time, not an entry. [`rule`] says whether it belongs to a trip, a stay or an untracked
//! span; [`entered`] says what the entry shows of all that belong to it. The stage that makes confirmed entries
//! looks for the inputs of each entry; the stage that takes in later inputs looks for the entry of each input.
//! Both go by the same rule.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z.
//! * Memory: an [`Input`] holds its label, or its whole entry where that is what an entry shows.
//! * Not here: which entries and inputs there are (each stage), and what labels mean (trip models).

pub mod entered;
mod input;
pub mod rule;

pub use entered::{BadEntered, Entered, added};
pub use input::{BadInput, Held, Input, Kind, Status};
pub use rule::{Fit, Next, Span, fit};
