//! The values around a window: its limits, the parties of a connection, what the owner sees and may answer.

use crate::device::{DeviceName, Platform};
use crate::encoding::{Spki, WrapPub};
use crate::secret::Secret;
use crate::transcript::CompareDigits;
use std::ops::RangeInclusive;

/// Wrong proofs that burn a window.
pub const BAD_PROOFS_MAX: u8 = 5;
/// Challenges of one window: an attacker in the middle who knows a typed code gets this many pairs of digits, each of
/// which matches with a probability of one in a million.
pub const CHALLENGES_MAX: u8 = 10;
/// How long a window waits for a phone unless the owner chooses otherwise: five minutes.
pub const LIFETIME_MS: u64 = 5 * 60_000;
/// The lifetimes that the owner may choose: one to fifteen minutes.
pub const LIFETIME_MS_RANGE: RangeInclusive<u64> = 60_000..=15 * 60_000;
/// How long the owner has after a claim, and the phone after an approval.
pub const APPROVAL_MS: u64 = 120_000;

/// One TLS connection. The caller never reuses a number while a window exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The facts about a connection after the TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel {
    /// The connection.
    pub connection: ConnectionId,
    /// The key that the phone proved to have.
    pub device: Spki,
    /// The runtime's key on this connection.
    pub runtime: Spki,
    /// See [`crate::transcript::EXPORTER_LABEL`].
    pub exporter: Secret<32>,
}

/// The device that waits for the owner, and what the owner compares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The digits that the phone shows too.
    pub digits: CompareDigits,
    /// The name that the phone gives itself.
    pub name: DeviceName,
    /// The platform that it claims.
    pub platform: Platform,
    /// The key that would be enrolled.
    pub device: Spki,
    pub(super) connection: ConnectionId,
}

/// A device that the owner approved, to be enrolled in the commit that stores the window's record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewDevice {
    /// Its key.
    pub device: Spki,
    /// The key to which the store's key is wrapped.
    pub wrap_pub: WrapPub,
    /// The name that it gives itself.
    pub name: DeviceName,
    /// The platform that it claims.
    pub platform: Platform,
}

/// The answer to M5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Enrolment {
    /// The owner has not answered: repeat with the same body after [`super::Window::approve`], or after `until_ms`.
    Wait {
        /// When the owner's time ends.
        until_ms: u64,
    },
    /// Enrol the device and answer M6. The window is finished: if enrolling fails, the phone must pair again.
    Ready(Box<NewDevice>),
}

/// Why no window was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// One window at a time for each person: HTTP 409. After its time it counts as open until [`super::Window::tick`].
    #[error("a pairing window is open already")]
    WindowOpen,
    /// Outside [`LIFETIME_MS_RANGE`].
    #[error("a window stays open for 60000 to 900000 ms, not {lifetime_ms}")]
    Lifetime {
        /// The requested lifetime.
        lifetime_ms: u64,
    },
    /// Too many windows burnt; a window without a typed code may be opened.
    #[error("typed codes are off until {until_ms}")]
    TypedOff {
        /// The moment when they are on again.
        until_ms: u64,
    },
}

/// Why the owner's decision had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// The owner's decision is for a window that has been replaced.
    #[error("this is another pairing window")]
    OtherWindow,
    /// No phone has proved the secret yet.
    #[error("no phone waits for approval")]
    NobodyWaits,
    /// The owner approved twice.
    #[error("the phone is approved already")]
    AlreadyApproved,
    /// Too late, rejected before, or enrolled.
    #[error("the pairing window is over")]
    Over,
}
