//! What phones are told about rosters, and the signatures that they send.

use handshake::error::Code;
use handshake::roster::{Author, BadStep, Change, Roster, Signed};
use handshake::session::{RosterReply, RosterRequest, RosterState, SignRequest, SlotBytes};
use runtime_store::Store;
use runtime_types::UserId;

use super::super::native::{Admission, failed};
use super::super::slots::Holder;
use super::super::{LockState, Locks, OwnerError, Owners};
use super::disk;
use crate::people::person::Person;
use crate::runtime::Runtime;

/// What the console did and nobody has signed.
#[derive(Debug, Clone)]
pub struct Unsigned {
    /// The roster that the recovery phrase would sign.
    pub roster: Roster,
    /// What it changes.
    pub changes: Vec<Change>,
}

impl Runtime {
    /// What a grant says of rosters. Compares the files with the open store first.
    pub(crate) fn roster_state(&self, user: UserId, open: bool) -> Result<RosterState, OwnerError> {
        let owners = self.owners();
        let mut pending = false;
        if open {
            let person = self.person(user).map_err(OwnerError::Call)?;
            owners.compare_roster(&person)?;
            pending = owners.is_pending(&person)?;
        }
        Ok(RosterState { signed: owners.roster(user)?.map(|newest| newest.mark()), pending })
    }

    /// The rosters after one that the device remembers, or what it may sign. Reads the disk.
    ///
    /// # Errors
    /// [`Code::Starting`] where the disk fails.
    pub fn rosters_for(&self, admission: &Admission, request: RosterRequest) -> Result<RosterReply, Code> {
        let told = self.try_rosters_for(admission, request);
        told.map_err(|error| failed(admission.user, &error))
    }

    fn try_rosters_for(
        &self,
        admission: &Admission,
        request: RosterRequest,
    ) -> Result<RosterReply, OwnerError> {
        let (user, owners) = (admission.user, self.owners());
        let newest = owners.roster(user)?.map(|newest| newest.roster().version);
        let after = request.after.or(newest.map(|newest| newest.saturating_sub(1)));
        let chain = disk::read(&owners.people.folder(user), user)?;
        let news = chain.into_iter().filter(|roster| Some(roster.roster().version) > after);
        let mut reply = RosterReply::of(news);
        let open = matches!(self.locks().state(user).map_err(OwnerError::Call)?, LockState::Unlocked { .. });
        if open && reply.signed.is_empty() {
            let person = self.person(user).map_err(OwnerError::Call)?;
            if owners.is_pending(&person)? {
                reply.pending = Some(owners.propose(&person, Author::Device(admission.device))?);
            }
        }
        let generation =
            Store::key_generation(&owners.people.store_folder(user)).map_err(OwnerError::Store)?;
        let slots = owners.slots(user)?;
        let slot = generation.and_then(|generation| slots.find(Holder::Device(admission.device), generation));
        reply.slot = slot.map(|slot| SlotBytes(*slot.as_bytes()));
        Ok(reply)
    }

    /// Puts a roster in force that a device has signed: exactly what the tables ask for now. Reads and writes the disk.
    ///
    /// # Errors
    /// [`Code::ProofWrong`] for anything else, and for a wrong signature; [`Code::StoreLocked`].
    pub fn sign_roster(&self, admission: &Admission, request: SignRequest) -> Result<(), Code> {
        let user = admission.user;
        if !matches!(self.locks().state(user), Ok(LockState::Unlocked { .. })) {
            return Err(Code::StoreLocked);
        }
        let signed = request.signed;
        if signed.roster().author != Author::Device(admission.device) {
            return Err(Code::ProofWrong);
        }
        match self.take_signed(user, signed) {
            Ok(()) => Ok(()),
            Err(OwnerError::Step(_)) => Err(Code::ProofWrong),
            Err(error) => Err(failed(user, &error)),
        }
    }

    /// What nobody has signed, for the holder of the recovery phrase.
    ///
    /// # Errors
    /// [`OwnerError::Wait`] until a day has passed in which no device of the owner came; [`OwnerError::NoPhrase`].
    pub fn unsigned(&self, user: UserId, now_ms: u64) -> Result<Option<Unsigned>, OwnerError> {
        if let Some(from_ms) = self.owners().begin_recovery(user, now_ms)?.from_ms {
            return Err(OwnerError::Wait { until_ms: self.clocks().shown_ms(from_ms) });
        }
        let person = self.person(user).map_err(OwnerError::Call)?;
        self.owners().compare_roster(&person)?;
        if !self.owners().is_pending(&person)? {
            return Ok(None);
        }
        let roster = self.owners().propose(&person, Author::Phrase)?;
        let newest = self.owners().roster(user)?;
        let changes = roster.changes_since(newest.as_deref().map(Signed::roster));
        Ok(Some(Unsigned { roster, changes }))
    }

    /// Puts a roster in force that the recovery phrase has signed.
    ///
    /// # Errors
    /// As for [`Self::unsigned`], and [`OwnerError::Step`].
    pub fn sign_by_phrase(&self, user: UserId, signed: Signed, now_ms: u64) -> Result<(), OwnerError> {
        self.unsigned(user, now_ms)?;
        let version = signed.roster().version;
        if signed.roster().author != Author::Phrase {
            return Err(OwnerError::Step(BadStep::Author { version }));
        }
        self.take_signed(user, signed)?;
        self.owners().end_waiting(user)
    }

    fn take_signed(&self, user: UserId, signed: Signed) -> Result<(), OwnerError> {
        let owners = self.owners();
        let person = self.person(user).map_err(OwnerError::Call)?;
        owners.compare_roster(&person)?;
        let owner = owners.owner(user)?;
        let one_at_a_time = owner.changing();
        owners.check_signed(&person, &signed)?;
        let (version, changes) = (signed.roster().version, {
            let newest = owners.roster(user)?;
            signed.roster().changes_since(newest.as_deref().map(Signed::roster)).len()
        });
        let phrase = signed.roster().phrase;
        owners.adopt(&person, signed)?;
        drop(one_at_a_time);
        owners.heal_slots(user)?;
        let folder = owners.people.folder(user);
        if phrase.is_some() && disk::read_wish(&folder).phrase == phrase {
            disk::write_wish(&folder, &disk::Wish::default())?;
        }
        tracing::info!(user = %user.short(), version, changes, "roster signed");
        owner.tell();
        Ok(())
    }
}

impl Owners {
    /// Fails unless the roster says what the tables say, follows the newest one, and is signed by who may.
    fn check_signed(&self, person: &Person, signed: &Signed) -> Result<(), OwnerError> {
        let proposal = self.propose(person, signed.roster().author)?;
        let version = signed.roster().version;
        if !proposal.says_the_same(signed.roster()) {
            return Err(OwnerError::Step(BadStep::Previous { version }));
        }
        let checked = match self.roster(person.user)? {
            Some(newest) => signed.check_after(&newest),
            None => signed.check_first(person.user),
        };
        checked.map_err(OwnerError::Step)
    }

    /// Keeps the public half of a recovery phrase until a device has signed for it.
    pub(crate) fn wish_phrase(
        &self,
        user: UserId,
        phrase: handshake::encoding::WrapPub,
    ) -> Result<(), OwnerError> {
        disk::write_wish(&self.people.folder(user), &disk::Wish { phrase: Some(phrase) })
    }

    /// Signs for somebody for whom nobody can: after the console made or revoked a token.
    ///
    /// # Errors
    /// Where the disk fails. The change itself stays, and is refused until this was repeated.
    pub fn vouch_unsigned(&self, user: UserId) -> Result<(), OwnerError> {
        let Some(newest) = self.roster(user)? else { return Ok(()) };
        if newest.roster().has_signer() || Locks::of(self).key_of(user).is_err() {
            return Ok(());
        }
        let person = self.open_people.person(user).map_err(OwnerError::Call)?;
        self.compare_roster(&person)?;
        let proposal = self.propose(&person, Author::Nobody)?;
        if proposal.has_signer() || proposal.says_the_same(newest.roster()) {
            return Ok(());
        }
        self.adopt(&person, Signed::by_nobody(proposal).map_err(|_| OwnerError::Roster)?)
    }
}
