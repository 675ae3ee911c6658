//! How a call, a run of the pipeline or a start can end badly.

use runtime_sandbox::{Overloaded, RunError, StartError as SandboxError};
use runtime_store::{CommitError, DiskTrouble, OpenError, ReadError};

use crate::cells::catalogue::CatalogueError;
use crate::people::PeopleError;

/// Why a call got no answer from its cell. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No cell is reached by that path.
    #[error("no cell answers {0}")]
    NoSuchCell(String),
    /// Nobody of that id lives here.
    #[error("nobody of that id lives here")]
    Nobody,
    /// The operator has suspended this person.
    #[error("this person's runtime is suspended")]
    Suspended,
    /// The owner's devices hold the key, and none has handed it over.
    #[error("this person's store is locked: a paired phone opens it")]
    Locked,
    /// A file of the person's cannot be used.
    #[error("cannot use {}", path.display())]
    Disk {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An upload could not be kept while the store is locked.
    #[error("the upload cannot wait for its owner")]
    Inbox(#[source] crate::owner::InboxError),
    /// Too much is waiting already.
    #[error(transparent)]
    Overloaded(Overloaded),
    /// The cell failed.
    #[error(transparent)]
    Cell(RunError),
    /// The cell's time went by while it waited for the disk.
    #[error("the disk is slow: {reading_ms} of the cell's {wall_ms} ms went by reading")]
    SlowDisk {
        /// How long it waited for the store, ms.
        reading_ms: u64,
        /// Its limit, ms.
        wall_ms: u32,
    },
    /// What the cell wrote could not be kept.
    #[error("the store kept nothing")]
    Commit(#[source] CommitError),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Read(#[source] ReadError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Open(#[source] OpenError),
    /// A document of the runtime's own is not what was written.
    #[error("the document {name} does not read")]
    Document {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The runtime is shutting down, or a worker died.
    #[error("the runtime is shutting down")]
    Lost,
}

impl CallError {
    /// The HTTP status that says this best.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoSuchCell(_) => 404,
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
            | Self::Disk { .. } => 503,
        }
    }

    /// A short word for the caller.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchCell(_) => "no-such-cell",
            Self::Nobody => "nobody",
            Self::Suspended => "suspended",
            Self::Locked => "store-locked",
            Self::Overloaded(_) => "overloaded",
            Self::Cell(error) => error.code(),
            Self::Lost => "shutting-down",
            Self::SlowDisk { .. } => "disk-slow",
            Self::Inbox(_)
            | Self::Commit(_)
            | Self::Read(_)
            | Self::Open(_)
            | Self::Document { .. }
            | Self::Disk { .. } => match (self.disk(), self) {
                (Some(DiskTrouble::Full), _) => "disk-full",
                (Some(DiskTrouble::ReadOnly), _) => "disk-read-only",
                (Some(DiskTrouble::Failing), _) => "disk-failing",
                (None, Self::Inbox(_)) => "inbox",
                (None, _) => "store-unavailable",
            },
        }
    }

    /// What ails the disk, where that is the reason.
    pub fn disk(&self) -> Option<DiskTrouble> {
        DiskTrouble::of(self)
    }

    /// When it makes sense to ask again, s; `None` where asking again does not help.
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
    /// The list of people does not read.
    #[error("the list of people does not read")]
    People(#[from] PeopleError),
    /// Somebody's devices do not read.
    #[error("somebody's devices do not read")]
    Owner(#[from] crate::owner::OwnerError),
    /// The host's key cannot be read or made.
    #[error("the host's key cannot be used")]
    Key(#[source] runtime_store::KeyError),
    /// Stores here open with the host's key alone, and it is not there. Another one is not drawn beside them.
    #[error("{} is missing, and {stores} stores of unattended people open with nothing else", path.display())]
    NoHostKey {
        /// Where it should be.
        path: std::path::PathBuf,
        /// How many stores need it.
        stores: usize,
    },
    /// The host's key is another folder's.
    #[error("{} opens none of the {stores} stores of unattended people: it is not the key of this folder", path.display())]
    OtherHostKey {
        /// Which file.
        path: std::path::PathBuf,
        /// How many stores need the right one.
        stores: usize,
    },
    /// A stage list is not valid.
    #[error("the stage list is not valid")]
    Plan(#[from] runtime_pipeline::BadPlan),
    /// The stage list names a cell that is not here.
    #[error("the stage {stage} names the cell {cell}, which is not here")]
    NoSuchCell {
        /// Which stage.
        stage: String,
        /// Which cell.
        cell: String,
    },
    /// Threads could not be started, or a folder could not be made.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
}

/// Why a person's pipeline did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The person cannot be reached.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No stage of that name is in the list.
    #[error("no stage is called {0}")]
    NoSuchStage(String),
}
