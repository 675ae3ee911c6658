//! The cells that a person has installed, beside those of the host: the stages that they add or take over.
//!
//! * Invariants: an installed cell is one person's. Nothing here is shared between people but code and types, which the
//!   digest of a package determines.
//! * Not here: what a grant allows (`runtime/consent`), the check of each call (`cells/grant`).

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime_pipeline::{Plan, StageSpec};
use runtime_types::{Area, StreamKey};

use crate::cells::catalogue::{Catalogue, Cell};
use crate::error::CallError;
use crate::people::person::Person;
use crate::runtime::Runtime;

/// A stage that an installed cell adds. It runs after the host's own stages.
pub(crate) struct Guest {
    /// The name of its state and its memory: `x/` and the cell's name.
    pub stage: String,
    /// Its cell, under what the person granted.
    pub cell: Arc<Cell>,
}

impl Guest {
    /// Whether it reads a stream of the timeseries.
    pub fn reads(&self, key: &StreamKey) -> bool {
        self.cell.manifest.reads.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    }

    /// Whether it writes a stream of the timeseries.
    pub fn writes(&self, key: &StreamKey) -> bool {
        self.cell.manifest.writes.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    }
}

/// The stages of one person: the host's list, what installed cells take over in it, and what they add.
pub(crate) struct Stages {
    runtime_plan: Plan,
    /// The cells of the list by the names that it has for them.
    cells: BTreeMap<String, Arc<Cell>>,
    guests: Vec<Guest>,
}

impl Stages {
    /// The host's own list.
    pub fn of_host(plan: &Plan, catalogue: &Catalogue) -> Self {
        let named = plan.stages().iter().map(|spec| spec.cell.as_str()).chain(plan.rewind());
        let cell = |name: &str| Some((name.to_owned(), Arc::clone(catalogue.stage_named(name)?)));
        Self { runtime_plan: plan.clone(), cells: named.filter_map(cell).collect(), guests: Vec::new() }
    }

    /// The list.
    pub fn plan(&self) -> &Plan {
        &self.runtime_plan
    }

    /// The stages of installed cells, which run after those of the list, in this order.
    pub fn guests(&self) -> &[Guest] {
        &self.guests
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
    /// The stages of a person.
    pub(crate) fn stages_of(&self, _person: &Person) -> Result<Arc<Stages>, CallError> {
        Ok(Arc::clone(self.host_stages()))
    }
}
