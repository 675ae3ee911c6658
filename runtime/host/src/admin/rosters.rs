//! What no device has signed yet, and the signature of the recovery phrase in place of a device's.

use handshake::roster::{Roster, Signed};
use runtime_program::Failure;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::of_owner;

/// Asks what waits for a signature, to sign it with the recovery phrase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowUnsigned {
    /// The person, by name or id.
    pub person: String,
}

/// The answer to [`ShowUnsigned`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnsignedShown {
    /// What the phrase would sign; none: nothing waits.
    pub roster: Option<Roster>,
    /// What it changes, in words.
    pub changes: Vec<String>,
}

impl Ask for ShowUnsigned {
    type Answer = UnsignedShown;

    fn answer(self, context: &Context<'_>) -> Result<UnsignedShown, Failure> {
        let runtime = context.runtime;
        let user = context.find(&self.person)?;
        let unsigned =
            runtime.unsigned(user, runtime.clocks().lasting_ms()).map_err(of_owner(&self.person))?;
        let Some(unsigned) = unsigned else { return Ok(UnsignedShown { roster: None, changes: Vec::new() }) };
        let changes = unsigned.changes.iter().map(ToString::to_string).collect();
        Ok(UnsignedShown { roster: Some(unsigned.roster), changes })
    }
}

/// Hands over the signature of the recovery phrase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignByPhrase {
    /// The person, by name or id.
    pub person: String,
    /// What waited, signed.
    pub signed: Box<Signed>,
}

/// The answer to [`SignByPhrase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedByPhrase {
    /// The version that is in force now.
    pub version: u64,
}

impl Ask for SignByPhrase {
    type Answer = SignedByPhrase;

    fn answer(self, context: &Context<'_>) -> Result<SignedByPhrase, Failure> {
        let runtime = context.runtime;
        let user = context.find(&self.person)?;
        let version = self.signed.roster().version;
        let signed = runtime.sign_by_phrase(user, *self.signed, runtime.clocks().lasting_ms());
        signed.map_err(of_owner(&self.person))?;
        Ok(SignedByPhrase { version })
    }
}
