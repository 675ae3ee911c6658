//! One person's data as its owner sees it: what arrives, what waits, what is left out; taking it in, out, and away.

pub mod arrivals;
pub(crate) mod dump;
pub mod errors;
pub(crate) mod forget;
pub(crate) mod profile;
pub(crate) mod stamp;
pub(crate) mod waiting;
