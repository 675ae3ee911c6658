//! The roster that the host's tables ask for: what a device signs next.

use std::sync::Arc;

use handshake::device::Status;
use handshake::encoding::Digest32;
use handshake::roster::{Author, Member, Roster, Signed, TOKENS_MAX};
use handshake::token::TokenHash;
use runtime_store::Store;
use runtime_types::UserId;

use super::super::drain::inbox_keys;
use super::super::slots::Holder;
use super::super::{OwnerError, Owners};
use super::disk;
use crate::clock;
use crate::people::person::Person;
use crate::people::{KeyMode, Receiver};

impl Owners {
    /// What the tables say now, as the roster after the newest one. The store is open: the inbox key is the one whose
    /// private half is in the store, whatever a file says.
    pub(super) fn propose(&self, person: &Person, author: Author) -> Result<Roster, OwnerError> {
        let user = person.user;
        let newest = self.roster(user)?;
        let before = newest.as_deref().map(Signed::roster);
        let folder = self.people.folder(user);
        let mut tokens = self.tokens_of(user)?;
        tokens.truncate(TOKENS_MAX);
        let generation = Store::key_generation(&self.people.store_folder(user)).map_err(OwnerError::Store)?;
        let inbox = match inbox_keys(person) {
            Err(OwnerError::NoInboxKey) => None,
            keys => keys?.first().map(handshake::keys::InboxKey::public),
        };
        let phrase = disk::read_wish(&folder).phrase.or_else(|| before.and_then(|before| before.phrase));
        let phrase = match before {
            Some(_) => phrase,
            // The first roster names what there is.
            None => phrase.or(self.slots(user)?.holder(Holder::Recovery)),
        };
        Ok(Roster {
            user,
            version: before.map_or(1, |before| before.version.saturating_add(1)),
            previous: newest.as_deref().map_or(Digest32([0; 32]), Signed::hash),
            at_ms: clock::epoch_ms(),
            author,
            unattended: self.leases.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended,
            generation: generation.unwrap_or(0),
            inbox,
            phrase,
            devices: self.members(user, before)?,
            tokens,
        })
    }

    /// The devices that may connect, as the table has them; the names are those that were signed.
    fn members(&self, user: UserId, before: Option<&Roster>) -> Result<Vec<Member>, OwnerError> {
        let owner = self.owner(user)?;
        let state = owner.state();
        let live = state.access.devices.iter().filter(|device| device.labels().is_some());
        let members = live.map(|device| {
            let spki = match device.status() {
                Status::Rotating { next } => next,
                _ => *device.spki(),
            };
            let known = before.and_then(|before| before.device(device.id()));
            let name = known.map_or_else(|| device.name().clone(), |member| member.name.clone());
            let (id, wrap_pub, scopes) = (device.id(), *device.wrap_pub(), device.scopes());
            Member { id, spki, wrap_pub, scopes, name }
        });
        // The table is in the order of ids.
        Ok(members.collect())
    }

    /// Digests of the person's tokens and of the paths of their receivers, in rising order.
    fn tokens_of(&self, user: UserId) -> Result<Vec<Digest32>, OwnerError> {
        let record = self.people.show(&user.to_string()).map_err(OwnerError::People)?;
        let digests = record.tokens.iter().filter_map(|text| text.parse::<TokenHash>().ok());
        let receivers = record.receivers.iter().filter_map(Receiver::hash);
        let mut digests: Vec<_> = digests.chain(receivers).map(|hash| Digest32(*hash.as_bytes())).collect();
        digests.sort_unstable();
        digests.dedup();
        Ok(digests)
    }

    /// Whether the tables say something that the newest roster does not. The store is open.
    pub(super) fn is_pending(&self, person: &Person) -> Result<bool, OwnerError> {
        let newest: Option<Arc<Signed>> = self.roster(person.user)?;
        let proposal = self.propose(person, Author::Nobody)?;
        Ok(newest.is_none_or(|newest| !proposal.says_the_same(newest.roster())))
    }
}
