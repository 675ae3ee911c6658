//! A gateway: one public address for many hosts. It reads whom a client asks for and passes the bytes on, both ways.
//!
//! ```text
//! phone ── hello ──▶ gateway ── who registered the name? ──▶ host: PROXY header, the hello, then whatever follows
//!                       ▲                                     │
//!                       └── its names, each change of them ───┘   over a private network, a shared secret proven
//! ```
//!
//! * Invariants: no key of TLS is here, so nothing that passes can be read; a name leads to one host, and to another only
//!   once the first is gone; a host is reached at the address that it registers from, so nobody is sent to a third.
//! * Units: limits end in their unit. Every wait for a stranger or for a host is bounded.
//! * Not here: what the names are for (`handshake::route`), what a host makes of a caller (`runtime/host`).
//!
//! The bytes of registering are in `docs/formats/gateway.md`.

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
