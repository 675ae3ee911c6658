//! The record of one device, and the check of a table that is read from disk.

use super::path::GrantedPath;
use super::{DEVICES_MAX, DeviceName, DeviceTable, PAST_KEYS_MAX, PATHS_MAX, Platform, RECORDS_MAX, Scopes};
use crate::encoding::{DeviceId, KeyKind, Label, Pin, Spki, WrapPub};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One device. Only the table changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub(super) id: DeviceId,
    pub(super) spki: Spki,
    pub(super) wrap_pub: WrapPub,
    pub(super) name: DeviceName,
    pub(super) platform: Platform,
    pub(super) scopes: Scopes,
    pub(super) epoch: u64,
    pub(super) enrolled_ms: u64,
    pub(super) last_seen_ms: u64,
    /// Earlier keys of this device; they are refused, and no device can enrol with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) past_keys: Vec<Pin>,
    pub(super) state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Live(Live),
    Revoked { at_ms: u64 },
}

/// What a device has only while it may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Live {
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_key: Option<Spki>,
    #[serde(default)]
    pub stale: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<GrantedPath>,
}

/// The labels by which one device connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The label in use.
    pub current: Label,
    /// The label before it, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// The label that was announced and is still unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Label>,
}

/// A label that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// The label.
    pub label: Label,
    /// The moment from which it leads nowhere.
    pub until_ms: u64,
}

impl Labels {
    pub(super) fn all(self) -> impl Iterator<Item = Label> {
        let previous = self.previous.map(|previous| previous.label);
        [Some(self.current), previous, self.next].into_iter().flatten()
    }

    pub(super) fn lead_here(&self, label: Label, now_ms: u64) -> bool {
        let previous = self.previous.filter(|previous| now_ms < previous.until_ms);
        label == self.current || Some(label) == self.next || previous.is_some_and(|it| it.label == label)
    }
}

/// The status of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It may connect.
    Active,
    /// It may connect, and has not for [`super::STALE_MS`].
    Stale,
    /// It has announced another key; both work until the other connects.
    Rotating {
        /// The other key.
        next: Spki,
    },
    /// It may never connect again.
    Revoked {
        /// When it was revoked.
        at_ms: u64,
    },
}

impl Device {
    /// The first half of the digest of its first key; stays when the key changes.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The key that it shows in TLS.
    pub fn spki(&self) -> &Spki {
        &self.spki
    }

    /// The kind of signature that the key makes.
    pub fn key_kind(&self) -> KeyKind {
        self.spki.kind()
    }

    /// The key to which the store's key is wrapped.
    pub fn wrap_pub(&self) -> &WrapPub {
        &self.wrap_pub
    }

    /// The name that the owner gave it.
    pub fn name(&self) -> &DeviceName {
        &self.name
    }

    /// The platform that it claims.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Rises whenever earlier admissions become invalid.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When it was enrolled.
    pub fn enrolled_ms(&self) -> u64 {
        self.enrolled_ms
    }

    /// When it was last admitted; at most [`super::LAST_SEEN_STEP_MS`] too early.
    pub fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }

    /// Its status. A device both stale and rotating is rotating.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Revoked { at_ms } => Status::Revoked { at_ms: *at_ms },
            State::Live(Live { next_key: Some(next), .. }) => Status::Rotating { next: *next },
            State::Live(Live { stale: true, .. }) => Status::Stale,
            State::Live(_) => Status::Active,
        }
    }

    /// Its labels; `None` once it is revoked.
    pub fn labels(&self) -> Option<Labels> {
        self.live().map(|live| live.labels)
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Live(live) => Some(live),
            State::Revoked { .. } => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.state {
            State::Live(live) => Some(live),
            State::Revoked { .. } => None,
        }
    }

    /// Every key that this device has, announced or had.
    pub(super) fn pins(&self) -> impl Iterator<Item = Pin> {
        let next = self.live().and_then(|live| live.next_key);
        [Some(self.spki), next]
            .into_iter()
            .flatten()
            .map(|key| key.pin())
            .chain(self.past_keys.iter().copied())
    }
}

/// The form of a table on disk.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    #[serde(with = "user_id")]
    user: UserId,
    revision: u64,
    devices: Vec<Device>,
}

impl From<DeviceTable> for Stored {
    fn from(table: DeviceTable) -> Self {
        let DeviceTable { user, revision, devices } = table;
        Self { user, revision, devices: devices.into_values().collect() }
    }
}

/// Why a stored table was not written by this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTable {
    /// Two devices with the same id.
    #[error("device {0} stands twice in the table")]
    Twice(DeviceId),
    /// A key that belongs to two devices, or twice to one.
    #[error("device {0} has a key, wrap key or label that stands elsewhere in the table too")]
    Shared(DeviceId),
    /// More entries than the limit.
    #[error(
        "the table has more than {DEVICES_MAX} devices or {RECORDS_MAX} records, or a device has too much"
    )]
    TooLarge,
}

impl TryFrom<Stored> for DeviceTable {
    type Error = BadTable;

    fn try_from(stored: Stored) -> Result<Self, BadTable> {
        let mut table = Self { revision: stored.revision, ..Self::new(stored.user) };
        let (mut keys, mut wraps, mut labels) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for device in stored.devices {
            let id = device.id;
            let too_much = device.live().is_some_and(|live| live.paths.len() > PATHS_MAX);
            if too_much || device.past_keys.len() > PAST_KEYS_MAX {
                return Err(BadTable::TooLarge);
            }
            let own_labels = device.labels().into_iter().flat_map(Labels::all);
            let alone = device.pins().all(|pin| keys.insert(pin))
                && wraps.insert(device.wrap_pub)
                && own_labels.into_iter().all(|label| labels.insert(label));
            if !alone {
                return Err(BadTable::Shared(id));
            }
            if table.devices.insert(id, device).is_some() {
                return Err(BadTable::Twice(id));
            }
        }
        if table.devices.len() > RECORDS_MAX || table.live_count() > DEVICES_MAX {
            return Err(BadTable::TooLarge);
        }
        Ok(table)
    }
}

/// For `#[serde(with)]`: a person's id as its bytes.
pub(crate) mod user_id {
    use crate::encoding::base64url;
    use runtime_types::UserId;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(user: &UserId, serializer: S) -> Result<S::Ok, S::Error> {
        base64url::serialize(&user.0, serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UserId, D::Error> {
        base64url::deserialize(deserializer).map(UserId)
    }
}
