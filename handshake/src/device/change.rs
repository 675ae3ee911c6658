//! The changes of a table: enrolment, the owner's decisions, the rotation of keys and labels, and time.

use super::record::{Live, State};
use super::{
    DEVICES_MAX, Device, DeviceName, DeviceTable, Labels, PAST_KEYS_MAX, PREVIOUS_LABEL_MS, Platform,
    RECORDS_MAX, STALE_MS, Scopes,
};
use crate::encoding::{DeviceId, Label, Pin, Spki, WrapPub};

/// What a pairing has learnt about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// The key of the connection over which it paired.
    pub spki: Spki,
    /// The key to which the store's key is wrapped.
    pub wrap_pub: WrapPub,
    /// Drawn for this device; registered at the gateway before it is sent to the phone.
    pub label: Label,
    /// The name that it gives itself.
    pub name: DeviceName,
    /// The platform that it claims.
    pub platform: Platform,
    /// What it may do; [`Scopes::PHONE`] unless the owner said otherwise.
    pub scopes: Scopes,
}

/// Why a change of the table is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadChange {
    /// A device has this key, has announced it or has had it; it may be the same device, or a revoked one.
    #[error("the key belongs or belonged to a device")]
    KeyUsed,
    /// A device has or had this wrap key.
    #[error("the wrap key belongs or belonged to a device")]
    WrapKeyUsed,
    /// A device has this label.
    #[error("the label belongs to a device")]
    LabelUsed,
    /// The label before the current one is still valid.
    #[error("the last change of labels is not over yet")]
    LabelPending,
    /// No such device, or a revoked one.
    #[error("no device {device} that may connect")]
    Unknown {
        /// The device.
        device: DeviceId,
    },
    /// The limit of devices, records, or keys of one device is reached.
    #[error("the limit of {max} is reached")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// The effects of elapsed time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Devices that have been silent for so long that the owner should be notified, each once per silence.
    pub stale: Vec<DeviceId>,
    /// Labels to withdraw at the gateway.
    pub freed: Vec<Label>,
}

struct LiveDevice<'a> {
    name: &'a mut DeviceName,
    scopes: &'a mut Scopes,
    epoch: &'a mut u64,
    past_keys: &'a [Pin],
    live: &'a mut Live,
}

impl DeviceTable {
    /// Enrols a device that the owner approved.
    ///
    /// # Errors
    /// [`BadChange::KeyUsed`], [`BadChange::WrapKeyUsed`], [`BadChange::LabelUsed`], [`BadChange::Full`].
    pub fn enrol(&mut self, new: NewDevice, now_ms: u64) -> Result<DeviceId, BadChange> {
        let id = new.spki.device_id();
        if self.devices.contains_key(&id) || self.knows_key(&new.spki) {
            return Err(BadChange::KeyUsed);
        }
        if self.devices.values().any(|device| device.wrap_pub == new.wrap_pub) {
            return Err(BadChange::WrapKeyUsed);
        }
        self.check_label(new.label)?;
        for (count, max) in [(self.live_count(), DEVICES_MAX), (self.devices.len(), RECORDS_MAX)] {
            if count >= max {
                return Err(BadChange::Full { max });
            }
        }
        let labels = Labels { current: new.label, previous: None, next: None };
        let device = Device {
            id,
            spki: new.spki,
            wrap_pub: new.wrap_pub,
            name: new.name,
            platform: new.platform,
            scopes: new.scopes,
            epoch: 1,
            enrolled_ms: now_ms,
            last_seen_ms: now_ms,
            past_keys: Vec::new(),
            state: State::Live(Live { labels, next_key: None, stale: false, paths: Vec::new() }),
        };
        self.devices.insert(id, device);
        self.touched();
        Ok(id)
    }

    /// Gives a device another name.
    ///
    /// # Errors
    /// [`BadChange::Unknown`].
    pub fn rename(&mut self, device: DeviceId, name: DeviceName) -> Result<(), BadChange> {
        *self.live(device)?.name = name;
        self.touched();
        Ok(())
    }

    /// Changes what a device may do. Its earlier grants and admissions are no longer valid.
    ///
    /// # Errors
    /// [`BadChange::Unknown`].
    pub fn set_scopes(&mut self, device: DeviceId, scopes: Scopes) -> Result<(), BadChange> {
        let found = self.live(device)?;
        if *found.scopes != scopes {
            *found.scopes = scopes;
            *found.epoch += 1;
            found.live.paths.clear();
            self.touched();
        }
        Ok(())
    }

    /// Revokes a device for ever. Returns the labels to withdraw at the gateway; none where it was revoked already.
    ///
    /// # Errors
    /// [`BadChange::Unknown`] where there never was such a device.
    pub fn revoke(&mut self, device: DeviceId, now_ms: u64) -> Result<Vec<Label>, BadChange> {
        let found = self.devices.get_mut(&device).ok_or(BadChange::Unknown { device })?;
        let State::Live(live) = &found.state else { return Ok(Vec::new()) };
        let freed = live.labels.all().collect();
        // An announced key belonged to the device too.
        found.past_keys.extend(live.next_key.map(|key| key.pin()));
        found.state = State::Revoked { at_ms: now_ms };
        found.epoch += 1;
        self.touched();
        Ok(freed)
    }

    /// The label to announce to a device in its next grant: `fresh`, or the label that was announced earlier and is
    /// still unused. It leads to the device from now on, so it must be registered at the gateway before the grant is
    /// sent.
    ///
    /// # Errors
    /// [`BadChange::Unknown`], [`BadChange::LabelUsed`], and [`BadChange::LabelPending`] while the label before the
    /// current one is valid: two changes at once could lock out a phone that missed one.
    pub fn announce_label(&mut self, device: DeviceId, fresh: Label) -> Result<Label, BadChange> {
        let labels = self.live(device)?.live.labels;
        if let Some(pending) = labels.next {
            return Ok(pending);
        }
        if labels.previous.is_some() {
            return Err(BadChange::LabelPending);
        }
        self.check_label(fresh)?;
        self.live(device)?.live.labels.next = Some(fresh);
        self.touched();
        Ok(fresh)
    }

    /// Whether a device should get another label, so that an onlooker cannot follow it by the present one for longer:
    /// it has had the present one for [`PREVIOUS_LABEL_MS`], and no other change of its label is under way.
    pub fn label_is_due(&self, device: DeviceId, now_ms: u64) -> bool {
        let found = self.devices.get(&device);
        found.is_some_and(|found| {
            let settled = found.live().map(|live| live.labels);
            now_ms.saturating_sub(found.enrolled_ms) >= PREVIOUS_LABEL_MS
                && settled.is_some_and(|labels| labels.next.is_none() && labels.previous.is_none())
        })
    }

    /// Announces another key for a device. It works beside the present one until it is used; then the present one is
    /// removed. A second announcement replaces the first. The caller has checked that the new key signed the rotation
    /// on a connection of the old one.
    ///
    /// # Errors
    /// [`BadChange::Unknown`], [`BadChange::KeyUsed`], [`BadChange::Full`] at [`PAST_KEYS_MAX`].
    pub fn begin_rotation(&mut self, device: DeviceId, next: Spki) -> Result<(), BadChange> {
        if self.live(device)?.live.next_key == Some(next) {
            return Ok(());
        }
        if self.knows_key(&next) {
            return Err(BadChange::KeyUsed);
        }
        let found = self.live(device)?;
        // One place is reserved for the announced key itself, in case the device is revoked meanwhile.
        if found.past_keys.len() + 1 >= PAST_KEYS_MAX {
            return Err(BadChange::Full { max: PAST_KEYS_MAX });
        }
        found.live.next_key = Some(next);
        self.touched();
        Ok(())
    }

    /// Applies the time that has passed: marks silent devices, ends labels and granted paths. Once an hour is enough.
    pub fn sweep(&mut self, now_ms: u64) -> Swept {
        let (mut swept, mut changed) = (Swept::default(), false);
        for device in self.devices.values_mut() {
            let silent_ms = now_ms.saturating_sub(device.last_seen_ms);
            let id = device.id;
            let Some(live) = device.live_mut() else { continue };
            if silent_ms >= STALE_MS && !live.stale {
                live.stale = true;
                swept.stale.push(id);
            }
            if let Some(over) = live.labels.previous.take_if(|previous| now_ms >= previous.until_ms) {
                swept.freed.push(over.label);
            }
            let paths = live.paths.len();
            live.paths.retain(|path| now_ms < path.until_ms);
            changed |= paths != live.paths.len();
        }
        if changed || swept != Swept::default() {
            self.touched();
        }
        swept
    }

    pub(super) fn live_count(&self) -> usize {
        self.devices.values().filter(|device| device.live().is_some()).count()
    }

    /// The parts of a device that change while it may connect.
    fn live(&mut self, device: DeviceId) -> Result<LiveDevice<'_>, BadChange> {
        match self.devices.get_mut(&device) {
            Some(Device { name, scopes, epoch, past_keys, state: State::Live(live), .. }) => {
                Ok(LiveDevice { name, scopes, epoch, past_keys, live })
            }
            _ => Err(BadChange::Unknown { device }),
        }
    }

    fn knows_key(&self, key: &Spki) -> bool {
        let pin = key.pin();
        self.devices.values().any(|device| device.pins().any(|known| known == pin))
    }

    fn check_label(&self, label: Label) -> Result<(), BadChange> {
        let used = self.labels().any(|(known, _)| known == label);
        if used { Err(BadChange::LabelUsed) } else { Ok(()) }
    }
}
