//! The copy of the newest roster in the open store, against which the files beside it are compared.

use std::sync::Arc;

use handshake::roster::{Author, Signed};
use runtime_store::Batch;
use runtime_types::UserId;

use super::super::{OwnerError, Owners};
use super::disk;
use crate::people::person::Person;

/// The document with the newest roster. No cell is granted names with this prefix.
const ROSTER: &str = "runtime/roster";

impl Owners {
    /// Compares the chain on disk with the copy in the open store, once for each opening of the files: an older or
    /// another chain is replaced. Where no device and no phrase could sign, writes the roster that nobody signs. Reads
    /// and writes the disk.
    pub(crate) fn compare_roster(&self, person: &Person) -> Result<(), OwnerError> {
        let user = person.user;
        self.roster(user)?;
        if self.rosters.get(user).is_some_and(|known| known.compared) {
            return Ok(());
        }
        let owner = self.owner(user)?;
        let one_at_a_time = owner.changing();
        let chain = disk::read(owner.folder(), user)?;
        let newest = match sealed(person)? {
            Some(sealed) => self.newest_of(owner.folder(), user, &sealed, chain)?,
            None => chain.into_iter().last(),
        };
        if let Some(newest) = &newest {
            seal(person, newest)?;
        }
        {
            let mut all = self.rosters.lock();
            let known = all.entry(user).or_default();
            (known.newest, known.compared) = (newest.map(Arc::new), true);
        }
        drop(one_at_a_time);
        self.vouch_for_nobodys(person)?;
        // The process may have ended between a signature and the slots that follow from it.
        self.heal_slots(user)
    }

    /// The end of the chain on disk if it goes on from the sealed copy, or else the sealed copy, put back.
    fn newest_of(
        &self,
        folder: &std::path::Path,
        user: UserId,
        sealed: &Signed,
        mut chain: Vec<Signed>,
    ) -> Result<Option<Signed>, OwnerError> {
        if chain.iter().any(|roster| roster.hash() == sealed.hash()) {
            return Ok(chain.pop());
        }
        let (seen, found) = (sealed.roster().version, chain.last().map_or(0, |last| last.roster().version));
        tracing::error!(
            user = %user.short(), seen, found,
            "the rosters on disk are older than the store, or others: an older copy of the files was put back, or \
             somebody wrote them; the store's own copy counts"
        );
        disk::replace_all(folder, sealed)?;
        Ok(Some(sealed.clone()))
    }

    /// Writes the roster of somebody for whom nobody can sign, where the tables say something new: then the store's
    /// copy is what the files are compared with.
    pub(crate) fn vouch_for_nobodys(&self, person: &Person) -> Result<(), OwnerError> {
        let newest = self.roster(person.user)?;
        if newest.as_ref().is_some_and(|newest| newest.roster().has_signer()) {
            return Ok(());
        }
        let proposal = self.propose(person, Author::Nobody)?;
        // As soon as there is a device, it signs.
        let news = newest.as_deref().is_none_or(|newest| !proposal.says_the_same(newest.roster()));
        if proposal.has_signer() || !news || newest.is_some() {
            return Ok(());
        }
        let signed = Signed::by_nobody(proposal).map_err(|_| OwnerError::Roster)?;
        self.adopt(person, signed)
    }

    /// Puts a roster in force: on disk, in the open store, in memory.
    pub(super) fn adopt(&self, person: &Person, signed: Signed) -> Result<(), OwnerError> {
        let user = person.user;
        disk::write(&self.people.folder(user), &signed)?;
        seal(person, &signed)?;
        let mut all = self.rosters.lock();
        let known = all.entry(user).or_default();
        (known.newest, known.compared) = (Some(Arc::new(signed)), true);
        Ok(())
    }
}

/// The copy in the store.
fn sealed(person: &Person) -> Result<Option<Signed>, OwnerError> {
    let content = person.store.snapshot().document(ROSTER).map_err(OwnerError::Read)?;
    // What is sealed is what was written; a program that writes another form does not read this one.
    Ok(content.and_then(|bytes| Signed::parse(&bytes).ok()))
}

fn seal(person: &Person, signed: &Signed) -> Result<(), OwnerError> {
    if sealed(person)?.as_ref() == Some(signed) {
        return Ok(());
    }
    let mut batch = Batch::new();
    batch.put_document(ROSTER, signed.to_bytes());
    person.commit(batch).map(drop).map_err(OwnerError::Commit)
}
