//! Imports of files in other programs' formats, in steps: whoever asks shows how far it has come, and may end it.

use std::time::Duration;

use runtime_import::{Bounds, Format};
use runtime_program::input::{EXPANDED_BYTES_MAX, EXPANSION_MAX};
use runtime_program::{Failure, typed};
use runtime_user::intake::{self, IntakeError, Progress, Wish};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::parcels::{Given, handed};
use super::remedy::logged;
use super::zone;
use crate::http::service::now;

/// How long one step takes, about.
const STEP: Duration = Duration::from_millis(700);
/// How many files one import may have.
pub const IMPORT_FILES_MAX: usize = 10_000;

/// Begins to import files into a person. Takes the place of an import of theirs that is under way, and continues one of
/// the same files that was interrupted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginImport {
    /// The person.
    pub person: String,
    /// The files.
    pub files: Vec<Given>,
    /// Their format; none: found out from each.
    pub format: Option<String>,
    /// The zone of the local times; none: that of the person's last location, or else UTC.
    pub zone: Option<String>,
    /// Whether everything is read and nothing is stored.
    pub dry_run: bool,
}

/// Takes the next step of a person's import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepImport {
    /// The person.
    pub person: String,
}

/// Ends a person's import. What was stored stays; the same files continue there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndImport {
    /// The person.
    pub person: String,
}

/// The answer to [`BeginImport`] and [`StepImport`]: how far the import has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportProgress {
    /// The person's id.
    pub id: String,
    /// The zone of the local times, where the import has just begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How far.
    pub progress: Progress,
}

/// The answer to [`EndImport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportEnded {
    /// The person's id.
    pub id: String,
}

impl Ask for BeginImport {
    type Answer = ImportProgress;

    fn answer(self, context: &Context<'_>) -> Result<ImportProgress, Failure> {
        let user = context.find(&self.person)?;
        if self.files.len() > IMPORT_FILES_MAX {
            let what = format!("{} files are more than {IMPORT_FILES_MAX}", self.files.len());
            return Err(Failure::new(what, "import them in parts, or as one zip"));
        }
        let format: Option<Format> = match self.format.as_deref().map(typed::trimmed) {
            None => None,
            Some(name) => Some(
                name.parse::<Format>()
                    .map_err(|error| Failure::of(&error, "leave out --format to have it found out"))?,
            ),
        };
        let zone = match self.zone {
            Some(zone) => zone,
            None => zone::name_of(context.runtime, user, now())?,
        };
        let bounds = Bounds { expansion_max: EXPANSION_MAX, expanded_bytes_max: EXPANDED_BYTES_MAX };
        let files = self.files.into_iter().map(|given| match given {
            Given::Path(path) => Ok(intake::Given::Path(path)),
            Given::Parcel(of) => handed(context, user, &of).map(intake::Given::Parcel),
        });
        let files = files.collect::<Result<_, _>>()?;
        let wish = Wish { files, format, zone: zone.clone(), dry_run: self.dry_run, bounds };
        let progress = context.runtime.diaries().begin_intake(user, wish).map_err(failure)?;
        Ok(ImportProgress { id: user.dashed(), zone: Some(zone), progress })
    }
}

impl Ask for StepImport {
    type Answer = ImportProgress;

    fn answer(self, context: &Context<'_>) -> Result<ImportProgress, Failure> {
        let user = context.find(&self.person)?;
        let progress = context.runtime.diaries().step_intake(user, STEP, now()).map_err(failure)?;
        // A second's texts come to some hundred MB, between which a few small things stay.
        runtime_program::memory::give_back();
        Ok(ImportProgress { id: user.dashed(), zone: None, progress })
    }
}

impl Ask for EndImport {
    type Answer = ImportEnded;

    fn answer(self, context: &Context<'_>) -> Result<ImportEnded, Failure> {
        let user = context.find(&self.person)?;
        context.runtime.diaries().end_intake(user);
        Ok(ImportEnded { id: user.dashed() })
    }
}

fn failure(error: IntakeError) -> Failure {
    let remedy = match &error {
        IntakeError::Open { .. } => "name a file that the host may read",
        IntakeError::Zone(_) => "name a zone such as Europe/Zurich with --zone",
        IntakeError::None | IntakeError::Stopped => {
            "run the same command again: it continues where it stopped"
        }
        IntakeError::TooMany => "try again later",
        _ => return logged(error),
    };
    Failure::of(&error, remedy)
}
