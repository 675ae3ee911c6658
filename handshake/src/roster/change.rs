//! The differences between two rosters, in words for their owner.

use super::content::{Member, Roster};
use crate::device::{DeviceName, Scopes};
use crate::encoding::DeviceId;
use std::fmt;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A device may connect and open the data that could not before.
    DeviceAdded {
        /// The device.
        id: DeviceId,
        /// The name that it gave itself.
        name: DeviceName,
        /// What it may do.
        scopes: Scopes,
    },
    /// A device may no longer connect.
    DeviceRemoved {
        /// The device.
        id: DeviceId,
        /// Its name.
        name: DeviceName,
    },
    /// A device shows another key, or the data key is wrapped for another one.
    DeviceKey {
        /// The device.
        id: DeviceId,
        /// Its name.
        name: DeviceName,
    },
    /// A device may do other things than before.
    DeviceScopes {
        /// The device.
        id: DeviceId,
        /// Its name.
        name: DeviceName,
        /// What it may do now.
        scopes: Scopes,
        /// Whether it may do something that it could not before.
        wider: bool,
    },
    /// A recovery phrase opens the data, where there was none.
    PhraseSet,
    /// Another recovery phrase opens the data, and the one before no longer does.
    PhraseReplaced,
    /// No recovery phrase opens the data any longer.
    PhraseRemoved,
    /// Tokens came that are accepted from phones that cannot pair.
    TokensAdded {
        /// How many.
        count: usize,
    },
    /// Tokens are no longer accepted.
    TokensRemoved {
        /// How many.
        count: usize,
    },
    /// The host can open the data at any time.
    UnattendedOn,
    /// The host can open the data only after a contact of a device.
    UnattendedOff,
    /// There is another data key.
    DataKey {
        /// Its generation.
        generation: u32,
    },
    /// Uploads that come while the store is locked are sealed to another key.
    InboxKey,
}

impl Change {
    /// Whether the change gives somebody something, so that a device should ask its person before it signs. `own`: the
    /// device that asks, whose own key it changes itself.
    pub fn needs_approval(&self, own: DeviceId) -> bool {
        match self {
            Self::DeviceAdded { .. }
            | Self::PhraseSet
            | Self::PhraseReplaced
            | Self::TokensAdded { .. }
            | Self::UnattendedOn => true,
            Self::DeviceKey { id, .. } => *id != own,
            Self::DeviceScopes { wider, .. } => *wider,
            Self::DeviceRemoved { .. }
            | Self::PhraseRemoved
            | Self::TokensRemoved { .. }
            | Self::UnattendedOff
            | Self::DataKey { .. }
            | Self::InboxKey => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: &DeviceId| id.to_string()[..12].to_owned();
        match self {
            Self::DeviceAdded { id, name, scopes } => {
                let admin = if scopes.has(crate::device::Scope::Admin) { ", with admin" } else { "" };
                write!(f, "the device {name} ({}) may connect and open the data{admin}", short(id))
            }
            Self::DeviceRemoved { id, name } => write!(f, "the device {name} ({}) was shut out", short(id)),
            Self::DeviceKey { id, name } => write!(f, "the device {name} ({}) has another key", short(id)),
            Self::DeviceScopes { id, name, wider, .. } => {
                let how = if *wider { "more than before" } else { "less than before" };
                write!(f, "the device {name} ({}) may do {how}", short(id))
            }
            Self::PhraseSet => f.write_str("a recovery phrase opens the data"),
            Self::PhraseReplaced => {
                f.write_str("another recovery phrase opens the data; the one before no longer does")
            }
            Self::PhraseRemoved => f.write_str("no recovery phrase opens the data any longer"),
            Self::TokensAdded { count } => {
                write!(f, "{count} more tokens are accepted from phones that cannot pair")
            }
            Self::TokensRemoved { count } => write!(f, "{count} tokens are no longer accepted"),
            Self::UnattendedOn => f.write_str("the host can open the data at any time"),
            Self::UnattendedOff => f.write_str("the host no longer holds a key of its own"),
            Self::DataKey { generation } => write!(f, "the data key was changed; it is number {generation}"),
            Self::InboxKey => f.write_str("uploads that wait are sealed to another key"),
        }
    }
}

impl Roster {
    /// What this roster says that `before` does not; `None`: nothing was known, so that everything is new.
    pub fn changes_since(&self, before: Option<&Self>) -> Vec<Change> {
        let mut changes = self.of_devices(before.map_or(&[], |before| before.devices.as_slice()));
        let phrase = before.and_then(|before| before.phrase);
        match (phrase, self.phrase) {
            (None, Some(_)) => changes.push(Change::PhraseSet),
            (Some(one), Some(other)) if one != other => changes.push(Change::PhraseReplaced),
            (Some(_), None) => changes.push(Change::PhraseRemoved),
            _ => {}
        }
        let tokens = before.map_or(&[][..], |before| &before.tokens);
        let added = self.tokens.iter().filter(|token| !tokens.contains(token)).count();
        let removed = tokens.iter().filter(|token| !self.tokens.contains(token)).count();
        changes.extend((added > 0).then_some(Change::TokensAdded { count: added }));
        changes.extend((removed > 0).then_some(Change::TokensRemoved { count: removed }));
        match (before.is_some_and(|before| before.unattended), self.unattended) {
            (false, true) => changes.push(Change::UnattendedOn),
            (true, false) => changes.push(Change::UnattendedOff),
            _ => {}
        }
        let Some(before) = before else { return changes };
        if before.generation != self.generation {
            changes.push(Change::DataKey { generation: self.generation });
        }
        changes.extend((before.inbox != self.inbox).then_some(Change::InboxKey));
        changes
    }

    fn of_devices(&self, before: &[Member]) -> Vec<Change> {
        let find = |members: &[Member], id| members.iter().find(|member| member.id == id).cloned();
        let mut changes = Vec::new();
        for Member { id, spki, wrap_pub, scopes, name } in self.devices.iter().cloned() {
            let Some(known) = find(before, id) else {
                changes.push(Change::DeviceAdded { id, name, scopes });
                continue;
            };
            if known.spki != spki || known.wrap_pub != wrap_pub {
                changes.push(Change::DeviceKey { id, name: name.clone() });
            }
            if known.scopes != scopes {
                let wider = !scopes.is_within(known.scopes);
                changes.push(Change::DeviceScopes { id, name, scopes, wider });
            }
        }
        let gone = before.iter().filter(|member| find(&self.devices, member.id).is_none());
        changes.extend(gone.map(|member| Change::DeviceRemoved { id: member.id, name: member.name.clone() }));
        changes
    }
}
