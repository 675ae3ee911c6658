//! The people of this host: their records on disk, and the runtime of each one whose store is open.

pub(crate) mod person;
mod records;

pub(crate) use records::STORE_FOLDER;
pub use records::{KeyMode, People, PeopleError, PersonRecord, Standing};
