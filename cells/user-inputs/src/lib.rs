//! Labels and forms of a person about trips and stays: which entry they belong to, and how the entry stores them.
//!
//! An input names a span of time, not an entry. [`rule`] decides whether it belongs to a trip, a stay or an untracked
//! span; [`entered`] computes what the entry shows of all its inputs. The stage that makes confirmed entries looks for
//! the inputs of each entry; the stage for later inputs looks for the entry of each input. Both use the same rule.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z.
//! * Memory: an [`Input`] holds its label, or its whole entry if an entry shows that.
//! * Not here: which entries and inputs there are (each stage), and what labels mean (trip models).

pub mod entered;
mod input;
pub mod rule;

pub use entered::{BadEntered, Entered, added};
pub use input::{BadInput, Held, Input, Kind, Status};
pub use rule::{Fit, Next, Span, fit};
