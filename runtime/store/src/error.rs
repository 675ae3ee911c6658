//! Why an operation was refused: one type an operation, the cause in `source`.

use std::io;
use std::path::PathBuf;

use runtime_types::{BadQuery, EntryId, UserId};

/// What ails a disk that refuses, as far as the operating system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskTrouble {
    /// No room is left, or a quota is used up.
    Full,
    /// It takes no writes: it is mounted read-only, or its files are not this process's to change.
    ReadOnly,
    /// Anything else: it fails.
    Failing,
}

impl DiskTrouble {
    /// What an error says about a disk, by its causes; `None` where no disk is the cause.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        use io::ErrorKind::{
            AlreadyExists, InvalidData, InvalidInput, NotFound, PermissionDenied, QuotaExceeded,
            ReadOnlyFilesystem, StorageFull, UnexpectedEof, WouldBlock,
        };
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        let kind = causes.find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)?;
        match kind {
            StorageFull | QuotaExceeded => Some(Self::Full),
            ReadOnlyFilesystem | PermissionDenied => Some(Self::ReadOnly),
            // Something is not there, or is not what it should be: no disk's fault.
            NotFound | AlreadyExists | UnexpectedEof | InvalidData | InvalidInput | WouldBlock => None,
            _ => Some(Self::Failing),
        }
    }
}

/// What went wrong inside an engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The engine's own words; the file may be damaged.
    #[error("{engine} cannot {what}")]
    Failed {
        /// Which engine: `redb`, `sled`, `memory`.
        engine: &'static str,
        /// What it was asked to do.
        what: &'static str,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine panicked, which damaged bytes can make it do; the panic was caught.
    #[error("{engine} panicked in {what}: {message}")]
    Panicked {
        /// Which engine.
        engine: &'static str,
        /// What it was asked to do.
        what: &'static str,
        /// The panic's words.
        message: String,
    },
    /// An earlier call failed, and the engine could not be opened anew since.
    #[error("{engine} was closed by an earlier failure")]
    Closed {
        /// Which engine.
        engine: &'static str,
    },
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Others than its owner may read the host's key file.
    #[error("{} has mode {mode:o}; a key file must be 600", path.display())]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not of the form that this version writes, or it was changed.
    #[error("{} is not a sound {what}", path.display())]
    Unsound {
        /// Which kind of file.
        what: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// The slot does not open: another host key, another person, or a changed byte.
    #[error("the key slot of {} does not open with this key", user.short())]
    WrongKey {
        /// Whose slot.
        user: UserId,
    },
    /// The keyring does not open: another data key, another person, or a changed byte.
    #[error("the keyring of {} does not open with this key", user.short())]
    WrongKeyring {
        /// Whose keyring.
        user: UserId,
    },
    /// The key is of another generation than the keyring, which may have been rotated meanwhile.
    #[error("the keyring opens with the data key of generation {keyring}; this one is of {held}")]
    OtherGeneration {
        /// What the keyring names, from 1.
        keyring: u32,
        /// What the key at hand is.
        held: u32,
    },
    /// The system gave no random bytes.
    #[error("no random bytes")]
    NoRandom,
}

/// Why a store cannot be created or opened. What is on disk was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none in that folder.
    #[error("no store in {}", folder.display())]
    Absent {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder to create one in is not empty.
    #[error("{} is not empty", folder.display())]
    Exists {
        /// Where it was to be.
        folder: PathBuf,
    },
    /// A file or folder cannot be made or read.
    #[error("cannot {what} {}", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The person's key cannot be had.
    #[error("cannot unlock the store")]
    Key(#[source] KeyError),
    /// The engine cannot open its file.
    #[error("cannot open the store's file")]
    Engine(#[source] EngineError),
    /// What the file holds does not hang together, or was changed by others.
    #[error("the store is damaged")]
    Damaged(#[source] ReadError),
    /// This build leaves that engine out.
    #[error("this build has no {engine}")]
    NoSuchEngine {
        /// Which engine.
        engine: &'static str,
    },
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The query means nothing.
    #[error("a query that means nothing")]
    Query(#[from] BadQuery),
    /// The engine cannot read.
    #[error("cannot read the store's file")]
    Engine(#[from] EngineError),
    /// A value that must be there is not.
    #[error("{what} {number} is missing")]
    Missing {
        /// What kind of value.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// A sealed value does not open: changed, moved, or sealed with another key.
    #[error("{what} {number} does not open")]
    Sealed {
        /// What kind of value.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// A value opened, but what it says does not hang together.
    #[error("{what} {number} is unsound: {why}")]
    Unsound {
        /// What kind of value.
        what: &'static str,
        /// Its number.
        number: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A block opened, but its rows cannot be decoded.
    #[error("block {block} does not decode")]
    Block {
        /// Which block.
        block: u64,
        /// The decoder's words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key of that block's month was destroyed while a snapshot was reading it.
    #[error("block {block} was shredded")]
    Shredded {
        /// Which block.
        block: u64,
    },
    /// A cursor token that this store did not give out for this query.
    #[error("not a cursor token of this store and query")]
    Token,
}

/// Why a commit was refused. Nothing of the batch is visible in any of these cases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// One entry is over what a block may hold.
    #[error("an entry of {size_bytes} bytes is over the limit of {limit_bytes}")]
    EntryTooLarge {
        /// Its three texts together.
        size_bytes: u64,
        /// The most that one entry may have.
        limit_bytes: u64,
    },
    /// One document is too large.
    #[error("a document of {size_bytes} bytes is over the limit of {limit_bytes}")]
    DocumentTooLarge {
        /// Its size.
        size_bytes: u64,
        /// The most that one document may have.
        limit_bytes: u64,
    },
    /// An entry to insert has the id of one that is there.
    #[error("an entry with id {id} is there already")]
    IdTaken {
        /// The id.
        id: EntryId,
    },
    /// Another store's key of origins can be taken over only before anything has an origin told with this one's.
    #[error("entries are here already")]
    NotEmpty,
    /// Generations of data keys follow one another without gaps.
    #[error("a data key of generation {given} does not follow that of {current}")]
    Generation {
        /// The one in use.
        current: u32,
        /// The one that was to take its place.
        given: u32,
    },
    /// What the batch refers to cannot be read.
    #[error("cannot read what the batch refers to")]
    Read(#[from] ReadError),
    /// A key cannot be made or kept.
    #[error("cannot keep the store's keys")]
    Key(#[from] KeyError),
    /// The engine cannot write. Reads go on from the commit before, and the next commit tries again: nothing is lost
    /// that was acknowledged. In rare cases the batch is on disk all the same, whole, and seen from the next commit on.
    #[error("cannot write the store's file")]
    Engine(#[from] EngineError),
    /// An earlier call left the store as it must not be written: it panicked, or what is on disk is neither what was
    /// there nor what was written. Reads go on; the store must be closed and opened.
    #[error("an earlier write failed; open the store anew")]
    Poisoned,
}
