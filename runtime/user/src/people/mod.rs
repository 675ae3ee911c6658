//! The people of this host: their records on disk, and the runtime of each person whose store is open.

mod damage;
mod list;
pub(crate) mod open;
pub(crate) mod person;
mod record;
pub mod turns;

pub use damage::Damage;
pub use list::People;
pub use record::{KeyMode, PeopleError, PersonRecord, Standing};
pub(crate) use record::{RECORD_FILE, STORE_FOLDER};
