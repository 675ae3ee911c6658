//! What this phone learns of who may open its owner's data, and what it signs.

use handshake::roster::{Author, Change, Roster, Signed};
use handshake::session::{Empty, Learnt, RosterReply, RosterRequest, SignRequest};
use ring::rand::SystemRandom;

use crate::client::PhoneError;
use crate::native::Native;

/// More answers than any chain of kept rosters needs; a host that has more to say is not listened to.
const ANSWERS_MAX: usize = 512;

/// What a phone knows of its owner's rosters after a contact.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// What was signed since the last contact, oldest first.
    pub learnt: Vec<Learnt>,
    /// What the host's console did and no device has signed.
    pub unsigned: Vec<Change>,
}

impl Native {
    /// Follows the owner's rosters as far as the host has them. Called before the phone sends a key or an entry.
    pub(crate) async fn follow_rosters(&mut self) -> Result<(), PhoneError> {
        for _ in 0..ANSWERS_MAX {
            let is_news = self.file.state.check_roster(self.grant.roster).map_err(distrust)?;
            if !is_news {
                return Ok(());
            }
            let reply = self.ask_rosters().await?;
            if reply.signed.is_empty() {
                // It named a newer one, and does not show it.
                break;
            }
            let learnt = self.file.state.take_rosters(&reply.signed).map_err(distrust)?;
            self.news.learnt.extend(learnt);
        }
        Err(PhoneError::Answer { path: "/.upc/v1/roster".to_owned() })
    }

    async fn ask_rosters(&mut self) -> Result<RosterReply, PhoneError> {
        let after = self.file.state.roster.as_ref().map(|seen| seen.roster().version);
        let reply: RosterReply = self.ask("/.upc/v1/roster", &RosterRequest { after }).await?;
        if reply.slot.is_some() {
            self.file.state.slot = reply.slot;
        }
        Ok(reply)
    }

    /// Looks at what no device has signed, and signs it where it gives nobody anything: a device that was shut out,
    /// another data key. The first roster of all names what there is, and is signed as it is.
    pub(crate) async fn sign_harmless(&mut self) -> Result<(), PhoneError> {
        let Some((proposal, changes)) = self.pending().await? else { return Ok(()) };
        let own = self.file.state.device;
        let first = self.file.state.roster.as_ref().is_none_or(|seen| !seen.roster().has_signer());
        if !first && changes.iter().any(|change| change.needs_approval(own)) {
            self.news.unsigned = changes;
            return Ok(());
        }
        match self.sign(proposal).await {
            // Another device was quicker, or the console did something else meanwhile: the next contact sees it.
            Err(PhoneError::Code { code: handshake::error::Code::ProofWrong }) => Ok(()),
            signed => signed,
        }
    }

    /// What no device has signed, and what it changes.
    async fn pending(&mut self) -> Result<Option<(Roster, Vec<Change>)>, PhoneError> {
        if !self.grant.roster.is_some_and(|roster| roster.pending) {
            return Ok(None);
        }
        let Some(proposal) = self.ask_rosters().await?.pending else { return Ok(None) };
        let changes = self.file.state.judge(&proposal).map_err(distrust)?;
        Ok(Some((proposal, changes)))
    }

    async fn sign(&mut self, proposal: Roster) -> Result<(), PhoneError> {
        debug_assert_eq!(proposal.author, Author::Device(self.file.state.device), "judged before");
        let signed = Signed::by_device(proposal, &self.file.device, &SystemRandom::new());
        let signed = signed.map_err(|_| PhoneError::Unsigned)?;
        let _: Empty = self.ask("/.upc/v1/roster/sign", &SignRequest { signed: signed.clone() }).await?;
        let learnt = self.file.state.take_rosters(&[signed]).map_err(distrust)?;
        self.news.learnt.extend(learnt);
        // The host says no more of it in this connection; the slot of the present key is kept.
        self.ask_rosters().await.map(drop)
    }

    /// Signs what the host's console did, after the phone's person has seen [`News::unsigned`] and said yes. Returns
    /// what was signed; nothing where the host asks for something else by now.
    ///
    /// # Errors
    /// [`PhoneError::Code`] where the host does not take the signature.
    pub async fn approve(&mut self) -> Result<Vec<Change>, PhoneError> {
        let Some((proposal, changes)) = self.pending().await? else { return Ok(Vec::new()) };
        if changes != self.news.unsigned {
            return Err(PhoneError::OtherProposal);
        }
        self.sign(proposal).await?;
        Ok(std::mem::take(&mut self.news.unsigned))
    }
}

fn distrust(why: handshake::session::RosterDistrust) -> PhoneError {
    PhoneError::Distrust(why.into())
}
