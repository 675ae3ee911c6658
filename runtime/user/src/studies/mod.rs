//! Studies: people of this host give bounded numbers to noisy totals, and say so first.
//!
//! * [`budget`]: what a person may still spend, in their sealed store. [`joined`]: that they said yes. [`published`]: the
//!   studies of this host. [`contribute`]: one person's numbers, in memory alone. [`collect`]: one epoch of a study over
//!   everybody who joined. [`gate`]: the program that draws the noise. [`trial`]: a contribution of somebody invented.
//!   [`send`]: one epoch to two aggregators.
//! * Layout: `studies/<id>/` in the data folder has `study.toml`, the signed study, and for each epoch that was answered
//!   `epoch-<number>.mark` and `epoch-<number>.json`. In a person's store, `study/<id>` and `budget` are documents.
//! * Invariants: a contribution is in memory for one call, never in a file, a log, an error or an answer, unless every
//!   person is invented; ε is reserved
//!   before a cell runs, and given back only while the epoch has no mark; nobody contributes to an epoch twice.
//! * Not here: the form of a study and its bounds (`runtime/study`), the noise (`runtime/studies`).

pub(crate) mod budget;
mod collect;
mod companion;
mod contribute;
mod error;
mod gate;
mod joined;
mod published;
mod running;
mod send;
mod trial;

use runtime_store::Batch;
use runtime_study::{Answer, SignedStudy};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;
use crate::runtime::Runtime;

use budget::{Budget, ChargeState};
use joined::Joined;
use published::Published;

pub use budget::{BUDGET_MICRO, BudgetError};
pub use collect::CollectError;
pub use error::StudyError;
pub use gate::GateTrouble;
pub use published::{EpochShown, StudyShown};
pub(crate) use running::Running;
pub use send::{SendTrouble, StudySent};
pub use trial::{TrialAsk, TrialGiven, TriedCell};

/// A study as it is offered to a person, or as they have joined it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyOffer {
    /// The study.
    pub study: StudyShown,
    /// Whether the person has joined.
    pub joined: bool,
    /// What the person may still spend.
    pub budget: BudgetShown,
}

/// What a person has spent and may still spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetShown {
    /// All that may be spent, millionths of ε.
    pub limit_micro: u64,
    /// What is left, millionths of ε.
    pub left_micro: u64,
    /// What was spent or is reserved, in the order in which it was.
    pub charges: Vec<ChargeShown>,
}

/// What one total has cost a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeShown {
    /// The study's id.
    pub study: String,
    /// The epoch.
    pub epoch: u32,
    /// Millionths of ε.
    pub micro: u64,
    /// Whether the total has left the host, or shares have. Otherwise it may be given back.
    pub spent: bool,
}

/// Studies of a runtime's people.
#[derive(Clone, Copy)]
pub struct Studies<'r> {
    runtime: &'r Runtime,
}

impl Runtime {
    /// Studies that people have joined.
    pub fn studies(&self) -> Studies<'_> {
        Studies { runtime: self }
    }
}

impl Studies<'_> {
    /// Makes a study known on this host, so that its people may join it: the signed study, and the package of its cell.
    ///
    /// # Errors
    /// [`StudyError`]: it is no study, or not of this package. Nothing has changed.
    pub fn publish(self, study: &[u8], package: &[u8], now: f64) -> Result<StudyShown, StudyError> {
        let signed = SignedStudy::parse(study)?;
        let shelved =
            self.runtime.shelf().check(self.runtime.sandbox(), self.runtime.catalogue(), package)?;
        published::check_cell(&signed, &shelved)?;
        self.runtime.shelf().keep(package)?;
        let published = Published::keep(&self.runtime.settings().data, signed)?;
        Ok(published.shown(now, None))
    }

    /// The studies of this host, by name.
    ///
    /// # Errors
    /// [`StudyError::Disk`].
    pub fn list(self, now: f64) -> Result<Vec<StudyShown>, StudyError> {
        let all = Published::all(&self.runtime.settings().data)?;
        Ok(all.iter().map(|published| published.shown(now, None)).collect())
    }

    /// One study of this host, by name or id, with how many have joined whose stores are open.
    ///
    /// # Errors
    /// [`StudyError`].
    pub fn status(self, study: &str, now: f64) -> Result<StudyShown, StudyError> {
        let published = Published::find(&self.runtime.settings().data, study)?;
        let id = published.id();
        let joined = |user: &UserId| {
            let person = self.runtime.person(*user).ok()?;
            Joined::read(&person.store.snapshot_ahead(), &id).ok()?
        };
        let people = self.runtime.people().users().iter().filter_map(joined).count();
        Ok(published.shown(now, Some(people as u64)))
    }

    /// Shows a person what a study asks for and what is left of their budget; with `agreed`, they have joined it.
    ///
    /// # Errors
    /// [`StudyError`]: it is not a study of this host, it is over, or the budget is spent. Nothing has changed.
    pub fn join(self, user: UserId, study: &[u8], agreed: bool, now: f64) -> Result<StudyOffer, StudyError> {
        let signed = SignedStudy::parse(study)?;
        let id = signed.id().to_string();
        let published = Published::find(&self.runtime.settings().data, &id)?;
        if published.signed.signed().publisher != signed.signed().publisher {
            return Err(StudyError::OtherSigner { name: signed.study().name.clone() });
        }
        let person = self.runtime.person(user)?;
        self.settle(&person)?;
        if agreed {
            let study = signed.study();
            if !study.epochs().iter().any(|epoch| !published.is_over(epoch, now)) {
                return Err(StudyError::Over { name: study.name.clone() });
            }
            let left_micro = Budget::read(&person.store.snapshot_ahead())?.left_micro();
            if left_micro < study.epsilon_micro {
                let (left, asked) = (left_micro, study.epsilon_micro);
                return Err(BudgetError::TooLittle { left, asked }.into());
            }
            Joined::of(&published.signed, now).put(&person)?;
        }
        self.offer(&person, &published, now)
    }

    /// Ends that a person takes part: what of theirs is not in an answer yet comes into none. When it returns, nothing
    /// of theirs leaves any more.
    ///
    /// # Errors
    /// [`StudyError::NotJoined`] and those of the store.
    pub fn leave(self, user: UserId, study: &str, now: f64) -> Result<StudyOffer, StudyError> {
        let person = self.runtime.person(user)?;
        let joined = Joined::find(&person.store.snapshot_ahead(), study)?;
        let id = joined.id();
        // First what the next contribution looks at, then those that have looked already.
        let mut batch = Batch::new();
        batch.delete_document(&joined::document_of(&id));
        person.commit(batch).map_err(CallError::Commit)?;
        self.runtime.running().end(user, &id);
        self.settle(&person)?;
        match Published::find(&self.runtime.settings().data, &id) {
            Ok(published) => self.offer(&person, &published, now),
            // It was joined on another host.
            Err(_) => {
                let study = published::shown_of(&joined.signed, None, now, None);
                Ok(StudyOffer { study, joined: false, budget: self.budget_of(&person)? })
            }
        }
    }

    /// The studies that a person has joined, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub fn of_person(self, user: UserId, now: f64) -> Result<Vec<StudyOffer>, StudyError> {
        let person = self.runtime.person(user)?;
        self.settle(&person)?;
        let budget = self.budget_of(&person)?;
        let data = &self.runtime.settings().data;
        let mut offers: Vec<_> = Joined::all(&person.store.snapshot_ahead())?
            .into_iter()
            .map(|joined| {
                let published = Published::find(data, &joined.id()).ok();
                let study = published::shown_of(&joined.signed, published.as_ref(), now, None);
                StudyOffer { study, joined: true, budget: budget.clone() }
            })
            .collect();
        offers.sort_by(|one, other| one.study.name.cmp(&other.study.name));
        Ok(offers)
    }

    /// What a person has spent and may still spend.
    ///
    /// # Errors
    /// Those of the store.
    pub fn budget(self, user: UserId) -> Result<BudgetShown, StudyError> {
        let person = self.runtime.person(user)?;
        self.settle(&person)?;
        self.budget_of(&person)
    }

    /// The totals of one epoch, by default the one that ended last: asked of everybody who has joined and whose store
    /// is open, or the answer that was given before.
    ///
    /// # Errors
    /// [`CollectError`].
    pub fn result(self, study: &str, epoch: Option<u32>, now: f64) -> Result<Answer, CollectError> {
        let published = Published::find(&self.runtime.settings().data, study)?;
        collect::collect(self.runtime, &published, epoch, now)
    }

    /// Sends the contributions to one epoch, by default the one that ended last, to the study's two aggregators: of
    /// everybody who has joined, whose store is open, and whose contribution is not counted yet.
    ///
    /// # Errors
    /// [`CollectError`]. Nothing was sent.
    pub fn send(self, study: &str, epoch: Option<u32>, now: f64) -> Result<StudySent, CollectError> {
        let published = Published::find(&self.runtime.settings().data, study)?;
        send::send(self.runtime, &published, epoch, now)
    }

    fn offer(self, person: &Person, published: &Published, now: f64) -> Result<StudyOffer, StudyError> {
        let joined = Joined::read(&person.store.snapshot_ahead(), &published.id())?.is_some();
        Ok(StudyOffer { study: published.shown(now, None), joined, budget: self.budget_of(person)? })
    }

    fn budget_of(self, person: &Person) -> Result<BudgetShown, StudyError> {
        let budget = Budget::read(&person.store.snapshot_ahead())?;
        let charges = budget.charges().iter().map(|charge| ChargeShown {
            study: charge.study.clone(),
            epoch: charge.epoch,
            micro: charge.micro,
            spent: charge.state != ChargeState::Reserved,
        });
        let (limit_micro, left_micro) = (budget.limit_micro(), budget.left_micro());
        Ok(BudgetShown { limit_micro, left_micro, charges: charges.collect() })
    }

    /// Decides about what is reserved and was left behind, by a crash or by leaving: spent if the epoch has its mark,
    /// given back otherwise. What is being collected at this moment is left alone.
    fn settle(self, person: &Person) -> Result<(), StudyError> {
        let budget = Budget::read(&person.store.snapshot_ahead())?;
        let reserved = |charge: &&budget::Charge| charge.state == ChargeState::Reserved;
        let open: Vec<_> = budget.charges().iter().filter(reserved).cloned().collect();
        let data = &self.runtime.settings().data;
        for charge in open {
            let Some(_idle) = self.runtime.running().idle(&charge.study) else { continue };
            // Of a study of another host nothing is known here: it stays reserved.
            let Ok(published) = Published::find(data, &charge.study) else { continue };
            let marked = published.is_marked(charge.epoch);
            budget::change(person, |budget| match marked {
                true => budget.commit(charge.number),
                false => budget.refund(charge.number),
            })?;
        }
        Ok(())
    }
}

/// For tests and reports.
impl std::fmt::Debug for Studies<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Studies").finish_non_exhaustive()
    }
}
