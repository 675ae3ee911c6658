//! The cells that a person has installed, beside those of the host: the stages that they add or take over, and the paths
//! that lead to them.
//!
//! * [`policy`]: what the host's operator lets people install. [`shelf`]: packages on this host. [`terms`]: what a cell runs under until it ends. [`makers`]: whose results are in
//!   the store. [`preview`]: what a cell would be shown. [`change`]: installing, narrowing, pausing, revoking.
//! * Invariants: an installed cell is one person's. Nothing here is shared between people but code and types, which the
//!   digest of a package determines.
//! * Not here: what a grant allows (`runtime/consent`), the check of each call (`cells/grant`).

pub(crate) mod change;
pub(crate) mod makers;
pub(crate) mod policy;
pub(crate) mod preview;
pub(crate) mod shelf;
pub(crate) mod terms;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use ring::hmac;
use runtime_consent::{Consent, State};
use runtime_pipeline::{Plan, StageSpec};
use runtime_sandbox::{CodeDigest, World};
use runtime_store::Snapshot;
use runtime_types::{Area, StreamKey};

use crate::cells::catalogue::{Catalogue, Cell};
use crate::cells::grant::Grant;
use crate::error::{CallError, NotServed};
use crate::people::person::Person;
use crate::runtime::Runtime;

use shelf::{BadCell, Shelved};
use terms::Terms;

/// What stands before the name of an installed cell where built-in cells have names of their own: in paths, in states
/// and in grants. No built-in cell's name begins so.
pub(crate) const PREFIX: &str = "x-";

/// A stage that an installed cell adds. It runs after the host's own stages.
pub(crate) struct Guest {
    /// The name of its state and its memory: [`PREFIX`] and the cell's name.
    pub stage: String,
    /// Its cell, under what the person granted.
    pub cell: Arc<Cell>,
}

impl Guest {
    /// The cell's id.
    pub fn id(&self) -> Option<&str> {
        self.cell.terms.as_ref().map(|terms| terms.consent.cell.as_str())
    }

    /// Whether it reads a stream of the timeseries.
    pub fn reads(&self, key: &StreamKey) -> bool {
        self.cell.manifest.reads.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    }

    /// Whether it writes a stream of the timeseries.
    pub fn writes(&self, key: &StreamKey) -> bool {
        self.cell.manifest.writes.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    }
}

/// One consent of a person, and what became of it here.
pub(crate) struct Granted {
    pub consent: Arc<Consent>,
    /// The cell, or why it cannot run.
    pub cell: Result<Arc<Cell>, Arc<BadCell>>,
}

impl Granted {
    /// The terms under which the cell runs, if it can run.
    pub fn terms(&self) -> Option<&Arc<Terms>> {
        self.cell.as_ref().ok()?.terms.as_ref()
    }
}

/// The stages of one person: the host's list, what installed cells take over in it, and what they add; and the
/// endpoints that they add.
pub(crate) struct Stages {
    plan: Plan,
    /// The cells of the list by the names that it has for them.
    cells: BTreeMap<String, Arc<Cell>>,
    guests: Vec<Guest>,
    /// By [`PREFIX`] and name.
    endpoints: BTreeMap<String, Arc<Cell>>,
    granted: Vec<Granted>,
    /// The stages of the list that an installed cell has taken over, by their names.
    taken_over: BTreeMap<String, Arc<Cell>>,
    /// When the first consent ends, s: what is here holds until then.
    until: f64,
}

impl Stages {
    /// The host's own list.
    pub fn of_host(plan: &Plan, catalogue: &Catalogue) -> Self {
        let named = plan.stages().iter().map(|spec| spec.cell.as_str()).chain(plan.rewind());
        let cell = |name: &str| Some((name.to_owned(), Arc::clone(catalogue.stage_named(name)?)));
        Self {
            plan: plan.clone(),
            cells: named.filter_map(cell).collect(),
            guests: Vec::new(),
            endpoints: BTreeMap::new(),
            granted: Vec::new(),
            taken_over: BTreeMap::new(),
            until: f64::INFINITY,
        }
    }

    /// The host's list with what a person has granted.
    fn with(host: &Self, granted: Vec<Granted>, now: f64) -> Self {
        let mut stages = Self {
            plan: host.plan.clone(),
            cells: host.cells.clone(),
            guests: Vec::new(),
            endpoints: BTreeMap::new(),
            granted: Vec::new(),
            taken_over: BTreeMap::new(),
            until: f64::INFINITY,
        };
        for one in &granted {
            let ended = one.consent.has_ended(now);
            if !ended && let Some(expires) = one.consent.expires {
                stages.until = stages.until.min(expires);
            }
            match &one.cell {
                Ok(cell) if !ended => stages.add(cell),
                _ => {}
            }
        }
        stages.granted = granted;
        stages
    }

    fn add(&mut self, cell: &Arc<Cell>) {
        let name = format!("{PREFIX}{}", cell.manifest.name);
        match (cell.manifest.world, cell.manifest.takes_over()) {
            (World::Stage, Some(stage)) if self.taken_over.contains_key(stage) => {
                tracing::warn!(stage, "two installed cells want the place of one stage: the first has it");
            }
            (World::Stage, Some(stage)) => {
                // The list has the stage: `fits` was asked before the cell was made.
                let Some(plan) = self.plan.with_cell(stage, &name) else { return };
                self.plan = plan;
                self.cells.insert(name, Arc::clone(cell));
                self.taken_over.insert(stage.to_owned(), Arc::clone(cell));
            }
            (World::Stage, None) => self.guests.push(Guest { stage: name, cell: Arc::clone(cell) }),
            _ => drop(self.endpoints.insert(name, Arc::clone(cell))),
        }
    }

    /// The list.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The stages of installed cells, which run after those of the list, in this order.
    pub fn guests(&self) -> &[Guest] {
        &self.guests
    }

    /// The endpoints of installed cells, by [`PREFIX`] and name.
    pub fn endpoints(&self) -> &BTreeMap<String, Arc<Cell>> {
        &self.endpoints
    }

    /// Why an installed cell is not among [`Self::endpoints`] at `now`, s, by [`PREFIX`] and name; `None` if the person
    /// has no such endpoint.
    pub fn why_not(&self, name: &str, now: f64) -> Option<CallError> {
        let name = name.strip_prefix(PREFIX)?;
        let one = self.granted.iter().find(|one| one.consent.name == name)?;
        let is_endpoint = |cell: &Arc<Cell>| cell.manifest.world == World::Endpoint;
        if !one.cell.as_ref().map_or(true, is_endpoint) {
            return None;
        }
        let why = match one.consent.state {
            _ if one.consent.expires.is_some_and(|expires| now >= expires) => NotServed::Ended,
            State::Paused => NotServed::Paused,
            State::Active => NotServed::CannotRun,
        };
        Some(CallError::NotServed { cell: name.to_owned(), why })
    }

    /// The stages of the list that installed cells have taken over, by their names.
    pub fn taken_over(&self) -> &BTreeMap<String, Arc<Cell>> {
        &self.taken_over
    }

    /// Every consent of the person, those that have ended included.
    pub fn granted(&self) -> &[Granted] {
        &self.granted
    }

    /// The cells of all stages, those of the list and those that installed cells add.
    pub fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.cells.values().chain(self.guests.iter().map(|guest| &guest.cell))
    }

    /// The cell of a stage of the list.
    pub fn cell(&self, spec: &StageSpec) -> Option<&Arc<Cell>> {
        self.cells.get(&spec.cell)
    }

    /// As [`Self::cell`], for a stage that cannot go on without it.
    pub fn required_cell(&self, spec: &StageSpec) -> Result<&Arc<Cell>, CallError> {
        self.named(&spec.cell)
    }

    /// The cell that the list has under that name.
    pub fn named(&self, name: &str) -> Result<&Arc<Cell>, CallError> {
        self.cells.get(name).ok_or_else(|| CallError::NoSuchCell(name.to_owned()))
    }
}

impl Runtime {
    /// The stages and endpoints of a person as they are now. May read the disk.
    pub(crate) fn stages_of(&self, person: &Person) -> Result<Arc<Stages>, CallError> {
        let now = self.clocks().wall_s();
        let mut known = person.installed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stages) = known.as_ref().filter(|stages| now < stages.until) {
            return Ok(Arc::clone(stages));
        }
        let consents = consents(&person.store.snapshot_ahead())?;
        let stages = match consents.is_empty() {
            true => Arc::clone(self.host_stages()),
            false => {
                let surplus = self.rules().surplus(&consents, now);
                let granted = consents.into_iter().map(|consent| {
                    let is_surplus = surplus.contains(&consent.cell);
                    self.granted(person, consent, is_surplus)
                });
                let granted = granted.collect();
                Arc::new(Stages::with(self.host_stages(), granted, now))
            }
        };
        *known = Some(Arc::clone(&stages));
        Ok(stages)
    }

    fn granted(&self, person: &Person, consent: Consent, is_surplus: bool) -> Granted {
        let consent = Arc::new(consent);
        let cell = match is_surplus {
            true => Err(BadCell::NotAdmitted(self.rules().too_many())),
            false => self.cell_of(person, &consent),
        };
        if let Err(error) = &cell {
            let why = crate::chain(error);
            tracing::warn!(user = %person.user.short(), cell = %consent.cell, error = %why, "an installed cell cannot run");
        }
        Granted { consent, cell: cell.map(Arc::new).map_err(Arc::new) }
    }

    fn cell_of(&self, person: &Person, consent: &Arc<Consent>) -> Result<Cell, BadCell> {
        let absent = || BadCell::Absent { digest: consent.digest.chars().take(12).collect() };
        let digest: CodeDigest = consent.digest.parse().map_err(|_| absent())?;
        let shelved = self.shelf().get(self.sandbox(), self.catalogue(), digest)?;
        // The policy may have become stricter since it was installed.
        self.rules().admit(shelved.offered())?;
        self.fits(&shelved)?;
        Ok(Cell::installed(&shelved, grant(person, &shelved, consent), person.terms.of(consent)))
    }

    /// Whether a package's stage has a place in this host's list.
    pub(crate) fn fits(&self, shelved: &Shelved) -> Result<(), BadCell> {
        let name = || shelved.manifest.name.clone();
        if shelved.manifest.world == World::Contribution {
            return Err(BadCell::Contribution { name: name() });
        }
        let no_such_stage = |stage: &str| BadCell::NoSuchStage { name: name(), stage: stage.to_owned() };
        if let Some(stage) = &shelved.toml.after {
            self.plan().stage(stage).ok_or_else(|| no_such_stage(stage))?;
        }
        let Some(stage) = &shelved.toml.replaces else { return Ok(()) };
        let spec = self.plan().stage(stage).ok_or_else(|| no_such_stage(stage))?;
        let replaced = self.catalogue().stage(spec).ok_or_else(|| no_such_stage(stage))?;
        let family = shelved.toml.family();
        let own = |key: &str| key.split_once('/').is_some_and(|(of, _)| of == family);
        let allowed = |key: &str| own(key) || replaced.manifest.writes.iter().any(|known| known.key == key);
        match shelved.manifest.writes.iter().find(|pattern| !allowed(&pattern.key)) {
            Some(pattern) => {
                let (stage, key) = (stage.clone(), pattern.key.clone());
                Err(BadCell::OtherStream { name: name(), stage, key })
            }
            None => Ok(()),
        }
    }
}

/// Every consent in a store, by the cell's id.
fn consents(snapshot: &Snapshot) -> Result<Vec<Consent>, CallError> {
    let folder = runtime_consent::document_of("");
    let names = snapshot.documents().into_iter().filter(|name| name.starts_with(&folder));
    let mut consents = Vec::new();
    for name in names {
        let Some(content) = snapshot.document(&name).map_err(CallError::Read)? else { continue };
        match Consent::parse(&content) {
            Ok(consent) if runtime_consent::document_of(&consent.cell) == name => consents.push(consent),
            // Of a later version, or damaged: nobody reads under it.
            Ok(_) => tracing::warn!("a consent is not of the cell whose name it is kept under"),
            Err(error) => tracing::warn!(%error, "a consent does not read"),
        }
    }
    Ok(consents)
}

/// What the cell gets instead of the person's id and of the ids of entries, different for each publisher and cell.
pub(crate) fn grant(person: &Person, shelved: &Shelved, consent: &Arc<Consent>) -> Grant {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &zeroize::Zeroizing::new(person.store.origins_key())[..]);
    let derived = |label: &str, of: &str| -> [u8; 32] {
        let tag = hmac::sign(&key, [label.as_bytes(), of.as_bytes()].concat().as_slice());
        tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    };
    let name = derived("cellar/pseudonym/1\n", &consent.publisher);
    let pseudonym = *name.first_chunk().expect("32 bytes are more than 16");
    let secret = derived("cellar/grant/1\n", &consent.cell);
    let (manifest, types) = (Arc::clone(&shelved.manifest), Arc::clone(&shelved.types));
    Grant::consented(manifest, types, Arc::clone(consent), pseudonym, secret)
}
