//! Who calls: bytes in, decision out. No sockets, no clock, no globals.
//!
//! * Holds: [`token`], the bearer token that stands for a person until a phone is paired.
//! * Not here: which people exist and what their tokens hash to (`runtime/user`), TLS (`runtime/host`).

pub mod token;
