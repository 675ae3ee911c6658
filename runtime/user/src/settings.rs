//! The size of a runtime, and the place of its data.

use std::path::PathBuf;
use std::sync::Arc;

use runtime_pipeline::Rhythm;
use runtime_sandbox::SandboxSettings;
use runtime_store::EngineKind;
#[cfg(feature = "testing")]
use runtime_store::{OpenError, Store};
#[cfg(feature = "testing")]
use runtime_types::UserId;

use crate::cells::installed::policy::Policy;
use crate::clock::{HostClock, SystemClock};

/// The size of a runtime, and the place of its data.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds everything.
    pub data: PathBuf,
    /// Which storage engine keeps people's files.
    pub engine: EngineKind,
    /// How many people's stores may be open at once; to open another one, the store that was idle longest is closed.
    pub open_people_max: usize,
    /// A store that got no request for this long is closed, ms.
    pub idle_close_ms: u64,
    /// How long a store may be open after a device's last contact, for owners who give a lease, ms.
    pub lease_ms: u64,
    /// The same for owners whose phone unlocks the store only for a while, ms.
    pub phone_unlocked_ms: u64,
    /// Threads for requests that only read, and as many again for requests that write.
    pub endpoint_threads: usize,
    /// Threads that run stages.
    pub stage_threads: usize,
    /// How many cells may be instantiated at one moment.
    pub slots: u32,
    /// Whether an instance may be kept for the next request of the same person.
    pub warm_instances: bool,
    /// How many bytes of a pipeline's run may wait in memory before they are written to disk; 0: each stage is written
    /// to disk on its own.
    pub ahead_bytes_max: usize,
    /// Whether the pipeline filters locations by accuracy; the reference's default is no.
    pub accuracy_filtering: bool,
    /// The stage list, in the form of `deploy/pipeline.toml`; `None`: the standard one.
    pub pipeline: Option<String>,
    /// How soon runs of the pipeline follow the events that ask for them.
    pub rhythm: Rhythm,
    /// The machine's clocks.
    pub clock: Arc<dyn HostClock>,
    /// When the program was built, s since 1970: a clock that shows an earlier time is wrong. 0: not known.
    pub built_s: f64,
    /// The program that compiles cells which people install; `None`: none can be installed that was not compiled before.
    pub compiler: Option<PathBuf>,
    /// What people may install.
    pub policy: Policy,
    /// The program that draws noise for studies; `None`: no study is answered.
    pub studies: Option<PathBuf>,
    /// Whether one person's contribution to a study may be looked at: where every person is invented. No configuration
    /// of a host sets it.
    pub shows_contributions: bool,
    /// The program that sends shares to aggregators; `None`: nothing is given to studies that have them.
    pub aggregator: Option<PathBuf>,
    /// Whether cells for tests are reachable.
    pub test_cells: bool,
    /// Opens stores in place of files in people's folders, for tests that make stores fail.
    #[cfg(feature = "testing")]
    pub stores: Option<TestStores>,
}

/// Opens a person's store for a test.
#[cfg(feature = "testing")]
#[derive(Clone)]
pub struct TestStores(pub OpenTestStore);

/// The function by which [`TestStores`] opens a store.
#[cfg(feature = "testing")]
pub type OpenTestStore = Arc<dyn Fn(UserId) -> Result<Store, OpenError> + Send + Sync>;

#[cfg(feature = "testing")]
impl std::fmt::Debug for TestStores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestStores")
    }
}

impl Settings {
    /// The defaults, with the data in the given folder.
    pub fn at(data: impl Into<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            data: data.into(),
            engine: EngineKind::Redb,
            open_people_max: 512,
            idle_close_ms: 300_000,
            lease_ms: 7 * 24 * 3_600_000,
            phone_unlocked_ms: 3_600_000,
            endpoint_threads: threads.max(2),
            stage_threads: (threads / 2).max(1),
            slots: SandboxSettings::default().slots,
            warm_instances: true,
            ahead_bytes_max: 8 << 20,
            accuracy_filtering: false,
            pipeline: None,
            rhythm: Rhythm::default(),
            clock: Arc::new(SystemClock),
            built_s: 0.0,
            compiler: None,
            policy: Policy::default(),
            studies: None,
            shows_contributions: false,
            aggregator: None,
            test_cells: false,
            #[cfg(feature = "testing")]
            stores: None,
        }
    }
}
