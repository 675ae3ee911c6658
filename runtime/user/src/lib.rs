//! One person's runtime, and many of them in one process: it finds the cell, holds it to its grant, and commits what
//! it leaves behind.
//!
//! * Invariants: a cell reaches a store only through [`grant::Grant`]; a reply leaves after what it acknowledges is on
//!   disk; a stage's output, state and audit record commit together; nothing but compiled code is shared by people.
//! * Units: moments are seconds since 1970-01-01T00:00:00Z.
//! * Not here: sockets and TLS (`runtime/host`), who may connect (`handshake`), blocks and keys (`runtime/store`).

mod answering;
pub mod arrivals;
mod audit;
pub mod catalogue;
mod clock;
mod dump;
mod endpoint;
mod error;
pub mod errors;
mod exchange;
mod files;
mod forget;
pub mod grant;
mod late;
pub mod manifest;
mod owner;
pub mod people;
mod person;
mod pieces;
mod profile;
mod reach;
mod rewind;
mod runtime;
mod settings;
mod sound;
mod stage;
mod stamp;
mod status;
mod timetable;
mod types;
mod waiting;

pub use clock::{HostClock, SystemClock};
pub use dump::{Aside, DumpError, Imported};
pub use error::{CallError, PipelineError, StartError};
pub use errors::{ErrorsReport, Fate, Group, Retried, Selection};
pub use exchange::{Answer, Body, Broken, Call};
pub use owner::{
    Admission, ClaimSummary, DeviceSummary, Granted, InboxError, Invitation, LockState, OwnerError,
    PairingStatus, RECOVERY_DELAY_MS, Receipt, Recovery, SessionTerms, WindowWish,
};
pub use people::KeyMode;
pub use person::Person;
pub use pieces::Receiver as PieceReceiver;
pub use profile::PROFILE;
pub use runtime::{NativeStage, Runtime};
pub use runtime_pipeline::{Rewind, Rhythm, StageState};
pub use runtime_store::{DiskTrouble, EngineKind};
pub use runtime_types::{Area, EntryId, Order, Query, StreamKey, TimeField, UserId, chain};
pub use settings::Settings;
#[cfg(feature = "testing")]
pub use settings::{OpenTestStore, TestStores};
pub use stage::{PipelineReport, Spent, StageReport};
pub use stamp::Stamp;
pub use status::{PipelineStatus, RewindStatus, StageStatus};
pub use timetable::Pending;
pub use types::{BadType, KnownType, Types};
pub use waiting::{WaitReason, Waiting};
