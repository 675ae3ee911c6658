//! What an owner does with cells from elsewhere: looks at a package, installs it, narrows, pauses, revokes, removes.
//!
//! Each change is one document, written in one commit. A change first ends the terms that are in force, so that nothing
//! of a run under the old consent is stored afterwards.

use std::sync::{Arc, PoisonError};

use runtime_consent::{
    Asking, BadConsent, Consent, Leaves, Narrowing, State, StreamGrant, StreamName, Wants, Widens,
    document_of,
};
use runtime_package::Package;
use runtime_pipeline::Event;
use runtime_sandbox::{CodeDigest, World};
use runtime_store::{Batch, Snapshot};
use runtime_types::{Area, UserId};
use serde::{Deserialize, Serialize};

use crate::cells::grant::Grant;
use crate::cells::installed::policy::{Offered, takes_place};
use crate::cells::installed::shelf::{BadCell, Shelved};
use crate::cells::installed::{Granted, Guest, PREFIX, Stages, grant, makers};
use crate::cells::manifest::{Manifest, StreamPattern};
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::host::shown_now;
use crate::runs::rewind;
use crate::runtime::Runtime;

/// Why a change of a person's installed cells was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The package cannot be used here.
    #[error(transparent)]
    Cell(#[from] BadCell),
    /// What it asks for cannot be granted.
    #[error("what it asks for cannot be granted")]
    Consent(#[from] BadConsent),
    /// A narrowing would show more.
    #[error(transparent)]
    Widens(#[from] Widens),
    /// The person has no such cell.
    #[error("no installed cell is called {0}")]
    NoSuchCell(String),
    /// The cell is installed and cannot run here.
    #[error("{0} cannot run on this host now, so it would be shown nothing")]
    CannotRun(String),
    /// Another publisher's cell of this person has the name.
    #[error(
        "{name} of another publisher is installed: remove it first, since both would write the same streams"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Another installed cell has the stage's place.
    #[error("{by} has the place of the stage {stage} already: remove it first")]
    StageTaken {
        /// The stage.
        stage: String,
        /// Who has it.
        by: String,
    },
    /// In the place of a stage of the host, what it makes is the diary, which would be coarse.
    #[error(
        "{name} takes the place of a stage: its places and times cannot be made coarse, since the diary would have them"
    )]
    CoarseStage {
        /// The cell.
        name: String,
    },
    /// The package is older than what is installed.
    #[error("version {offered} is older than version {installed}, which is installed")]
    Older {
        /// What is installed.
        installed: u32,
        /// The package's version.
        offered: u32,
    },
    /// A key that the publisher has replaced signed the package.
    #[error("the package is signed by a key that its publisher has replaced since")]
    OldKey,
    /// The update asks for more than the owner has agreed to.
    #[error("this version asks for more than was agreed to: {more}; install it, if that is right")]
    AsksMore {
        /// What is new.
        more: String,
    },
    /// The store.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// An installed cell, or one that may be, for its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellShown {
    /// The cell's id: the publisher's first key and the name.
    pub id: String,
    /// The name in its manifest.
    pub name: String,
    /// What it calls itself.
    pub title: String,
    /// Who signed it: the publisher's id.
    pub publisher: String,
    /// The version.
    pub version: u32,
    /// SHA-256 of the package, 64 hex digits.
    pub digest: String,
    /// The size of the package, bytes; 0 where it is not on this host.
    pub bytes: u64,
    /// `endpoint` or `stage`; empty where the package is not on this host.
    pub world: String,
    /// `active`, `paused`, `ended`, `absent`: it cannot run here, `refused`: the host's operator does not let it run; or
    /// `offered`: it is not installed.
    pub state: String,
    /// Why it cannot run here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// What it is allowed, in sentences.
    pub words: Vec<String>,
    /// What is granted.
    pub consent: Consent,
}

/// Installed cells of a runtime's people.
#[derive(Clone, Copy)]
pub struct InstalledCells<'r> {
    pub(super) runtime: &'r Runtime,
}

impl Runtime {
    /// Cells that people have installed.
    pub fn installed_cells(&self) -> InstalledCells<'_> {
        InstalledCells { runtime: self }
    }
}

impl InstalledCells<'_> {
    /// What a package would be allowed if it were installed now, narrowed so. Compiles it, which may take a minute.
    pub fn look(
        self,
        user: UserId,
        package: &[u8],
        narrowings: &[Narrowing],
        now: f64,
    ) -> Result<CellShown, InstallError> {
        let person = self.runtime.person(user)?;
        let (shelved, consent) = self.offer(&person, package, narrowings, now)?;
        Ok(self.shown_new(&person, &shelved, &consent, "offered", now))
    }

    /// Installs a package with everything that it asks for, narrowed so. A version that is installed is replaced; what
    /// it has made is removed when the new one runs.
    pub fn install(
        self,
        user: UserId,
        package: &[u8],
        narrowings: &[Narrowing],
        now: f64,
    ) -> Result<CellShown, InstallError> {
        let person = self.runtime.person(user)?;
        let (shelved, consent) = self.offer(&person, package, narrowings, now)?;
        self.runtime.shelf().keep(package)?;
        self.put(&person, &consent)?;
        Ok(self.shown_new(&person, &shelved, &consent, state_of(&consent, now), now))
    }

    /// What a newer version of an installed cell would be allowed if it replaced it now, as [`Self::update`] does.
    pub fn look_update(self, user: UserId, package: &[u8], now: f64) -> Result<CellShown, InstallError> {
        let person = self.runtime.person(user)?;
        let (shelved, consent) = self.updated(&person, package)?;
        Ok(self.shown_new(&person, &shelved, &consent, "offered", now))
    }

    /// Replaces an installed cell by a newer version that asks for no more. What the owner left out stays left out.
    pub fn update(self, user: UserId, package: &[u8], now: f64) -> Result<CellShown, InstallError> {
        let person = self.runtime.person(user)?;
        let (shelved, consent) = self.updated(&person, package)?;
        self.runtime.shelf().keep(package)?;
        self.put(&person, &consent)?;
        Ok(self.shown_new(&person, &shelved, &consent, state_of(&consent, now), now))
    }

    /// A package that may replace an installed cell, with what is granted to it then.
    fn updated(self, person: &Person, package: &[u8]) -> Result<(Arc<Shelved>, Consent), InstallError> {
        let shelved = self.checked(package)?;
        let stages = self.runtime.stages_of(person)?;
        let id = shelved.verified.cell.to_string();
        let before = stages.granted().iter().find(|one| one.consent.cell == id);
        let before = before.ok_or_else(|| InstallError::NoSuchCell(shelved.manifest.name.clone()))?;
        self.check_succession(&shelved, before)?;
        let asking = asking(&shelved);
        let more = more_of(&before.consent, &asking.wants);
        // Whose package is gone is not known to have had a stage's place.
        let had = before.cell.as_ref().ok().and_then(|cell| cell.manifest.takes_over());
        let has = shelved.manifest.takes_over();
        if let Some(stage) = has.filter(|_| has != had) {
            return Err(InstallError::AsksMore { more: format!("the place of the stage {stage}") });
        }
        let consent = before.consent.updated(asking).ok_or(InstallError::AsksMore { more })?;
        Ok((shelved, consent))
    }

    /// The cells that a person has installed, by name.
    pub fn list(self, user: UserId, now: f64) -> Result<Vec<CellShown>, InstallError> {
        let person = self.runtime.person(user)?;
        let (stages, snapshot) = (self.runtime.stages_of(&person)?, person.store.snapshot());
        let mut cells: Vec<_> = stages.granted().iter().map(|one| self.shown(&snapshot, one, now)).collect();
        cells.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(cells)
    }

    /// An installed cell, by its name or id.
    pub fn show(self, user: UserId, cell: &str, now: f64) -> Result<CellShown, InstallError> {
        let person = self.runtime.person(user)?;
        let stages = self.runtime.stages_of(&person)?;
        Ok(self.shown(&person.store.snapshot(), find(&stages, cell)?, now))
    }

    /// Grants less. What the cell has made under the wider grant is removed when it runs again.
    pub fn narrow(
        self,
        user: UserId,
        cell: &str,
        narrowings: &[Narrowing],
        now: f64,
    ) -> Result<CellShown, InstallError> {
        self.change(user, cell, now, |consent, manifest| {
            narrowings.iter().try_for_each(|narrowing| consent.narrow(narrowing))?;
            check_coarse(manifest, consent)
        })
    }

    /// Pauses a cell, or resumes it. What is running is stopped, and nothing of it is kept.
    pub fn set_paused(
        self,
        user: UserId,
        cell: &str,
        paused: bool,
        now: f64,
    ) -> Result<CellShown, InstallError> {
        self.change(user, cell, now, |consent, _| {
            consent.set_state(if paused { State::Paused } else { State::Active });
            Ok(())
        })
    }

    /// Ends what a cell is allowed, for good: only installing it again allows it anything. What is running is stopped,
    /// and nothing of it is kept. What it made before stays.
    pub fn revoke(self, user: UserId, cell: &str, now: f64) -> Result<CellShown, InstallError> {
        self.change(user, cell, now, |consent, _| {
            let expires = consent.expires.map_or(now, |expires| expires.min(now));
            consent.narrow(&Narrowing { expires: Some(expires), ..Narrowing::default() })?;
            Ok(())
        })
    }

    /// Revokes a cell and removes it, with everything that it has made if `with_output`. Returns how many entries were
    /// removed.
    pub fn remove(self, user: UserId, cell: &str, with_output: bool) -> Result<u64, InstallError> {
        let person = self.runtime.person(user)?;
        self.end(&person, cell)?;
        // Whatever was running under the consent has been stopped.
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        let consent = Arc::clone(&find(&*self.runtime.stages_of(&person)?, cell)?.consent);
        let stage = format!("{PREFIX}{}", consent.name);
        let removed = match with_output {
            true => remove_output(&person, (&stage, &consent.cell), &consent.name)?,
            false => 0,
        };
        let snapshot = person.store.snapshot_ahead();
        let mut batch = Batch::new();
        batch.delete_document(&document_of(&consent.cell));
        makers::forget(&snapshot, &stage, &mut batch)?;
        let committed = person.commit(batch).map_err(CallError::Commit);
        forget_known(&person);
        committed?;
        if with_output {
            rewind::scrub(&person)?;
        }
        self.runtime.timetable().note(user, Event::RewindWanted);
        Ok(removed)
    }

    /// A package that this host can run, and whose installation its operator allows.
    fn checked(self, package: &[u8]) -> Result<Arc<Shelved>, BadCell> {
        let publisher = Package::parse(package)?.verify()?.publisher;
        let digest = CodeDigest::of(package);
        // Before anything of it is compiled.
        self.runtime.rules().admit(Offered { publisher: &publisher, bytes: package.len(), digest })?;
        let shelved =
            self.runtime.shelf().check(self.runtime.sandbox(), self.runtime.catalogue(), package)?;
        self.runtime.fits(&shelved)?;
        Ok(shelved)
    }

    /// Checks a package and makes the consent that installing it now would give.
    fn offer(
        self,
        person: &Person,
        package: &[u8],
        narrowings: &[Narrowing],
        now: f64,
    ) -> Result<(Arc<Shelved>, Consent), InstallError> {
        let shelved = self.checked(package)?;
        let stages = self.runtime.stages_of(person)?;
        let mut consent = Consent::asked(asking(&shelved), now)?;
        let others = stages.granted().iter().map(|one| &one.consent);
        let others = others.filter(|other| other.cell != consent.cell && takes_place(other, now)).count();
        self.runtime.rules().admit_one_more(others).map_err(BadCell::NotAdmitted)?;
        for one in stages.granted() {
            if one.consent.cell == consent.cell {
                self.check_succession(&shelved, one)?;
                consent.epoch = one.consent.epoch + 1;
            } else if one.consent.name == consent.name {
                return Err(InstallError::NameTaken { name: consent.name });
            }
        }
        if let Some(stage) = shelved.manifest.takes_over()
            && let Some(other) = stages.taken_over().get(stage)
            && other.manifest.name != shelved.manifest.name
        {
            let (stage, by) = (stage.to_owned(), other.manifest.name.clone());
            return Err(InstallError::StageTaken { stage, by });
        }
        for narrowing in narrowings {
            consent.narrow(narrowing)?;
        }
        check_coarse(Some(&shelved.manifest), &consent)?;
        Ok((shelved, consent))
    }

    /// Refuses a package that is older than what is installed, or signed by a key that was replaced since.
    fn check_succession(self, shelved: &Shelved, before: &Granted) -> Result<(), InstallError> {
        let (installed, offered) = (before.consent.cell_version, shelved.manifest.version);
        if offered < installed {
            return Err(InstallError::Older { installed, offered });
        }
        let chain = u32::try_from(shelved.verified.chain_len).unwrap_or(u32::MAX);
        if chain < before.consent.chain {
            return Err(InstallError::OldKey);
        }
        // With the same number of changes, it must be the same change.
        let known =
            before.consent.digest.parse().ok().map(|digest| {
                self.runtime.shelf().get(self.runtime.sandbox(), self.runtime.catalogue(), digest)
            });
        match known {
            Some(Ok(known)) => {
                let known = &known.verified;
                match shelved.verified.follows(&known.publisher, known.chain_len, &known.newest_key) {
                    true => Ok(()),
                    false => Err(InstallError::OldKey),
                }
            }
            _ => Ok(()),
        }
    }

    fn change(
        self,
        user: UserId,
        cell: &str,
        now: f64,
        change: impl FnOnce(&mut Consent, Option<&Manifest>) -> Result<(), InstallError>,
    ) -> Result<CellShown, InstallError> {
        let person = self.runtime.person(user)?;
        let stages = self.runtime.stages_of(&person)?;
        let one = find(&stages, cell)?;
        let mut consent = Consent::clone(&one.consent);
        change(&mut consent, one.cell.as_ref().ok().map(|cell| &*cell.manifest))?;
        self.put(&person, &consent)?;
        self.show(user, cell, now)
    }

    /// Ends what is in force of a cell and stores its new consent. Durable when it returns.
    fn put(self, person: &Person, consent: &Consent) -> Result<(), InstallError> {
        let text = consent.write()?;
        self.end(person, &consent.cell).or_else(|error| match error {
            InstallError::NoSuchCell(_) => Ok(()),
            error => Err(error),
        })?;
        let mut batch = Batch::new();
        batch.put_document(&document_of(&consent.cell), text);
        let committed = person.commit(batch).map_err(CallError::Commit);
        // Also after a failure: what is on disk holds.
        forget_known(person);
        committed?;
        self.runtime.timetable().note(person.user, Event::RewindWanted);
        Ok(())
    }

    /// Stops what runs under the consent for a cell.
    fn end(self, person: &Person, cell: &str) -> Result<(), InstallError> {
        let stages = self.runtime.stages_of(person)?;
        if let Some(terms) = find(&stages, cell)?.terms() {
            terms.end();
        }
        Ok(())
    }

    fn shown(self, snapshot: &Snapshot, one: &Granted, now: f64) -> CellShown {
        let digest = one.consent.digest.parse().ok();
        let shelved = digest.and_then(|digest| {
            self.runtime.shelf().get(self.runtime.sandbox(), self.runtime.catalogue(), digest).ok()
        });
        let (state, trouble) = match &one.cell {
            Ok(_) => (state_of(&one.consent, now), None),
            Err(error) => {
                let refused = matches!(**error, BadCell::NotAdmitted(_));
                (if refused { "refused" } else { "absent" }, Some(crate::chain(&**error)))
            }
        };
        let grant = one.cell.as_ref().ok().map(|cell| &*cell.grant);
        shown(snapshot, (&one.consent, grant), shelved.as_deref(), (state, trouble), now)
    }

    fn shown_new(
        self,
        person: &Person,
        shelved: &Shelved,
        consent: &Consent,
        state: &str,
        now: f64,
    ) -> CellShown {
        let grant = grant(person, shelved, &Arc::new(consent.clone()));
        shown(&person.store.snapshot(), (consent, Some(&grant)), Some(shelved), (state, None), now)
    }
}

/// A stage in the place of one of the host's makes the diary itself, which must not be coarse.
fn check_coarse(manifest: Option<&Manifest>, consent: &Consent) -> Result<(), InstallError> {
    let coarse = consent.streams.iter().any(StreamGrant::is_coarse);
    match manifest.is_some_and(|manifest| manifest.takes_over().is_some()) && coarse {
        true => Err(InstallError::CoarseStage { name: consent.name.clone() }),
        false => Ok(()),
    }
}

fn forget_known(person: &Person) {
    *person.installed.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

pub(super) fn find<'s>(stages: &'s Stages, cell: &str) -> Result<&'s Granted, InstallError> {
    let mut granted = stages.granted().iter();
    let found = granted.find(|one| one.consent.cell == cell || one.consent.name == cell);
    found.ok_or_else(|| InstallError::NoSuchCell(cell.chars().take(60).collect()))
}

fn state_of(consent: &Consent, now: f64) -> &'static str {
    match consent.state {
        _ if consent.expires.is_some_and(|expires| now >= expires) => "ended",
        State::Paused => "paused",
        State::Active => "active",
    }
}

/// What a package asks for.
fn asking(shelved: &Shelved) -> Asking {
    let streams = shelved.manifest.reads.iter().map(|pattern| StreamName::of(&*pattern.key)).collect();
    let leaves = match shelved.manifest.world {
        World::Endpoint => Leaves::Answers,
        _ => Leaves::None,
    };
    let purpose = shelved.toml.purpose.clone().unwrap_or_default();
    Asking {
        cell: shelved.verified.cell.to_string(),
        name: shelved.manifest.name.clone(),
        publisher: shelved.verified.publisher.to_string(),
        digest: shelved.digest.to_string(),
        cell_version: shelved.manifest.version,
        chain: u32::try_from(shelved.verified.chain_len).unwrap_or(u32::MAX),
        wants: Wants { purpose, streams, leaves },
    }
}

/// What a version asks for and the one before did not.
fn more_of(before: &Consent, wants: &Wants) -> String {
    let new = wants.streams.iter().filter(|name| !before.asked.streams.contains(name));
    let mut more: Vec<_> = new.map(|name| format!("`{}`", name.key)).collect();
    if wants.purpose != before.asked.purpose {
        more.push(format!("the purpose \"{}\"", wants.purpose));
    }
    if wants.leaves > before.asked.leaves {
        more.push("answers that leave the store".to_owned());
    }
    if more.is_empty() { "another publisher's key".to_owned() } else { more.join(", ") }
}

fn shown(
    snapshot: &Snapshot,
    (consent, grant): (&Consent, Option<&Grant>),
    shelved: Option<&Shelved>,
    (state, trouble): (&str, Option<String>),
    now: f64,
) -> CellShown {
    let mut words = consent.words(|named| shown_now(grant?, snapshot, named, now).ok());
    if let Some(stage) = shelved.and_then(|shelved| shelved.manifest.takes_over()) {
        words.push(format!("It takes the place of the stage {stage}: it makes that part of your diary."));
    }
    CellShown {
        id: consent.cell.clone(),
        name: consent.name.clone(),
        title: shelved.and_then(|shelved| shelved.toml.title.clone()).unwrap_or_else(|| consent.name.clone()),
        publisher: consent.publisher.clone(),
        version: consent.cell_version,
        digest: consent.digest.clone(),
        bytes: shelved.map_or(0, |shelved| shelved.bytes),
        world: shelved.map_or("", |shelved| shelved.manifest.world.name()).to_owned(),
        state: state.to_owned(),
        trouble,
        words,
        consent: consent.clone(),
    }
}

/// Removes everything that the cell of that name has made. Its package need not be there.
fn remove_output(person: &Person, (stage, cell): (&str, &str), name: &str) -> Result<u64, CallError> {
    let writes = vec![StreamPattern { area: Area::Timeseries, key: format!("study.{name}/*") }];
    rewind::remove_made_by(person, (stage, Some(cell)), &writes)
}

/// The stage of a guest, for tests and reports.
impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("stage", &self.stage).finish_non_exhaustive()
    }
}
