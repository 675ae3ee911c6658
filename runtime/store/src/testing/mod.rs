//! Disks that lose power or refuse on command, for tests.

mod disk;
pub(crate) mod kill;

use std::sync::Arc;

use runtime_types::UserId;

pub use crate::engine::memory::MemoryDisk;
use crate::engine::redb::Redb;
use crate::keys::{DataKey, Held, KEYRING_FILE, SmallFile, generation_in};
use crate::{EngineError, OpenError, vault};
pub use disk::{SimDisk, SimFile};
pub use kill::Kill;

/// The parts of a store, kept where a test can break them.
#[derive(Clone)]
pub struct Parts {
    /// The owner of the store.
    pub user: UserId,
    /// Opens the keyring.
    pub data_key: [u8; 32],
    /// The disk with the keyring.
    pub disk: SimDisk,
    /// The engine, and where its data is.
    pub engine: TestEngine,
}

/// An engine over a disk of the test.
#[derive(Clone)]
pub enum TestEngine {
    /// The engine in memory.
    Memory(MemoryDisk),
    /// redb over a file of the simulated disk, with commits as for small files or as for large ones.
    Redb {
        /// As for large ones: two syncs a commit.
        quick_repair: bool,
    },
    /// Any other engine, created again at each opening.
    Made(Arc<dyn Fn() -> Result<Box<dyn crate::engine::Engine>, EngineError> + Send + Sync>),
}

impl Parts {
    /// redb and keyring on one simulated disk.
    pub fn redb(disk: &SimDisk) -> Self {
        Self {
            user: UserId([5; 16]),
            data_key: [6; 32],
            disk: disk.clone(),
            engine: TestEngine::Redb { quick_repair: false },
        }
    }

    pub(crate) fn vault_parts(self) -> Result<vault::Parts, OpenError> {
        let engine = match &self.engine {
            TestEngine::Memory(memory) => Ok(memory.engine()),
            TestEngine::Redb { quick_repair } => {
                let file = self.disk.file("data.redb");
                let engine = Redb::on_backend(move || Box::new(file.clone()), 1 << 20, *quick_repair);
                engine.map(|engine| Box::new(engine) as _)
            }
            TestEngine::Made(make) => make(),
        };
        let keyring_file: Box<dyn SmallFile> = Box::new(self.disk.file(KEYRING_FILE));
        // The generation is taken from the keyring; the key then opens it or not.
        let generation = generation_in(&*keyring_file).map_err(OpenError::Key)?.unwrap_or(1);
        Ok(vault::Parts {
            engine: engine.map_err(OpenError::Engine)?,
            keyring_file,
            held: Held { key: DataKey::from_bytes(self.data_key), generation },
            user: self.user,
        })
    }
}
