//! Errors of a call, of a run of the pipeline and of a start.

use runtime_sandbox::{Overloaded, RunError, StartError as SandboxError};
use runtime_store::{CommitError, DiskTrouble, OpenError, ReadError};

use crate::cells::catalogue::CatalogueError;
use crate::people::{Damage, PeopleError};

/// Why a call got no answer from its cell. None of its writes was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The path leads to no cell.
    #[error("no cell answers {0}")]
    NoSuchCell(String),
    /// The person has installed the cell, and it does not answer now.
    #[error("{cell} does not answer: {why}")]
    NotServed {
        /// The cell's name.
        cell: String,
        /// Why not.
        why: NotServed,
    },
    /// No person on this host has that id.
    #[error("nobody of that id lives here")]
    Nobody,
    /// The operator has suspended this person.
    #[error("this person's runtime is suspended")]
    Suspended,
    /// The owner's devices hold the key, and none of them has supplied it.
    #[error("this person's store is locked: a paired phone opens it")]
    Locked,
    /// The person's files are damaged.
    #[error("the person's files are damaged: {0}")]
    Damaged(Damage),
    /// A file in the person's folder cannot be used.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// An upload could not be kept while the store is locked.
    #[error("the upload cannot wait for its owner")]
    Inbox(#[source] crate::owner::InboxError),
    /// Too much work is waiting already.
    #[error(transparent)]
    Overloaded(Overloaded),
    /// The cell failed.
    #[error(transparent)]
    Cell(RunError),
    /// The cell's time limit passed while it waited for the disk.
    #[error("the disk is slow: {reading_ms} of the cell's {wall_ms} ms went by reading")]
    SlowDisk {
        /// How long the cell waited for the store, ms.
        reading_ms: u64,
        /// The cell's limit, ms.
        wall_ms: u32,
    },
    /// The disk takes no audit lines, and enough answers have left without theirs.
    #[error("{answers} answers have left while the disk took no audit lines: no more leave until it does")]
    Untold {
        /// How many.
        answers: usize,
        /// What is wrong with the disk, if that is known; otherwise it is slow.
        disk: Option<DiskTrouble>,
    },
    /// The store did not commit what the cell wrote.
    #[error("the store kept nothing")]
    Commit(#[source] CommitError),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Read(#[source] ReadError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Open(#[source] OpenError),
    /// A document that the runtime keeps cannot be parsed.
    #[error("the document {name} does not read")]
    Document {
        /// The document's name.
        name: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The runtime is shutting down, or a worker died.
    #[error("the runtime is shutting down")]
    Lost,
}

/// Why an installed cell does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotServed {
    /// The owner has paused it.
    #[error("its owner has paused it, and can resume it")]
    Paused,
    /// It was revoked, or what its owner agreed to has expired.
    #[error("its owner has revoked it, or agreed to it until a moment that has passed")]
    Ended,
    /// Its package cannot run on this host, or the host's policy does not let it.
    #[error("it cannot run on this host now: `cellar cell show` tells its owner why")]
    CannotRun,
}

impl NotServed {
    /// A short code for the caller.
    fn code(self) -> &'static str {
        match self {
            Self::Paused => "cell-paused",
            Self::Ended => "cell-ended",
            Self::CannotRun => "cell-cannot-run",
        }
    }
}

impl CallError {
    /// The HTTP status for this error.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoSuchCell(_) => 404,
            Self::NotServed { why: NotServed::Paused | NotServed::CannotRun, .. } => 409,
            Self::NotServed { why: NotServed::Ended, .. } => 410,
            Self::Nobody | Self::Suspended => 403,
            Self::Locked => 423,
            Self::Overloaded(_) | Self::Lost | Self::Cell(RunError::NoSlot { .. }) => 503,
            Self::Cell(RunError::Deadline { .. }) => 504,
            Self::Cell(_) => 502,
            Self::Commit(_)
            | Self::Read(_)
            | Self::Open(_)
            | Self::Document { .. }
            | Self::Inbox(_)
            | Self::SlowDisk { .. }
            | Self::Damaged(_)
            | Self::Untold { .. }
            | Self::Disk { .. } => 503,
        }
    }

    /// A short code for the caller.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchCell(_) => "no-such-cell",
            Self::NotServed { why, .. } => why.code(),
            Self::Nobody => "nobody",
            Self::Suspended => "suspended",
            Self::Locked => "store-locked",
            Self::Overloaded(_) => "overloaded",
            Self::Cell(error) => error.code(),
            Self::Lost => "shutting-down",
            Self::SlowDisk { .. } | Self::Untold { disk: None, .. } => "disk-slow",
            Self::Damaged(_) => "damaged",
            Self::Inbox(_)
            | Self::Commit(_)
            | Self::Read(_)
            | Self::Open(_)
            | Self::Document { .. }
            | Self::Untold { .. }
            | Self::Disk { .. } => match (self.disk(), self) {
                (Some(DiskTrouble::Full), _) => "disk-full",
                (Some(DiskTrouble::ReadOnly), _) => "disk-read-only",
                (Some(DiskTrouble::Failing), _) => "disk-failing",
                (None, Self::Inbox(_)) => "inbox",
                (None, _) => "store-unavailable",
            },
        }
    }

    /// What is wrong with the disk, if the disk is the cause.
    pub fn disk(&self) -> Option<DiskTrouble> {
        match self {
            Self::Untold { disk, .. } => *disk,
            _ => DiskTrouble::of(self),
        }
    }

    /// When a repeated call can succeed, s; `None` if repeating does not help.
    pub fn retry_after_s(&self) -> Option<u32> {
        (self.status() == 503).then_some(5)
    }
}

/// Why a runtime could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The sandbox did not start.
    #[error("the sandbox does not start")]
    Sandbox(#[from] SandboxError),
    /// A cell is not valid.
    #[error("the cells are not valid")]
    Catalogue(#[from] CatalogueError),
    /// The list of people cannot be read.
    #[error("the list of people does not read")]
    People(#[from] PeopleError),
    /// The host's key cannot be read or created.
    #[error("the host's key cannot be used")]
    Key(#[source] runtime_store::KeyError),
    /// Some stores here open only with the host's key, or phones know a runtime by a key that is sealed under it, and
    /// its file is missing. The host does not create another key beside these.
    #[error("{} is missing, and nothing else opens {stores} stores of unattended people and the keys by which phones know {runtimes} people: put it back from where you keep it", path.display())]
    NoHostKey {
        /// The path where the key should be.
        path: std::path::PathBuf,
        /// How many stores need it.
        stores: usize,
        /// How many people's runtime keys need it.
        runtimes: usize,
    },
    /// The host's key belongs to another folder.
    #[error("{} opens none of the {stores} stores of unattended people and none of the keys by which phones know {runtimes} people: it is not the key of this folder", path.display())]
    OtherHostKey {
        /// The file of the key.
        path: std::path::PathBuf,
        /// How many stores need the right key.
        stores: usize,
        /// How many people's runtime keys need it.
        runtimes: usize,
    },
    /// A stage list is not valid.
    #[error("the stage list is not valid")]
    Plan(#[from] runtime_pipeline::BadPlan),
    /// The stage list names a cell that is not here.
    #[error("the stage {stage} names the cell {cell}, which is not here")]
    NoSuchCell {
        /// The stage.
        stage: String,
        /// The cell.
        cell: String,
    },
    /// Threads could not be started, or a folder could not be made.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
}

/// Why nobody was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError<E> {
    /// The person cannot be added.
    #[error(transparent)]
    People(PeopleError),
    /// The store cannot be created.
    #[error("the store cannot be created")]
    Store(#[source] OpenError),
    /// The store was not filled.
    #[error("the store was not filled")]
    Fill(E),
}

/// Why a person's pipeline did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The person's store cannot be reached.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The list has no stage of that name.
    #[error("no stage is called {0}")]
    NoSuchStage(String),
}
