//! The identity of this host and how a phone recognises it: a certificate, a key, and the digest that is pinned.
//!
//! * Invariants: the private key is in a file with mode 0600 and in no log; a pin is of the public key, so that a
//!   certificate can be renewed without pairing again.
//! * Not here: who is calling (`runtime/host`, `handshake`).

mod identity;
mod pin;
mod raw;

pub use identity::{Identity, IdentityError};
pub use pin::{BadPin, Pin, pinned_client};
pub use raw::{Accepts, peer_key, raw_client, raw_server};

use std::sync::Arc;

/// The only provider of cryptography; it is passed everywhere, so that nothing depends on a process-wide default.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
