//! Why an operation was refused: one type for each operation, the cause in `source`.

use std::io;
use std::path::PathBuf;

use runtime_types::{BadQuery, EntryId, UserId};

/// The trouble of a disk that refuses, as far as the operating system reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskTrouble {
    /// No room is left, or a quota is used up.
    Full,
    /// It accepts no writes: it is mounted read-only, or this process may not change its files.
    ReadOnly,
    /// Anything else: it fails.
    Failing,
}

impl DiskTrouble {
    /// The trouble of a disk that an error's causes show; `None` where no disk is the cause.
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
            // Something is missing, or is not what it should be: not the disk's fault.
            NotFound | AlreadyExists | UnexpectedEof | InvalidData | InvalidInput | WouldBlock => None,
            _ => Some(Self::Failing),
        }
    }
}

/// What went wrong inside an engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An error of the engine; the file may be damaged.
    #[error("{engine} cannot {what}")]
    Failed {
        /// Which engine: `redb`, `sled`, `memory`.
        engine: &'static str,
        /// The operation that failed.
        what: &'static str,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine panicked, which damaged bytes can make it do; the panic was caught.
    #[error("{engine} panicked in {what}: {message}")]
    Panicked {
        /// Which engine.
        engine: &'static str,
        /// The operation that failed.
        what: &'static str,
        /// The panic's message.
        message: String,
    },
    /// An earlier call failed, and the engine could not be opened again since.
    #[error("{engine} was closed by an earlier failure")]
    Closed {
        /// Which engine.
        engine: &'static str,
    },
}

/// Why a key is not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Disk {
        /// The operation that failed.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The host's key file is readable by others than its owner.
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
        /// The generation that the keyring names, from 1.
        keyring: u32,
        /// The generation of the key at hand.
        held: u32,
    },
    /// The system returned no random bytes.
    #[error("no random bytes")]
    NoRandom,
}

/// Why a store cannot be created or opened. What is on disk was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no store in that folder.
    #[error("no store in {}", folder.display())]
    Absent {
        /// The folder where it was looked for.
        folder: PathBuf,
    },
    /// The folder to create one in is not empty.
    #[error("{} is not empty", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder cannot be made or read.
    #[error("cannot {what} {}", path.display())]
    Disk {
        /// The operation that failed.
        what: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The person's key is not available.
    #[error("cannot unlock the store")]
    Key(#[source] KeyError),
    /// The engine cannot open its file.
    #[error("cannot open the store's file")]
    Engine(#[source] EngineError),
    /// The file is inconsistent, or was changed by others.
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
    /// The query has no meaning.
    #[error("a query that means nothing")]
    Query(#[from] BadQuery),
    /// The engine cannot read.
    #[error("cannot read the store's file")]
    Engine(#[from] EngineError),
    /// A required value is missing.
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
    /// A value opened, but its content is inconsistent.
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
        /// The decoder's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key of that block's month was destroyed while a snapshot was reading it.
    #[error("block {block} was shredded")]
    Shredded {
        /// Which block.
        block: u64,
    },
    /// A cursor token that this store did not issue for this query.
    #[error("not a cursor token of this store and query")]
    Token,
}

/// Why a commit was refused. Nothing of the batch is visible in any of these cases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// One entry is larger than a block may be.
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
    /// An entry to insert has the id of an existing one.
    #[error("an entry with id {id} is there already")]
    IdTaken {
        /// The id.
        id: EntryId,
    },
    /// Another store's key of origins can be adopted only before any origin was computed with this store's key.
    #[error("entries are here already")]
    NotEmpty,
    /// Generations of data keys follow one another without gaps.
    #[error("a data key of generation {given} does not follow that of {current}")]
    Generation {
        /// The one in use.
        current: u32,
        /// The one that was to replace it.
        given: u32,
    },
    /// What the batch refers to cannot be read.
    #[error("cannot read what the batch refers to")]
    Read(#[from] ReadError),
    /// A key cannot be drawn or saved.
    #[error("cannot keep the store's keys")]
    Key(#[from] KeyError),
    /// The engine cannot write. Reads go on from the commit before, and the next commit tries again: no acknowledged
    /// data is lost. In rare cases the batch is on disk all the same, whole, and is visible from the next commit on.
    #[error("cannot write the store's file")]
    Engine(#[from] EngineError),
    /// An earlier call left the store in a state that must not be written: the call panicked, or the data on disk is
    /// neither the old state nor the new one. Reads go on; the store must be closed and opened again.
    #[error("an earlier write failed; open the store anew")]
    Poisoned,
}
