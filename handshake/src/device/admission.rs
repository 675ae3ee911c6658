//! Admission of devices: after each handshake, and again before each request.

use super::record::{Previous, State};
use super::{Device, DeviceTable, LAST_SEEN_STEP_MS, PREVIOUS_LABEL_MS, Scope, Scopes};
use crate::encoding::{DeviceId, Label, Spki};
use crate::error::Code;
use runtime_types::UserId;

/// A device that proved its key on this connection. Only [`DeviceTable::admit`] makes one; it is valid as long as
/// [`DeviceTable::still_admitted`] returns `true`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    user: UserId,
    device: DeviceId,
    epoch: u64,
    scopes: Scopes,
    label: Label,
}

impl Admitted {
    /// The owner of the runtime.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The device's epoch at the handshake.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the device may do; does not change within an epoch.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// The label with which the connection was made.
    pub fn label(&self) -> Label {
        self.label
    }

    /// Whether the device may do this.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`].
    pub fn require(&self, scope: Scope) -> Result<(), Code> {
        if self.scopes.has(scope) { Ok(()) } else { Err(Code::ScopeMissing) }
    }
}

impl DeviceTable {
    /// Must be called after every handshake, full or resumed, with the key that TLS saw and the label of the
    /// connection. The first use of an announced key or label ends the one before it.
    ///
    /// # Errors
    /// [`Code::DeviceUnknown`]: no device has this key, it is revoked, or the label belongs to another device. The code
    /// does not say which.
    pub fn admit(&mut self, spki: &[u8], label: Label, now_ms: u64) -> Result<Admitted, Code> {
        let found = self.devices.values_mut().find(|device| device.has_key(spki));
        let found = found.filter(|device| device.is_led_to(label, now_ms)).ok_or(Code::DeviceUnknown)?;
        let changed = found.contact(spki, label, now_ms);
        let (device, epoch, scopes) = (found.id, found.epoch, found.scopes);
        if changed {
            self.touched();
        }
        Ok(Admitted { user: self.user, device, epoch, scopes, label })
    }

    /// Whether a key is the current or announced key of a device that may connect: a check for handshakes, which do not
    /// know the device's label yet.
    pub fn knows_live_key(&self, spki: &Spki) -> bool {
        self.devices.values().any(|device| device.has_key(spki.as_bytes()))
    }

    /// Must be called before every request: `false` once the device was revoked, has changed its key or has other
    /// scopes than before. A refused device may be admitted again if key and label are still valid; otherwise the
    /// connection is closed.
    pub fn still_admitted(&self, admitted: &Admitted) -> bool {
        let device = self.devices.get(&admitted.device).filter(|_| self.user == admitted.user);
        device.is_some_and(|device| device.epoch == admitted.epoch)
    }
}

impl Device {
    fn has_key(&self, spki: &[u8]) -> bool {
        self.live().is_some_and(|live| {
            self.spki.as_bytes() == spki || live.next_key.is_some_and(|next| next.as_bytes() == spki)
        })
    }

    fn is_led_to(&self, label: Label, now_ms: u64) -> bool {
        self.live().is_some_and(|live| live.labels.lead_here(label, now_ms))
    }

    /// Records a contact of an admitted device. Returns whether a change must be stored.
    fn contact(&mut self, spki: &[u8], label: Label, now_ms: u64) -> bool {
        let State::Live(live) = &mut self.state else { return false };
        let mut changed = std::mem::take(&mut live.stale);
        if let Some(next) = live.next_key.take_if(|next| next.as_bytes() == spki) {
            self.past_keys.push(self.spki.pin());
            self.spki = next;
            self.epoch += 1;
            changed = true;
        }
        if live.labels.next.take_if(|next| *next == label).is_some() {
            let until_ms = now_ms.saturating_add(PREVIOUS_LABEL_MS);
            live.labels.previous = Some(Previous { label: live.labels.current, until_ms });
            live.labels.current = label;
            changed = true;
        }
        // In either direction, so that a clock that was corrected is accepted.
        if now_ms.abs_diff(self.last_seen_ms) >= LAST_SEEN_STEP_MS {
            self.last_seen_ms = now_ms;
            changed = true;
        }
        changed
    }
}
