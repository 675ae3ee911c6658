//! Decides who calls, and which cell answers: bytes and state in, decision out. No sockets, no clock, no globals.
//!
//! * Holds: [`encoding`], how codes, labels and keys are written; [`transcript`], what both sides of a pairing prove,
//!   and [`pairing`], the steps of a pairing; [`hello`] and [`route`], the destination of a connection, before anything
//!   is encrypted; [`device`], who may connect and do what, and [`session`], what they are granted; [`limit`], how much
//!   strangers may use; [`keys`], who can open a person's data, and [`roster`], which says so signed; [`body`] and [`error`], the JSON bodies and the codes
//!   that a refused phone receives; [`token`], bearer tokens of phones that cannot pair, and [`receiver`],
//!   the paths of trackers that cannot even show one.
//! * Units: moments are milliseconds since 1970-01-01T00:00:00Z, given by the caller; sizes are bytes.
//! * Invariants: secrets are wiped when dropped, hidden from `Debug`, compared in constant time.
//! * Not here: TLS (`runtime/host`), files, which people exist.

pub mod body;
pub mod device;
pub mod encoding;
pub mod error;
pub mod hello;
pub mod keys;
pub mod limit;
pub mod pairing;
pub mod receiver;
pub mod roster;
pub mod route;
pub mod secret;
pub mod session;
pub mod token;
pub mod transcript;
