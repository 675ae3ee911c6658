//! One epoch of a study with two aggregators: contributions are split and sent by a program of its own, and what they
//! cost is spent once both aggregators have counted them.
//!
//! From the write that says that shares are about to be sent, nothing is given back: an aggregator that says that it has
//! not counted somebody may lie. Until both have counted them, the same person may be sent again, under the same id, and
//! is counted and charged once.

use std::io;
use std::path::Path;
use std::time::Duration;

use ring::hmac;
use runtime_sandbox::CodeDigest;
use runtime_study::{Answered, Epoch, Report, ReportId, SEND_REPORTS_MAX, SendAsk, Sent, Verdict};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cells::installed::shelf::Shelved;
use crate::people::person::Person;
use crate::runtime::Runtime;
use crate::studies::budget::{self, Budget, ChargeState};
use crate::studies::collect::{CollectError, chosen};
use crate::studies::companion::{Trouble, exchange};
use crate::studies::contribute::{Held, NotGiven, contribute, give_back};
use crate::studies::published::Published;
use crate::studies::{BudgetError, StudyError};

/// How long one question to the program may take.
const SEND_WAIT: Duration = Duration::from_secs(180);
/// Largest answer, bytes.
const SENT_BYTES_MAX: u64 = 64 << 10;
/// From what a person's store makes the id of a report.
const REPORT: &[u8] = b"cellar/report/1\n";

/// Why no shares were sent, or nobody knows what became of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendTrouble {
    /// This host has no such program.
    #[error("this host cannot send shares: install `cellar-aggregator` beside `cellar`")]
    NoProgram,
    /// It could not be started, or its pipes broke.
    #[error("the program that sends shares does not run")]
    Process(#[source] io::Error),
    /// It did not answer in time.
    #[error("the program that sends shares has not answered within {} s", SEND_WAIT.as_secs())]
    TooSlow,
    /// What it said is no answer.
    #[error("the program that sends shares stopped without an answer")]
    NoAnswer,
    /// The aggregators did not take them.
    #[error("{why}")]
    Failed {
        /// Why, in its words.
        why: String,
    },
}

/// What became of the contributions of this host's people to one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudySent {
    /// The study's id.
    pub study: String,
    /// The epoch.
    pub epoch: u32,
    /// How many are counted, now or before.
    pub counted: u64,
    /// How many the aggregators refused: the epoch is closed there, or they found the shares out of bounds.
    pub refused: u64,
    /// How many may be sent again.
    pub open: u64,
    /// Why some may be sent again, of the last that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Sends the contributions of everybody who has joined and whose store is open.
pub(crate) fn send(
    runtime: &Runtime,
    published: &Published,
    epoch: Option<u32>,
    now: f64,
) -> Result<StudySent, CollectError> {
    if published.signed.study().answered != Answered::TwoAggregators {
        return Err(CollectError::NoAggregators);
    }
    let epoch = chosen(published, epoch, now)?;
    let _busy = runtime.running().idle(&published.id()).ok_or(CollectError::Busy)?;
    match (now < epoch.until_s as f64, epoch.is_open_at(now)) {
        (true, _) => return Err(CollectError::TooSoon { until_s: epoch.until_s }),
        (false, false) => return Err(CollectError::TooLate { epoch: epoch.index }),
        (false, true) => {}
    }
    // Before anything is written that is not given back.
    let program = runtime.settings().aggregator.as_deref().ok_or(SendTrouble::NoProgram)?;
    let digest = published.signed.study().digest.parse::<CodeDigest>();
    let digest = digest.map_err(|_| StudyError::NoSuchStudy { name: published.id() })?;
    let shelved = runtime.shelf().get(runtime.sandbox(), runtime.catalogue(), digest);
    let shelved = shelved.map_err(StudyError::Cell)?;
    let mut sent =
        StudySent { study: published.id(), epoch: epoch.index, counted: 0, refused: 0, open: 0, why: None };
    let users = runtime.people().users();
    // Few at a time, so that few contributions are in memory.
    for some in users.chunks(SEND_REPORTS_MAX) {
        let held: Vec<Held> = some
            .iter()
            .filter_map(|user| held(runtime, published, &shelved, &epoch, *user, now, &mut sent))
            .collect();
        send_some((runtime, program), published, &epoch, held, now, &mut sent);
    }
    Ok(sent)
}

fn held(
    runtime: &Runtime,
    published: &Published,
    shelved: &Shelved,
    epoch: &Epoch,
    user: UserId,
    now: f64,
    sent: &mut StudySent,
) -> Option<Held> {
    match contribute(runtime, user, (&published.signed, shelved), epoch, now) {
        Ok(one) => Some(one),
        Err(NotGiven::NoPart) => None,
        Err(NotGiven::Study(StudyError::Budget(BudgetError::AlreadyGiven { .. }))) => {
            sent.counted += 1;
            None
        }
        Err(error) => {
            let error = crate::chain(&error);
            tracing::info!(user = %user.short(), %error, "somebody gives nothing to a study");
            None
        }
    }
}

/// Under which a person is counted in one epoch, whatever host of theirs sends it and how often.
fn report_id(person: &Person, published: &Published, epoch: &Epoch) -> ReportId {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &Zeroizing::new(person.store.origins_key())[..]);
    let of = [REPORT, &published.signed.id().0, &epoch.index.to_be_bytes()].concat();
    let tag = hmac::sign(&key, &of);
    ReportId(*tag.as_ref().first_chunk().expect("32 bytes are more than 16"))
}

/// A contribution that may leave: whoever reads the disk from now on finds that it did.
fn ready(
    runtime: &Runtime,
    published: &Published,
    epoch: &Epoch,
    held: &Held,
) -> Result<ReportId, StudyError> {
    let person = runtime.person(held.user)?;
    budget::change(&person, |budget| budget.sending(held.reservation))?;
    Ok(report_id(&person, published, epoch))
}

fn send_some(
    (runtime, program): (&Runtime, &Path),
    published: &Published,
    epoch: &Epoch,
    held: Vec<Held>,
    now: f64,
    sent: &mut StudySent,
) {
    let mut reports = Vec::new();
    // Nobody leaves the study meanwhile.
    let mut staying = Vec::new();
    let mut leaving = Vec::new();
    for (at, one) in held.iter().enumerate() {
        let stays = one.contributing.terms.storing(now);
        match stays.is_some().then(|| ready(runtime, published, epoch, one)) {
            Some(Ok(id)) => {
                reports.push(Report { id, numbers: one.given.numbers().to_vec() });
                staying.push((at, stays));
            }
            Some(Err(error)) => {
                let error = crate::chain(&error);
                tracing::warn!(user = %one.user.short(), %error, "a contribution is not sent");
                leaving.push(at);
            }
            None => leaving.push(at),
        }
    }
    for at in leaving {
        undo(runtime, &held[at]);
    }
    if reports.is_empty() {
        return;
    }
    let count = reports.len();
    let ask = SendAsk { study: published.signed.text().to_owned(), epoch: epoch.index, reports };
    let verdicts = ask_program(program, &ask).unwrap_or_else(|trouble| {
        let why = crate::chain(&trouble);
        tracing::warn!(error = %why, "shares were not sent, or nobody knows whether they were counted");
        sent.why = Some(why);
        vec![Verdict::Again; count]
    });
    for ((at, _stays), verdict) in staying.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Again => sent.open += 1,
            verdict => {
                spend(runtime, &held[at]);
                match verdict.is_counted() {
                    true => sent.counted += 1,
                    false => sent.refused += 1,
                }
            }
        }
    }
}

fn ask_program(program: &Path, ask: &SendAsk) -> Result<Vec<Verdict>, SendTrouble> {
    let question = serde_json::to_vec(ask).expect("texts and numbers are JSON");
    let reply = exchange(program, "send", question, SEND_WAIT, SENT_BYTES_MAX);
    let reply = reply.map_err(|trouble| match trouble {
        Trouble::Process(error) => SendTrouble::Process(error),
        Trouble::TooSlow => SendTrouble::TooSlow,
    })?;
    match serde_json::from_slice(&reply) {
        Ok(Sent::Verdicts(verdicts)) if verdicts.len() == ask.reports.len() => Ok(verdicts),
        Ok(Sent::Failed { why }) => Err(SendTrouble::Failed { why }),
        _ => Err(SendTrouble::NoAnswer),
    }
}

/// Of what was not about to be sent.
fn undo(runtime: &Runtime, held: &Held) {
    let Ok(person) = runtime.person(held.user) else { return };
    let reserved = |budget: &Budget| {
        let is_it = |charge: &&budget::Charge| charge.number == held.reservation;
        budget.charges().iter().find(is_it).is_some_and(|charge| charge.state == ChargeState::Reserved)
    };
    // What was sent before stays charged.
    if Budget::read(&person.store.snapshot_ahead()).is_ok_and(|budget| reserved(&budget)) {
        give_back(&person, held.reservation);
    }
}

fn spend(runtime: &Runtime, held: &Held) {
    // If the person is shut out meanwhile, it stays sent, which counts as spent.
    let Ok(person) = runtime.person(held.user) else { return };
    if let Err(error) = budget::change(&person, |budget| budget.commit(held.reservation)) {
        let error = crate::chain(&error);
        tracing::warn!(user = %person.user.short(), %error, "a privacy budget stays sent instead of spent");
    }
}
