//! The phone's side: what it keeps of its runtime, whom it believes, and what it notices.
//!
//! * Invariants: a runtime with another key than expected is told nothing; a head once seen never goes back. A
//!   phone's clock decides nothing.

use super::{Check, Grant, StoreState};
use crate::device::{Scopes, user_id};
use crate::encoding::{DeviceId, Label, Pin, Spki, server_name};
use crate::error::Code;
use crate::keys::Head;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

/// What a paired phone keeps. No secret is in it, but nobody else needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneState {
    /// Whose runtime.
    #[serde(with = "user_id")]
    pub user: UserId,
    /// How the runtime names this phone.
    pub device: DeviceId,
    /// Where it connects.
    pub label: Label,
    /// Where it connected before, should the gateway not know the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_label: Option<Label>,
    /// Host name without the label.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whom it expects.
    pub pin: Pin,
    /// Whom else it would take, since the runtime said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_pins: Vec<Pin>,
    /// What it may do.
    pub scopes: Scopes,
    /// The newest head of the store that it has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
}

/// Why a phone does not believe what it is told. It stops then, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Another key than expected: not this person's runtime. Nothing may be sent.
    #[error("the runtime has another key than expected")]
    WrongKey,
    /// The connection went to a name that is not this phone's.
    #[error("the connection went to another label than this phone's")]
    WrongLabel,
    /// The store is older than this phone has seen it, or another one: UPC-008.
    #[error("the store stands before what this phone has seen of it")]
    RolledBack,
    /// The grant is none.
    #[error("the grant breaks its own rules")]
    Malformed,
}

impl Distrust {
    /// The code that stands for it, where there is one.
    pub fn code(self) -> Option<Code> {
        match self {
            Self::RolledBack => Some(Code::RolledBack),
            Self::Malformed => Some(Code::Malformed),
            Self::WrongKey | Self::WrongLabel => None,
        }
    }
}

impl PhoneState {
    /// Whether a runtime with this key, as TLS carried it, is the one that was paired with.
    pub fn expects(&self, spki: &[u8]) -> bool {
        self.pin_met(spki).is_some()
    }

    fn pin_met(&self, spki: &[u8]) -> Option<Pin> {
        let pin = Spki::parse(spki).ok()?.pin();
        (pin == self.pin || self.next_pins.contains(&pin)).then_some(pin)
    }

    /// The labels to connect by with their server names, best first. The second is for when the first is answered
    /// with the alert `unrecognized_name` (112).
    pub fn server_names(&self) -> impl Iterator<Item = (Label, String)> {
        let labels = [Some(self.label), self.previous_label].into_iter().flatten();
        labels.map(|label| (label, server_name(&label.to_string(), &self.host)))
    }

    /// Takes a grant that came over a connection to `label`, whose runtime showed `spki`: remembers the head, the
    /// keys and the label that it announces. Store the state afterwards. Nothing changes where it is refused.
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
        self.head = grant.head.or(self.head);
        // A label stays even where the grant came by the one before it: the gateway may just be late.
        if let Some(next) = grant.next_label.filter(|next| *next != self.label) {
            self.previous_label = Some(label).filter(|label| *label != next);
            self.label = next;
        }
        Ok(())
    }

    /// A locked store may be silent about its head; one that was never seen has nothing to be compared with.
    fn check_head(&self, grant: &Grant) -> Result<(), Distrust> {
        let fine = match (self.head, grant.head) {
            (None, _) => true,
            (Some(_), None) => grant.store == StoreState::Locked,
            (Some(seen), Some(head)) => head.follows(seen),
        };
        if fine { Ok(()) } else { Err(Distrust::RolledBack) }
    }
}
