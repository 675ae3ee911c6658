//! Administering people: the same commands whether a host is running over the data folder or not.
//!
//! A data folder has one owner at a time, who holds its lock. A verb that gets the lock does its work itself; one that
//! does not asks the host that has it, through a socket in the folder that only its owner may use.
//!
//! * Invariants: a store is opened by one process; what a command answers is JSON without secrets, except the
//!   connection string of a person who is added.

mod command;
mod diary;
mod export;
mod folder;
mod import;
mod owner;
mod socket;
mod zone;

pub use command::{Audit, Command, Door, execute};
pub use folder::{Claim, FolderError, claim};
pub use owner::OwnerCommand;
pub use socket::{Desk, ask};
