//! The verbs of `cellar`, one file for each.

pub mod cell;
pub mod device;
pub mod export;
pub mod gateway;
pub mod host;
pub mod import;
pub mod open;
pub mod pair;
pub mod phone;
pub mod pipeline;
pub mod receiver;
pub mod serve;
pub mod study;
pub mod types;
pub mod user;

mod moment;
mod options;
mod place;
mod ready;
mod who;

pub use options::Options;
pub use who::Who;

pub(crate) use moment::{moment, moment_of_ms, moment_or_dash};
pub(crate) use options::data_of;
pub(crate) use place::{
    Session, administer, carry_out, clock_line, identity, open_runtime, show, street_map,
};
