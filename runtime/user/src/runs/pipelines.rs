//! Running people's stages: by hand or on the pool for stages, one run at a time for a person.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use runtime_pipeline::Left;
use runtime_sandbox::{CellHost, Outcome, Run};
use runtime_types::UserId;

use crate::cells::installed::terms::Moment;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::stage::{self, PipelineReport, Rehearsal, Spent};
use crate::runs::timetable;
use crate::runtime::Runtime;

/// A stage without a sandbox, to measure the cost of the sandbox.
pub type NativeStage = fn(Box<dyn CellHost>, Run) -> Result<Outcome, String>;

/// Running people's stages.
#[derive(Clone, Copy)]
pub struct Pipelines<'r> {
    pub(super) runtime: &'r Runtime,
}

impl<'r> Pipelines<'r> {
    pub(crate) fn of(runtime: &'r Runtime) -> Self {
        Self { runtime }
    }

    /// Runs all stages of a person once, on the calling thread.
    pub fn run(self, user: UserId, now: f64) -> Result<PipelineReport, CallError> {
        self.run_asked(user, Moment::read(now))
    }

    /// [`Self::run`], for a run that was asked for at that moment and may have waited since.
    fn run_asked(self, user: UserId, at: Moment) -> Result<PipelineReport, CallError> {
        let (Self { runtime }, now) = (self, at.now);
        if runtime.open_people().if_open(user).is_none() {
            runtime.open_people().make_room(user);
        }
        let ended = match runtime.person(user) {
            Err(error) => {
                let ended = Err(error);
                runtime.timetable().ended(user, now, &ended);
                ended
            }
            Ok(person) => {
                let _one_at_a_time = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
                runtime.timetable().began(user);
                let ended = self.run_stages(&person, at);
                runtime.timetable().ended(user, now, &ended);
                ended
            }
        };
        ended.map(|(report, _)| report)
    }

    fn run_stages(self, person: &Person, at: Moment) -> Result<(PipelineReport, Left), CallError> {
        let report = stage::run_pipeline(self.runtime, person, at);
        // However the run ended, the results of the stages before are kept.
        let (kept, keeping) = Spent::on(|| person.settle());
        let report = PipelineReport { keeping, clock_doubt: self.runtime.clocks().doubt(), ..report? };
        kept.map_err(CallError::Commit)?;
        let left = timetable::left(&person.store.snapshot(), at.now)?;
        Ok((report, left))
    }

    /// For measuring: runs a stage for the first time over everything that is stored now, and keeps none of its
    /// results. `natively` gets the host that the cell would reach; `None`: the cell itself runs, in the sandbox.
    /// Returns its duration, or the cell's message.
    pub fn rehearse(
        self,
        user: UserId,
        stage: &str,
        now: f64,
        natively: Option<NativeStage>,
    ) -> Result<Result<Duration, String>, CallError> {
        let person = self.runtime.person(user)?;
        let Rehearsal { cell, host, run } = stage::rehearsal(self.runtime, &person, stage, now)?;
        let started = Instant::now();
        let ended = match natively {
            Some(stage) => stage(host, run).map(drop),
            None => cell
                .prepared
                .stage(host, cell.manifest.limits, None)
                .and_then(|instance| instance.run(run).outcome)
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        let took = started.elapsed();
        Ok(ended.map(|()| took))
    }
}

impl Runtime {
    /// Runs a person's stages on the pool for stages, which all people share fairly.
    pub async fn queue_pipeline(
        self: &Arc<Self>,
        user: UserId,
        now: f64,
    ) -> Result<PipelineReport, CallError> {
        let (end, ended) = tokio::sync::oneshot::channel();
        let (shared, at) = (Arc::clone(self), Moment::read(now));
        let job = move || drop(end.send(shared.pipelines().run_asked(user, at)));
        self.stages.submit(user, job).map_err(CallError::Overloaded)?;
        ended.await.unwrap_or(Err(CallError::Lost))
    }
}
