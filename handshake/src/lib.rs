//! Who calls, and which cell answers: bytes and state in, decision out. No sockets, no clock, no globals.
//!
//! * Holds: [`encoding`], how codes, labels and keys are written; [`transcript`], what both sides of a pairing
//!   prove; [`error`], what a refused phone is told; [`token`], bearer tokens of phones that cannot pair.
//! * Units: moments are milliseconds since 1970-01-01T00:00:00Z, given by the caller; sizes are bytes.
//! * Invariants: secrets are wiped when dropped, hidden from `Debug`, compared in constant time.
//! * Not here: TLS (`runtime/host`), files, which people exist.

pub mod encoding;
pub mod error;
pub mod secret;
pub mod token;
pub mod transcript;
