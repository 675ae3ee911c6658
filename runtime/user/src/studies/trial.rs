//! A contribution that a researcher tries with invented people: the numbers as the cell gives them, before anything is
//! clamped. Nobody joins, nothing is spent, noted or kept, and a host with people of its own refuses it.

use std::sync::Arc;

use runtime_consent::StreamName;
use runtime_sandbox::World;

use crate::cells::catalogue::Cell;
use crate::cells::installed::grant;
use crate::cells::installed::shelf::Shelved;
use crate::cells::installed::terms::Terms;
use crate::runs::audit::{AuditLine, RunOutcome};
use crate::studies::contribute::{Asks, consent, run_cell};
use crate::studies::{Studies, StudyError};
use runtime_types::UserId;

/// A cell of the world `contribution` that is tried.
pub struct TriedCell {
    shelved: Arc<Shelved>,
}

/// For what a cell that is tried is asked.
#[derive(Debug, Clone, Copy)]
pub struct TrialAsk<'a> {
    /// The purpose that it is told.
    pub purpose: &'a str,
    /// The streams that it may read; `None`: those of its manifest.
    pub streams: Option<&'a [String]>,
    /// The first and the last moment of the epoch, both closed, s.
    pub window: (f64, f64),
    /// When it is asked, s.
    pub now: f64,
}

/// What it gave.
#[derive(Debug)]
pub struct TrialGiven {
    /// The numbers as the cell gave them; `None` where the run failed.
    pub numbers: Option<Vec<f64>>,
    /// What it read and used, and why it failed.
    pub line: AuditLine,
}

impl Studies<'_> {
    /// Makes a package ready to be tried.
    ///
    /// # Errors
    /// [`StudyError::NotShown`] on a host; [`StudyError::NoContribution`]; the package is refused.
    pub fn tried_cell(self, package: &[u8]) -> Result<TriedCell, StudyError> {
        self.check_shown()?;
        let runtime = self.runtime;
        let shelved = runtime.shelf().check(runtime.sandbox(), runtime.catalogue(), package)?;
        if shelved.manifest.world != World::Contribution {
            let (name, world) = (shelved.manifest.name.clone(), shelved.manifest.world.name());
            return Err(StudyError::NoContribution { name, world });
        }
        Ok(TriedCell { shelved })
    }

    /// Asks a cell for the numbers of one invented person.
    ///
    /// # Errors
    /// [`StudyError::NotShown`] on a host; a stream that the manifest does not name; the store cannot be read.
    pub fn try_out(
        self,
        user: UserId,
        cell: &TriedCell,
        ask: &TrialAsk<'_>,
    ) -> Result<TrialGiven, StudyError> {
        self.check_shown()?;
        let (shelved, TrialAsk { purpose, window, now, .. }) = (&cell.shelved, *ask);
        let person = self.runtime.person(user)?;
        let streams = match ask.streams {
            Some(streams) => streams.iter().map(StreamName::of).collect(),
            None => {
                let reads = shelved.manifest.reads.iter();
                reads.map(|pattern| StreamName { area: pattern.area, key: pattern.key.clone() }).collect()
            }
        };
        let consent = Arc::new(consent(shelved, Asks { purpose, streams, window }, now)?);
        let terms = Arc::new(Terms::new(Arc::clone(&consent)));
        let cell = Cell::installed(shelved, grant(&person, shelved, &consent), terms);
        let (numbers, mut effects, usage) = run_cell(&person, &cell, window, now);
        let line = AuditLine::new(now, &cell, &mut effects, usage);
        Ok(match numbers {
            _ if effects.failed_read.is_some() => {
                let line = line.ended(RunOutcome::StoreFailed, "the store could not be read");
                TrialGiven { numbers: None, line }
            }
            Err(error) => {
                TrialGiven { numbers: None, line: line.ended(RunOutcome::from(&error), error.to_string()) }
            }
            Ok(numbers) => TrialGiven { numbers: Some(numbers), line },
        })
    }

    fn check_shown(self) -> Result<(), StudyError> {
        if self.runtime.settings().shows_contributions { Ok(()) } else { Err(StudyError::NotShown) }
    }
}

/// For tests and reports.
impl std::fmt::Debug for TriedCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TriedCell").field("name", &self.shelved.manifest.name).finish_non_exhaustive()
    }
}
