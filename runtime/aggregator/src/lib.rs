//! Totals over people of many hosts, by two aggregators that do not trust each other. Each sees one share of every
//! contribution; together they check that it is within its bounds, and each adds noise to its own sum of shares.
//!
//! * Holds: [`scheme`], shares, proofs and noise, by the library prio; [`message`], what is said; [`link`], TLS with
//!   pinned keys; [`ledger`], what an aggregator keeps; `leader` and `helper`, the two sides of a count;
//!   [`server`], an aggregator that listens; [`send`], a host's side; [`collect`], the researcher's side.
//! * Invariants: a share of one person is in memory alone, and looked at once. A report is counted by both or by
//!   neither, and once, whatever process ends when ([`ledger`] says how). A share of totals leaves once its noise is on
//!   disk, over no fewer people than the study says, and is the same ever after.
//! * Units: moments are seconds since 1970-01-01T00:00:00Z; sizes are bytes.
//! * Not here: what a study is (`runtime/study`), whose budget pays (`runtime/user`).

pub mod collect;
mod command;
pub mod error;
pub mod folder;
mod helper;
mod leader;
pub mod ledger;
pub mod link;
pub mod message;
pub mod scheme;
pub mod send;
pub mod server;

pub use command::{Command, main};

/// Largest message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most reports of one message.
pub const MESSAGE_REPORTS_MAX: usize = 64;
/// Most connections at once.
pub const PEERS_MAX: usize = 32;
/// Most bytes of shares that wait in a helper's memory for the leader.
pub const HELD_BYTES_MAX: usize = 32 << 20;
/// How long a share waits in a helper's memory for the leader, s.
pub const HELD_S: u64 = 120;
/// How long a peer may say nothing, s.
pub const PEER_SILENCE_S: u64 = 20;
