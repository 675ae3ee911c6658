//! One person's data as its owner sees it: what arrives, what waits, what is left out; import, export and deletion.

pub(crate) mod app_config;
pub mod arrivals;
pub(crate) mod dump;
pub mod errors;
pub(crate) mod forget;
pub mod intake;
pub(crate) mod parcels;
pub(crate) mod profile;
pub(crate) mod stamp;
pub(crate) mod waiting;

use crate::runtime::Runtime;

/// Changes to people's data that the pipeline must follow, and the readings that their diaries leave out.
#[derive(Clone, Copy)]
pub struct Diaries<'r> {
    runtime: &'r Runtime,
}

impl<'r> Diaries<'r> {
    pub(crate) fn of(runtime: &'r Runtime) -> Self {
        Self { runtime }
    }
}
