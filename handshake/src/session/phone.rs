//! The phone's side: what it stores of its runtime, which runtimes it trusts, and what it checks.
//!
//! * Invariants: the phone sends nothing to a runtime with another key than expected; a head never goes back. No
//!   decision depends on the phone's clock.

use super::{Check, Grant, RosterDistrust, SlotBytes, StoreState};
use crate::device::{Scopes, user_id};
use crate::encoding::{DeviceId, Label, Pin, Spki, server_name};
use crate::error::Code;
use crate::keys::Head;
use crate::roster::Signed;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

/// The stored state of a paired phone. It contains no secret, but should not be shared either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneState {
    /// The owner of the runtime.
    #[serde(with = "user_id")]
    pub user: UserId,
    /// The id by which the runtime names this phone.
    pub device: DeviceId,
    /// The label to which it connects.
    pub label: Label,
    /// The label before, in case the gateway does not know the new one yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_label: Option<Label>,
    /// Host name without the label.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The key that it expects.
    pub pin: Pin,
    /// Other keys that it would accept, since the runtime announced them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_pins: Vec<Pin>,
    /// What it may do.
    pub scopes: Scopes,
    /// The newest head of the store that it has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// Whether this runtime has told the head of a locked store, or one in an answer. From then on a locked store that
    /// tells none is not trusted with the key.
    #[serde(default)]
    pub tells_heads: bool,
    /// The newest roster that it has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<Signed>,
    /// Its newest slot, for a host that has lost it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotBytes>,
}

/// Why a phone does not trust an answer. It stops then, and reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Another key than expected: not this person's runtime. The phone must send nothing.
    #[error("the runtime has another key than expected")]
    WrongKey,
    /// The connection went to a name that is not this phone's.
    #[error("the connection went to another label than this phone's")]
    WrongLabel,
    /// The store is older than the phone has seen it, or a different one: UPC-008.
    #[error("the store stands before what this phone has seen of it")]
    RolledBack,
    /// The grant is invalid.
    #[error("the grant breaks its own rules")]
    Malformed,
    /// What the runtime says of the owner's devices.
    #[error(transparent)]
    Roster(#[from] RosterDistrust),
}

impl Distrust {
    /// The code for it, where there is one.
    pub fn code(self) -> Option<Code> {
        match self {
            Self::RolledBack => Some(Code::RolledBack),
            Self::Malformed => Some(Code::Malformed),
            Self::WrongKey | Self::WrongLabel | Self::Roster(_) => None,
        }
    }
}

impl PhoneState {
    /// Whether a runtime with this key, as TLS carried it, is the paired one.
    pub fn expects(&self, spki: &[u8]) -> bool {
        self.pin_met(spki).is_some()
    }

    fn pin_met(&self, spki: &[u8]) -> Option<Pin> {
        let pin = Spki::parse(spki).ok()?.pin();
        (pin == self.pin || self.next_pins.contains(&pin)).then_some(pin)
    }

    /// The labels to connect by with their server names, best first. Use the second when the first is answered with the
    /// alert `unrecognized_name` (112).
    pub fn server_names(&self) -> impl Iterator<Item = (Label, String)> {
        let labels = [Some(self.label), self.previous_label].into_iter().flatten();
        labels.map(|label| (label, server_name(&label.to_string(), &self.host)))
    }

    /// Accepts a grant that came over a connection to `label`, whose runtime showed `spki`: stores the head, the keys
    /// and the label that it announces. Store the state afterwards. Nothing changes where the grant is refused.
    ///
    /// # Errors
    /// [`Distrust`].
    pub fn take_grant(&mut self, grant: &Grant, spki: &[u8], label: Label) -> Result<(), Distrust> {
        let pin = self.pin_met(spki).ok_or(Distrust::WrongKey)?;
        if label != self.label && Some(label) != self.previous_label {
            return Err(Distrust::WrongLabel);
        }
        grant.check().map_err(|_| Distrust::Malformed)?;
        self.check_head(grant)?;
        self.pin = pin;
        self.next_pins.clone_from(&grant.next_pins);
        // Nobody has proved the head of a locked store: it may stop the phone, and teaches it nothing.
        if grant.store != StoreState::Locked {
            self.head = grant.head.or(self.head);
        }
        self.tells_heads |= grant.store == StoreState::Locked && grant.head.is_some();
        // The new label is kept even where the grant came by the old one: the gateway may just be late.
        if let Some(next) = grant.next_label.filter(|next| *next != self.label) {
            self.previous_label = Some(label).filter(|label| *label != next);
            self.label = next;
        }
        Ok(())
    }

    /// Accepts the head that an answer told, where `before` is the newest head that the phone had seen when it sent the
    /// request. Store the state before the data that the answer acknowledges is deleted.
    ///
    /// # Errors
    /// [`Distrust::RolledBack`]; the state is unchanged then.
    pub fn take_head(&mut self, before: Option<Head>, head: Head) -> Result<(), Distrust> {
        if before.is_some_and(|before| !head.follows(before)) {
            return Err(Distrust::RolledBack);
        }
        // Another answer may have told a newer one meanwhile.
        if self.head.is_none_or(|seen| head.seq > seen.seq) {
            self.head = Some(head);
        }
        self.tells_heads = true;
        Ok(())
    }

    /// The store of an earlier runtime may leave out its head while it is locked; without a head seen earlier there is
    /// nothing to compare.
    fn check_head(&self, grant: &Grant) -> Result<(), Distrust> {
        let fine = match (self.head, grant.head) {
            (None, _) => true,
            (Some(_), None) => grant.store == StoreState::Locked && !self.tells_heads,
            (Some(seen), Some(head)) => head.follows(seen),
        };
        if fine { Ok(()) } else { Err(Distrust::RolledBack) }
    }
}
