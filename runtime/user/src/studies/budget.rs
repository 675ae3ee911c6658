//! A person's privacy budget: the document `budget` in their sealed store. Only this module writes it, never a cell.
//!
//! * Units: millionths of ε, as whole numbers, so that sums are exact.
//! * Invariants: what is spent and reserved together never exceeds the limit; each epoch of a study is charged at most
//!   once; what is spent is never given back.

use std::sync::PoisonError;

use runtime_store::{Batch, Snapshot};
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;
use crate::studies::StudyError;

/// All that a person may spend, millionths of ε.
pub const BUDGET_MICRO: u64 = 4_000_000;
/// The document.
const DOCUMENT: &str = "budget";
/// The version of the document's form.
const VERSION: u32 = 1;

/// Why a change of a budget was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// Less is left than is asked for.
    #[error("{} of the privacy budget is left, and {} is asked for", runtime_study::in_epsilon(*.left), runtime_study::in_epsilon(*.asked))]
    TooLittle {
        /// What is left, millionths of ε.
        left: u64,
        /// What is asked for, millionths of ε.
        asked: u64,
    },
    /// The person is in an answer of that epoch already.
    #[error("the person has contributed to epoch {epoch} already")]
    AlreadyGiven {
        /// The epoch.
        epoch: u32,
    },
    /// Nothing is reserved under that number: it was given back, or spent, or never reserved.
    #[error("nothing is reserved under the number {number}")]
    NoSuchReservation {
        /// The number.
        number: u64,
    },
    /// The document is of a later version or damaged. Nothing is spent until it reads.
    #[error("the document of the privacy budget does not read, so nothing can be spent")]
    Document,
}

/// Whether a charge can still be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChargeState {
    /// It counts as spent until it is given back.
    Reserved,
    /// Shares were sent, or may have been, to aggregators that have not said that they counted them. They may be sent
    /// again; nothing is given back.
    Sent,
    /// The total has left, or may have.
    Spent,
}

/// What one epoch of a study costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Charge {
    /// Under which it is committed or given back.
    pub number: u64,
    /// The study's id.
    pub study: String,
    /// The epoch.
    pub epoch: u32,
    /// Millionths of ε.
    pub micro: u64,
    /// Whether it can still be given back.
    pub state: ChargeState,
}

/// A person's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    version: u32,
    limit_micro: u64,
    /// The number of the next charge; none comes twice.
    next: u64,
    charges: Vec<Charge>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { version: VERSION, limit_micro: BUDGET_MICRO, next: 1, charges: Vec::new() }
    }
}

impl Budget {
    /// The budget in a store; the whole one if nothing was ever spent.
    pub fn read(snapshot: &Snapshot) -> Result<Self, StudyError> {
        match snapshot.document(DOCUMENT).map_err(CallError::Read)? {
            None => Ok(Self::default()),
            Some(content) => Ok(Self::parse(&content)?),
        }
    }

    fn parse(content: &[u8]) -> Result<Self, BudgetError> {
        let budget: Self = serde_json::from_slice(content).map_err(|_| BudgetError::Document)?;
        let sound =
            budget.version == VERSION && budget.used_micro().is_some_and(|used| used <= budget.limit_micro);
        if sound { Ok(budget) } else { Err(BudgetError::Document) }
    }

    /// All that may be spent, millionths of ε.
    pub fn limit_micro(&self) -> u64 {
        self.limit_micro
    }

    /// What may still be spent, millionths of ε: what is reserved is not in it.
    pub fn left_micro(&self) -> u64 {
        self.used_micro().map_or(0, |used| self.limit_micro.saturating_sub(used))
    }

    /// What was spent or is reserved, in the order in which it was.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    fn used_micro(&self) -> Option<u64> {
        self.charges.iter().try_fold(0_u64, |sum, charge| sum.checked_add(charge.micro))
    }

    /// Reserves what an epoch costs; returns the number of the reservation. One that a crash has left behind for the
    /// same epoch is used again, and so is one whose shares are not known to be counted.
    pub fn reserve(&mut self, study: &str, epoch: u32, micro: u64) -> Result<u64, BudgetError> {
        let same = |charge: &&Charge| charge.study == study && charge.epoch == epoch;
        match self.charges.iter().find(same) {
            Some(charge) if charge.state != ChargeState::Spent && charge.micro == micro => {
                return Ok(charge.number);
            }
            Some(_) => return Err(BudgetError::AlreadyGiven { epoch }),
            None => {}
        }
        let left = self.left_micro();
        if micro > left {
            return Err(BudgetError::TooLittle { left, asked: micro });
        }
        let number = self.next;
        self.next += 1;
        let state = ChargeState::Reserved;
        self.charges.push(Charge { number, study: study.to_owned(), epoch, micro, state });
        Ok(number)
    }

    /// What is reserved under the number cannot be given back any more: shares are about to be sent.
    pub fn sending(&mut self, number: u64) -> Result<(), BudgetError> {
        let charge = self.charges.iter_mut().find(|charge| charge.number == number);
        let charge = charge.ok_or(BudgetError::NoSuchReservation { number })?;
        if charge.state == ChargeState::Reserved {
            charge.state = ChargeState::Sent;
        }
        Ok(())
    }

    /// What is reserved under the number is spent. Whatever is spent already stays so.
    pub fn commit(&mut self, number: u64) -> Result<(), BudgetError> {
        let charge = self.charges.iter_mut().find(|charge| charge.number == number);
        charge.ok_or(BudgetError::NoSuchReservation { number })?.state = ChargeState::Spent;
        Ok(())
    }

    /// Gives back what is reserved under the number, once.
    pub fn refund(&mut self, number: u64) -> Result<(), BudgetError> {
        let reserved = |charge: &Charge| charge.number == number && charge.state == ChargeState::Reserved;
        let at = self.charges.iter().position(reserved);
        self.charges.remove(at.ok_or(BudgetError::NoSuchReservation { number })?);
        Ok(())
    }
}

/// Changes a person's budget; durable when it returns. Changes of one person follow one another.
pub(crate) fn change<T>(
    person: &Person,
    change: impl FnOnce(&mut Budget) -> Result<T, BudgetError>,
) -> Result<T, StudyError> {
    let _one_writer = person.documents.lock().unwrap_or_else(PoisonError::into_inner);
    let mut budget = Budget::read(&person.store.snapshot_ahead())?;
    let done = change(&mut budget)?;
    let content = serde_json::to_vec(&budget).expect("numbers and texts are JSON");
    let mut batch = Batch::new();
    batch.put_document(DOCUMENT, content);
    person.commit(batch).map_err(CallError::Commit)?;
    Ok(done)
}

#[cfg(test)]
mod tests;
