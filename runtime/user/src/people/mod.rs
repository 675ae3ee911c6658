//! The people of this host: their records on disk, and the runtime of each person whose store is open.

mod damage;
mod list;
pub(crate) mod open;
pub(crate) mod person;
mod receivers;
mod record;
pub mod turns;

pub use damage::Damage;
pub use list::People;
pub use receivers::{RECEIVERS_MAX, Receiver, Receiving};
pub use record::{KeyMode, PeopleError, PersonRecord, Standing};
pub(crate) use record::{RECORD_FILE, STORE_FOLDER};
