//! Trips that go between the same two places, and their labels.
//!
//! Trips whose origins and destinations are at most [`SAME_PLACE_M`] apart are in one bin ([`binning`]); the shares of
//! the labels of a bin's trips are the probabilities of the labels of a new trip between these places
//! ([`predictions`]). A [`TripModel`] is the bins of one person with their shares. One stage builds it
//! (`cells/trip-model`), another applies it (`cells/label-inference`).
//!
//! * Units: degrees, metres; probabilities 0 to 1.
//! * Invariants: the same trips in the same order give the same model, to the byte.
//! * Not here: reading and writing entries and documents.

pub mod binning;
pub mod confidence;
mod ends;
pub mod labels;
mod model;
pub mod predictions;

pub use ends::{Ends, SAME_PLACE_M};
pub use labels::{Given, Labels};
pub use model::{BadModel, Bin, MODEL_DOCUMENT, Share, TripModel};
