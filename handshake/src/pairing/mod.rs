//! How a phone becomes one of a person's devices: it proves that it has read the code on the owner's screen, the
//! runtime proves the same, and the owner approves it.
//!
//! ```text
//!  phone                          runtime                              owner
//!    │                               │ ◀──────── "add a phone" ──────────│   Window::open
//!    │ ◀─ ─ ─ ─ ─ ─ ─ ─ ─ QR code, or typed code, by eye ─ ─ ─ ─ ─ ─ ─ ─ │   Codes
//!    │ ═══ TLS 1.3, keys both ways ═ │   a scanned code has the runtime's pin
//!    │ M1 hello: window, commitment ▶│
//!    │ ◀ M2 challenge: nonce         │   one of at most ten
//!    │ M3 proof: nonce, mac ────────▶│   the first right one claims the window
//!    │ ◀ M4 claimed: mac             │
//!    │   six digits                  │   six digits ────────────────────▶│   equal? Window::approve
//!    │ M5 enrol: key for wrapping ──▶│   waits for the owner
//!    │ ◀ M6 enrolled: who and where  │
//! ```
//!
//! M1 to M6 are three requests on one TLS connection; a phone that reconnects begins again. The macs cover both keys
//! and the connection ([`crate::transcript`]), so that they are useless elsewhere. The secret alone is not enough to
//! enrol: it may have been photographed. The digits differ if an attacker is in the middle.
//!
//! * Holds: [`Window`] and its record, the runtime's side; [`Pairing`] and the steps after it, the phone's;
//!   [`Hello`] to [`Enrolled`], the bodies.
//! * Units: moments are milliseconds since 1970, from the runtime's clock; the phone uses no clock.
//! * Invariants: a window enrols at most one device, and only one that proved the secret first and was approved;
//!   secrets exist while the window is open and not after.
//! * Not here: TLS, the table of devices, which names a gateway routes, the owner's screen.

mod codes;
mod messages;
mod phone;
mod record;
mod terms;
mod window;

pub use codes::Codes;
pub use messages::{
    BadHello, BadKdf, Challenge, Claimed, Enrol, Enrolled, Hello, Kdf, NEXT_PINS_MAX, Proof, SCOPE_BYTES_MAX,
    SCOPES_MAX, WindowName,
};
pub use phone::{Address, Confirmed, Me, PairError, Paired, Pairing, SaidHello, SentEnrol, SentProof};
pub use record::{BURNT_WINDOWS_MAX, BurntLog, Step, TYPED_OFF_MS, WindowRecord, WindowState};
pub use terms::{
    APPROVAL_MS, BAD_PROOFS_MAX, CHALLENGES_MAX, Channel, Claim, ConnectionId, Enrolment, LIFETIME_MS,
    LIFETIME_MS_RANGE, NewDevice, OpenError, OwnerError,
};
pub use window::Window;
