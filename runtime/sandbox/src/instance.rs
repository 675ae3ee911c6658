//! One cell at work: linked, instantiated, called, stopped, and how its end is reported.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::answer::CONTRIBUTION_BYTES;
use crate::engine::TRAP_FRAMES_MAX;
use crate::guest::{ContributionGuest, EndpointGuest, StageGuest};
use crate::native::Class;
use crate::state::{Answer, Cancel, RunState, Stop};
use crate::{
    ANSWER_BYTES_MAX, CellCode, CellHost, CodeDigest, Limits, NoHost, Outcome, Request, Response, Run,
    RunError, STAGE_STATE_BYTES_MAX, Sandbox, Usage, World, answer,
};

/// The maximum number of handles that a guest may hold: its cursors, and room for the engine's own bookkeeping.
const HANDLES_MAX: usize = 64;

/// A cell that a grant allows, ready to be instantiated; all people with the same cell share it.
#[derive(Clone)]
pub struct Prepared {
    sandbox: Arc<Sandbox>,
    code: CellCode,
}

impl Prepared {
    pub(crate) fn new(sandbox: Arc<Sandbox>, code: CellCode) -> Self {
        Self { sandbox, code }
    }

    /// The digest of the cell's code.
    pub fn digest(&self) -> CodeDigest {
        self.code.digest()
    }

    /// The kind of cell.
    pub fn world(&self) -> World {
        self.code.world()
    }

    /// A fresh instance that answers requests. Waits for a slot, at most the run's wall clock.
    pub fn endpoint(&self, host: Box<dyn CellHost>, limits: Limits) -> Result<EndpointInstance, RunError> {
        self.endpoint_with(host, limits, None)
    }

    /// The same, with a way to stop it from another thread.
    pub fn endpoint_with(
        &self,
        host: Box<dyn CellHost>,
        limits: Limits,
        cancel: Option<Cancel>,
    ) -> Result<EndpointInstance, RunError> {
        let mut store = self.store(World::Endpoint, host, limits, cancel)?;
        match self.code.linked().endpoint(&mut store.store) {
            Some(Ok(guest)) => Ok(EndpointInstance { cell: self.digest(), life: Life::Alive(store, guest) }),
            Some(Err(error)) => Err(store.explain(&error)),
            None => Err(self.wrong_world(World::Endpoint)),
        }
    }

    /// A fresh instance that does one run of a stage. Waits for a slot, at most the run's wall clock.
    pub fn stage(
        &self,
        host: Box<dyn CellHost>,
        limits: Limits,
        cancel: Option<Cancel>,
    ) -> Result<StageInstance, RunError> {
        let mut store = self.store(World::Stage, host, limits, cancel)?;
        match self.code.linked().stage(&mut store.store) {
            Some(Ok(guest)) => Ok(StageInstance { store, guest }),
            Some(Err(error)) => Err(store.explain(&error)),
            None => Err(self.wrong_world(World::Stage)),
        }
    }

    /// A fresh instance that computes one contribution to a study. Waits for a slot, at most the run's wall clock.
    pub fn contribution(
        &self,
        host: Box<dyn CellHost>,
        limits: Limits,
        cancel: Option<Cancel>,
    ) -> Result<ContributionInstance, RunError> {
        let mut store = self.store(World::Contribution, host, limits, cancel)?;
        match self.code.linked().contribution(&mut store.store) {
            Some(Ok(guest)) => Ok(ContributionInstance { store, guest }),
            Some(Err(error)) => Err(store.explain(&error)),
            None => Err(self.wrong_world(World::Contribution)),
        }
    }

    fn wrong_world(&self, wanted: World) -> RunError {
        RunError::WrongWorld { cell: self.digest(), is: self.world(), wanted }
    }

    fn store(
        &self,
        wanted: World,
        host: Box<dyn CellHost>,
        limits: Limits,
        cancel: Option<Cancel>,
    ) -> Result<CellStore, RunError> {
        if self.world() != wanted {
            return Err(self.wrong_world(wanted));
        }
        let cell = self.digest();
        let slot = Slot::take(&self.sandbox, self.code.class(), limits.wall_ms)
            .map_err(|slots| RunError::NoSlot { cell, waited_ms: limits.wall_ms, slots })?;
        let mut store = Store::new(self.sandbox.engine(), RunState::new(host, limits, cancel));
        store.limiter(|state| &mut state.memory);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|mut context| {
            let goes_on = context.data_mut().goes_on();
            Ok(if goes_on { UpdateDeadline::Continue(1) } else { UpdateDeadline::Interrupt })
        });
        let mut store = CellStore { store, cell, slot };
        store.arm();
        Ok(store)
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("code", &self.code).finish_non_exhaustive()
    }
}

/// The engine's store of one instance, and the slot that it occupies. The store is dropped first.
struct CellStore {
    store: Store<RunState>,
    cell: CodeDigest,
    slot: Slot,
}

/// One slot of a sandbox, given back when dropped. A composed component holds one of the slots for its
/// kind as well.
struct Slot {
    sandbox: Arc<Sandbox>,
    class: Class,
}

impl Slot {
    /// The error: how many slots there are of the kind that is used up.
    fn take(sandbox: &Arc<Sandbox>, class: Class, wall_ms: u32) -> Result<Self, u32> {
        let patience = Duration::from_millis(u64::from(wall_ms));
        let (slots, composed) = (&sandbox.slots, &sandbox.composed);
        // In this order, so that composed components that wait for one another hold nothing that other cells need.
        if class == Class::Composed && !composed.take(patience) {
            return Err(composed.total());
        }
        if !slots.take(patience) {
            if class == Class::Composed {
                composed.give();
            }
            return Err(slots.total());
        }
        Ok(Self { sandbox: Arc::clone(sandbox), class })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.sandbox.slots.give();
        if self.class == Class::Composed {
            self.sandbox.composed.give();
        }
    }
}

impl CellStore {
    /// Starts the clock.
    fn arm(&mut self) {
        self.slot.sandbox.ticker.check();
        let call_bytes = self.store.data().limits.call_bytes;
        self.store.set_hostcall_fuel(usize::try_from(call_bytes).unwrap_or(usize::MAX));
        self.store.set_epoch_deadline(1);
    }

    /// The meaning of the engine's error. Best effort where WebAssembly does not report it: a guest that was refused
    /// memory and then trapped is out of memory; a guest that left its memory in a deep recursion has overflowed the
    /// stack that compilers keep there.
    fn explain(&self, error: &wasmtime::Error) -> RunError {
        let (cell, state) = (self.cell, self.store.data());
        match state.stopped {
            Some(Stop::Deadline) => return RunError::Deadline { cell, wall_ms: state.limits.wall_ms },
            Some(Stop::Cancelled) => return RunError::Cancelled { cell },
            None => {}
        }
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::StackOverflow) {
            return RunError::StackOverflow { cell };
        }
        if let Some(wanted_bytes) = state.memory.refused_bytes() {
            return RunError::OutOfMemory { cell, wanted_bytes, limit_bytes: state.limits.memory_bytes };
        }
        let frames = error.downcast_ref::<WasmBacktrace>().map(|trace| trace.frames().len());
        if trap == Some(&Trap::MemoryOutOfBounds) && frames.is_some_and(|frames| frames >= TRAP_FRAMES_MAX) {
            return RunError::StackOverflow { cell };
        }
        let root = error.root_cause().to_string();
        if root.contains("hostcalls has been exhausted") {
            let limit_bytes = state.limits.call_bytes;
            // Without a guest on the stack, the answer was being passed out, not a call.
            return match frames {
                Some(_) => RunError::OverBudget { cell, what: "bytes in one call", limit_bytes },
                None => {
                    RunError::AnswerTooLarge { cell, limit_bytes: limit_bytes.min(ANSWER_BYTES_MAX as u64) }
                }
            };
        }
        RunError::Trapped { cell, what: crate::text::one_line(&root) }
    }
}

/// An instance that answers requests of one person, one at a time; created by [`Prepared::endpoint`].
///
/// Normally it is used once. It may be kept for the next request of the same person under the same grant, with
/// [`Self::rebind`]; never for another person, since the guest's data stays in its memory. The caller bounds calls and
/// idle time. After any error the instance is gone and its slot is free.
pub struct EndpointInstance {
    cell: CodeDigest,
    life: Life,
}

enum Life {
    Alive(CellStore, EndpointGuest),
    Ended(Box<dyn CellHost>, Usage),
}

impl EndpointInstance {
    /// The digest of the cell's code.
    pub fn digest(&self) -> CodeDigest {
        self.cell
    }

    /// Whether it can be called again.
    pub fn is_alive(&self) -> bool {
        matches!(self.life, Life::Alive(..))
    }

    /// Answers one request, on the calling thread. The first call shares its clock with the instantiation.
    pub fn handle(&mut self, request: Request) -> Result<Response, RunError> {
        let Life::Alive(store, guest) = &mut self.life else {
            return Err(RunError::Ended { cell: self.cell });
        };
        let answer = match guest.handle(&mut store.store, request) {
            Ok(Ok(response)) => {
                let begun = store.store.data().answer == Answer::Begun;
                answer::check_response(self.cell, begun, response)
            }
            Ok(Err(words)) => Err(answer::refused(self.cell, &words)),
            Err(error) => Err(store.explain(&error)),
        };
        if answer.is_err() {
            self.end();
        }
        answer
    }

    /// Begins another call of the same person, with this host and with fresh budgets and a fresh clock. Returns the
    /// host of the previous call, if [`Self::unbind`] has not taken it. Cursors that the guest kept from that call are
    /// no longer valid.
    pub fn rebind(&mut self, host: Box<dyn CellHost>, limits: Limits) -> Result<Box<dyn CellHost>, RunError> {
        let Life::Alive(store, _) = &mut self.life else { return Err(RunError::Ended { cell: self.cell }) };
        let state = store.store.data_mut();
        state.begin_call(limits);
        let before = std::mem::replace(&mut state.host, host);
        store.arm();
        Ok(before)
    }

    /// Takes the host out, so that a warm instance holds no snapshot and no writes; also after an error.
    pub fn unbind(&mut self) -> Box<dyn CellHost> {
        match &mut self.life {
            Life::Alive(store, _) => store.store.data_mut().take_host(),
            Life::Ended(host, _) => std::mem::replace(host, Box::new(NoHost)),
        }
    }

    /// The usage of the call that ended last, or of the present one so far.
    pub fn usage(&self) -> Usage {
        match &self.life {
            Life::Alive(store, _) => store.store.data().usage(),
            Life::Ended(_, usage) => *usage,
        }
    }

    /// Memories and tables, bytes: the cost of keeping the instance.
    pub fn memory_bytes(&self) -> u64 {
        match &self.life {
            Life::Alive(store, _) => store.store.data().memory.bytes(),
            Life::Ended(..) => 0,
        }
    }

    fn end(&mut self) {
        if let Life::Alive(store, _) = &mut self.life {
            let state = store.store.data_mut();
            let usage = state.usage();
            self.life = Life::Ended(state.take_host(), usage);
        }
    }
}

impl std::fmt::Debug for EndpointInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointInstance").field("cell", &self.cell).field("alive", &self.is_alive()).finish()
    }
}

/// An instance that does one run; created by [`Prepared::stage`].
pub struct StageInstance {
    store: CellStore,
    guest: StageGuest,
}

/// How a run of a stage ended.
pub struct StageEnd {
    /// The result, or why no effect of the run is kept.
    pub outcome: Result<Outcome, RunError>,
    /// The host that was given to the run.
    pub host: Box<dyn CellHost>,
    /// The usage of the run.
    pub usage: Usage,
}

impl StageInstance {
    /// Does the run, on the calling thread, and ends the instance.
    pub fn run(mut self, run: Run) -> StageEnd {
        let cell = self.store.cell;
        let outcome = match self.guest.run(&mut self.store.store, run) {
            Ok(Ok(outcome)) => answer::check_outcome(cell, outcome),
            Ok(Err(words)) => Err(answer::refused(cell, &words)),
            Err(error) => Err(match self.store.explain(&error) {
                RunError::AnswerTooLarge { cell, .. } => {
                    RunError::AnswerTooLarge { cell, limit_bytes: STAGE_STATE_BYTES_MAX as u64 }
                }
                other => other,
            }),
        };
        let state = self.store.store.data_mut();
        let usage = state.usage();
        StageEnd { outcome, host: state.take_host(), usage }
    }
}

impl std::fmt::Debug for StageInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StageInstance").field("cell", &self.store.cell).finish_non_exhaustive()
    }
}

/// An instance that computes one contribution to a study; created by [`Prepared::contribution`].
pub struct ContributionInstance {
    store: CellStore,
    guest: ContributionGuest,
}

/// How a contribution ended.
pub struct ContributionEnd {
    /// At most [`crate::CONTRIBUTION_NUMBERS_MAX`] numbers, none of them NaN; not clamped to any bounds yet. Or why this
    /// person does not take part.
    pub numbers: Result<Vec<f64>, RunError>,
    /// The host that was given to the run.
    pub host: Box<dyn CellHost>,
    /// The usage of the run.
    pub usage: Usage,
}

impl ContributionInstance {
    /// Computes it, on the calling thread, and ends the instance. `run.state` is not used.
    pub fn contribute(mut self, run: Run) -> ContributionEnd {
        let cell = self.store.cell;
        let numbers = match self.guest.contribute(&mut self.store.store, run) {
            Ok(Ok(numbers)) => answer::check_contribution(cell, numbers),
            Ok(Err(words)) => Err(answer::refused(cell, &words)),
            Err(error) => Err(match self.store.explain(&error) {
                RunError::AnswerTooLarge { cell, .. } => {
                    RunError::AnswerTooLarge { cell, limit_bytes: CONTRIBUTION_BYTES as u64 }
                }
                other => other,
            }),
        };
        let state = self.store.store.data_mut();
        let usage = state.usage();
        ContributionEnd { numbers, host: state.take_host(), usage }
    }
}

impl std::fmt::Debug for ContributionInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContributionInstance").field("cell", &self.store.cell).finish_non_exhaustive()
    }
}
