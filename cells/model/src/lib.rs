//! The data model that cells and the runtime share: what entries mean, and how they cross between the two.
//!
//! * [`page`] and [`rows`]: the packed forms of docs/formats/page.md, checked on both sides.
//! * [`time`]: local times as entries carry them.
//! * Units: times are seconds since 1970-01-01T00:00:00Z, angles degrees, lengths metres, speeds m/s.
//! * Not here: who may read what (the runtime), and how results are computed (each cell).

mod id;
pub mod page;
pub mod rows;
mod take;
pub mod time;

pub use id::EntryId;
