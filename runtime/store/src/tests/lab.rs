//! A place to create, close and open a store, on every engine.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use runtime_types::{StreamKey, UserId};
use tempfile::TempDir;

#[cfg(feature = "sled")]
use crate::EngineKind;
use crate::testing::{MemoryDisk, Parts, SimDisk, TestEngine};
use crate::{Clock, CommitError, DataKey, Held, NewEntry, OpenError, Options, Store};

pub const USER: UserId = UserId([5; 16]);

#[derive(Debug, Clone, Copy)]
pub enum LabEngine {
    Memory,
    Redb,
    #[cfg(feature = "sled")]
    Sled,
}

/// The data key of each generation; the first is that of [`Parts::redb`].
pub fn held(generation: u32) -> Held {
    Held { key: DataKey::from_bytes([5_u8.wrapping_add(generation as u8); 32]), generation }
}

/// A clock that stands at the time that was set.
pub struct SetClock(pub Mutex<f64>);

impl Clock for SetClock {
    fn now_s(&self) -> f64 {
        *self.0.lock().unwrap()
    }
}

pub struct Lab {
    _folder: TempDir,
    pub path: PathBuf,
    /// The generation of the present data key.
    pub generation: AtomicU32,
    pub options: Options,
    pub clock: Arc<SetClock>,
    /// For the engine in memory.
    pub parts: Option<Parts>,
}

impl Lab {
    pub fn new(engine: LabEngine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(Mutex::new(1_700_000_000.0)));
        #[cfg_attr(not(feature = "sled"), expect(unused_mut))]
        let mut options = Options { clock: clock.clone(), ..Options::default() };
        let mut parts = None;
        match engine {
            LabEngine::Redb => {}
            #[cfg(feature = "sled")]
            LabEngine::Sled => options.engine = EngineKind::Sled,
            LabEngine::Memory => {
                let engine = TestEngine::Memory(MemoryDisk::default());
                parts = Some(Parts { engine, ..Parts::redb(&SimDisk::default()) });
            }
        }
        let path = folder.path().join("store");
        Self { _folder: folder, path, generation: AtomicU32::new(1), options, clock, parts }
    }

    pub fn keys(&self) -> Held {
        held(self.generation.load(Ordering::Relaxed))
    }

    fn parts(&self) -> Option<Parts> {
        Some(Parts { data_key: *self.keys().key.expose(), ..self.parts.clone()? })
    }

    pub fn create(&self) -> Store {
        match self.parts() {
            Some(parts) => Store::create_on(parts, &self.options),
            None => Store::create(&self.path, USER, &self.keys(), &self.options),
        }
        .unwrap()
    }

    pub fn open(&self) -> Result<Store, OpenError> {
        match self.parts() {
            Some(parts) => Store::open_on(parts, &self.options),
            None => Store::open(&self.path, USER, &self.keys(), &self.options),
        }
    }

    /// Rotates to the next data key, which is the present one from then on.
    pub fn rotate(&self, store: &Store) -> Result<(), CommitError> {
        let next = held(self.keys().generation + 1);
        store.rotate_data_key(next.key, next.generation)?;
        self.generation.store(next.generation, Ordering::Relaxed);
        Ok(())
    }
}

pub fn key(text: &str) -> StreamKey {
    StreamKey::parse(text).unwrap()
}

/// A location as phones send it, at `ts`.
pub fn location(ts: f64) -> (String, String) {
    let metadata = format!(
        r#"{{"key":"background/location","platform":"android","write_ts":{ts},"time_zone":"Europe/Berlin","type":"sensor-data"}}"#
    );
    let latitude = 50.0 + (ts * 1.7).sin() / 10.0;
    let longitude = 8.0 + (ts * 1.3).cos() / 10.0;
    let data = format!(
        r#"{{"accuracy":{},"altitude":{},"bearing":{},"elapsedRealtimeNanos":{},"filter":"distance","fmt_time":"2023-11-14T22:13:20+01:00","latitude":{latitude},"longitude":{longitude},"sensed_speed":{},"ts":{ts}}}"#,
        5.0 + (ts % 7.0),
        100.0 + (ts % 13.0),
        ts % 360.0,
        (ts * 1e9) as u64 % 1_000_000_000_000,
        (ts % 11.0) / 3.0,
    );
    (metadata, data)
}

pub fn entry<'a>(key_text: &str, (metadata, data): &'a (String, String)) -> NewEntry<'a> {
    NewEntry { id: None, key: key(key_text), metadata, data, extra: "" }
}
