//! One port for all people: a client's first message names the person, and TLS then ends in that person's runtime.
//!
//! ```text
//! hello ── label of a device ──▶ TLS 1.3, bare keys both ways ──▶ `native`, HTTP/2
//!       ── label of a window ──▶ TLS 1.3, any valid key ────────▶ `pairing`, three requests
//!       ── label of a person ──▶ certificate for that name ─────▶ `web`, that person's page; `http`, their tokens
//!       ── any other name ─────▶ the host's certificate ────────▶ `http`, tokens; off unless switched on
//!       ── `acme-tls/1` at a name whose certificate is being ordered ──▶ `proof`
//!       ── unknown label ──────▶ alert 112
//! HTTP without TLS, from this machine ──▶ `page`, a few words; from elsewhere, nothing
//! ```
//!
//! * Invariants: no two people share a key, a session cache or a ticket; every admitted device is looked up in the
//!   table of devices after every handshake, full or resumed, and again at every request.
//! * Not here: the decisions (`handshake`), the answers to requests for cells (`crate::http`).

mod configs;
mod front;
mod native;
mod owner;
mod page;
mod pairing;
mod proof;
mod upc;
pub mod web;

pub use front::{PortFront, PortParts};
pub use native::NativeApp;
pub use web::{FindFile, PageFiles};
