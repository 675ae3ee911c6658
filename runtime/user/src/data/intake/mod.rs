//! Intakes: files of any format are read into a person's store, in steps of about a second.
//!
//! A thread reads the files and makes entries of them; whoever takes a step stores what is ready. Between two steps
//! nothing is held but what is ready: a few thousand records.
//!
//! * Invariants: an entry whose id is known already is counted and not stored again, so that no file is stored twice.
//!   Each commit has the number of records behind it: an intake that was interrupted anywhere continues from there.
//!   Nothing of a dry run is stored.
//! * Memory: three chunks of [`RECORDS_PER_CHUNK`] records, or of [`CHUNK_BYTES_MAX`] if they are long; in a dry run 8
//!   bytes for each of the first [`COMPARED_MAX`] records.

mod reader;
mod store;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cells_model::time::{BadTime, Zone};
use runtime_import::{Bounds, Format};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use crate::data::Diaries;
use crate::data::parcels::Handed;
use crate::error::CallError;
use reader::Chunk;
pub use reader::{CHUNK_BYTES_MAX, RECORDS_PER_CHUNK};

/// How many intakes may be under way on a host.
pub const INTAKES_MAX: usize = 8;
/// How many refused records an intake shows; further ones are counted.
pub const FAULTS_MAX: usize = 10_000;
/// How many records a dry run compares with one another, to count duplicates within the files.
pub const COMPARED_MAX: usize = 1 << 23;
/// The document with the position of an intake that has not ended.
const POSITION: &str = "runtime/import";
/// An intake that nobody has asked for so long is given up; it continues when it is begun again.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// A file that an intake reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// One of the host's disk.
    Path(PathBuf),
    /// One that the person's page has handed in.
    Parcel(Arc<Handed>),
}

/// What an intake reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// The files, in this order.
    pub files: Vec<Given>,
    /// Their format; none: found out for each.
    pub format: Option<Format>,
    /// The zone of the local times, by its name.
    pub zone: String,
    /// Whether everything is read and compared, and nothing stored.
    pub dry_run: bool,
    /// How far packed files may expand.
    pub bounds: Bounds,
}

/// Why an intake does not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// A file cannot be opened.
    #[error("cannot read {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The zone is not known.
    #[error("the local times cannot be written")]
    Zone(#[from] BadTime),
    /// Nobody has begun it, or it was given up.
    #[error("no import is under way for this person")]
    None,
    /// Too many are under way.
    #[error("{INTAKES_MAX} imports are under way: wait for one to end")]
    TooMany,
    /// The thread that reads ended without a word.
    #[error("the reading of the files stopped half way")]
    Stopped,
    /// The person's runtime refused it.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A record that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file, and the number of the part within an archive.
    pub file: String,
    /// Where in the decompressed file, bytes.
    pub at: u64,
    /// What is wrong.
    pub why: String,
    /// The record as far as it was read.
    pub text: String,
}

/// How far an intake has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Records that were read, those of an interrupted intake before it included.
    pub records: u64,
    /// Of these, how many were passed over because an interrupted intake had stored them.
    pub resumed: u64,
    /// Records that are new here: places.
    pub points: u64,
    /// Records that are new here: motions, batteries, entries of dumps.
    pub others: u64,
    /// Records that are here already, or more than once in the files.
    pub duplicates: u64,
    /// Entries of dumps that no stage could read, and that are in the errors area with the reason.
    pub set_aside: u64,
    /// Records that were refused.
    pub refused: u64,
    /// How much was read, and of how much, bytes of the files, or of what is in a zip.
    pub bytes: [u64; 2],
    /// The earliest and the latest moment of a record, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<[f64; 2]>,
    /// The format of each file, with its name.
    pub formats: Vec<String>,
    /// How the columns of tables were understood.
    pub columns: Vec<String>,
    /// Records that were refused since the last step.
    pub faults: Vec<Fault>,
    /// Whether all was read.
    pub ended: bool,
}

/// What a commit says of the intake behind it.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Position {
    /// Which files: a digest of their sizes and beginnings.
    of: String,
    records: u64,
    points: u64,
    others: u64,
    duplicates: u64,
    set_aside: u64,
    refused: u64,
}

/// An intake under way.
struct Intake {
    chunks: Receiver<Chunk>,
    dry_run: bool,
    of: String,
    progress: Progress,
    /// Of a dry run: what each record says, for the count of duplicates.
    compared: Vec<u64>,
    faults: usize,
    asked: Instant,
}

/// The intakes of a host. Each is taken out while a step is carried out.
#[derive(Default)]
pub struct Intakes(Mutex<HashMap<UserId, Intake>>);

impl Intakes {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<UserId, Intake>) -> T) -> T {
        let mut intakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        intakes.retain(|_, intake| intake.asked.elapsed() < IDLE_MAX);
        work(&mut intakes)
    }
}

impl Diaries<'_> {
    /// Begins an intake, in place of one that the same person may have under way. Where the same files were read before
    /// and not to their end, it continues behind what was stored.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is stored.
    pub fn begin_intake(self, user: UserId, wish: Wish) -> Result<Progress, IntakeError> {
        let zone = Zone::find(&wish.zone)?;
        let person = self.runtime.person(user)?;
        let dry_run = wish.dry_run;
        let (files, of) = reader::open(&wish)?;
        let known = if dry_run { None } else { store::position(&person)?.filter(|known| known.of == of) };
        let known = known.unwrap_or_default();
        let all = files.bytes();
        let full = |intakes: &mut HashMap<UserId, Intake>| {
            // The one before is given up first, so that its thread ends.
            intakes.remove(&user);
            intakes.len() >= INTAKES_MAX
        };
        if self.runtime.intakes().with(full) {
            return Err(IntakeError::TooMany);
        }
        let progress = Progress {
            records: known.records,
            resumed: known.records,
            points: known.points,
            others: known.others,
            duplicates: known.duplicates,
            set_aside: known.set_aside,
            refused: known.refused,
            bytes: [0, all],
            ..Progress::default()
        };
        let intake = Intake {
            chunks: files.start(zone, known.records),
            dry_run,
            of,
            progress: progress.clone(),
            compared: Vec::new(),
            faults: 0,
            asked: Instant::now(),
        };
        self.runtime.intakes().with(|intakes| intakes.insert(user, intake));
        Ok(progress)
    }

    /// Stores what is ready, and waits for more for about as long as `budget` says.
    ///
    /// # Errors
    /// [`IntakeError`]; what earlier steps and commits stored stays, and the intake can be begun again.
    pub fn step_intake(self, user: UserId, budget: Duration, now: f64) -> Result<Progress, IntakeError> {
        let mut intake =
            self.runtime.intakes().with(|intakes| intakes.remove(&user)).ok_or(IntakeError::None)?;
        let until = Instant::now() + budget;
        intake.progress.faults.clear();
        while !intake.progress.ended {
            let left = until.saturating_duration_since(Instant::now());
            let chunk = match intake.chunks.recv_timeout(left) {
                Ok(chunk) => chunk,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Err(IntakeError::Stopped),
            };
            self.store_chunk(user, &mut intake, chunk, now)?;
            // Also where the next chunk is ready already: whoever asks wants an answer.
            if intake.progress.faults.len() >= FAULTS_PER_STEP || Instant::now() >= until {
                break;
            }
        }
        let progress = intake.progress.clone();
        if !progress.ended {
            intake.asked = Instant::now();
            self.runtime.intakes().with(|intakes| intakes.insert(user, intake));
        }
        Ok(progress)
    }

    /// Ends the intakes of those whose store is not open any more: what is ready of them is in memory. Call it every few
    /// seconds.
    pub fn end_locked_intakes(self) {
        let is_open = |user: UserId| self.runtime.passkeys().opening(user).is_some();
        self.runtime.intakes().with(|intakes| intakes.retain(|user, _| is_open(*user)));
    }

    /// Ends an intake. What was stored stays, and the intake continues when it is begun again.
    pub fn end_intake(self, user: UserId) {
        self.runtime.intakes().with(|intakes| intakes.remove(&user));
    }
}

/// How much of a refused entry of a dump is shown, bytes.
const FAULT_TEXT_BYTES: usize = 2 << 10;
/// How many refused records one step gives before it ends.
const FAULTS_PER_STEP: usize = 1_000;
