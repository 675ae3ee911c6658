//! The data model that cells and the runtime share: what entries mean, and how they cross between the two.
//!
//! * [`page`] and [`rows`]: the packed forms of docs/formats/page.md, checked on both sides.
//! * [`text`]: JSON texts changed without touching the other bytes. [`scan`]: one pass that checks all of a text.
//!   [`device`]: the device that an entry names. [`time`]: local times as entries carry them. [`keys`]: every key with
//!   the required form of its data.
//! * [`sent`]: entries as phones send them. [`aside`]: the error of entries that are set aside. [`plausible`]: which
//!   times and places can be true.
//! * [`background`], [`statemachine`], [`manual`], [`stats`], [`config`]: what phones send, after its import.
//!   [`segmentation`], [`analysis`], [`inference`]: results of stages. [`Kept`] writes them back whole.
//! * Units: times are seconds since 1970-01-01T00:00:00Z, angles degrees, lengths metres, speeds m/s.
//! * Not here: who may read what (the runtime), and how results are computed (each cell).

pub mod analysis;
pub mod aside;
pub mod background;
pub mod config;
#[cfg(feature = "schemas")]
pub mod described;
pub mod inference;
mod kept;
pub mod keys;
pub mod manual;
mod numbered;
pub mod page;
pub mod plausible;
pub mod rows;
pub mod segmentation;
pub mod sent;
pub mod statemachine;
pub mod stats;
mod take;
pub mod time;
mod zone;

pub use cells_contract::{EntryId, LocationRows, limits};
pub use cells_json::{device, list, scan, structure, text};
pub use kept::{Kept, Point, PointKind};
