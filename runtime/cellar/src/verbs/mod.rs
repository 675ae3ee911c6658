//! What each verb of `cellar` does, a file a verb.

mod audit;
pub mod device;
mod errors;
pub mod export;
pub mod gateway;
pub mod pair;
pub mod phone;
pub mod pipeline;
pub mod serve;
pub mod types;
pub mod user;

mod place;
mod ready;

pub use place::Place;
pub(crate) use place::{administer, clock_line, identity, moment, open_runtime};
