//! What the newest roster says of a device, a token, a key; everything is vouched for while there is none.

use handshake::device::{Device, Status};
use handshake::encoding::Digest32;
use handshake::error::Code;
use handshake::keys::InboxPub;
use handshake::roster::Member;
use handshake::token::{TokenHash, hash_of_shown};
use runtime_types::UserId;

use super::super::native::{Admission, Devices};
use super::super::{OwnerError, Owners};
use crate::people::Receiving;

impl Devices<'_> {
    /// Called before every request of a connection, after [`Self::still_admitted`].
    ///
    /// # Errors
    /// [`Code::NotApproved`] for a device that is in the table and that no device of the owner has signed for.
    pub fn vouched(self, admission: &Admission) -> Result<(), Code> {
        let roster = self.owners.roster(admission.user).map_err(|error| unread(admission.user, &error))?;
        // The first device of a person needs nobody.
        let Some(roster) = roster.filter(|roster| roster.roster().has_signer()) else { return Ok(()) };
        let owner = self.owners.get(admission.user).ok_or(Code::DeviceUnknown)?;
        let state = owner.state();
        let device = state.access.devices.get(admission.device).ok_or(Code::DeviceUnknown)?;
        let member = roster.roster().device(admission.device);
        let vouched = member.is_some_and(|member| is_vouched(member, device, admission));
        if vouched { Ok(()) } else { Err(Code::NotApproved) }
    }
}

fn is_vouched(member: &Member, device: &Device, admission: &Admission) -> bool {
    // Where a change of key was signed, the old key works until the new one was used.
    let announced = matches!(device.status(), Status::Rotating { next } if next == member.spki);
    let key = admission.key == member.spki || (announced && admission.key == *device.spki());
    key && *device.wrap_pub() == member.wrap_pub && device.scopes().is_within(member.scopes)
}

fn unread(user: UserId, error: &OwnerError) -> Code {
    tracing::error!(user = %user.short(), error = %crate::chain(error), "the rosters do not read");
    Code::Starting
}

impl Owners {
    /// The person whose token that is, if a roster names the token or there is none. May read the disk at the first
    /// call for a person.
    pub fn authenticate(&self, token: &str) -> Option<UserId> {
        let user = self.people.authenticate(token)?;
        self.admits(user, hash_of_shown(token)?, "a token").then_some(user)
    }

    /// What a receiver's path leads to, if a roster names the path's digest or there is none. May read the disk at the
    /// first call for a person.
    pub fn receiver(&self, segment: &str) -> Option<Receiving> {
        let receiving = self.people.receiving(segment)?;
        self.admits(receiving.user, receiving.hash, "a receiver").then_some(receiving)
    }

    /// Whether the newest roster names a digest of a token or of a receiver's path; it names everything while there is
    /// none.
    ///
    /// # Errors
    /// Where the rosters cannot be read.
    pub fn is_signed_for(&self, user: UserId, hash: TokenHash) -> Result<bool, OwnerError> {
        let digest = Digest32(*hash.as_bytes());
        Ok(self.roster(user)?.is_none_or(|roster| roster.roster().tokens.contains(&digest)))
    }

    fn admits(&self, user: UserId, hash: TokenHash, what: &'static str) -> bool {
        match self.is_signed_for(user, hash) {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!(user = %user.short(), "{what} that no device has signed for is refused");
                false
            }
            Err(error) => {
                unread(user, &error);
                false
            }
        }
    }

    /// The key to which an upload is sealed while the store is locked: the newest that this process has put into the
    /// store, or else the one that was signed. The file counts only while there is no roster.
    pub(crate) fn inbox_key(&self, user: UserId) -> Result<Option<InboxPub>, OwnerError> {
        let file = self.slots(user)?.inbox().copied();
        let Some(roster) = self.roster(user)?.filter(|roster| roster.roster().inbox.is_some()) else {
            return Ok(file);
        };
        let fresh = self.rosters.get(user).and_then(|known| known.inbox);
        let vouched = fresh.or(roster.roster().inbox);
        if file != vouched && file != roster.roster().inbox {
            tracing::error!(user = %user.short(), "slots.json names an inbox key that no device has signed for; the signed one is used");
        }
        Ok(vouched)
    }

    /// Notes the inbox key whose private half was put into the open store.
    pub(crate) fn note_inbox_key(&self, user: UserId, key: InboxPub) {
        self.rosters.lock().entry(user).or_default().inbox = Some(key);
    }

    /// The inbox key that was signed last: uploads may be sealed to it after a restart, so its private half stays.
    pub(crate) fn signed_inbox_key(&self, user: UserId) -> Result<Option<InboxPub>, OwnerError> {
        Ok(self.roster(user)?.and_then(|roster| roster.roster().inbox))
    }

    /// Whether a device, a phrase or a token that comes in now needs a signature before it gets anything.
    ///
    /// # Errors
    /// Where the rosters cannot be read.
    pub fn needs_signature(&self, user: UserId) -> Result<bool, OwnerError> {
        Ok(self.roster(user)?.is_some_and(|roster| roster.roster().has_signer()))
    }

    /// Whether a device counts as the owner's: signed for, or in the table, revoked or not, where nothing was ever
    /// signed. A revocation at the console alone does not make a recovery quicker.
    pub(crate) fn has_signed_devices(&self, user: UserId) -> Result<bool, OwnerError> {
        match self.roster(user)? {
            Some(roster) => Ok(!roster.roster().devices.is_empty()),
            None => Ok(self.owner(user)?.state().access.devices.iter().next().is_some()),
        }
    }
}
