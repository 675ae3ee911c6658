//! One person's contribution to one epoch: under exactly the streams and the window of the study, clamped before anybody
//! else sees it, and in memory alone.

use std::sync::Arc;

use runtime_consent::{Asking, Consent, Narrowing, StreamName, Wants};
use runtime_sandbox::{Run, RunError, Usage};
use runtime_study::{Bounded, Epoch, SignedStudy};
use runtime_types::UserId;

use crate::cells::catalogue::Cell;
use crate::cells::installed::grant;
use crate::cells::installed::shelf::Shelved;
use crate::cells::installed::terms::{Moment, Terms};
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::audit::{AuditLine, RunOutcome};
use crate::runs::host::{Effects, RunHost, lock};
use crate::runs::stage::seed_of;
use crate::runtime::Runtime;
use crate::studies::budget;
use crate::studies::error::StudyError;
use crate::studies::joined::Joined;
use crate::studies::running::Contributing;

/// One person's contribution, until it is in a sum or dropped. It has no `Debug`.
pub(crate) struct Held {
    pub user: UserId,
    /// What it costs, in the person's budget.
    pub reservation: u64,
    /// They end when the person leaves.
    pub contributing: Contributing,
    pub given: Bounded,
}

/// Why a person gives nothing to an epoch. What was reserved for it is given back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotGiven {
    /// They have not joined, or left.
    #[error("the person takes no part")]
    NoPart,
    /// The consent, the budget or the store.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// The cell gave nothing; the person's audit says why.
    #[error("the cell gave nothing: {}", .0.as_str())]
    Cell(RunOutcome),
}

impl From<CallError> for NotGiven {
    fn from(error: CallError) -> Self {
        Self::Study(error.into())
    }
}

/// Computes one person's contribution. Their ε is reserved when this returns `Ok`.
pub(crate) fn contribute(
    runtime: &Runtime,
    user: UserId,
    (signed, shelved): (&SignedStudy, &Shelved),
    epoch: &Epoch,
    now: f64,
) -> Result<Held, NotGiven> {
    let person = runtime.person(user)?;
    let id = signed.id().to_string();
    let joined = Joined::read(&person.store.snapshot_ahead(), &id)?.ok_or(NotGiven::NoPart)?;
    let study = signed.study();
    let streams = study.streams.iter().map(StreamName::of).collect();
    let asks = Asks { purpose: &study.purpose, streams, window: window(epoch) };
    let consent = Arc::new(consent(shelved, asks, joined.since)?);
    let terms = Arc::new(Terms::new(Arc::clone(&consent)));
    let cell = Cell::installed(shelved, grant(&person, shelved, &consent), Arc::clone(&terms));
    let contributing = runtime.running().begin(user, &id, terms);
    // Whoever leaves removes the document first and then ends what runs: one of the two is seen here.
    if Joined::read(&person.store.snapshot_ahead(), &id)?.is_none() {
        return Err(NotGiven::NoPart);
    }
    let reservation =
        budget::change(&person, |budget| budget.reserve(&id, epoch.index, study.epsilon_micro))?;
    match run(&person, &cell, signed, epoch, now) {
        Ok(given) => Ok(Held { user, reservation, contributing, given }),
        Err(error) => {
            give_back(&person, reservation);
            Err(error)
        }
    }
}

/// Gives back what was reserved. If that fails it stays reserved, and counts as spent until it is settled.
pub(crate) fn give_back(person: &Person, reservation: u64) {
    if let Err(error) = budget::change(person, |budget| budget.refund(reservation)) {
        let error = crate::chain(&error);
        tracing::warn!(user = %person.user.short(), %error, "a reserved privacy budget was not given back");
    }
}

/// What a cell is to read for one contribution.
pub(super) struct Asks<'a> {
    /// For what.
    pub purpose: &'a str,
    /// Which streams.
    pub streams: Vec<StreamName>,
    /// Of which time: closed bounds, s.
    pub window: (f64, f64),
}

/// What the person has agreed to, for one epoch.
pub(super) fn consent(shelved: &Shelved, asks: Asks<'_>, since: f64) -> Result<Consent, StudyError> {
    let Asks { purpose, streams, window: (from, until) } = asks;
    let asking = Asking {
        cell: shelved.verified.cell.to_string(),
        name: shelved.manifest.name.clone(),
        publisher: shelved.verified.publisher.to_string(),
        digest: shelved.digest.to_string(),
        cell_version: shelved.manifest.version,
        chain: u32::try_from(shelved.verified.chain_len).unwrap_or(u32::MAX),
        wants: Wants { purpose: purpose.to_owned(), streams, ..Wants::default() },
    };
    let mut consent = Consent::asked(asking, since)?;
    consent.narrow(&Narrowing { from: Some(from), until: Some(until), ..Narrowing::default() })?;
    Ok(consent)
}

/// The first and the last moment of an epoch, both closed, s.
fn window(epoch: &Epoch) -> (f64, f64) {
    (epoch.from_s as f64, (epoch.until_s as f64).next_down())
}

fn run(
    person: &Person,
    cell: &Cell,
    signed: &SignedStudy,
    epoch: &Epoch,
    now: f64,
) -> Result<Bounded, NotGiven> {
    let (numbers, mut effects, usage) = run_cell(person, cell, window(epoch), now);
    let mut line = AuditLine::new(now, cell, &mut effects, usage);
    let given = match numbers {
        _ if effects.failed_read.is_some() => {
            line = line.ended(RunOutcome::StoreFailed, "the store could not be read");
            None
        }
        Err(error) => {
            line = line.ended(RunOutcome::from(&error), error.to_string());
            None
        }
        Ok(numbers) => match Bounded::of(signed.study(), &numbers) {
            Ok(given) => Some(given),
            Err(error) => {
                line = line.ended(RunOutcome::BadAnswer, error.to_string());
                None
            }
        },
    };
    let name = &signed.study().name;
    match &given {
        Some(given) if given.is_clamped() => {
            line.said.push(format!("for the study {name}, epoch {}: clamped to its bounds", epoch.index));
        }
        _ => line.said.push(format!("for the study {name}, epoch {}", epoch.index)),
    }
    let outcome = line.outcome;
    person.note(line);
    // On disk before anything of what was read can leave.
    person.sync().map_err(CallError::Commit)?;
    given.ok_or(NotGiven::Cell(outcome))
}

/// Runs the cell once over a closed window, s.
pub(super) fn run_cell(
    person: &Person,
    cell: &Cell,
    (start, end): (f64, f64),
    now: f64,
) -> (Result<Vec<f64>, RunError>, Effects, Usage) {
    let stopped = || Err(RunError::Cancelled { cell: cell.prepared.digest() });
    let Some(termed) = cell.terms.as_ref().and_then(|terms| terms.begin(Moment::read(now))) else {
        return (stopped(), Effects::default(), Usage::default());
    };
    let (snapshot, store) = (person.store.snapshot(), Arc::clone(&person.store));
    let host = RunHost::new(person.user, store, snapshot, Arc::clone(&cell.grant)).at(now);
    let shared = host.effects();
    let seed = seed_of(person, &cell.manifest.name, start);
    let run = Run { now, start: Some(start), end, seed, state: Vec::new() };
    let instance =
        cell.prepared.contribution(Box::new(host), cell.manifest.limits, Some(termed.cancel.clone()));
    let (numbers, usage) = match instance.map(|instance| instance.contribute(run)) {
        Ok(end) => (end.numbers, end.usage),
        Err(error) => (Err(error), Usage::default()),
    };
    let effects = std::mem::take(&mut *lock(&shared));
    (numbers, effects, usage)
}
