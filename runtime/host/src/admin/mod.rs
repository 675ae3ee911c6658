//! Commands that administer people. They are the same whether or not a host is running over the data folder.
//!
//! A data folder has one owner at a time, the process that holds its lock. A verb that gets the lock does its work
//! itself; one that does not asks the process that holds it, through a socket in the folder that only its owner may
//! use. Any user of that socket may give every command: access to it is what proves that an owner is at the host.
//!
//! * A command is a type that implements [`Ask`] and has its own answer type. Each file covers one subject; the table
//!   in `command.rs` gives each command its name on the wire. A new command touches its subject's file, the table, and
//!   the verb of the command line that gives it.
//! * Invariants: a store is opened by one process; an answer contains no secret, except a connection string, a token or
//!   a pairing code that was asked for.

mod app_config;
mod ask;
mod audit;
mod cells;
mod command;
mod days;
mod devices;
mod diary;
mod errors;
mod export;
mod folder;
mod heat;
mod host;
mod import;
mod intake;
mod keys;
mod owners;
mod pairing;
mod parcels;
mod people;
mod phone_address;
mod pipeline;
mod places;
mod reading;
mod receivers;
mod remedy;
mod removal;
mod rosters;
mod socket;
mod studies;
mod tokens;
mod watch;
mod web;
mod zone;

pub use app_config::*;
pub use ask::{Ask, Context};
pub use audit::*;
pub use cells::*;
pub use command::Command;
pub use days::*;
pub use devices::*;
pub use diary::*;
pub use errors::*;
pub use export::*;
pub use folder::{Claim, FolderError, claim};
pub use heat::*;
pub use host::*;
pub use import::*;
pub use intake::*;
pub use keys::*;
pub use owners::{BadCommand, CONSOLE_COMMANDS, DEVICE_COMMANDS, OPERATOR_COMMANDS, decides};
pub use pairing::*;
pub use parcels::*;
pub use people::*;
pub use phone_address::PhoneAddress;
pub use pipeline::*;
pub use places::*;
pub use receivers::*;
pub use removal::*;
pub use rosters::*;
pub use socket::{ControlSocket, ask, ask_any};
pub use studies::*;
pub use tokens::*;
pub use watch::*;
pub use web::*;
