//! What every command has in common.

use runtime_program::{Failure, typed};
use runtime_user::{Runtime, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::Command;
use super::phone_address::PhoneAddress;
use super::remedy::SEE_LIST;

/// A command of an owner or an operator, with the type of its answer. It names people by name or id.
pub trait Ask: Into<Command> + Clone {
    /// What is answered; the command line, the socket and `--json` share it.
    type Answer: Serialize + DeserializeOwned;

    /// Whether it means something only while a host runs.
    const NEEDS_HOST: bool = false;

    /// Whether it makes a data folder where there is none.
    fn makes_folder(&self) -> bool {
        false
    }

    /// Does it. Blocks on the disk.
    ///
    /// # Errors
    /// [`Failure`] with the remedy.
    fn answer(self, context: &Context<'_>) -> Result<Self::Answer, Failure>;
}

/// What commands are done with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Everybody's runtimes.
    pub runtime: &'a Runtime,
    /// Where phones reach the host.
    pub phone_address: &'a PhoneAddress,
}

impl Context<'_> {
    /// The person of that name or id.
    pub(super) fn find(&self, person: &str) -> Result<UserId, Failure> {
        self.runtime.people().find(typed::trimmed(person)).map_err(|error| Failure::of(&error, SEE_LIST))
    }
}
