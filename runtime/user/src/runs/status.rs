//! The status of a person's pipeline, for its owner or an operator.

use runtime_pipeline::{Rewind, StageState};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use crate::data::waiting::{self, Waiting};
use crate::error::CallError;
use crate::runs::pipelines::Pipelines;
use crate::runs::rewind;
use crate::runs::stage::read_state;
use crate::runs::timetable::Pending;

/// One stage of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageStatus {
    /// A name such as `TRIP_SEGMENTATION`.
    pub stage: String,
    /// The cell that does it.
    pub cell: String,
    /// Whether it is switched off.
    pub off: bool,
    /// Mark, last run, last failure.
    pub state: StageState,
    /// After a failure: when it is retried, s.
    pub retry_at: Option<f64>,
}

/// What the next run recomputes first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewindStatus {
    /// The moment to start from, and the last failure.
    #[serde(flatten)]
    pub wanted: Rewind,
    /// After a failure: when it is retried, s.
    pub retry_at: Option<f64>,
}

/// The status of a person's pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineStatus {
    /// One for each stage of the list, in its order, then those of installed cells.
    pub stages: Vec<StageStatus>,
    /// What the next run recomputes first; mostly nothing.
    pub rewind: Option<RewindStatus>,
    /// Whether something asks for a run, and when it is due.
    pub pending: Option<Pending>,
    /// The entries that phones have put and no run has accepted yet.
    pub waiting: Vec<Waiting>,
    /// Why the host's clock is not trusted, in words, if it is not: runs wait for it.
    pub clock_doubt: Option<String>,
}

impl Pipelines<'_> {
    /// Stages, rewind and next run of a person.
    pub fn status(self, user: UserId) -> Result<PipelineStatus, CallError> {
        let Self { runtime } = self;
        let person = runtime.person(user)?;
        let (snapshot, known) = (person.store.snapshot(), runtime.stages_of(&person)?);
        let status = |stage: &str, cell: &str, off| {
            let state = read_state(&snapshot, stage)?;
            let (stage, cell) = (stage.to_owned(), cell.to_owned());
            Ok(StageStatus { stage, cell, off, retry_at: state.retry_at(), state })
        };
        let own = known.plan().stages().iter().map(|spec| status(&spec.name, &spec.cell, !spec.enabled));
        let guests =
            known.guests().iter().map(|guest| status(&guest.stage, &guest.cell.manifest.name, false));
        let stages = own.chain(guests).collect::<Result<_, CallError>>()?;
        let rewind = rewind::read(&snapshot)?;
        let rewind = rewind.map(|wanted| RewindStatus { retry_at: wanted.retry_at(), wanted });
        let (pending, clock_doubt) = (runtime.timetable().pending(user), runtime.clocks().doubt());
        let waiting = waiting::waiting(&snapshot, runtime.clocks().wall_s())?;
        Ok(PipelineStatus { stages, rewind, pending, waiting, clock_doubt })
    }
}
