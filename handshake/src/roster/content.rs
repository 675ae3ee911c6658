//! The content of a roster.

use crate::device::{DeviceName, Scopes};
use crate::encoding::{DeviceId, Digest32, Spki, WrapPub};
use crate::keys::InboxPub;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

/// Most tokens in a roster; those beyond it are not vouched for.
pub const TOKENS_MAX: usize = 64;

/// Who signs a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// Nobody: the person has neither a device nor a phrase that could.
    Nobody,
    /// A device.
    Device(DeviceId),
    /// The key of the recovery phrase.
    Phrase,
}

/// One device in a roster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its id, which stays when its key changes.
    pub id: DeviceId,
    /// The key that it shows in TLS and signs with.
    pub spki: Spki,
    /// The key to which the data key is wrapped.
    pub wrap_pub: WrapPub,
    /// The most that it may do.
    pub scopes: Scopes,
    /// Its name when it came in, as whoever approved it saw it.
    pub name: DeviceName,
}

/// Who may connect to one person, and who can open the person's data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Roster {
    /// The person.
    pub user: UserId,
    /// From 1, one more in each.
    pub version: u64,
    /// The hash of the roster before; zeros in the first.
    pub previous: Digest32,
    /// When it was made, by the host's clock; for display.
    pub at_ms: u64,
    /// Who signs it.
    pub author: Author,
    /// Whether the host holds the data key too.
    pub unattended: bool,
    /// The generation of the data key; 0: there is no store yet.
    pub generation: u32,
    /// The key to which uploads are sealed while the store is locked.
    pub inbox: Option<InboxPub>,
    /// The public half of the recovery phrase.
    pub phrase: Option<WrapPub>,
    /// In rising order of ids.
    pub devices: Vec<Member>,
    /// Digests of the tokens of phones that cannot pair, in rising order, at most [`TOKENS_MAX`].
    pub tokens: Vec<Digest32>,
}

/// A roster by its number and hash: what a phone remembers, and what a host says at each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RosterMark {
    /// Its version.
    pub version: u64,
    /// Its hash.
    pub hash: Digest32,
}

impl Roster {
    /// The device with this id.
    pub fn device(&self, id: DeviceId) -> Option<&Member> {
        self.devices.iter().find(|member| member.id == id)
    }

    /// Whether any key could sign the roster after this one.
    pub fn has_signer(&self) -> bool {
        !self.devices.is_empty() || self.phrase.is_some()
    }

    /// Whether both say the same, apart from version, predecessor, moment and author.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let content = |roster: &Self| {
            let Self { user, unattended, generation, inbox, phrase, devices, tokens, .. } = roster.clone();
            (user, unattended, generation, inbox, phrase, devices, tokens)
        };
        content(self) == content(other)
    }
}
