//! The people of this host: their records on disk, and the runtime of each person whose store is open.

mod list;
pub(crate) mod open;
pub(crate) mod person;
mod record;
pub mod turns;

pub use list::People;
pub(crate) use record::STORE_FOLDER;
pub use record::{KeyMode, PeopleError, PersonRecord, Standing};
