//! One person's devices: which may connect, with which label and key, and what they may do.
//!
//! A TLS library resumes a session without asking for the key again, so the result of an earlier handshake is not
//! enough: [`DeviceTable::admit`] is called after every handshake, [`DeviceTable::still_admitted`] before every
//! request. Both use only this table.
//!
//! * Storage: the table serialises into one small JSON file. The caller replaces it atomically whenever
//!   [`DeviceTable::revision`] has changed, before it sends the answer to which the change belongs.
//! * Units: moments and durations are milliseconds. A clock that jumps delays or hastens notices, and the expiry of
//!   labels and of paths; it neither admits nor locks out any device.
//! * Invariants: a key, a wrap key and a label belong to at most one device of the person; a revoked device stays
//!   revoked and its keys are never accepted again; epochs rise and never fall.
//! * Not here: TLS, and whether the owner was asked before a device was enrolled (the pairing's business).

mod admission;
mod change;
mod name;
mod path;
mod record;
mod scope;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use admission::Admitted;
pub use change::{BadChange, NewDevice, Swept};
pub use name::{BadDeviceName, BadPlatform, DEVICE_NAME_BYTES_MAX, DeviceName, Platform};
pub use path::{CELL_NAME_BYTES_MAX, HOSTS_OWN, PATHS_MAX, granted_path, is_cell_name};
pub(crate) use record::user_id;
pub use record::{BadTable, Device, Labels, Previous, Status};
pub use scope::{Scope, Scopes};

use crate::encoding::{DeviceId, Label};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most devices of one person that are not revoked.
pub const DEVICES_MAX: usize = 32;
/// Most devices that a person can ever have had: the keys of revoked devices are kept, or they could be enrolled again.
pub const RECORDS_MAX: usize = 1024;
/// Most keys that one device can have had before its present one; then it must pair again.
pub const PAST_KEYS_MAX: usize = 64;
/// How long a label stays valid once its successor was used.
pub const PREVIOUS_LABEL_MS: u64 = 7 * DAY_MS;
/// How long a device may be silent before its owner is notified. It continues to work.
pub const STALE_MS: u64 = 180 * DAY_MS;
/// How exact the last contact is stored, so that most contacts do not write to disk.
pub const LAST_SEEN_STEP_MS: u64 = DAY_MS;

const DAY_MS: u64 = 24 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;

/// One person's devices, revoked ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "record::Stored", into = "record::Stored")]
pub struct DeviceTable {
    user: UserId,
    revision: u64,
    devices: BTreeMap<DeviceId, Device>,
}

impl DeviceTable {
    /// A person without devices.
    pub fn new(user: UserId) -> Self {
        Self { user, revision: 0, devices: BTreeMap::new() }
    }

    /// The owner of these devices.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Rises with every change that must be stored before an answer is sent.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A device, revoked or not.
    pub fn get(&self, device: DeviceId) -> Option<&Device> {
        self.devices.get(&device)
    }

    /// Every device, revoked ones included, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Every label that leads to a device, for the gateway: current ones, announced ones and previous ones that no
    /// [`Self::sweep`] has freed yet.
    pub fn labels(&self) -> impl Iterator<Item = (Label, DeviceId)> {
        self.devices.values().flat_map(|device| {
            device.labels().into_iter().flat_map(Labels::all).map(|label| (label, device.id()))
        })
    }

    fn touched(&mut self) {
        self.revision += 1;
    }
}
