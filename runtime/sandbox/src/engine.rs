//! The engine: one configuration for compiler and runtime, one pool of slots, one ticker.
//!
//! * Invariants: a [`Sandbox`] loads everything that [`engine_config`] of the same build compiles; a person is never
//!   part of compiled or linked state, so one component and its links serve all people.
//! * Not here: what a run may reach (`contract`), loading code (`native`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::native::Code;
use crate::slots::Slots;
use crate::ticker::Ticker;
use crate::{CellCode, CodeDigest, Interfaces, PrepareError, Prepared, StartError};

/// The largest linear memory of any run, bytes: the size of a slot.
pub const SLOT_MEMORY_BYTES_MAX: usize = 256 << 20;
/// How many linear memories and tables an ordinary component has at most, and how many elements each table: one that
/// has more needs a slot for composed components.
pub(crate) const MEMORIES_MAX: u32 = 1;
pub(crate) const TABLES_MAX: u32 = 4;
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// The same for composed components, such as an interpreter with its libraries: beyond it, a component does not load.
const COMPOSED_MEMORIES_MAX: u32 = 3;
const COMPOSED_TABLES_MAX: u32 = 8;
const COMPOSED_TABLE_ELEMENTS_MAX: usize = 64_000;
/// How many core instances a component may have. They take nothing of a pool but its count.
const CORE_INSTANCES_MAX: u32 = 64;
/// One in so many slots may be of a composed component.
const SLOTS_PER_COMPOSED: u32 = 8;
/// How much of a slot is wiped by writing over it instead of returning it to the system. A guest that stays below it
/// costs no system call, no page fault and no lock shared by all threads: at most 5 µs of wiping, half the time of a
/// fresh instance, and threads do not block each other. Above it both costs are paid, so a larger value makes large
/// guests slower.
const RESIDENT_BYTES: usize = 512 << 10;
/// The deepest stack of a guest, bytes; a worker's thread needs more than this.
const WASM_STACK_BYTES: usize = 512 << 10;
/// How many frames of a trap's stack are read: enough to distinguish an endless recursion from a stray pointer.
pub(crate) const TRAP_FRAMES_MAX: usize = 64;
/// A pool with fewer slots than this is not worth starting.
const SLOTS_MIN: u32 = 16;

// A guest's whole address range must be reserved, or loads and stores would need explicit checks.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
const MEMORY_GUARD_BYTES: u64 = 32 << 20;
const _: () = assert!(MEMORY_RESERVATION_BYTES >= SLOT_MEMORY_BYTES_MAX as u64);

/// The size of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxSettings {
    /// How many instances may exist at one moment, 1 to 4,096. Instances, not people: an idle person has none. Each
    /// reserves about 4 GiB of address space, and a few of the system's mappings (`vm.max_map_count`). From 128 on the
    /// engine gives every thread its own slots, so that threads do not pass each other's memory back and forth.
    pub slots: u32,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self { slots: 256 }
    }
}

/// The place where cells run: one for each process.
pub struct Sandbox {
    engine: Engine,
    pub(crate) ticker: Ticker,
    pub(crate) slots: Slots,
    /// Those of the slots that composed components may have.
    pub(crate) composed: Slots,
    codes: Mutex<HashMap<CodeDigest, Weak<Code>>>,
}

impl Sandbox {
    /// Starts the engine, its pool and its ticker. If the address space is too small for the pool, a smaller one is
    /// started, and this is logged.
    pub fn start(settings: SandboxSettings) -> Result<Arc<Self>, StartError> {
        let (engine, slots) = pooled_engine(settings.slots.clamp(1, 4_096))?;
        let ticker = Ticker::start(engine.weak()).map_err(StartError::Ticker)?;
        let (slots, composed) = (Slots::new(slots), Slots::new(composed_of(slots)));
        Ok(Arc::new(Self { engine, ticker, slots, composed, codes: Mutex::default() }))
    }

    /// How many instances may exist at one moment.
    pub fn slots(&self) -> u32 {
        self.slots.total()
    }

    /// How many more instances could be created now. Code that keeps instances warm drops some when this runs low.
    pub fn slots_free(&self) -> u32 {
        self.slots.free()
    }

    /// How many of the slots may be of composed components: those with several memories, many or large tables.
    pub fn composed(&self) -> u32 {
        self.composed.total()
    }

    /// Links a component for a grant. Cheap: the links of a component are created once, when it is loaded.
    pub fn prepare(self: &Arc<Self>, code: &CellCode, granted: Interfaces) -> Result<Prepared, PrepareError> {
        if !Engine::same(&self.engine, code.engine()) {
            return Err(PrepareError::OtherSandbox { cell: code.digest() });
        }
        match code.imports().without(granted).iter().next() {
            Some(interface) => Err(PrepareError::NotGranted { cell: code.digest(), interface }),
            None => Ok(Prepared::new(Arc::clone(self), code.clone())),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The code that is loaded under a digest, if it is still in use.
    pub(crate) fn loaded(&self, digest: CodeDigest) -> Option<Arc<Code>> {
        let codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.get(&digest).and_then(Weak::upgrade)
    }

    /// Keeps code for the next caller; if another thread was faster, returns that thread's code.
    pub(crate) fn keep(&self, code: Arc<Code>) -> Arc<Code> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = codes.get(&code.digest).and_then(Weak::upgrade) {
            return earlier;
        }
        codes.retain(|_, code| code.strong_count() > 0);
        codes.insert(code.digest, Arc::downgrade(&code));
        code
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("slots", &self.slots()).finish_non_exhaustive()
    }
}

/// What native code depends on: the engine's version, and a number that rises when a setting that shapes code changes.
/// The engine itself refuses code of another version or other settings.
pub(crate) const ENGINE: &str = "wasmtime 48.0.8, settings 2";

/// The only configuration. The compiler uses it as it is; a sandbox adds its pool, which does not affect native code.
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .consume_fuel(false)
        .memory_init_cow(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .memory_may_move(false)
        .signals_based_traps(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // The engine joins the memories of a composed component in one adapter, and panics where it may not. A memory
        // takes a place of the pool, which counts them.
        .wasm_multi_memory(true)
        .wasm_tail_call(false)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(TRAP_FRAMES_MAX));
    #[cfg(feature = "compiler")]
    {
        // Floating-point results are the same on every host, bit by bit.
        config.cranelift_nan_canonicalization(true);
        one_baseline(&mut config);
    }
    config
}

/// Native code for x86-64 assumes features that every such server since 2009 has (SSE4.2, POPCNT), so that artefacts
/// can move between hosts; on other processors it assumes the features of the building machine.
#[cfg(all(feature = "compiler", target_arch = "x86_64", target_os = "linux"))]
fn one_baseline(config: &mut Config) {
    let triple =
        if cfg!(target_env = "musl") { "x86_64-unknown-linux-musl" } else { "x86_64-unknown-linux-gnu" };
    config.target(triple).expect("the engine knows its own host");
    // SAFETY: the flag is a preset of processor features and nothing else; the engine compares them with the
    // processor that it runs on before it loads or compiles anything.
    #[allow(unsafe_code)]
    unsafe {
        config.cranelift_flag_enable("x86-64-v2");
    }
}

#[cfg(all(feature = "compiler", not(all(target_arch = "x86_64", target_os = "linux"))))]
fn one_baseline(_: &mut Config) {}

fn pooled_engine(wanted: u32) -> Result<(Engine, u32), StartError> {
    // Distinguishes a configuration that cannot run here at all from a pool that does not fit.
    Engine::new(&engine_config()).map_err(|error| StartError::Engine { why: format!("{error:#}") })?;
    let mut slots = wanted;
    loop {
        match Engine::new(engine_config().allocation_strategy(pool(slots))) {
            Ok(engine) => {
                if slots < wanted {
                    tracing::warn!(
                        wanted,
                        slots,
                        "address space is short: fewer cells run at once than configured"
                    );
                }
                return Ok((engine, slots));
            }
            Err(_) if slots / 2 >= SLOTS_MIN => slots /= 2,
            Err(error) => return Err(StartError::AddressSpace { slots, why: format!("{error:#}") }),
        }
    }
}

fn composed_of(slots: u32) -> u32 {
    slots.div_ceil(SLOTS_PER_COMPOSED)
}

/// One pool for both classes: what a composed component may have beyond an ordinary one is there as often as composed
/// ones may run, so that [`Slots`] decides alone whether an instance can be had.
fn pool(slots: u32) -> InstanceAllocationStrategy {
    let composed = composed_of(slots);
    let total = |each: u32, of_composed: u32| slots * each + composed * (of_composed - each);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * CORE_INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .total_memories(total(MEMORIES_MAX, COMPOSED_MEMORIES_MAX))
        .max_memories_per_component(COMPOSED_MEMORIES_MAX)
        .max_memory_size(SLOT_MEMORY_BYTES_MAX)
        .total_tables(total(TABLES_MAX, COMPOSED_TABLES_MAX))
        .max_tables_per_component(COMPOSED_TABLES_MAX)
        .table_elements(COMPOSED_TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(64)
        .decommit_batch_size(1)
        // The option was reported to leave stale data of an earlier instance behind.
        .pagemap_scan(Enabled::No);
    InstanceAllocationStrategy::Pooling(pool)
}
