//! An owner's access: the devices that may connect, the key that opens the store, and the window in which a phone is
//! paired.
//!
//! ```text
//! people/<2 hex>/<32 hex>/
//!   runtime.key   the key that this person's runtime shows in TLS, sealed under the host's key; mode 600
//!   access.json   devices, labels, the newest pairing window without its secrets
//!   slots.json    the data key, wrapped for each device and for the recovery phrase
//!   roster/       what the owner's devices have signed of it
//!   inbox/        uploads that came while the store was locked, sealed
//!   intent        a change of several of these files that has begun
//! ```
//!
//! * Invariants: a change of access is on disk before it is acknowledged; data keys and pairing secrets are in memory
//!   only; a store whose owner holds the key cannot be opened with the content of the disk alone.
//! * Not here: bytes of the protocol and its decisions (`handshake`), sockets (`runtime/host`), the keys below the data
//!   key (`runtime/store`).

mod access;
mod browser;
mod devices;
mod drain;
mod erase;
mod held;
pub(crate) mod identity;
mod inbox;
mod inspect;
mod intent;
mod leases;
mod locks;
mod native;
mod pairing;
mod passkeys;
mod recovery;
mod resume;
mod roster;
mod slots;
mod watch;

use std::io;
use std::path::PathBuf;

use handshake::device::BadChange;
use handshake::encoding::BadQr;
use handshake::route::BadRoute;
use runtime_store::{CommitError, KeyError, OpenError, ReadError};

use crate::error::CallError;
use crate::people::PeopleError;

pub use access::Owners;
pub use browser::BrowserClaim;
pub use devices::DeviceSummary;
pub use drain::is_private_document;
pub use erase::Receipt;
use held::HeldKeys;
pub use inbox::InboxError;
pub(crate) use leases::Leases;
pub use locks::{LockState, Locks};
pub use native::{Admission, Devices, Granted, SessionTerms};
pub use pairing::{ClaimSummary, Invitation, Pairing, PairingStatus, WindowWish};
pub use passkeys::{PASSKEYS_MAX, Passkey, PasskeyError, Passkeys};
pub use recovery::{RECOVERY_DELAY_MS, Recovery};
pub use roster::{ROSTERS_KEPT, Unsigned};
pub use watch::{TooManyWatches, WATCH_MS_MAX, WATCHES_MAX, Watch};

/// Why an operation of an owner failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// No person on this host has that id.
    #[error("nobody of that id lives here")]
    Nobody,
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be parsed.
    #[error("{} does not read", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Other users can read a key file.
    #[error("{} can be read by others: change its mode to 600", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// A file that paired phones rely on is missing. A new file in its place would lock them out even after the old
    /// one is restored.
    #[error("{} is missing, and phones were paired with it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A key file contains no key.
    #[error("{} holds no key", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// A key file was sealed under the key of another host.
    #[error("{} was sealed under another host.key than this one, or changed", path.display())]
    OtherHostKey {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    NoRandomness,
    /// The host, or the person, has no free name left.
    #[error("no name leads there")]
    Route(#[source] BadRoute),
    /// The device cannot be changed in this way.
    #[error(transparent)]
    Change(BadChange),
    /// The name is not a valid device name.
    #[error("a device's name has 1 to 64 bytes, none of them of a control or invisible character")]
    BadName,
    /// No window can be opened.
    #[error(transparent)]
    Window(handshake::pairing::OpenError),
    /// The owner's answer came too early or too late.
    #[error(transparent)]
    Answer(handshake::pairing::OwnerError),
    /// No pairing is under way.
    #[error("no pairing is under way")]
    NoWindow,
    /// A pairing code cannot contain the address.
    #[error("phones cannot be told this address")]
    Address(#[source] BadQr),
    /// The key does not open the store.
    #[error("that key does not open the store")]
    WrongKey,
    /// The host opens this store by itself, so locking it would have no effect.
    #[error("the host holds a key of its own for this store")]
    Unattended,
    /// Only the host could open the store.
    #[error("no phone and no recovery phrase can open the store yet")]
    NoOpener,
    /// An older copy of the slots was put back.
    #[error(
        "slots.json is older than the store: it has slots of the data key {slots}, and the store has the data key \
         {store}; an older copy of the file was put back"
    )]
    OldSlots {
        /// The newest generation that has a slot.
        slots: u32,
        /// The generation of the store's key.
        store: u32,
    },
    /// A roster is not what may follow the newest one.
    #[error("the roster does not follow the newest one")]
    Step(#[source] handshake::roster::BadStep),
    /// The tables make no roster.
    #[error("the person has more devices or tokens than a roster may name")]
    Roster,
    /// There is no recovery phrase.
    #[error("no recovery phrase was ever made for this store")]
    NoPhrase,
    /// Devices are active; their owner has time to notice.
    #[error("devices are active: the phrase opens the store from {until_ms} ms since 1970 on")]
    Wait {
        /// The earliest moment.
        until_ms: u64,
    },
    /// The person is being erased.
    #[error("the person is being erased")]
    Erasing,
    /// A run still has the store open.
    #[error("a run goes on for too long, or the disk is slow: the key is wiped, and calls are refused")]
    Busy,
    /// The key of sealed uploads is not in the store.
    #[error("the key of sealed uploads is not in the store")]
    NoInboxKey,
    /// Sealed uploads cannot be read.
    #[error("sealed uploads cannot be read")]
    Inbox(#[source] InboxError),
    /// The list of people could not be changed.
    #[error("the list of people could not be changed")]
    People(#[source] PeopleError),
    /// The person's store cannot be reached.
    #[error(transparent)]
    Call(CallError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[source] OpenError),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Read(#[source] ReadError),
    /// The store did not commit.
    #[error("the store kept nothing")]
    Commit(#[source] CommitError),
    /// A data key could not be used.
    #[error("the data key could not be used")]
    Key(#[source] KeyError),
}
