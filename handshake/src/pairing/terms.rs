//! The words of a window: its limits, who is on a connection, what the owner is told and may answer.

use crate::device::{DeviceName, Platform};
use crate::encoding::{Spki, WrapPub};
use crate::secret::Secret;
use crate::transcript::CompareDigits;
use std::ops::RangeInclusive;

/// Wrong proofs that burn a window.
pub const BAD_PROOFS_MAX: u8 = 5;
/// Challenges of one window: somebody between a phone and the runtime who knows a typed code gets so many pairs of
/// digits to hope for, of a million.
pub const CHALLENGES_MAX: u8 = 10;
/// How long a window waits for a phone unless the owner says otherwise: five minutes.
pub const LIFETIME_MS: u64 = 5 * 60_000;
/// What the owner may say: one to fifteen minutes.
pub const LIFETIME_MS_RANGE: RangeInclusive<u64> = 60_000..=15 * 60_000;
/// How long the owner has from a claim, and the phone from an approval.
pub const APPROVAL_MS: u64 = 120_000;

/// One TLS connection. The caller never gives a number twice while a window lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What is known of a connection once TLS is through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Which connection.
    pub connection: ConnectionId,
    /// The key that the phone proved to hold.
    pub device: Spki,
    /// The key that the runtime showed.
    pub runtime: Spki,
    /// See [`crate::transcript::EXPORTER_LABEL`].
    pub exporter: Secret<32>,
}

/// Who waits for the owner, and what the owner compares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// What the phone shows too.
    pub digits: CompareDigits,
    /// What the phone calls itself.
    pub name: DeviceName,
    /// What it says it is.
    pub platform: Platform,
    /// The key that would be enrolled.
    pub device: Spki,
    pub(super) connection: ConnectionId,
}

/// A device that the owner approved, to be enrolled in the commit that keeps the window's record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewDevice {
    /// Its key.
    pub device: Spki,
    /// To whom the store's key is wrapped.
    pub wrap_pub: WrapPub,
    /// What it calls itself.
    pub name: DeviceName,
    /// What it says it is.
    pub platform: Platform,
}

/// The answer to M5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Enrolment {
    /// The owner has not answered: ask again with the same body after [`super::Window::approve`], or when this moment has
    /// passed.
    Wait {
        /// When the owner's time is over.
        until_ms: u64,
    },
    /// Enrol it and answer M6. The window is done with it: should enrolling fail, the phone pairs again.
    Ready(Box<NewDevice>),
}

/// Why no window was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// One at a time for each person: HTTP 409. After its time it is open until [`super::Window::tick`].
    #[error("a pairing window is open already")]
    WindowOpen,
    /// Outside [`LIFETIME_MS_RANGE`].
    #[error("a window stays open for 60000 to 900000 ms, not {lifetime_ms}")]
    Lifetime {
        /// What was asked for.
        lifetime_ms: u64,
    },
    /// Too many windows burnt; one without a typed code may be opened.
    #[error("typed codes are off until {until_ms}")]
    TypedOff {
        /// A moment.
        until_ms: u64,
    },
}

/// Why the owner's word had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// The owner looks at a window that has been replaced.
    #[error("this is another pairing window")]
    OtherWindow,
    /// No phone has proved the secret yet.
    #[error("no phone waits for approval")]
    NobodyWaits,
    /// Said twice.
    #[error("the phone is approved already")]
    AlreadyApproved,
    /// Too late, rejected before, or enrolled.
    #[error("the pairing window is over")]
    Over,
}
