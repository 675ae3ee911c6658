//! Errors of a run, an admission and a start. Every error of a cell names the cell's digest.

use crate::{CodeDigest, Interface, Version, World};

/// Why a run ended without an answer. None of its effects may be committed, and its instance is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It ran longer than its wall clock allows.
    #[error("cell {} ran longer than {wall_ms} ms", cell.short())]
    Deadline {
        /// The cell.
        cell: CodeDigest,
        /// The limit, ms.
        wall_ms: u32,
    },
    /// The host stopped it: shutdown, a revoked grant, an erased person.
    #[error("cell {} was stopped by the runtime", cell.short())]
    Cancelled {
        /// The cell.
        cell: CodeDigest,
    },
    /// It asked for more memory than allowed, and then gave up.
    #[error("cell {} needs {wanted_bytes} bytes of memory, over the limit of {limit_bytes}", cell.short())]
    OutOfMemory {
        /// The cell.
        cell: CodeDigest,
        /// Its memory with the growth that was refused, bytes.
        wanted_bytes: u64,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// Its calls nest too deeply.
    #[error("cell {} overflowed its stack", cell.short())]
    StackOverflow {
        /// The cell.
        cell: CodeDigest,
    },
    /// It did something that WebAssembly forbids, or gave up: a panic of a Rust cell is an `unreachable`.
    #[error("cell {} trapped: {what}", cell.short())]
    Trapped {
        /// The cell.
        cell: CodeDigest,
        /// The engine's message for the trap.
        what: String,
    },
    /// It passed more out in one call than allowed.
    #[error("cell {} is over its limit of {limit_bytes} {what}", cell.short())]
    OverBudget {
        /// The cell.
        cell: CodeDigest,
        /// What the limit counts, such as `bytes in one call`.
        what: &'static str,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// It returned more than allowed.
    #[error("cell {} returned more than {limit_bytes} bytes", cell.short())]
    AnswerTooLarge {
        /// The cell.
        cell: CodeDigest,
        /// The limit, bytes.
        limit_bytes: u64,
    },
    /// It returned an invalid value.
    #[error("cell {} returned {what}", cell.short())]
    BadAnswer {
        /// The cell.
        cell: CodeDigest,
        /// The value, such as `the status 99`.
        what: String,
    },
    /// It returned `err` itself.
    #[error("cell {} gave up: {text}", cell.short())]
    Refused {
        /// The cell.
        cell: CodeDigest,
        /// Its own message, without control characters, cut at [`crate::LOG_LINE_BYTES_MAX`].
        text: String,
    },
    /// It is a cell of the other kind.
    #[error("cell {} is of the world `{is}`, not `{wanted}`", cell.short())]
    WrongWorld {
        /// The cell.
        cell: CodeDigest,
        /// Its world.
        is: World,
        /// The required world.
        wanted: World,
    },
    /// No slot became free in time: the pool's maximum number of runs is under way.
    #[error("no slot for cell {} within {waited_ms} ms: {slots} are in use", cell.short())]
    NoSlot {
        /// The cell.
        cell: CodeDigest,
        /// How long it waited, ms.
        waited_ms: u32,
        /// The pool's slots.
        slots: u32,
    },
    /// An earlier call on this instance failed, so it cannot be called again.
    #[error("the instance of cell {} ended with an earlier error", cell.short())]
    Ended {
        /// The cell.
        cell: CodeDigest,
    },
}

impl RunError {
    /// The digest of the cell's code.
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

    /// A short code for a caller that must not learn more.
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
        /// The validator's message.
        why: String,
    },
    /// It imports something that is not in the contract.
    #[error("imports `{name}`, which is outside cellar:cell")]
    ForeignImport {
        /// The import's name.
        name: String,
    },
    /// It was built for a version of the contract that this host does not have.
    #[error(
        "names `{name}` and needs version {needed} of the contract, of which this host has {here}: update the host, or build the cell for one of these"
    )]
    OtherVersion {
        /// The import or export.
        name: String,
        /// The version that it needs, such as `0.3.0`.
        needed: String,
        /// The versions that this host has.
        here: String,
    },
    /// It imports an interface of another version than that of its export.
    #[error(
        "imports `{name}`, but its export is of version {version} of the contract; build all of the cell for one version"
    )]
    MixedVersions {
        /// The import.
        name: String,
        /// The version of its export.
        version: Version,
    },
    /// It imports an interface that a cell of its kind cannot have.
    #[error("imports `{name}`, which a cell of the world `{world}` cannot have")]
    NotInWorld {
        /// The import.
        name: String,
        /// Its kind.
        world: World,
    },
    /// Its exports are not those of exactly one world of the contract.
    #[error(
        "exports {found}; a cell exports exactly one of `cellar:cell/stage`, `/endpoint`, `/contribution`, or of `handle`, `run` (version 0.1)"
    )]
    NoWorld {
        /// The exports that it has.
        found: String,
    },
    /// Its initial size is more than a slot holds.
    #[error("does not fit a slot: {why}")]
    TooDemanding {
        /// The engine's message, with the numbers.
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
        /// The cell.
        cell: CodeDigest,
        /// The first missing interface.
        interface: Interface,
    },
    /// The code was loaded by another sandbox, whose pool and ticker it needs.
    #[error("cell {} was loaded by another sandbox", cell.short())]
    OtherSandbox {
        /// The cell.
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
        /// The cell.
        cell: CodeDigest,
        /// The cause.
        source: Refusal,
    },
    /// The bytes are not native code.
    #[error("the native code of cell {} is damaged", cell.short())]
    Damaged {
        /// The cell.
        cell: CodeDigest,
    },
    /// Built by another version, or with other settings, or for another processor.
    #[error("the native code of cell {} was built for another engine; build the cells again with `cargo xtask cells`: {why}", cell.short())]
    OtherEngine {
        /// The cell.
        cell: CodeDigest,
        /// The difference, in the engine's words.
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
        /// The engine's message.
        why: String,
    },
    /// The address space is too small even for the smallest pool.
    #[error(
        "address space for {slots} cells at once cannot be reserved; raise the limit on virtual memory (ulimit -v): {why}"
    )]
    AddressSpace {
        /// The smallest number that was tried.
        slots: u32,
        /// The engine's message for the last try.
        why: String,
    },
    /// The ticker's thread cannot be started, so no run could be stopped.
    #[error("cannot start the thread that keeps deadlines")]
    Ticker(#[source] std::io::Error),
}
