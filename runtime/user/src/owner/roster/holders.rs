//! Slots for everybody whom the newest roster names, and for nobody else.

use handshake::roster::Signed;
use runtime_store::Held;
use runtime_types::UserId;

use super::super::access::Owner;
use super::super::slots::{Holder, Slots};
use super::super::{Locks, OwnerError, Owners};

impl Owners {
    /// Wraps a data key for each holder of the newest roster that has no slot of its generation, and removes the slots
    /// of everybody else. Returns whether anything changed.
    pub(crate) fn fill_slots(
        &self,
        owner: &Owner,
        slots: &mut Slots,
        key: &Held,
    ) -> Result<bool, OwnerError> {
        let user = owner.user;
        let Some(roster) = self.roster(user)?.filter(|roster| roster.roster().has_signer()) else {
            return Ok(false);
        };
        let before = slots.count();
        let live = |id| owner.state().access.devices.get(id).is_some_and(|known| known.labels().is_some());
        let holders = self.holders(&roster, live);
        slots.keep_holders(|holder, to| holders.contains(&(holder, *to)));
        let mut changed = slots.count() != before;
        for (holder, to) in holders {
            if slots.find(holder, key.generation).is_none() {
                slots.seal(user, holder, to, key)?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Whom a roster names, without devices that the console has revoked since.
    fn holders(
        &self,
        roster: &Signed,
        live: impl Fn(handshake::encoding::DeviceId) -> bool,
    ) -> Vec<(Holder, handshake::encoding::WrapPub)> {
        let roster = roster.roster();
        let devices = roster.devices.iter().filter(|member| live(member.id));
        let devices = devices.map(|member| (Holder::Device(member.id), member.wrap_pub));
        devices.chain(roster.phrase.map(|to| (Holder::Recovery, to))).collect()
    }

    /// Makes `slots.json` fit the newest roster and the present data key: after a signature, and after the file was
    /// put back from an older copy. The store is open.
    pub(crate) fn heal_slots(&self, user: UserId) -> Result<(), OwnerError> {
        if !self.needs_signature(user)? {
            return Ok(());
        }
        let owner = self.owner(user)?;
        let _one_at_a_time = owner.changing();
        let key = Locks::of(self).key_of(user)?;
        let mut slots = self.slots(user)?;
        let mut changed = self.fill_slots(&owner, &mut slots, &key)?;
        if let Some(inbox) = self.inbox_key(user)?.filter(|inbox| slots.inbox() != Some(inbox)) {
            slots.set_inbox(inbox);
            changed = true;
        }
        if changed { slots.write(owner.folder()) } else { Ok(()) }
    }
}
