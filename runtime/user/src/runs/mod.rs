//! Runs of cells: one call of an endpoint, one run of a stage, when runs are due, and the records of them.

pub(crate) mod answering;
pub(crate) mod audit;
pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod late;
pub(crate) mod origin;
pub(crate) mod pieces;
pub(crate) mod pipelines;
pub(crate) mod rewind;
pub(crate) mod stage;
pub(crate) mod status;
pub(crate) mod timetable;
pub(crate) mod told;
pub(crate) mod words;
