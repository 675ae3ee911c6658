//! Files that a person's page hands in, in parts, for a command that takes a file.

use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64;
use runtime_program::Failure;
use runtime_user::{CallError, Handed, PARCEL_BYTES_MAX, ParcelError, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::{SEE_LOG, logged};

/// A file that a command takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// One of the host: an absolute path. Only the command line names one.
    Path(PathBuf),
    /// One that was handed in.
    Parcel(OfParcel),
}

/// Names a file that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfParcel {
    /// The id that [`ParcelBegun`] gave.
    pub parcel: String,
}

impl Given {
    /// Whether it names a file of the host.
    pub(super) fn is_path(&self) -> bool {
        matches!(self, Self::Path(_))
    }
}

impl From<PathBuf> for Given {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

/// Begins to hand in a file, in place of one that the person has handed in before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginParcel {
    /// The person, by name or id.
    pub person: String,
    /// What its owner calls it.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// The answer to [`BeginParcel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelBegun {
    /// The person's id.
    pub id: String,
    /// The file's id.
    pub parcel: String,
    /// How many bytes each part has, except the last one.
    pub part_bytes: u64,
}

impl Ask for BeginParcel {
    type Answer = ParcelBegun;

    fn answer(self, context: &Context<'_>) -> Result<ParcelBegun, Failure> {
        let user = context.find(&self.person)?;
        let begun = context.runtime.parcels().begin(user, &self.name, self.bytes);
        let part_bytes = runtime_user::PARCEL_PART_BYTES as u64;
        Ok(ParcelBegun { id: user.dashed(), parcel: begun.map_err(failure)?, part_bytes })
    }
}

/// Hands in the next part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddParcel {
    /// The person, by name or id.
    pub person: String,
    /// The file's id.
    pub parcel: String,
    /// Where the part begins, bytes.
    pub at: u64,
    /// The part, in base64 with padding.
    pub part: String,
}

/// The answer to [`AddParcel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelAdded {
    /// The person's id.
    pub id: String,
    /// How many bytes of the file were handed in.
    pub received: u64,
}

impl Ask for AddParcel {
    type Answer = ParcelAdded;

    fn answer(self, context: &Context<'_>) -> Result<ParcelAdded, Failure> {
        let user = context.find(&self.person)?;
        let part = BASE64.decode(self.part.as_bytes()).map_err(|error| {
            Failure::of(&error, "give the part in base64 of the usual letters, with padding")
        })?;
        let added = context.runtime.parcels().add(user, &self.parcel, self.at, &part);
        Ok(ParcelAdded { id: user.dashed(), received: added.map_err(failure)? })
    }
}

/// Gives a file up that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndParcel {
    /// The person, by name or id.
    pub person: String,
    /// The file's id.
    pub parcel: String,
}

/// The answer to [`EndParcel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelEnded {
    /// The person's id.
    pub id: String,
}

impl Ask for EndParcel {
    type Answer = ParcelEnded;

    fn answer(self, context: &Context<'_>) -> Result<ParcelEnded, Failure> {
        let user = context.find(&self.person)?;
        context.runtime.parcels().end(user, &self.parcel);
        Ok(ParcelEnded { id: user.dashed() })
    }
}

/// The file that was handed in.
pub(super) fn handed(context: &Context<'_>, user: UserId, of: &OfParcel) -> Result<Arc<Handed>, Failure> {
    context.runtime.parcels().find(user, &of.parcel).map_err(failure)
}

fn failure(error: ParcelError) -> Failure {
    let remedy = match &error {
        ParcelError::TooLarge { .. } => format!(
            "pack it as a zip, which may have {} MiB, or give it to `cellar import` at the console",
            PARCEL_BYTES_MAX >> 20
        ),
        ParcelError::Name => "give it a shorter name".to_owned(),
        ParcelError::TooMany => "try again later".to_owned(),
        ParcelError::None | ParcelError::Unfinished { .. } => "hand it in again".to_owned(),
        ParcelError::Part { .. } => "hand in that part, or begin again".to_owned(),
        ParcelError::Call(CallError::Locked) => "open the data first".to_owned(),
        ParcelError::Disk(_) => SEE_LOG.to_owned(),
        _ => return logged(error),
    };
    Failure::of(&error, remedy)
}
