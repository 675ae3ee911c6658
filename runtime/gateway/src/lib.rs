//! A gateway: one public address for many hosts. It reads the name that a client asks for and passes the bytes on, both
//! ways.
//!
//! ```text
//! phone ── hello ──▶ gateway ── who registered the name? ──▶ host: PROXY header, the hello, then whatever follows
//!                       ▲                                     │
//!                       └── its names, each change of them ───┘   over a private network, a shared secret proven
//! ```
//!
//! * Invariants: the gateway has no TLS key, so it cannot read what passes through; a name leads to one host, and to
//!   another only once the first is gone; a host is reached at the address that it registers from, so no client is sent
//!   to a third party.
//! * Units: limits end in their unit. Every wait for a client or for a host is bounded.
//! * Not here: the meaning of the names (`handshake::route`), what a host does with a caller (`runtime/host`).
//!
//! The bytes of the registration protocol are in `docs/formats/gateway.md`.

mod gateway;
mod lines;
mod messages;
mod register;
mod secret;
mod splice;
mod table;

pub use gateway::{Gateway, GatewayLimits, GatewayParts};
pub use messages::NAMES_PER_CHANGE_MAX;
pub use register::{Names, Registration, keep_registered};
pub use secret::{GatewaySecret, SecretError};
pub use table::NAMES_PER_HOST_MAX;
