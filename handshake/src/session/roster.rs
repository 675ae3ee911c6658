//! `POST /.upc/v1/roster`, `/roster/sign`: a phone follows the rosters of its owner, and signs the next one.

use super::{Check, PhoneState, SlotBytes, require_valid};
use crate::body::{BODY_BYTES_MAX, INTEGER_MAX, object_or_none};
use crate::encoding::Digest32;
use crate::error::Code;
use crate::roster::{Author, BadStep, Change, Roster, RosterMark, Signed, follow};
use serde::{Deserialize, Serialize};

/// Most rosters in one answer; a phone that needs more asks again.
pub const ROSTERS_MAX: usize = 16;
/// Rosters are added to an answer while its texts stay below this; the first is always sent.
const TEXT_BYTES_MAX: usize = BODY_BYTES_MAX - 4_096;

/// What a grant says of rosters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RosterState {
    /// The newest one; `None`: there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "object_or_none")]
    pub signed: Option<RosterMark>,
    /// Whether the host did something that no device has signed yet.
    #[serde(default)]
    pub pending: bool,
}

impl RosterState {
    pub(super) fn is_sound(&self) -> bool {
        self.signed.is_none_or(|mark| (1..=INTEGER_MAX).contains(&mark.version))
    }
}

/// Asks for the rosters after the one that the phone remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterRequest {
    /// The version that the phone remembers; `None`: it remembers none, and gets the newest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

impl Check for RosterRequest {
    fn check(&self) -> Result<(), Code> {
        require_valid(self.after.is_none_or(|version| version <= INTEGER_MAX))
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterReply {
    /// In the order of versions, at most [`ROSTERS_MAX`].
    pub signed: Vec<Signed>,
    /// Whether there are more after these.
    #[serde(default)]
    pub more: bool,
    /// What the asking device would sign next; only beside an empty list, and while the store is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Roster>,
    /// The device's own slot of the present data key, for the phone to keep: with it the phone opens a store whose
    /// host has lost the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotBytes>,
}

impl RosterReply {
    /// As many of `signed` as one answer holds.
    pub fn of(signed: impl IntoIterator<Item = Signed>) -> Self {
        let (mut fit, mut more, mut bytes) = (Vec::new(), false, 0);
        for roster in signed {
            bytes += roster.to_bytes().len().div_ceil(3) * 4 + 3;
            more = !fit.is_empty() && (bytes > TEXT_BYTES_MAX || fit.len() == ROSTERS_MAX);
            if more {
                break;
            }
            fit.push(roster);
        }
        Self { signed: fit, more, pending: None, slot: None }
    }
}

impl Check for RosterReply {
    fn check(&self) -> Result<(), Code> {
        require_valid(self.signed.len() <= ROSTERS_MAX && (self.pending.is_none() || self.signed.is_empty()))
    }
}

/// The next roster, signed. The answer is [`Empty`](super::Empty).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignRequest {
    /// What was pending, with a signature.
    pub signed: Signed,
}

impl Check for SignRequest {
    fn check(&self) -> Result<(), Code> {
        Ok(())
    }
}

/// Why a phone does not believe what a host says of rosters. It sends nothing more then, neither key nor entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RosterDistrust {
    /// The host goes back to an older list of devices, as one does that was put back from a backup.
    #[error(
        "the host is back at version {now} of who may open your data; this phone has seen version {seen}: an older copy was put back, and devices that were shut out may be let in again"
    )]
    Older {
        /// The version that the phone remembers.
        seen: u64,
        /// The host's; 0: none.
        now: u64,
    },
    /// Another list of the same version.
    #[error(
        "the host shows another version {version} of who may open your data than the one this phone has seen"
    )]
    Forked {
        /// The version.
        version: u64,
    },
    /// The host does not show how one version came from the other.
    #[error(
        "the host does not show what lies between version {seen} of who may open your data and version {now}"
    )]
    Gap {
        /// The version that the phone remembers.
        seen: u64,
        /// The next one that the host has.
        now: u64,
    },
    /// A change that no device of the owner signed.
    #[error("who may open your data was changed without any of your devices: {0}")]
    Step(#[from] BadStep),
    /// The phone itself is not in the list.
    #[error("version {version} of who may open your data does not name this phone")]
    NotNamed {
        /// The version.
        version: u64,
    },
    /// What the host asks the phone to sign does not follow what the phone remembers, or shuts the phone out.
    #[error("the host asks this phone to sign something that does not follow version {seen}")]
    Proposal {
        /// The version that the phone remembers; 0: none.
        seen: u64,
    },
}

/// What a phone learnt about one roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// Its version.
    pub version: u64,
    /// When it was made, by the host's clock, ms since 1970.
    pub at_ms: u64,
    /// Who signed it, in words.
    pub by: String,
    /// What it changed.
    pub changes: Vec<Change>,
}

impl PhoneState {
    /// Whether the host has rosters that this phone has not seen. Called before the phone sends a key or an entry.
    ///
    /// # Errors
    /// [`RosterDistrust::Older`], [`RosterDistrust::Forked`].
    pub fn check_roster(&self, state: Option<RosterState>) -> Result<bool, RosterDistrust> {
        let Some(seen) = self.roster.as_ref().map(Signed::mark) else {
            return Ok(state.is_some_and(|state| state.signed.is_some()));
        };
        let now = state
            .and_then(|state| state.signed)
            .ok_or(RosterDistrust::Older { seen: seen.version, now: 0 })?;
        if now.version < seen.version {
            return Err(RosterDistrust::Older { seen: seen.version, now: now.version });
        }
        if now.version == seen.version && now.hash != seen.hash {
            return Err(RosterDistrust::Forked { version: now.version });
        }
        Ok(now.version > seen.version)
    }

    /// Takes rosters that follow the one that the phone remembers; the first that it ever sees is believed. Store the
    /// state afterwards. Nothing changes where they are refused.
    ///
    /// # Errors
    /// [`RosterDistrust`].
    pub fn take_rosters(&mut self, signed: &[Signed]) -> Result<Vec<Learnt>, RosterDistrust> {
        let (Some(first), Some(last)) = (signed.first(), signed.last()) else { return Ok(Vec::new()) };
        let known = self.roster.as_ref();
        if first.roster().user != self.user {
            return Err(BadStep::OtherPerson.into());
        }
        match known {
            Some(known) if first.roster().version > known.roster().version + 1 => {
                let (seen, now) = (known.roster().version, first.roster().version);
                return Err(RosterDistrust::Gap { seen, now });
            }
            Some(known) => drop(follow(known, signed)?),
            None => {
                if first.roster().version == 1 {
                    first.check_first(self.user)?;
                }
                follow(first, &signed[1..])?;
            }
        }
        // Until a person has a device, nobody signs, and the phone is about to be the first.
        if last.roster().has_signer() && last.roster().device(self.device).is_none() {
            return Err(RosterDistrust::NotNamed { version: last.roster().version });
        }
        let befores = std::iter::once(known).chain(signed.iter().map(Some));
        let learnt =
            befores.zip(signed).map(|(before, now)| learnt(before.map(Signed::roster), now.roster()));
        let learnt = learnt.collect();
        self.roster = Some(last.clone());
        Ok(learnt)
    }

    /// What a roster that the host asks this phone to sign would change.
    ///
    /// # Errors
    /// [`RosterDistrust::Proposal`] where the phone must not sign it, whatever its person says.
    pub fn judge(&self, proposal: &Roster) -> Result<Vec<Change>, RosterDistrust> {
        let known = self.roster.as_ref();
        let mark = known.map_or(RosterMark { version: 0, hash: Digest32([0; 32]) }, Signed::mark);
        let generation = known.map_or(0, |known| known.roster().generation);
        let follows = proposal.user == self.user
            && proposal.version == mark.version.saturating_add(1)
            && proposal.previous == mark.hash
            && proposal.generation >= generation
            && proposal.author == Author::Device(self.device)
            && proposal.device(self.device).is_some();
        if !follows {
            return Err(RosterDistrust::Proposal { seen: mark.version });
        }
        Ok(proposal.changes_since(known.map(Signed::roster)))
    }
}

fn learnt(before: Option<&Roster>, now: &Roster) -> Learnt {
    let by = match now.author {
        Author::Nobody => "nobody: no device and no phrase could sign".to_owned(),
        Author::Phrase => "the recovery phrase".to_owned(),
        Author::Device(id) => {
            let named = before.and_then(|before| before.device(id)).or_else(|| now.device(id));
            named.map_or_else(|| format!("the device {id}"), |member| format!("the device {}", member.name))
        }
    };
    Learnt { version: now.version, at_ms: now.at_ms, by, changes: now.changes_since(before) }
}
