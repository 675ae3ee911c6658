//! The messages between a host and a gateway, one JSON object on each line.

use handshake::encoding::{Digest32, Nonce};
use serde::{Deserialize, Serialize};

/// The version of these messages.
pub(super) const VERSION: u32 = 1;
/// The most names that one change adds, and the most that it withdraws.
pub const NAMES_PER_CHANGE_MAX: usize = 256;

/// Gateway to host: the first message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub gateway: u32,
    pub nonce: Nonce,
}

/// Host to gateway: proof of the host, and the port to which its callers are to be sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub nonce: Nonce,
    pub port: u16,
    pub proof: Digest32,
}

/// Gateway to host: proof of the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub proof: Digest32,
}

/// Host to gateway, as often as it likes and at least every 10 seconds; names are withdrawn first, then added.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub add: Vec<String>,
    #[serde(default)]
    pub withdraw: Vec<String>,
}

/// Gateway to host, after each change: which of the added names lead to another host, or are not valid names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Changed {
    pub refused: Vec<String>,
}
