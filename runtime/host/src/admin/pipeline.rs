//! A person's pipeline, run and reset by hand.

use runtime_program::Failure;
use runtime_program::when::When;
use runtime_user::{PipelineReport, PipelineStatus};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::logged;
use super::zone;
use crate::http::service::now;

/// Runs a person's stages now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPipeline {
    /// The person, by name or id.
    pub person: String,
}

impl Ask for RunPipeline {
    type Answer = PipelineReport;

    fn answer(self, context: &Context<'_>) -> Result<PipelineReport, Failure> {
        context.runtime.pipelines().run(context.find(&self.person)?, now()).map_err(logged)
    }
}

/// Asks for the state of the pipeline, and when the next run is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPipeline {
    /// The person, by name or id.
    pub person: String,
}

impl Ask for ShowPipeline {
    type Answer = PipelineStatus;

    fn answer(self, context: &Context<'_>) -> Result<PipelineStatus, Failure> {
        context.runtime.pipelines().status(context.find(&self.person)?).map_err(logged)
    }
}

/// Removes what the pipeline computed; the next run computes it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetPipeline {
    /// The person, by name or id.
    pub person: String,
    /// Reset from this moment on; none: everything.
    pub from: Option<When>,
}

/// The answer to [`ResetPipeline`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineReset {
    /// The person's id.
    pub id: String,
    /// The next run recomputes from this moment on, s since 1970; none: everything.
    pub from: Option<f64>,
    /// Entries removed, where everything was reset; otherwise the next run removes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
}

impl Ask for ResetPipeline {
    type Answer = PipelineReset;

    fn answer(self, context: &Context<'_>) -> Result<PipelineReset, Failure> {
        let runtime = context.runtime;
        let user = context.find(&self.person)?;
        let (from, removed) = match &self.from {
            None => (None, Some(runtime.pipelines().reset(user).map_err(logged)?)),
            from => {
                let [from, _] = zone::span(runtime, user, from.as_ref(), None)?;
                runtime.pipelines().rewind(user, from).map_err(logged)?;
                (Some(from), None)
            }
        };
        Ok(PipelineReset { id: user.dashed(), from, removed })
    }
}
