//! Certificates for people's names from a server that speaks ACME (RFC 8555), proved at the host's own port by
//! tls-alpn-01 (RFC 8737).
//!
//! ```text
//! browser ── first connection to a name ──▶ `keeper`       wants a certificate for it, waits a moment
//!            one order after another     ──▶ `order`        account, order, challenge, key, certificate
//!            each request                ──▶ `transport`    TLS to that one server, bounded in time and size
//! server  ── hello, ALPN acme-tls/1      ──▶ `challenge`    the proof, for the name of the order under way alone
//!            key and chain, one file     ──▶ `certificate`  checked, synced, then shown to connections that come
//! ```
//!
//! * Invariants: nothing is asked of any server but the one in the settings; one order is under way at a time; a
//!   certificate is written with its key in one step, after both were found to fit, so that a crash leaves the earlier
//!   ones or none; a proof exists only while its order does.
//! * Not here: which names there are and who is told which certificate (`runtime/host`, `port`).

mod account;
mod certificate;
mod challenge;
mod files;
mod keeper;
mod order;
mod pause;
mod roots;
mod status;
mod transport;

pub use certificate::{Lifetime, Unfit, read as read_certificate};
pub use challenge::ALPN;
pub use keeper::{Certificates, Clock, Settings, Subject};
pub use pause::Pace;
pub use roots::RootsError;
pub use status::{STATUS_FILE, Status};

/// Names that one host gets certificates for. Beyond it, a certificate for a wildcard does more with less.
pub const NAMES_MAX: usize = 1_000;
/// Orders of one host within an hour.
pub const ORDERS_PER_HOUR_MAX: usize = 20;
/// The body of one answer of the server, bytes.
pub const ACME_BODY_BYTES_MAX: usize = 256 * 1024;
/// The head of one answer of the server, bytes.
pub const ACME_HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a server may tell the host to wait, s.
pub const TOLD_WAIT_S_MAX: u64 = 24 * 3_600;
