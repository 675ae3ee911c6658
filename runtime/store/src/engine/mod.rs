//! The engines that keep sealed values, behind a narrow trait.
//!
//! Keys and values are opaque. A commit is atomic and durable when it returns. After a failed commit, reads go on and
//! show the state before or after it; the next commit is accepted only after [`Engine::reopen`].

pub(crate) mod ahead;
#[cfg(any(feature = "redb", feature = "sled"))]
mod guard;
mod key;
pub mod memory;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(feature = "sled")]
pub mod sled;

use std::path::{Path, PathBuf};

use crate::{EngineError, EngineKind, Options};

pub use key::{Key, Kind};

/// One step of a commit.
#[derive(Debug)]
pub enum Op {
    /// Sets a value. A block is set once.
    Put(Key, Vec<u8>),
    /// Removes a value, if it is there.
    Delete(Key),
}

impl Op {
    /// The key of the value that the step changes.
    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Put(key, _) | Self::Delete(key) => *key,
        }
    }
}

/// Keeps values by key.
pub trait Engine: Send + Sync {
    /// Performs all steps or none; durable when it returns.
    fn commit(&self, ops: &[&Op]) -> Result<(), EngineError>;
    /// Whether commits are accepted, as far as is known: not after one failed.
    fn takes_commits(&self) -> bool;
    /// Makes it accept commits again after a failure; does nothing where it does so already. Afterwards reads show
    /// whether the failed commit is on disk as a whole, and power loss no longer changes that.
    fn reopen(&self) -> Result<(), EngineError>;
    /// The value; `None` where there is none.
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, EngineError>;
    /// Visits the values of one kind in the order of their keys. Not for blocks: it would read them all.
    fn scan(&self, kind: Kind, visit: &mut dyn FnMut(Key, &[u8])) -> Result<(), EngineError>;
    /// The space that it takes on disk, bytes.
    fn bytes_on_disk(&self) -> Result<u64, EngineError>;
    /// Gives free space back to the system; returns whether there was any.
    fn compact(&self) -> Result<bool, EngineError>;
}

/// Where in a store's folder that engine keeps its data.
fn data_path(folder: &Path, engine: EngineKind) -> PathBuf {
    folder.join(match engine {
        EngineKind::Redb => "data.redb",
        EngineKind::Sled => "data.sled",
    })
}

/// The engine that a store in this folder was created with; `None` where there is no store.
pub(crate) fn kind_in(folder: &Path) -> Option<EngineKind> {
    [EngineKind::Redb, EngineKind::Sled].into_iter().find(|engine| data_path(folder, *engine).exists())
}

/// Opens or creates the engine's data in a folder; `None` where this build leaves that engine out.
pub(crate) fn open(folder: &Path, options: &Options) -> Opened {
    let (path, cache_bytes) = (data_path(folder, options.engine), options.engine_cache_bytes);
    match options.engine {
        EngineKind::Redb => open_redb(&path, cache_bytes),
        EngineKind::Sled => open_sled(&path, cache_bytes),
    }
}

/// Opens the engine's data in a folder for reading; nothing on disk changes where the engine can do that. `None` where
/// this build leaves that engine out.
pub(crate) fn open_for_reading(folder: &Path, options: &Options) -> Opened {
    match options.engine {
        #[cfg(feature = "redb")]
        EngineKind::Redb => {
            let path = data_path(folder, options.engine);
            Some(Ok(Box::new(redb::Redb::for_reading(&path, options.engine_cache_bytes))))
        }
        _ => open(folder, options),
    }
}

type Opened = Option<Result<Box<dyn Engine>, EngineError>>;

#[cfg(feature = "redb")]
fn open_redb(path: &Path, cache_bytes: usize) -> Opened {
    Some(redb::Redb::open(path, cache_bytes).map(|engine| Box::new(engine) as _))
}

#[cfg(not(feature = "redb"))]
fn open_redb(_: &Path, _: usize) -> Opened {
    None
}

#[cfg(feature = "sled")]
fn open_sled(path: &Path, cache_bytes: usize) -> Opened {
    Some(sled::Sled::open(path, cache_bytes).map(|engine| Box::new(engine) as _))
}

#[cfg(not(feature = "sled"))]
fn open_sled(_: &Path, _: usize) -> Opened {
    None
}
