//! The runtime that invented people are played in: real parts over a temporary folder.
//!
//! Each play is a new person with the same id, who has installed the cell; they are erased at its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use runtime_program::beside_this;
use runtime_types::{Area, StreamKey, UserId};
use runtime_user::consent::{Narrowing, Place, Time};
use runtime_user::{
    Answer, AuditLine, Body, Call, CallError, DumpError, Head, ImportError, InstallError, Person,
    PipelineReport, RunOutcome, Runtime, Settings, StartError, StudyError, TrialAsk, TrialGiven, TriedCell,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::canonical::{answer, canonical, digest};
use crate::people::{Case, write_ts};
use crate::report::Cost;
use crate::scenario::{Grant, Scenario, Step};
use crate::subject::{Asked, Subject};
use crate::times::{StreamTimes, wrong};

/// The program that compiles cells.
const COMPILER: &str = "cellar-cell-compiler";
/// The moment at which every invented person agrees to the cell, s: before their first day.
const AGREED: f64 = 1.7e9;
/// How long after the last run requests arrive, s.
const ASKED_AFTER_S: f64 = 10.0;
/// The most instances of cells at once: a few people are played side by side.
const SLOTS: u32 = 32;

/// Why a trial cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The operating system refused.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
    /// The runtime does not start.
    #[error("the runtime does not start")]
    Start(#[from] StartError),
    /// A person cannot be added.
    #[error("an invented person cannot be added")]
    Person(#[from] ImportError<Infallible>),
    /// The package is refused.
    #[error("the package cannot be installed")]
    Install(#[from] InstallError),
    /// The contribution cannot be asked.
    #[error("the contribution cannot be asked")]
    Contribution(#[from] StudyError),
    /// The runtime refused a call.
    #[error("the runtime refused")]
    Call(#[from] CallError),
    /// Entries cannot be read.
    #[error("the entries cannot be read")]
    Read(#[from] DumpError),
    /// The phone's entries were refused.
    #[error("the entries of a phone were refused with status {0}")]
    Put(u16),
    /// A stage of the host's own failed.
    #[error("the host's stage {stage} failed: {why}")]
    Host {
        /// The stage.
        stage: String,
        /// Its reason.
        why: String,
    },
    /// Somebody pressed Ctrl-C.
    #[error("stopped")]
    Stopped,
}

/// What went wrong in a play, whatever it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A run failed.
    Failed,
    /// A request that was asked again had another answer, or an epoch other numbers.
    Unsteady,
    /// A contribution has not as many numbers as it must have.
    WrongLength,
    /// It asks for entries by a time by which it cannot get them.
    WrongTime,
    /// A number of a contribution is not within what the study says.
    OutOfBounds,
    /// The outcome is not that of the reference.
    Differs,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// What it is.
    pub kind: Kind,
    /// The same in words.
    pub words: String,
}

/// The outcome of a play.
#[derive(Debug, Default)]
pub struct Played {
    /// The entries of its streams, or its answers, in canonical form and order.
    pub outputs: Vec<Value>,
    /// A digest of what it could read: results can only be compared where it is the same.
    pub inputs: u64,
    /// What went wrong.
    pub troubles: Vec<Trouble>,
    /// What it cost.
    pub cost: Cost,
}

/// How steps are played.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What the owner grants.
    pub grant: Grant,
    /// Whether each request is asked again, a second later.
    pub asks_again: bool,
}

impl Manner {
    /// That of a scenario.
    pub fn of(scenario: Scenario) -> Self {
        Self { grant: scenario.grant(), asks_again: scenario == Scenario::Twice }
    }
}

/// A runtime with a cell to try.
pub struct Stand {
    runtime: Arc<Runtime>,
    tokio: tokio::runtime::Runtime,
    subject: Arc<Subject>,
    /// The cell, if it is a contribution, which nobody installs.
    contribution: Option<TriedCell>,
    /// Removed at the end.
    _folder: tempfile::TempDir,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.runtime.shutdown();
    }
}

impl Stand {
    /// Starts a runtime. `compiler`: the program that compiles cells; `None`: the one that is installed beside this
    /// program.
    ///
    /// # Errors
    /// [`TrialError`]: the runtime does not start.
    pub fn start(subject: Arc<Subject>, compiler: Option<PathBuf>) -> Result<Self, TrialError> {
        let folder = tempfile::tempdir()?;
        let mut settings = Settings::at(folder.path());
        settings.compiler = Some(compiler.map_or_else(|| beside_this(COMPILER), Ok)?);
        settings.slots = SLOTS;
        settings.shows_contributions = subject.is_contribution();
        let runtime = Runtime::open(settings, runtime_cells::BUILT_IN)?;
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let contribution = match subject.is_contribution() {
            true => Some(runtime.studies().tried_cell(&subject.package)?),
            false => None,
        };
        Ok(Self { runtime, tokio, subject, contribution, _folder: folder })
    }

    /// What is tried.
    pub fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// Plays a scenario.
    ///
    /// # Errors
    /// [`TrialError`]: not the cell's fault. Where a coarse grant cannot be given to a cell, nothing is played.
    pub fn play(&self, case: &Case, scenario: Scenario) -> Result<Played, TrialError> {
        self.play_steps(case, &scenario.steps(case), Manner::of(scenario))
    }

    /// Plays steps.
    ///
    /// # Errors
    /// As for [`Self::play`].
    pub fn play_steps(&self, case: &Case, steps: &[Step], manner: Manner) -> Result<Played, TrialError> {
        // The same id for the same person, since the seed of a run depends on it.
        let mut id = *b"an invented one.";
        id[8..].copy_from_slice(&case.seed.to_be_bytes());
        let user = UserId(id);
        self.runtime.import_person(user, "Invented", AGREED, |_| Ok::<_, Infallible>(()))?;
        let played = self.play_as(user, case, steps, manner);
        let erased = self.runtime.erase(user);
        let played = played?;
        erased?;
        Ok(played)
    }

    fn play_as(
        &self,
        user: UserId,
        case: &Case,
        steps: &[Step],
        manner: Manner,
    ) -> Result<Played, TrialError> {
        let grant = manner.grant;
        if self.contribution.is_none() {
            let cells = self.runtime.installed_cells();
            match cells.install(user, &self.subject.package, &narrowed(grant), AGREED) {
                // It takes the place of a stage, which nobody can make coarse.
                Err(InstallError::CoarseStage { .. }) if grant == Grant::Coarse => {
                    return Ok(Played::default());
                }
                installed => drop(installed?),
            }
        }
        for step in steps {
            self.take(user, case, step)?;
        }
        let asked_at = steps.iter().fold(AGREED, |last, step| match step {
            Step::Run(at) => at + ASKED_AFTER_S,
            _ => last,
        });
        // Behind several runs, what a run could have read is not what there is at the end.
        let runs = steps.iter().filter(|step| matches!(step, Step::Run(_))).count();
        let checks_times = runs == 1 && grant == Grant::Whole;
        if let Some(cell) = &self.contribution {
            return self.give(user, case, cell, (asked_at, manner.asks_again, checks_times));
        }
        let mut answers = Vec::new();
        for asked in &self.subject.requests {
            let first = self.ask(user, asked, asked_at)?;
            let again = manner.asks_again.then(|| self.ask(user, asked, asked_at + 1.0)).transpose()?;
            answers.push((asked, first, again));
        }
        self.look(user, case, (grant, checks_times), answers)
    }

    fn take(&self, user: UserId, case: &Case, step: &Step) -> Result<(), TrialError> {
        match *step {
            Step::Put { day, from, to } => {
                let entries = &case.days[day].entries[from..to];
                let Some(last) = entries.last() else { return Ok(()) };
                let now = write_ts(last.get()).unwrap_or(case.days[day].to) + 1.0;
                let texts: Vec<String> = entries.iter().map(|entry| entry.get().to_owned()).collect();
                let body = runtime_simulator::put_body("x", &texts);
                match self.call(user, "usercache/put", body.into_bytes(), now)? {
                    (200, _) => {}
                    (status, _) => return Err(TrialError::Put(status)),
                }
            }
            Step::Run(now) => {
                let report = self.runtime.pipelines().run(user, now)?;
                self.check_host(&report)?;
            }
            Step::Reset => drop(self.runtime.pipelines().reset(user)?),
            Step::Rewind(from) => self.runtime.pipelines().rewind(user, from)?,
            Step::Forget(day) => {
                let day = &case.days[day];
                self.runtime.diaries().forget(user, day.from..=day.to.next_down(), &[])?;
            }
        }
        Ok(())
    }

    /// Whether the host's own stages succeeded; the cell's own failures are in the audit.
    fn check_host(&self, report: &PipelineReport) -> Result<(), TrialError> {
        match report.failed().filter(|failed| failed.cell != self.subject.toml.name) {
            None => Ok(()),
            Some(failed) => {
                let why = failed.failure.clone().unwrap_or_default();
                Err(TrialError::Host { stage: failed.stage.clone(), why })
            }
        }
    }

    fn ask(&self, user: UserId, asked: &Asked, now: f64) -> Result<Answered, TrialError> {
        let rest = if asked.rest.is_empty() { String::new() } else { format!("/{}", asked.rest) };
        let path = format!("x/{}{rest}", self.subject.toml.name);
        match self.call(user, &path, asked.body.clone(), now) {
            Ok((status, body)) => Ok(Answered { status, body }),
            // The audit says why, and the caller sees the status.
            Err(TrialError::Call(error @ CallError::Cell(_))) => {
                Ok(Answered { status: error.status(), body: error.code().as_bytes().to_vec() })
            }
            Err(error) => Err(error),
        }
    }

    /// The numbers of each epoch. Each is asked twice: at the same moment, or a second later.
    fn give(
        &self,
        user: UserId,
        case: &Case,
        cell: &TriedCell,
        (asked_at, asks_later, checks_times): (f64, bool, bool),
    ) -> Result<Played, TrialError> {
        let Subject { bounds, toml, .. } = &*self.subject;
        let store = Stored::read(&*self.runtime.person(user)?, &self.subject)?;
        let study = bounds.study.as_ref();
        let purpose = study.map(|study| study.purpose.as_str()).or(toml.purpose.as_deref());
        let streams = study.map(|study| &study.streams[..]);
        let mut played = Played { inputs: store.inputs, ..Played::default() };
        for window in bounds.epochs(&case.days) {
            let give = |now: f64| {
                let ask = TrialAsk { purpose: purpose.unwrap_or_default(), streams, window, now };
                self.runtime.studies().try_out(user, cell, &ask)
            };
            let now = asked_at.max(window.1 + ASKED_AFTER_S);
            let first = give(now)?;
            let again = give(if asks_later { now + 1.0 } else { now })?;
            for TrialGiven { line, .. } in [&first, &again] {
                played.cost.count_line(line);
                played.troubles.extend(failed(line, Grant::Whole));
                if checks_times {
                    let wrong = wrong(&line.reads, &store.streams, true).into_iter();
                    played.troubles.extend(wrong.map(|words| Trouble { kind: Kind::WrongTime, words }));
                }
            }
            let Some(numbers) = &first.numbers else { continue };
            if again.numbers.as_ref().is_some_and(|again| again != numbers) {
                let when = if asks_later { "a second later" } else { "at the same moment" };
                let words = format!("it was asked for the same epoch again {when}, and gave other numbers");
                played.troubles.push(Trouble { kind: Kind::Unsteady, words });
            }
            played.troubles.extend(bounds.judge(numbers));
            played.cost.count_numbers(numbers, bounds.are_clamped(numbers));
            played.outputs.push(bounds.told(window.0, numbers));
        }
        played.troubles.sort_by_key(|trouble| trouble.kind);
        played.troubles.dedup();
        Ok(played)
    }

    fn call(&self, user: UserId, path: &str, body: Vec<u8>, now: f64) -> Result<(u16, Vec<u8>), TrialError> {
        let target = self.runtime.catalogue().target(path)?;
        let body = Body::from_chunks(vec![Bytes::from(body)]);
        let call = Call { target, now, head: Head::default(), body, device: None };
        self.tokio.block_on(async {
            match self.runtime.call(user, call).await? {
                Answer::Whole { status, body, .. } => Ok((status, body)),
                Answer::Pieces { status, mut pieces, .. } => {
                    let mut body = Vec::new();
                    while let Some(piece) = pieces.recv().await {
                        body.extend_from_slice(&piece.map_err(|_| CallError::Lost)?);
                    }
                    Ok((status, body))
                }
            }
        })
    }

    /// Reads what there is at the end of a play.
    fn look(
        &self,
        user: UserId,
        case: &Case,
        (grant, checks_times): (Grant, bool),
        answers: Vec<(&Asked, Answered, Option<Answered>)>,
    ) -> Result<Played, TrialError> {
        let person = self.runtime.person(user)?;
        let lines = person.audit(None, Some(&self.subject.toml.name))?;
        let mut cost = Cost::default();
        lines.iter().for_each(|line| cost.count_line(line));
        let store = Stored::read(&person, &self.subject)?;
        let mut troubles: Vec<_> = lines.iter().filter_map(|line| failed(line, grant)).collect();
        if checks_times {
            let wrong = lines.iter().flat_map(|line| wrong(&line.reads, &store.streams, false));
            troubles.extend(wrong.map(|words| Trouble { kind: Kind::WrongTime, words }));
        }
        let mut outputs = store.outputs;
        if self.subject.is_endpoint() {
            let times =
                case.days.iter().flat_map(|day| &day.entries).filter_map(|entry| write_ts(entry.get()));
            let times: BTreeSet<u64> = times.map(f64::to_bits).collect();
            outputs =
                answers.iter().map(|(asked, first, _)| first.told(asked, &store.names, &times)).collect();
            troubles.extend(
                answers.iter().filter_map(|(asked, first, again)| unsteady(asked, first, again.as_ref()?)),
            );
        } else {
            outputs.iter().for_each(|entry| cost.count_written(entry));
        }
        troubles.sort_by_key(|trouble| trouble.kind);
        troubles.dedup();
        Ok(Played { outputs, inputs: store.inputs, troubles, cost })
    }
}

/// What an owner narrows.
fn narrowed(grant: Grant) -> Vec<Narrowing> {
    match grant {
        Grant::Whole => Vec::new(),
        Grant::Coarse => {
            let (place, time) = (Some(Place::Kilometre), Some(Time::Hour));
            vec![Narrowing { place, time, ..Narrowing::default() }]
        }
        Grant::Nothing => vec![Narrowing { only: Some(Vec::new()), ..Narrowing::default() }],
    }
}

/// Whether a run failed in a way that it must not. Under a narrowed grant it may give up, in words of its own.
fn failed(line: &AuditLine, grant: Grant) -> Option<Trouble> {
    match line.outcome {
        RunOutcome::Done | RunOutcome::Refused => None,
        RunOutcome::GaveUp if grant != Grant::Whole => None,
        outcome => {
            let why = line.reason.as_deref().unwrap_or("no reason is known");
            Some(Trouble { kind: Kind::Failed, words: format!("{}: {why}", outcome.as_str()) })
        }
    }
}

fn unsteady(asked: &Asked, first: &Answered, second: &Answered) -> Option<Trouble> {
    (first != second).then(|| Trouble {
        kind: Kind::Unsteady,
        words: format!(
            "the request {} was asked again a second later, with nothing between, and had another answer: {} and then {}",
            asked.name,
            first.short(),
            second.short()
        ),
    })
}

/// The answer of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answered {
    status: u16,
    body: Vec<u8>,
}

impl Answered {
    fn short(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        format!("{} {}", self.status, text.chars().take(80).collect::<String>())
    }

    fn told(&self, asked: &Asked, names: &HashMap<String, u64>, times: &BTreeSet<u64>) -> Value {
        let body = match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) => answer(&body, names, times),
            Err(_) => String::from_utf8_lossy(&self.body).into(),
        };
        json!({ "request": asked.name, "status": self.status, "body": body })
    }
}

/// What a store has, as far as it concerns a cell.
struct Stored {
    /// The entries of the cell's own streams, in canonical form and order.
    outputs: Vec<Value>,
    /// A digest of everything that it may read and others wrote.
    inputs: u64,
    /// The digests of all entries, by their ids.
    names: HashMap<String, u64>,
    /// The times of the entries of each stream that it may read and others wrote.
    streams: BTreeMap<String, StreamTimes>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    _id: Id<'a>,
    metadata: Metadata,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Id<'a> {
    #[serde(rename = "$oid")]
    oid: &'a str,
}

#[derive(Deserialize)]
struct Metadata {
    key: String,
    write_ts: f64,
    #[serde(default)]
    platform: Value,
}

impl Stored {
    fn read(person: &Person, subject: &Subject) -> Result<Self, TrialError> {
        let covers = |patterns: &[runtime_user::manifest::StreamPattern], key: &str| {
            let key = StreamKey::parse(key);
            key.is_ok_and(|key| patterns.iter().any(|pattern| pattern.covers(Area::Timeseries, &key)))
        };
        let is_own = |key: &str| covers(&subject.manifest.writes, key);
        let study = subject.bounds.study.as_ref();
        let is_named = |key: &str| study.is_none_or(|study| study.streams.iter().any(|named| named == key));
        let is_read = |key: &str| covers(&subject.manifest.reads, key) && is_named(key) && !is_own(key);
        // In the place of a stage, what it reads may depend on what it writes.
        let compares_made = subject.toml.replaces.is_none();
        let (mut made, mut keys, mut names) = (Vec::new(), Vec::new(), HashMap::new());
        let (mut inputs, mut streams) = (Vec::new(), BTreeMap::<String, StreamTimes>::new());
        person.each_entry(&[Area::Timeseries], |_, text| {
            let entry: Entry<'_> = serde_json::from_str(text)?;
            let Metadata { key, write_ts, platform } = entry.metadata;
            let by_stage = platform == "server";
            if is_read(&key) {
                let made_at = by_stage.then_some(write_ts);
                streams.entry(key.clone()).or_default().add(made_at, entry.data.get());
            }
            if by_stage {
                made.push(serde_json::from_str::<Value>(text)?);
                keys.push(key);
                return Ok(());
            }
            let name = digest(&format!("{key} {write_ts} {}", entry.data.get()));
            names.insert(entry._id.oid.to_owned(), name);
            if is_read(&key) {
                inputs.push(name);
            }
            Ok(())
        })?;
        let told = canonical(&made, &names);
        let ids = made.iter().filter_map(|entry| crate::canonical::id_of(&entry["_id"]).map(str::to_owned));
        names.extend(ids.zip(told.iter().map(|value| digest(&value.to_string()))));
        let mut outputs = Vec::new();
        for (key, value) in keys.iter().zip(told) {
            if is_own(key) {
                outputs.push(value);
            } else if compares_made && is_read(key) {
                inputs.push(digest(&value.to_string()));
            }
        }
        inputs.sort_unstable();
        outputs.sort_by_cached_key(Value::to_string);
        Ok(Self { outputs, inputs: digest(&format!("{inputs:?}")), names, streams })
    }
}
