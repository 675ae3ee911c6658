//! A person's devices: their names, their revocation, and how they are shown to their owner.

use handshake::device::BadChange;
use handshake::encoding::DeviceId;
use handshake::route::Name;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::{Devices, Locks, OwnerError};

impl Devices<'_> {
    /// Renames a device.
    pub fn rename(self, user: UserId, device: DeviceId, name: &str) -> Result<(), OwnerError> {
        let name = handshake::device::DeviceName::new(name).map_err(|_| OwnerError::BadName)?;
        self.owners
            .change_access(user, |access| access.devices.rename(device, name).map_err(OwnerError::Change))
    }

    /// Revokes a device at once and for good: its names lead nowhere, its open connections end, its slot is destroyed,
    /// and the data key is changed, now or when the store is next unlocked. The table says so first; whatever stops
    /// after that goes on at the next start, at the next unlocking, and when this is called again. Reads and writes the
    /// disk.
    pub fn revoke(self, user: UserId, device: DeviceId, now_ms: u64) -> Result<(), OwnerError> {
        let Self { owners } = self;
        let owner = owners.owner(user)?;
        let known = |change: BadChange| OwnerError::Change(change);
        let freed = owners.change_access(user, |access| {
            let freed = access.devices.revoke(device, now_ms).map_err(known)?;
            access.rotation_due |= !freed.is_empty();
            Ok(freed)
        })?;
        owners.withdraw(user, freed.iter().copied().map(Name::Label));
        owner.tell();
        // Also for a device that the table says is revoked: an earlier call may have stopped after that.
        {
            let _one_at_a_time = owner.changing();
            owners.resume(&owner)?;
            owners.drop_revoked_slots(&owner)?;
        }
        if owners.leases.check_unlocked(user).is_ok() && owners.people.store_folder(user).exists() {
            Locks::of(owners).rotate_if_due(user)?;
        }
        Ok(())
    }

    /// The person's devices, revoked ones included.
    pub fn list(self, user: UserId) -> Result<Vec<DeviceSummary>, OwnerError> {
        let owner = self.owners.owner(user)?;
        let roster = self.owners.roster(user)?.filter(|roster| roster.roster().has_signer());
        let state = owner.state();
        let waits = |id| roster.as_ref().is_some_and(|roster| roster.roster().device(id).is_none());
        let devices = state.access.devices.iter().map(|device| {
            let mut summary = DeviceSummary::of(device);
            if device.labels().is_some() && waits(device.id()) {
                summary.status = "unsigned".to_owned();
            }
            summary
        });
        Ok(devices.collect())
    }
}

/// A device as it is shown to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSummary {
    /// Its id, 32 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The kind of phone, as the phone reported it.
    pub platform: String,
    /// `active`, `stale`, `rotating`, `revoked`, or `unsigned`: it waits for the signature of another device.
    pub status: String,
    /// `ed25519` or `p256`.
    pub key: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// When it was paired, ms since 1970.
    pub enrolled_ms: u64,
    /// Its last contact, to the day, ms since 1970.
    pub last_seen_ms: u64,
}

impl DeviceSummary {
    fn of(device: &handshake::device::Device) -> Self {
        use handshake::device::Status;
        let status = match device.status() {
            Status::Active => "active",
            Status::Stale => "stale",
            Status::Rotating { .. } => "rotating",
            Status::Revoked { .. } => "revoked",
        };
        Self {
            id: device.id().to_string(),
            name: device.name().to_string(),
            platform: format!("{:?}", device.platform()).to_lowercase(),
            status: status.to_owned(),
            key: format!("{:?}", device.key_kind()).to_lowercase(),
            scopes: device.scopes().iter().map(|scope| scope.to_string()).collect(),
            enrolled_ms: device.enrolled_ms(),
            last_seen_ms: device.last_seen_ms(),
        }
    }
}
