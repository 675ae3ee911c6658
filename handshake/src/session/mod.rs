//! The first exchanges with an admitted device: `POST /.upc/v1/...`.
//!
//! A grant is no bearer token: it repeats facts of the device record and the cells for the phone to read. Authority
//! comes from the connection, so a leaked grant gives no access, and each request is checked against the record again.
//!
//! * Holds: the bodies of the endpoints; [`open`], which makes a grant; [`UnlockGuard`] and [`Idempotency`], which
//!   the caller stores; [`PhoneState`], the phone's side.
//! * Units: moments are milliseconds since 1970, and a phone must make no decision by those that it receives; durations
//!   in bodies are seconds from now.
//! * Invariants: a grant has no scope that the device, the request and the cell do not all have.
//! * Not here: the rules of JSON (sizes, duplicate keys), HTTP, the effect of unlocking.

mod endpoint;
mod grant;
mod idempotency;
mod manage;
mod phone;
mod roster;
#[cfg(test)]
mod tests;
mod told;
mod unlock;

pub use endpoint::Endpoint;
pub use grant::{
    ANSWERS_MAX, BadGrant, CELLS_MAX, CellOffer, GRANT_TTL_S_MAX, Grant, GrantedCell, Limits, Offer,
    SessionRequest, SlotBytes, StoreState, VERSION, WANT_MAX, open,
};
pub use idempotency::{IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_MS, Idempotency};
pub use manage::{DeviceLine, DevicesReply, Empty, LockReply, RotateRequest, StatusWord};
pub use phone::{Distrust, PhoneState};
pub use roster::{Learnt, ROSTERS_MAX, RosterDistrust, RosterReply, RosterRequest, RosterState, SignRequest};
pub use told::{BadHeadField, HEAD_FIELD, head_field, read_head_field};
pub use unlock::{UNLOCKS_PER_HOUR_MAX, UnlockGuard, UnlockReply, UnlockRequest};

use crate::error::Code;

/// A body that has been read, but whose lengths and numbers are not checked yet.
pub trait Check {
    /// Checks them.
    ///
    /// # Errors
    /// [`Code::Malformed`], and [`Code::VersionRetired`] where the two sides have no version in common.
    fn check(&self) -> Result<(), Code>;
}

fn require_valid(valid: bool) -> Result<(), Code> {
    if valid { Ok(()) } else { Err(Code::Malformed) }
}

fn is_word(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
