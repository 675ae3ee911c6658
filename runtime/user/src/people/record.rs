//! One person's record, and the content of the folder that it names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use handshake::roster::TOKENS_MAX;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::Damage;
use super::receivers::{RECEIVERS_MAX, Receiver};
use crate::files;

/// The record of a person, in the person's folder.
pub(crate) const RECORD_FILE: &str = "person.json";
/// The person's store, in the same folder.
pub(crate) const STORE_FOLDER: &str = "store";

/// Why the list of people could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeopleError {
    /// The disk refused.
    #[error("cannot use {path}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be parsed.
    #[error("{path} is not a person's record")]
    Record {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A file of the person cannot be used.
    #[error("the person's files are damaged: {0}")]
    Damaged(Damage),
    /// A person with that id is on this host.
    #[error("{} is here already", user.dashed())]
    Taken {
        /// The id.
        user: UserId,
    },
    /// No person has that id or name.
    #[error("there is nobody called {0}")]
    Nobody(String),
    /// Several people have the name.
    #[error("{count} people are called {name}: use the id")]
    Ambiguous {
        /// The name.
        name: String,
        /// How many people have it.
        count: usize,
    },
    /// A name is 1 to 100 characters without control characters.
    #[error("a name is 1 to 100 characters, none of them a control character")]
    BadName,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    NoRandomness,
    /// No further receiver.
    #[error(
        "{receivers} receivers and {tokens} tokens are in use, over the limit of {RECEIVERS_MAX} receivers, and {TOKENS_MAX} of both: revoke one"
    )]
    TooManyReceivers {
        /// How many receivers are in use.
        receivers: usize,
        /// How many tokens.
        tokens: usize,
    },
    /// Nothing has that id or name.
    #[error("there is no receiver {0}")]
    NoReceiver(String),
}

/// A person's record, in its form on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonRecord {
    /// 32 hex digits.
    pub id: String,
    /// The operator's name for the person.
    pub name: String,
    /// When they were added, s.
    pub created_ts: f64,
    /// Suspended people's calls are refused; their data stays.
    #[serde(default)]
    pub suspended: bool,
    /// Digests of their tokens, 64 hex digits each.
    pub tokens: Vec<String>,
    /// Their devices that report with an app from the shops, revoked ones included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
    /// Who can open the store.
    #[serde(default)]
    pub keys: KeyMode,
}

/// Who can open a person's store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMode {
    /// The host, at any time: it has its own slot. For phones that cannot pair, and for people who prefer it.
    #[default]
    Unattended,
    /// The owner's devices. After each contact of one, the host may keep the store open for the time of a lease.
    Lease,
    /// The owner's devices. The store closes soon after the last contact, so that analyses run only at contacts.
    PhoneUnlocked,
}

impl PersonRecord {
    pub(super) fn user(&self) -> Option<UserId> {
        self.id.parse().ok()
    }
}

/// What is known about a person without reading the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Their calls are refused.
    pub suspended: bool,
    /// Who can open the store.
    pub keys: KeyMode,
}

/// Whether a folder that has no record holds data. A crash while a person is added leaves none.
pub(super) fn holds_data(folder: &Path) -> bool {
    let data = [STORE_FOLDER, "slots.json", "access.json", "runtime.key", "inbox", "intent", "roster"];
    data.into_iter().any(|name| fs::symlink_metadata(folder.join(name)).is_ok())
}

/// The record in a person's folder.
pub(super) fn read_record(folder: &Path, user: UserId) -> Result<PersonRecord, Damage> {
    let path = folder.join(RECORD_FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Damage::missing(&path)),
        bytes => bytes.map_err(|error| Damage::unreadable(&path, &error))?,
    };
    let record: PersonRecord =
        serde_json::from_slice(&bytes).map_err(|error| Damage::unparsed(&path, &error))?;
    if record.user() == Some(user) { Ok(record) } else { Err(Damage::of_another(&path)) }
}

/// Replaces the record in a person's folder; on disk when it returns.
pub(super) fn write_record(folder: &Path, record: &PersonRecord) -> Result<(), PeopleError> {
    let path = folder.join(RECORD_FILE);
    let text = serde_json::to_vec_pretty(record)
        .map_err(|source| PeopleError::Record { path: path.clone(), source })?;
    files::replace(&path, &text).map_err(|source| PeopleError::Disk { path, source })
}
