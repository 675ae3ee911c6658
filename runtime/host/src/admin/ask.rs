//! What every command has in common.

use runtime_program::{Failure, typed};
use runtime_user::{Runtime, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::Command;
use super::phone_address::PhoneAddress;
use super::remedy::of_people;

/// A command of an owner or an operator, with the type of its answer. It identifies people by name or id.
pub trait Ask: Into<Command> + Clone {
    /// The answer; the command line, the socket and `--json` share it.
    type Answer: Serialize + DeserializeOwned;

    /// Whether the command is useful only while a host runs.
    const NEEDS_HOST: bool = false;

    /// Whether the command creates a missing data folder.
    fn makes_folder(&self) -> bool {
        false
    }

    /// Carries out the command. Blocks on the disk.
    ///
    /// # Errors
    /// [`Failure`] with the remedy.
    fn answer(self, context: &Context<'_>) -> Result<Self::Answer, Failure>;
}

/// What commands need.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// All people's runtimes.
    pub runtime: &'a Runtime,
    /// Where phones reach the host.
    pub phone_address: &'a PhoneAddress,
}

impl Context<'_> {
    /// The person with that name or id.
    pub(super) fn find(&self, person: &str) -> Result<UserId, Failure> {
        self.runtime
            .people()
            .find(typed::trimmed(person))
            .map_err(|error| Failure::of(&error, of_people(&error)))
    }
}
