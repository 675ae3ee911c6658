//! Cells that a person has installed.

use std::io::Read as _;

use runtime_program::when::When;
use runtime_program::{Failure, typed};
use runtime_user::consent::{Narrowing, Place, Time};
use runtime_user::{
    AuditLine, BadCell, CellShown, InstallError, NotAdmitted, PACKAGE_BYTES_MAX, Stamp, StreamPreview, UserId,
};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::parcels::{Given, handed};
use super::reading::{Reading, told};
use super::remedy::logged;
use super::zone;
use crate::http::service::now;

/// What an owner grants less than a package asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrower {
    /// Only these streams, keys or patterns; empty: all that it asks for.
    #[serde(default)]
    pub only: Vec<String>,
    /// The streams that the bounds below are for, a key or a pattern; none: all.
    #[serde(default)]
    pub on: Option<String>,
    /// From this moment on, as entries say when they are about.
    #[serde(default)]
    pub from: Option<When>,
    /// Up to this moment.
    #[serde(default)]
    pub to: Option<When>,
    /// Places to `100m`, `1km` or `10km`; none: as they are.
    #[serde(default)]
    pub place: Option<Place>,
    /// Times to the `hour` or the `day`; none: as they are.
    #[serde(default)]
    pub time: Option<Time>,
    /// Members that are left out.
    #[serde(default)]
    pub without: Vec<String>,
    /// When it ends.
    #[serde(default)]
    pub expires: Option<When>,
    /// For what, in the owner's words.
    #[serde(default)]
    pub purpose: Option<String>,
}

impl Narrower {
    fn read(&self, context: &Context<'_>, user: UserId) -> Result<Vec<Narrowing>, Failure> {
        if *self == Self::default() {
            return Ok(Vec::new());
        }
        let finite = |moment: f64| moment.is_finite().then_some(moment);
        let [from, until] = zone::span(context.runtime, user, self.from.as_ref(), self.to.as_ref())?;
        let [_, expires] = zone::span(context.runtime, user, None, self.expires.as_ref())?;
        Ok(vec![Narrowing {
            only: (!self.only.is_empty()).then(|| self.only.clone()),
            on: self.on.clone(),
            from: finite(from),
            until: finite(until),
            place: self.place,
            time: self.time,
            without: self.without.clone(),
            expires: finite(expires),
            purpose: self.purpose.clone(),
        }])
    }
}

/// Shows what a package would be allowed, or installs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallCell {
    /// The person, by name or id.
    pub person: String,
    /// The package.
    pub package: Given,
    /// What the owner grants less.
    #[serde(default)]
    pub narrower: Narrower,
    /// False: it is only looked at.
    pub agreed: bool,
}

impl Ask for InstallCell {
    type Answer = CellShown;

    fn answer(self, context: &Context<'_>) -> Result<CellShown, Failure> {
        let user = context.find(&self.person)?;
        let package = read_package(context, user, &self.package)?;
        let (cells, narrowings) = (context.runtime.installed_cells(), self.narrower.read(context, user)?);
        let shown = match self.agreed {
            true => cells.install(user, &package, &narrowings, now()),
            false => cells.look(user, &package, &narrowings, now()),
        };
        shown.map_err(|error| refused(&error, &self.person))
    }
}

/// Shows what a newer version that asks for no more would be allowed, or replaces an installed cell by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateCell {
    /// The person, by name or id.
    pub person: String,
    /// The package.
    pub package: Given,
    /// False: it is only looked at.
    pub agreed: bool,
}

impl Ask for UpdateCell {
    type Answer = CellShown;

    fn answer(self, context: &Context<'_>) -> Result<CellShown, Failure> {
        let user = context.find(&self.person)?;
        let package = read_package(context, user, &self.package)?;
        let cells = context.runtime.installed_cells();
        let updated = match self.agreed {
            true => cells.update(user, &package, now()),
            false => cells.look_update(user, &package, now()),
        };
        updated.map_err(|error| refused(&error, &self.person))
    }
}

/// Lists a person's installed cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListCells {
    /// The person, by name or id.
    pub person: String,
}

impl Ask for ListCells {
    type Answer = Vec<CellShown>;

    fn answer(self, context: &Context<'_>) -> Result<Vec<CellShown>, Failure> {
        let user = context.find(&self.person)?;
        let listed = context.runtime.installed_cells().list(user, now());
        listed.map_err(|error| refused(&error, &self.person))
    }
}

/// Shows an installed cell and its newest runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowCell {
    /// The person, by name or id.
    pub person: String,
    /// The cell: its name or id.
    pub cell: String,
}

/// The answer to [`ShowCell`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellAndRuns {
    /// The cell.
    pub cell: CellShown,
    /// Its runs, the earliest first: what each read, how it ended, what it said.
    pub runs: Vec<AuditLine>,
}

impl Ask for ShowCell {
    type Answer = CellAndRuns;

    fn answer(self, context: &Context<'_>) -> Result<CellAndRuns, Failure> {
        let user = context.find(&self.person)?;
        let cell = context.runtime.installed_cells().show(user, typed::trimmed(&self.cell), now());
        let cell = cell.map_err(|error| refused(&error, &self.person))?;
        let person = context.runtime.person(user).map_err(logged)?;
        let runs = person.audit(None, Some(&cell.name)).map_err(logged)?;
        Ok(CellAndRuns { cell, runs })
    }
}

/// Asks what an installed cell would be shown if it ran now. It does not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewCell {
    /// The person, by name or id.
    pub person: String,
    /// The cell: its name or id.
    pub cell: String,
    /// How many of the newest entries of each stream are part of the answer, at most
    /// [`runtime_user::PREVIEW_ENTRIES_MAX`].
    pub each: usize,
}

/// The answer to [`PreviewCell`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellPreviewed {
    /// The cell's id.
    pub cell: String,
    /// The streams of which it would be shown anything; none: it is paused or has ended.
    pub streams: Vec<StreamPreview>,
}

impl Ask for PreviewCell {
    type Answer = CellPreviewed;

    fn answer(self, context: &Context<'_>) -> Result<CellPreviewed, Failure> {
        let user = context.find(&self.person)?;
        self.answer_to(context, user, None)
    }
}

impl PreviewCell {
    /// The preview as an answer to one of the person's devices, which its audit names; none: the console.
    pub(crate) fn answer_to(
        self,
        context: &Context<'_>,
        user: UserId,
        device: Option<&Stamp>,
    ) -> Result<CellPreviewed, Failure> {
        let (cells, named) = (context.runtime.installed_cells(), typed::trimmed(&self.cell));
        let shown = cells.show(user, named, now()).map_err(|error| refused(&error, &self.person))?;
        let reading = Reading {
            command: "cell-preview",
            device,
            what: "cell-preview",
            streams: shown.consent.streams.iter().map(|grant| grant.key.clone()).collect(),
            time: "position",
            span: [f64::NEG_INFINITY, f64::INFINITY],
        };
        told(context.runtime, user, reading, |_| {
            let streams = cells.preview(user, &shown.id, self.each, now());
            let streams = streams.map_err(|error| refused(&error, &self.person))?;
            let entries = streams.iter().map(|stream| stream.newest.len() as u64).sum();
            Ok((CellPreviewed { cell: shown.id.clone(), streams }, entries))
        })
    }
}

/// What is done with an installed cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellChange {
    /// It is granted less.
    Narrow(Narrower),
    /// It runs no more until it is resumed.
    Pause,
    /// It runs again.
    Resume,
    /// It runs no more; what it made stays.
    Revoke,
}

/// Changes what an installed cell may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeCell {
    /// The person, by name or id.
    pub person: String,
    /// The cell: its name or id.
    pub cell: String,
    /// What is done.
    pub change: CellChange,
}

impl Ask for ChangeCell {
    type Answer = CellShown;

    fn answer(self, context: &Context<'_>) -> Result<CellShown, Failure> {
        let user = context.find(&self.person)?;
        let (cells, cell) = (context.runtime.installed_cells(), typed::trimmed(&self.cell));
        let changed = match &self.change {
            CellChange::Narrow(narrower) => cells.narrow(user, cell, &narrower.read(context, user)?, now()),
            CellChange::Pause => cells.set_paused(user, cell, true, now()),
            CellChange::Resume => cells.set_paused(user, cell, false, now()),
            CellChange::Revoke => cells.revoke(user, cell, now()),
        };
        changed.map_err(|error| refused(&error, &self.person))
    }
}

/// Removes an installed cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveCell {
    /// The person, by name or id.
    pub person: String,
    /// The cell: its name or id.
    pub cell: String,
    /// Whether everything that it has made is removed, too.
    pub with_output: bool,
}

/// The answer to [`RemoveCell`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellRemoved {
    /// The cell, as it was named.
    pub cell: String,
    /// How many entries that it had made were removed.
    pub entries: u64,
}

impl Ask for RemoveCell {
    type Answer = CellRemoved;

    fn answer(self, context: &Context<'_>) -> Result<CellRemoved, Failure> {
        let user = context.find(&self.person)?;
        let cell = typed::trimmed(&self.cell);
        let removed = context.runtime.installed_cells().remove(user, cell, self.with_output);
        let entries = removed.map_err(|error| refused(&error, &self.person))?;
        Ok(CellRemoved { cell: cell.to_owned(), entries })
    }
}

/// Reads a package; a file that is larger than any package is not read to its end.
fn read_package(context: &Context<'_>, user: UserId, given: &Given) -> Result<Vec<u8>, Failure> {
    match given {
        Given::Path(path) => {
            let read = std::fs::File::open(path).and_then(package_of);
            read.map_err(|error| {
                let what = format!("cannot read {}: {error}", path.display());
                Failure::new(what, "name a package that the host may read")
            })
        }
        Given::Parcel(of) => {
            let read = package_of(handed(context, user, of)?.open());
            read.map_err(|error| Failure::of(&error, "hand the package in again"))
        }
    }
}

fn package_of(file: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(PACKAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refused(error: &InstallError, person: &str) -> Failure {
    let person = typed::quoted(typed::trimmed(person));
    let remedy = match error {
        InstallError::CannotRun(_) => format!("`cellar cell show {person} CELL` says why"),
        InstallError::NoSuchCell(_) => format!("`cellar cell list {person}` shows those that are installed"),
        InstallError::Cell(BadCell::NotAdmitted(NotAdmitted::TooMany { .. })) => {
            format!("`cellar cell remove {person} CELL`; `cellar cell list {person}` shows them")
        }
        InstallError::Cell(BadCell::NoCompiler | BadCell::Disk { .. } | BadCell::NotAdmitted(_)) => {
            "ask the operator of this host".to_owned()
        }
        InstallError::Cell(_) | InstallError::OldKey | InstallError::Consent(_) => {
            "ask its publisher for another package".to_owned()
        }
        InstallError::Widens(_) => {
            format!("`cellar cell show {person} CELL` says what is granted; to grant more, install it again")
        }
        InstallError::NameTaken { name } | InstallError::StageTaken { by: name, .. } => {
            format!("`cellar cell remove {person} {name}`")
        }
        InstallError::CoarseStage { .. } => "leave out --place and --time, or do not install it".to_owned(),
        InstallError::Older { .. } => {
            "remove what is installed first, if the older version is right".to_owned()
        }
        InstallError::AsksMore { .. } => format!("`cellar cell install {person} FILE` says what it asks for"),
        _ => "look into the host's log, and give the same command again".to_owned(),
    };
    Failure::of(error, remedy)
}
