//! The studies of this host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime_consent::is_within;
use runtime_sandbox::World;
use runtime_study::{Answer, Epoch, STUDY_BYTES_MAX, SignedStudy, answer_file, mark_file};
use serde::{Deserialize, Serialize};

use crate::cells::installed::shelf::Shelved;
use crate::files;
use crate::studies::StudyError;

/// The folder of the studies in the data folder.
const FOLDER: &str = "studies";
/// The signed study in its folder.
const STUDY_FILE: &str = "study.toml";

/// A study of this host.
pub(crate) struct Published {
    /// The study.
    pub signed: SignedStudy,
    /// Its folder.
    pub folder: PathBuf,
}

/// A study, for owners and operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyShown {
    /// Its id: SHA-256 of the study without its signature, 64 hex digits.
    pub id: String,
    /// Its short name.
    pub name: String,
    /// What it calls itself.
    pub title: String,
    /// Who signed it: the publisher's id.
    pub publisher: String,
    /// SHA-256 of the package of its cell, 64 hex digits.
    pub digest: String,
    /// What it asks for and what leaves, in sentences.
    pub words: Vec<String>,
    /// What a total costs each person, millionths of ε.
    pub epsilon_micro: u64,
    /// Its epochs, the earliest first.
    pub epochs: Vec<EpochShown>,
    /// How many have joined whose stores are open, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<u64>,
}

/// An epoch of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochShown {
    /// When it is.
    #[serde(flatten)]
    pub epoch: Epoch,
    /// `to-come`, `open`: a total may be asked for, `answered`, `lost`: it was answered and the answer is gone, or
    /// `over`: nobody asked in time.
    pub state: String,
}

/// Checks that a package is the one of the study, and that its cell may read what the study names.
pub(crate) fn check_cell(signed: &SignedStudy, shelved: &Shelved) -> Result<(), StudyError> {
    let study = signed.study();
    let found = shelved.digest.to_string();
    if study.digest != found || study.cell != shelved.verified.cell {
        let short = |digest: &str| digest.chars().take(12).collect();
        return Err(StudyError::OtherCell { wanted: short(&study.digest), found: short(&found) });
    }
    if shelved.manifest.world != World::Contribution {
        let (name, world) = (shelved.manifest.name.clone(), shelved.manifest.world.name());
        return Err(StudyError::NoContribution { name, world });
    }
    let is_read = |key: &&String| shelved.manifest.reads.iter().any(|pattern| is_within(key, &pattern.key));
    match study.streams.iter().find(|key| !is_read(key)) {
        Some(key) => Err(StudyError::Stream { key: key.clone() }),
        None => Ok(()),
    }
}

impl Published {
    /// Keeps a study. Durable when it returns; one that is there already stays.
    pub fn keep(data: &Path, signed: SignedStudy) -> Result<Self, StudyError> {
        let folder = data.join(FOLDER).join(signed.id().to_string());
        files::create_folder(&folder).map_err(disk(&folder))?;
        let path = folder.join(STUDY_FILE);
        if files::is_absent(&path) {
            files::replace(&path, signed.text().as_bytes()).map_err(disk(&path))?;
        }
        let published = Self::read(folder)?;
        if published.signed.signed().publisher != signed.signed().publisher {
            return Err(StudyError::OtherSigner { name: signed.study().name.clone() });
        }
        Ok(published)
    }

    fn read(folder: PathBuf) -> Result<Self, StudyError> {
        use io::Read as _;
        let path = folder.join(STUDY_FILE);
        let mut text = Vec::new();
        let file = fs::File::open(&path).map_err(disk(&path))?;
        file.take(STUDY_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(disk(&path))?;
        let signed = SignedStudy::parse(&text)?;
        // A study that was put in the place of another one would be answered in its name.
        if folder.file_name().and_then(|name| name.to_str()) != Some(&signed.id().to_string()) {
            let (name, of) = (signed.study().name.clone(), signed.id());
            tracing::error!(study = %of, "a study is in the folder of another one");
            return Err(StudyError::NoSuchStudy { name });
        }
        Ok(Self { signed, folder })
    }

    /// Every study of this host that reads, by name.
    pub fn all(data: &Path) -> Result<Vec<Self>, StudyError> {
        let folder = data.join(FOLDER);
        let found = match fs::read_dir(&folder) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(disk(&folder)(error)),
        };
        let mut all = Vec::new();
        for item in found {
            let path = item.map_err(disk(&folder))?.path();
            match Self::read(path) {
                Ok(published) => all.push(published),
                Err(error) => {
                    tracing::warn!(error = %crate::chain(&error), "a study of this host does not read")
                }
            }
        }
        all.sort_by(|one, other| one.signed.study().name.cmp(&other.signed.study().name));
        Ok(all)
    }

    /// The study of this host with that name or id.
    pub fn find(data: &Path, study: &str) -> Result<Self, StudyError> {
        let name = || study.chars().take(64).collect();
        let is_it = |one: &Self| one.id() == study || one.signed.study().name == study;
        let mut found: Vec<_> = Self::all(data)?.into_iter().filter(is_it).collect();
        match (found.pop(), found.is_empty()) {
            (Some(published), true) => Ok(published),
            (Some(_), false) => Err(StudyError::Ambiguous { name: name() }),
            (None, _) => Err(StudyError::NoSuchStudy { name: name() }),
        }
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.signed.id().to_string()
    }

    /// Whether the epoch was answered, or its answer was begun.
    pub fn is_marked(&self, epoch: u32) -> bool {
        // What cannot be looked at counts as marked: ε that may be spent is not given back.
        !files::is_absent(&mark_file(&self.folder, epoch))
    }

    /// The answer of an epoch, if there is one.
    pub fn answer(&self, epoch: u32) -> Option<Answer> {
        let text = fs::read(answer_file(&self.folder, epoch)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether no total of the epoch is taken any more.
    pub fn is_over(&self, epoch: &Epoch, now: f64) -> bool {
        self.is_marked(epoch.index) || now >= epoch.until_s as f64 && !epoch.is_open_at(now)
    }

    fn state(&self, epoch: &Epoch, now: f64) -> &'static str {
        match self.is_marked(epoch.index) {
            true if self.answer(epoch.index).is_some() => "answered",
            true => "lost",
            false => unmarked(epoch, now),
        }
    }

    /// For owners and operators.
    pub fn shown(&self, now: f64, people: Option<u64>) -> StudyShown {
        shown_of(&self.signed, Some(self), now, people)
    }
}

/// A study for owners and operators, with what this host knows of it.
pub(crate) fn shown_of(
    signed: &SignedStudy,
    published: Option<&Published>,
    now: f64,
    people: Option<u64>,
) -> StudyShown {
    let study = signed.study();
    let shown = |epoch: &Epoch| {
        let state = published.map_or_else(|| unmarked(epoch, now), |published| published.state(epoch, now));
        EpochShown { epoch: *epoch, state: state.to_owned() }
    };
    StudyShown {
        id: signed.id().to_string(),
        name: study.name.clone(),
        title: study.title.clone(),
        publisher: signed.signed().publisher.to_string(),
        digest: study.digest.clone(),
        words: study.words(),
        epsilon_micro: study.epsilon_micro,
        epochs: study.epochs().iter().map(shown).collect(),
        people,
    }
}

fn unmarked(epoch: &Epoch, now: f64) -> &'static str {
    match (now >= epoch.until_s as f64, epoch.is_open_at(now)) {
        (false, _) => "to-come",
        (true, true) => "open",
        (true, false) => "over",
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> StudyError {
    let path = path.to_owned();
    move |source| StudyError::Disk { path, source }
}
