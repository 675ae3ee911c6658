//! Studies: noisy totals over the people of this host who said yes.

use std::path::{Path, PathBuf};

use runtime_program::{Failure, typed};
use runtime_user::study::{Answer, STUDY_BYTES_MAX};
use runtime_user::{
    BadCell, BudgetError, BudgetShown, CallError, CollectError, PACKAGE_BYTES_MAX, StudyError, StudyOffer,
    StudySent, StudyShown,
};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::SEE_LOG;
use crate::http::service::now;

/// Makes a study known on this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishStudy {
    /// The signed study: an absolute path.
    pub study: PathBuf,
    /// The package of its cell: an absolute path.
    pub package: PathBuf,
}

impl Ask for PublishStudy {
    type Answer = StudyShown;

    fn answer(self, context: &Context<'_>) -> Result<StudyShown, Failure> {
        let study = read(&self.study, STUDY_BYTES_MAX)?;
        let package = read(&self.package, PACKAGE_BYTES_MAX)?;
        context.runtime.studies().publish(&study, &package, now()).map_err(|error| refused(&error))
    }
}

/// Shows a person what a study asks for, or joins it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinStudy {
    /// The person, by name or id.
    pub person: String,
    /// The signed study: an absolute path.
    pub study: PathBuf,
    /// False: it is only looked at.
    pub agreed: bool,
}

impl Ask for JoinStudy {
    type Answer = StudyOffer;

    fn answer(self, context: &Context<'_>) -> Result<StudyOffer, Failure> {
        let user = context.find(&self.person)?;
        let study = read(&self.study, STUDY_BYTES_MAX)?;
        let joined = context.runtime.studies().join(user, &study, self.agreed, now());
        joined.map_err(|error| refused(&error))
    }
}

/// Ends that a person takes part in a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveStudy {
    /// The person, by name or id.
    pub person: String,
    /// The study: its name or id.
    pub study: String,
}

impl Ask for LeaveStudy {
    type Answer = StudyOffer;

    fn answer(self, context: &Context<'_>) -> Result<StudyOffer, Failure> {
        let user = context.find(&self.person)?;
        let left = context.runtime.studies().leave(user, typed::trimmed(&self.study), now());
        left.map_err(|error| refused(&error))
    }
}

/// Asks which studies there are and where they stand; or which a person has joined, and what is left of their budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowStudies {
    /// Only this study: its name or id. It is told how many have joined it.
    pub study: Option<String>,
    /// Only the studies that this person has joined.
    pub person: Option<String>,
}

/// The answer to [`ShowStudies`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudiesShown {
    /// The studies, by name.
    pub studies: Vec<StudyShown>,
    /// What the person may still spend, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetShown>,
}

impl Ask for ShowStudies {
    type Answer = StudiesShown;

    fn answer(self, context: &Context<'_>) -> Result<StudiesShown, Failure> {
        let studies = context.runtime.studies();
        let of = |error| refused(&error);
        let name = self.study.as_deref().map(typed::trimmed);
        let Some(person) = &self.person else {
            let shown = match name {
                Some(name) => vec![studies.status(name, now()).map_err(of)?],
                None => studies.list(now()).map_err(of)?,
            };
            return Ok(StudiesShown { studies: shown, budget: None });
        };
        let user = context.find(person)?;
        let joined = studies.of_person(user, now()).map_err(of)?.into_iter().map(|offer| offer.study);
        let named = joined.filter(|study| name.is_none_or(|name| study.name == name || study.id == name));
        let budget = Some(studies.budget(user).map_err(of)?);
        Ok(StudiesShown { studies: named.collect(), budget })
    }
}

/// Asks for the totals of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyResult {
    /// The study: its name or id.
    pub study: String,
    /// Which epoch, from 0; none: the one that ended last.
    pub epoch: Option<u32>,
}

impl Ask for StudyResult {
    type Answer = Answer;

    fn answer(self, context: &Context<'_>) -> Result<Answer, Failure> {
        let result = context.runtime.studies().result(typed::trimmed(&self.study), self.epoch, now());
        result.map_err(|error| not_answered(&error))
    }
}

/// Sends the contributions to one epoch to the study's two aggregators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendStudy {
    /// The study: its name or id.
    pub study: String,
    /// Which epoch, from 0; none: the one that ended last.
    pub epoch: Option<u32>,
}

impl Ask for SendStudy {
    type Answer = StudySent;

    fn answer(self, context: &Context<'_>) -> Result<StudySent, Failure> {
        let sent = context.runtime.studies().send(typed::trimmed(&self.study), self.epoch, now());
        sent.map_err(|error| not_answered(&error))
    }
}

/// Reads a file, and no more of it than it may have.
fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let of_file = |error: std::io::Error| {
        Failure::new(format!("cannot read {}: {error}", path.display()), "name a file that the host may read")
    };
    let file = std::fs::File::open(path).map_err(of_file)?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(of_file)?;
    Ok(bytes)
}

fn refused(error: &StudyError) -> Failure {
    let remedy = match error {
        StudyError::Study(_) | StudyError::OtherCell { .. } | StudyError::Stream { .. } => {
            "ask the researcher for another file"
        }
        StudyError::NoContribution { .. } => "name the package of the study's cell",
        StudyError::Cell(BadCell::NoCompiler | BadCell::Disk { .. }) => "ask the operator of this host",
        StudyError::Cell(_) => "ask the researcher for another package",
        StudyError::NoSuchStudy { .. } => "`cellar study status` lists them; the operator publishes them",
        StudyError::Ambiguous { .. } | StudyError::Over { .. } => "`cellar study status` lists them",
        StudyError::NotJoined { .. } => "`cellar study status --person PERSON` lists those that were joined",
        StudyError::Budget(BudgetError::TooLittle { .. }) => "nothing: what is spent cannot be given back",
        StudyError::Call(CallError::Locked) => "connect with a paired phone first",
        _ => SEE_LOG,
    };
    Failure::of(error, remedy)
}

fn not_answered(error: &CollectError) -> Failure {
    let remedy = match error {
        CollectError::Study(error) => return refused(error),
        CollectError::TooFew { .. } => {
            "wait until more have joined; those whose stores are locked do not count"
        }
        CollectError::TooSoon { .. } => "ask again then",
        CollectError::Aggregators => {
            "`cellar study send STUDY` sends what this host's people give; the researcher asks for the totals"
        }
        CollectError::NoAggregators => "`cellar study result STUDY` answers it",
        CollectError::Busy => "ask again in a moment",
        CollectError::NoSuchEpoch { .. } | CollectError::TooLate { .. } | CollectError::Lost { .. } => {
            "name another epoch"
        }
        _ => SEE_LOG,
    };
    Failure::of(error, remedy)
}
