//! What an owner holds: the devices that may connect, the key that opens the store, and the window in which a phone is
//! paired.
//!
//! ```text
//! people/<2 hex>/<32 hex>/
//!   runtime.key   the key that this person's runtime shows in TLS; PKCS#8, mode 600
//!   access.json   devices, labels, the newest pairing window without its secrets
//!   slots.json    the data key, wrapped for each device and for the recovery phrase
//!   inbox/        uploads that came while the store was locked, sealed
//! ```
//!
//! * Invariants: what changes who may do what is on disk before anybody is told; data keys and pairing secrets are in
//!   memory only; a store whose owner holds the key cannot be opened from what is on the disk.
//! * Not here: bytes of the protocol and its decisions (`handshake`), sockets (`runtime/host`), the keys below the data
//!   key (`runtime/store`).

mod access;
mod drain;
mod erase;
mod held;
mod identity;
mod inbox;
mod leases;
mod locks;
mod native;
mod pairing;
mod recovery;
mod slots;

use std::io;
use std::path::PathBuf;

use handshake::device::BadChange;
use handshake::encoding::BadQr;
use handshake::route::BadRoute;
use runtime_store::{CommitError, KeyError, OpenError, ReadError};

use crate::error::CallError;
use crate::people::PeopleError;

pub use access::DeviceSummary;
pub use access::Owners;
pub use erase::Receipt;
use held::HeldKeys;
pub use inbox::InboxError;
pub(crate) use leases::Leases;
pub use locks::{LockState, Locks};
pub use native::{Admission, Devices, Granted, SessionTerms};
pub use pairing::{ClaimSummary, Invitation, Pairing, PairingStatus, WindowWish};
pub use recovery::{RECOVERY_DELAY_MS, Recovery};

/// Why something of an owner's could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// Nobody of that id lives here.
    #[error("nobody of that id lives here")]
    Nobody,
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{} does not read", path.display())]
    Record {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A file is another person's.
    #[error("{} is another person's", path.display())]
    OtherPerson {
        /// Which.
        path: PathBuf,
    },
    /// A key file that others may read.
    #[error("{} can be read by others: change its mode to 600", path.display())]
    OpenToOthers {
        /// Which.
        path: PathBuf,
    },
    /// A file that paired phones rely on is gone. Another one in its place would shut them out when it comes back.
    #[error("{} is missing, and phones were paired with it", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// A key file that holds no key.
    #[error("{} holds no key", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    NoRandomness,
    /// The names of this host are used up, or the person's.
    #[error("no name leads there")]
    Route(#[source] BadRoute),
    /// The device cannot be changed so.
    #[error(transparent)]
    Change(BadChange),
    /// A name that would mislead.
    #[error("a device's name has 1 to 64 bytes, none of them of a control character")]
    BadName,
    /// No window can be opened.
    #[error(transparent)]
    Window(handshake::pairing::OpenError),
    /// The owner's word came too early or too late.
    #[error(transparent)]
    Answer(handshake::pairing::OwnerError),
    /// No pairing is under way.
    #[error("no pairing is under way")]
    NoWindow,
    /// The address cannot stand in a code.
    #[error("phones cannot be told this address")]
    Address(#[source] BadQr),
    /// The key does not open the store.
    #[error("that key does not open the store")]
    WrongKey,
    /// The host opens this store by itself, so locking it would mean nothing.
    #[error("the host holds a key of its own for this store")]
    Unattended,
    /// Nobody but the host could open the store.
    #[error("no phone and no recovery phrase can open the store yet")]
    NoOpener,
    /// There is no recovery phrase.
    #[error("no recovery phrase was ever made for this store")]
    NoPhrase,
    /// Devices are active; their owner has time to notice.
    #[error("devices are active: the phrase opens the store from {until_ms} ms since 1970 on")]
    Wait {
        /// From when on.
        until_ms: u64,
    },
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
    /// The person cannot be reached.
    #[error(transparent)]
    Call(CallError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[source] OpenError),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Read(#[source] ReadError),
    /// The store kept nothing.
    #[error("the store kept nothing")]
    Commit(#[source] CommitError),
    /// A data key could not be used.
    #[error("the data key could not be used")]
    Key(#[source] KeyError),
}
