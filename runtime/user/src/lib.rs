//! One person's runtime, and many of them in one process: it finds the cell, enforces its grant, and commits what the
//! cell wrote.
//!
//! * Invariants: a cell reaches a store only through [`grant::Grant`]; a reply is sent after the data that it
//!   acknowledges is on disk; a stage's output, state and audit record commit together; people share nothing but
//!   compiled code.
//! * Units: moments are seconds since 1970-01-01T00:00:00Z.
//! * Not here: sockets and TLS (`runtime/host`), who may connect (`handshake`), blocks and keys (`runtime/store`).

mod cells;
mod clock;
mod data;
mod error;
mod files;
mod owner;
pub mod people;
mod runs;
mod runtime;
mod settings;
mod studies;

pub use cells::installed::change::{CellShown, InstallError, InstalledCells};
pub use cells::installed::policy::{KEPT_FILES_MAX, NotAdmitted, Policy};
pub use cells::installed::preview::{
    EntryPreview, PREVIEW_DATA_BYTES_MAX, PREVIEW_ENTRIES_MAX, StreamPreview,
};
pub use cells::installed::shelf::BadCell;
pub use cells::types::{BadType, KnownType, Types};
pub use cells::{catalogue, grant, manifest, paths};
pub use clock::{Clocks, HostClock, SystemClock};
pub use data::app_config::{APP_CONFIG, APP_CONFIG_BYTES_MAX, AppConfig, BadAppConfig};
pub use data::dump::{Aside, BATCH_BYTES_MAX, DumpError, IMPORT_ENTRIES_MAX, Imported, why_unsound};
pub use data::errors::{ErrorsReport, Fate, Group, Retried, Selection};
pub use data::parcels::{
    Handed, PARCEL_BYTES_MAX, PARCEL_NAME_BYTES_MAX, PARCEL_PART_BYTES, PARCELS_MAX, ParcelError, Parcels,
};
pub use data::profile::PROFILE;
pub use data::stamp::Stamp;
pub use data::waiting::{WaitReason, Waiting};
pub use data::{Diaries, arrivals, errors, intake};
pub use error::{CallError, ImportError, NotServed, PipelineError, StartError};
pub use owner::{
    Admission, BrowserClaim, ClaimSummary, DeviceSummary, Devices, Granted, InboxError, Invitation,
    LockState, Locks, OwnerError, Owners, PASSKEYS_MAX, Pairing, PairingStatus, Passkey, PasskeyError,
    Passkeys, RECOVERY_DELAY_MS, ROSTERS_KEPT, Receipt, Recovery, SessionTerms, TooManyWatches, Unsigned,
    WATCH_MS_MAX, WATCHES_MAX, Watch, WindowWish, is_private_document,
};
pub use people::KeyMode;
pub use people::open::OpenPeople;
pub use people::person::Person;
pub use people::turns::{NotRun, Turns};
pub use people::{RECEIVERS_MAX, Receiver, Receiving};
pub use runs::audit::{AUDIT_LINES_MAX, AuditLine, AuditRead, CONSOLE, RunOutcome, Under};
pub use runs::chain::{ChainReport, Link};
pub use runs::exchange::{Answer, Body, Broken, Call};
pub use runs::head::{BadHead, HEADER_BYTES_MAX, Head, Method, QUERY_BYTES_MAX};
pub use runs::host::private::told_document;
pub use runs::origin::Origin;
pub use runs::pieces::{Receiver as PieceReceiver, Taken};
pub use runs::pipelines::{NativeStage, Pipelines};
pub use runs::stage::{PipelineReport, Spent, StageReport};
pub use runs::status::{PipelineStatus, RewindStatus, StageStatus};
pub use runs::timetable::{Pending, Timetable};
pub use runs::told::ANSWERS_UNTOLD_MAX;
pub use runtime::Runtime;
pub use runtime_consent as consent;
pub use runtime_import::json::stream;
pub use runtime_package::{PACKAGE_BYTES_MAX, PublisherId};
pub use runtime_passkey as passkey;
pub use runtime_pipeline::{Rewind, Rhythm, StageState};
pub use runtime_store::{DiskTrouble, EngineKind};
pub use runtime_study as study;
pub use runtime_types::{Area, EntryId, Order, Query, StreamKey, TimeField, UserId, chain};
pub use settings::Settings;
#[cfg(feature = "testing")]
pub use settings::{OpenTestStore, TestStores};
pub use studies::{
    BUDGET_MICRO, BudgetError, BudgetShown, ChargeShown, CollectError, EpochShown, GateTrouble, SendTrouble,
    Studies, StudyError, StudyOffer, StudySent, StudyShown, TrialAsk, TrialGiven, TriedCell,
};
