//! Disks that lose power or refuse on command, for tests.

mod disk;

use std::sync::Arc;

use runtime_types::UserId;

pub use crate::engine::memory::MemoryDisk;
use crate::engine::redb::Redb;
use crate::keys::{DataKey, Held, KEYRING_FILE, SmallFile, generation_in};
use crate::{EngineError, OpenError, vault};
pub use disk::{SimDisk, SimFile};

/// What a store is made of, kept where a test can break it.
#[derive(Clone)]
pub struct Parts {
    /// Whose store.
    pub user: UserId,
    /// Opens the keyring.
    pub data_key: [u8; 32],
    /// Where the keyring lies.
    pub disk: SimDisk,
    /// Which engine, and where its data lies.
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
    /// Any other, made anew at each opening.
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
        // The key is taken for whichever the keyring names, and opens it or not.
        let generation = generation_in(&*keyring_file).map_err(OpenError::Key)?.unwrap_or(1);
        Ok(vault::Parts {
            engine: engine.map_err(OpenError::Engine)?,
            keyring_file,
            held: Held { key: DataKey::from_bytes(self.data_key), generation },
            user: self.user,
        })
    }
}
