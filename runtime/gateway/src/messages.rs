//! What a host and a gateway tell each other, one JSON object a line.

use handshake::encoding::{Digest32, Nonce};
use serde::{Deserialize, Serialize};

/// The version of these messages.
pub(super) const VERSION: u32 = 1;
/// Most names that one change adds, and most that it withdraws.
pub const NAMES_PER_CHANGE_MAX: usize = 256;

/// Gateway to host, first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub gateway: u32,
    pub nonce: Nonce,
}

/// Host to gateway: who it is, and at which port its callers are to be sent to it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub nonce: Nonce,
    pub port: u16,
    pub proof: Digest32,
}

/// Gateway to host: it is the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub proof: Digest32,
}

/// Host to gateway, as often as it likes and at least every 10 seconds; withdrawn first, then added.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub add: Vec<String>,
    #[serde(default)]
    pub withdraw: Vec<String>,
}

/// Gateway to host, after each change: which of the names to add lead to somebody else, or are none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Changed {
    pub refused: Vec<String>,
}
