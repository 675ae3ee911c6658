//! How a run, an admission or a start can end badly. Every error of a cell names the cell's digest.

use crate::{CodeDigest, Interface, World};

/// Why a run ended without an answer. Nothing of it is to be committed, and its instance is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It ran longer than its wall clock allows.
    #[error("cell {} ran longer than {wall_ms} ms", cell.short())]
    Deadline {
        /// Whose code.
        cell: CodeDigest,
        /// The limit, ms.
        wall_ms: u32,
    },
    /// The host gave it up: shutdown, a revoked grant, an erased person.
    #[error("cell {} was stopped by the runtime", cell.short())]
    Cancelled {
        /// Whose code.
        cell: CodeDigest,
    },
    /// It asked for more memory than allowed, and then gave up.
    #[error("cell {} needs {wanted_bytes} bytes of memory, over the limit of {limit_bytes}", cell.short())]
    OutOfMemory {
        /// Whose code.
        cell: CodeDigest,
        /// What it would have had with the growth that was refused, bytes.
        wanted_bytes: u64,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// Its calls nest too deeply.
    #[error("cell {} overflowed its stack", cell.short())]
    StackOverflow {
        /// Whose code.
        cell: CodeDigest,
    },
    /// It did what WebAssembly forbids, or gave up: a panic of a Rust cell is an `unreachable`.
    #[error("cell {} trapped: {what}", cell.short())]
    Trapped {
        /// Whose code.
        cell: CodeDigest,
        /// The engine's words for the trap.
        what: String,
    },
    /// It carried more out in one call than allowed.
    #[error("cell {} is over its limit of {limit_bytes} {what}", cell.short())]
    OverBudget {
        /// Whose code.
        cell: CodeDigest,
        /// What the limit counts, such as `bytes in one call`.
        what: &'static str,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// What it returned is larger than allowed.
    #[error("cell {} returned more than {limit_bytes} bytes", cell.short())]
    AnswerTooLarge {
        /// Whose code.
        cell: CodeDigest,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// What it returned means nothing.
    #[error("cell {} returned {what}", cell.short())]
    BadAnswer {
        /// Whose code.
        cell: CodeDigest,
        /// Such as `the status 99`.
        what: String,
    },
    /// It said `err` itself.
    #[error("cell {} gave up: {text}", cell.short())]
    Refused {
        /// Whose code.
        cell: CodeDigest,
        /// Its own words, without control characters, cut at [`crate::LOG_LINE_BYTES_MAX`].
        text: String,
    },
    /// It is a cell of the other kind.
    #[error("cell {} is of the world `{is}`, not `{wanted}`", cell.short())]
    WrongWorld {
        /// Whose code.
        cell: CodeDigest,
        /// What it is.
        is: World,
        /// What was to be run.
        wanted: World,
    },
    /// No slot became free in time: as many runs as the pool holds are under way.
    #[error("no slot for cell {} within {waited_ms} ms: {slots} are in use", cell.short())]
    NoSlot {
        /// Whose code.
        cell: CodeDigest,
        /// How long it waited, ms.
        waited_ms: u32,
        /// The pool's slots.
        slots: u32,
    },
    /// An earlier call on this instance failed, so there is nothing left to call.
    #[error("the instance of cell {} ended with an earlier error", cell.short())]
    Ended {
        /// Whose code.
        cell: CodeDigest,
    },
}

impl RunError {
    /// Whose code it was.
    pub fn cell(&self) -> CodeDigest {
        match self {
            Self::Deadline { cell, .. }
            | Self::Cancelled { cell }
            | Self::OutOfMemory { cell, .. }
            | Self::StackOverflow { cell }
            | Self::Trapped { cell, .. }
            | Self::OverBudget { cell, .. }
            | Self::AnswerTooLarge { cell, .. }
            | Self::BadAnswer { cell, .. }
            | Self::Refused { cell, .. }
            | Self::WrongWorld { cell, .. }
            | Self::NoSlot { cell, .. }
            | Self::Ended { cell } => *cell,
        }
    }

    /// A short word for a caller that shall not learn more.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Deadline { .. } => "cell-deadline",
            Self::Cancelled { .. } => "cell-cancelled",
            Self::OutOfMemory { .. } => "cell-out-of-memory",
            Self::StackOverflow { .. } => "cell-stack-overflow",
            Self::Trapped { .. } => "cell-trapped",
            Self::OverBudget { .. } => "cell-over-budget",
            Self::AnswerTooLarge { .. } => "cell-answer-too-large",
            Self::BadAnswer { .. } => "cell-bad-answer",
            Self::Refused { .. } => "cell-gave-up",
            Self::WrongWorld { .. } => "cell-wrong-world",
            Self::NoSlot { .. } => "overloaded",
            Self::Ended { .. } => "cell-ended",
        }
    }
}

/// Why a component is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Larger than [`crate::COMPONENT_BYTES_MAX`].
    #[error("component of {size_bytes} bytes is over the limit of {limit_bytes}")]
    TooLarge {
        /// Its size, bytes.
        size_bytes: u64,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// Not a component, or not a valid one.
    #[error("not a valid component: {why}")]
    Invalid {
        /// The validator's words.
        why: String,
    },
    /// It wants something that the contract does not have.
    #[error("imports `{name}`, which is outside cellar:cell")]
    ForeignImport {
        /// The import's name.
        name: String,
    },
    /// It does not export what exactly one world of the contract asks for.
    #[error("exports {found}; a cell exports either `handle` or `run`")]
    NoWorld {
        /// The exports that it has.
        found: String,
    },
    /// It needs more to begin with than a slot holds.
    #[error("does not fit a slot: {why}")]
    TooDemanding {
        /// The engine's words, with the numbers.
        why: String,
    },
}

/// Why a component cannot be linked for a grant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// It imports an interface that the grant does not have.
    #[error("cell {} imports `{interface}`, which is not granted", cell.short())]
    NotGranted {
        /// Whose code.
        cell: CodeDigest,
        /// The first one that is missing.
        interface: Interface,
    },
    /// The code was loaded by another sandbox, whose pool and ticker it needs.
    #[error("cell {} was loaded by another sandbox", cell.short())]
    OtherSandbox {
        /// Whose code.
        cell: CodeDigest,
    },
}

/// Why native code was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The component itself is refused.
    #[error("cell {} is refused", cell.short())]
    Refused {
        /// Whose code.
        cell: CodeDigest,
        /// Why.
        source: Refusal,
    },
    /// The bytes are no native code at all.
    #[error("the native code of cell {} is damaged", cell.short())]
    Damaged {
        /// Whose code.
        cell: CodeDigest,
    },
    /// Built by another version, or with other settings, or for another processor.
    #[error("the native code of cell {} was built for another engine; build the cells again with `cargo xtask cells`: {why}", cell.short())]
    OtherEngine {
        /// Whose code.
        cell: CodeDigest,
        /// What differs, in the engine's words.
        why: String,
    },
}

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The engine cannot run here at all.
    #[error("the engine for cells cannot start: {why}")]
    Engine {
        /// The engine's words.
        why: String,
    },
    /// Not even the smallest pool fits the address space.
    #[error(
        "address space for {slots} cells at once cannot be reserved; raise the limit on virtual memory (ulimit -v): {why}"
    )]
    AddressSpace {
        /// The smallest number that was tried.
        slots: u32,
        /// The engine's words for the last try.
        why: String,
    },
    /// The ticker's thread cannot be made, so no run could be stopped.
    #[error("cannot start the thread that keeps deadlines")]
    Ticker(#[source] std::io::Error),
}
