//! The code that every end of a connection shares: TLS with pinned or raw keys, reading a client's first message, the
//! places for connections, and the header in which a gateway names its caller.
//!
//! * Invariants: TLS needs no process-wide default ([`tls::provider`]); nothing here decides who is admitted.
//! * Units: limits end in their unit.
//! * Not here: who is calling (`handshake`), the answers (`runtime/host`), passing bytes on (`runtime/gateway`).

pub mod accept;
pub mod peek;
pub mod places;
pub mod proxy;
pub mod tls;

pub use accept::accept;
