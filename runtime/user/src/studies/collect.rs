//! One epoch of a study over everybody who has joined: contributions, the group, the gate, and what it costs.

use runtime_sandbox::CodeDigest;
use runtime_study::{Answer, Answered, Ask, Epoch};

use crate::cells::installed::shelf::Shelved;
use crate::runtime::Runtime;
use crate::studies::StudyError;
use crate::studies::budget;
use crate::studies::contribute::{Held, NotGiven, contribute, give_back};
use crate::studies::gate::{self, GateTrouble};
use crate::studies::published::Published;
use crate::studies::send::SendTrouble;

/// Why an epoch has no answer. What was reserved for it is given back, unless the epoch is marked as answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The study.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// The study has no such epoch.
    #[error("the study has no epoch {epoch}; it has {epochs}, from 0 on")]
    NoSuchEpoch {
        /// What was asked for.
        epoch: u32,
        /// How many it has.
        epochs: usize,
    },
    /// No epoch has ended yet.
    #[error("no epoch of the study has ended yet: the first ends at {until_s} s")]
    TooSoon {
        /// When it ends, s.
        until_s: i64,
    },
    /// It ended too long ago.
    #[error("epoch {epoch} ended too long ago: its total is not taken any more")]
    TooLate {
        /// The epoch.
        epoch: u32,
    },
    /// It was answered, and the answer is gone.
    #[error("epoch {epoch} was answered, and the answer was lost; it is not answered twice")]
    Lost {
        /// The epoch.
        epoch: u32,
    },
    /// Two aggregators answer it.
    #[error("two aggregators answer this study, not this host")]
    Aggregators,
    /// It has no aggregators to send anything to.
    #[error("this host answers the study itself: there are no aggregators to send anything to")]
    NoAggregators,
    /// Somebody else is asking.
    #[error("the study is being collected at this moment")]
    Busy,
    /// Too few people have contributed. How many is not told.
    #[error("fewer than {least} people have contributed, so nothing is answered")]
    TooFew {
        /// The smallest group of the study.
        least: u64,
    },
    /// The program that sends shares.
    #[error("nothing was sent to the aggregators")]
    Send(#[from] SendTrouble),
    /// The gate.
    #[error("no noise was drawn, so nothing is answered")]
    Gate(#[from] GateTrouble),
}

/// Collects one epoch, or returns the answer that it was given before.
pub(crate) fn collect(
    runtime: &Runtime,
    published: &Published,
    epoch: Option<u32>,
    now: f64,
) -> Result<Answer, CollectError> {
    if published.signed.study().answered != Answered::OneHost {
        return Err(CollectError::Aggregators);
    }
    let epoch = chosen(published, epoch, now)?;
    let _busy = runtime.running().idle(&published.id()).ok_or(CollectError::Busy)?;
    if let Some(answer) = published.answer(epoch.index) {
        return Ok(answer);
    }
    if published.is_marked(epoch.index) {
        return Err(CollectError::Lost { epoch: epoch.index });
    }
    match (now < epoch.until_s as f64, epoch.is_open_at(now)) {
        (true, _) => return Err(CollectError::TooSoon { until_s: epoch.until_s }),
        (false, false) => return Err(CollectError::TooLate { epoch: epoch.index }),
        (false, true) => {}
    }
    let digest = published.signed.study().digest.parse::<CodeDigest>();
    let digest = digest.map_err(|_| StudyError::NoSuchStudy { name: published.id() })?;
    let shelved = runtime.shelf().get(runtime.sandbox(), runtime.catalogue(), digest);
    let shelved = shelved.map_err(StudyError::Cell)?;
    let held = gather(runtime, published, &shelved, &epoch, now);
    let answered = answer(runtime, published, &epoch, &held, now);
    // Whatever the gate said: only what its mark does not count as spent is given back.
    let spent = published.is_marked(epoch.index);
    let in_answer = match &answered {
        Ok((_, in_answer)) => &in_answer[..],
        Err(_) => &[],
    };
    for (at, one) in held.into_iter().enumerate() {
        let counts = spent && (answered.is_err() || in_answer[at]);
        close(runtime, one, counts);
    }
    answered.map(|(answer, _)| answer)
}

pub(crate) fn chosen(published: &Published, epoch: Option<u32>, now: f64) -> Result<Epoch, CollectError> {
    let epochs = published.signed.study().epochs();
    let found = match epoch {
        Some(epoch) => published.signed.study().epoch_at(epoch),
        None => epochs.iter().rfind(|epoch| now >= epoch.until_s as f64).or(epochs.first()),
    };
    let epoch = epoch.unwrap_or(0);
    found.copied().ok_or(CollectError::NoSuchEpoch { epoch, epochs: epochs.len() })
}

/// The contributions of everybody who has joined, whose store is open, and who has enough of their budget.
fn gather(runtime: &Runtime, published: &Published, shelved: &Shelved, epoch: &Epoch, now: f64) -> Vec<Held> {
    let mut held = Vec::new();
    for user in runtime.people().users() {
        match contribute(runtime, user, (&published.signed, shelved), epoch, now) {
            Ok(one) => held.push(one),
            Err(NotGiven::NoPart) => {}
            Err(error) => {
                let error = crate::chain(&error);
                tracing::info!(user = %user.short(), %error, "somebody gives nothing to a study");
            }
        }
    }
    held
}

/// Adds what is held and asks the gate. Returns the answer, and who is in it. Nobody leaves the study meanwhile.
fn answer(
    runtime: &Runtime,
    published: &Published,
    epoch: &Epoch,
    held: &[Held],
    now: f64,
) -> Result<(Answer, Vec<bool>), CollectError> {
    let study = published.signed.study();
    let staying: Vec<_> = held.iter().map(|one| one.contributing.terms.storing(now)).collect();
    let people = staying.iter().flatten().count() as u64;
    if people < study.smallest_group {
        return Err(CollectError::TooFew { least: study.smallest_group });
    }
    let mut sums = vec![0; study.numbers().len()];
    for (one, _) in held.iter().zip(&staying).filter(|(_, stays)| stays.is_some()) {
        one.given.add_to(&mut sums);
    }
    let (text, folder) = (published.signed.text().to_owned(), published.folder.clone());
    let ask = Ask { study: text, epoch: epoch.index, people, sums, folder };
    let answer = gate::ask(runtime.settings().studies.as_deref(), &ask)?;
    Ok((answer, staying.iter().map(Option::is_some).collect()))
}

/// Spends what was reserved, or gives it back.
fn close(runtime: &Runtime, held: Held, counts: bool) {
    let Held { user, reservation, contributing, .. } = held;
    // If the person is shut out meanwhile, it stays reserved, which counts as spent until it is settled.
    let Ok(person) = runtime.person(user) else { return };
    match counts {
        false => give_back(&person, reservation),
        true => {
            if let Err(error) = budget::change(&person, |budget| budget.commit(reservation)) {
                let error = crate::chain(&error);
                tracing::warn!(user = %user.short(), %error, "a privacy budget stays reserved instead of spent");
            }
        }
    }
    drop(contributing);
}
