//! The address at which phones reach the host.

use runtime_program::{Failure, typed};
use runtime_wire::tls::Pin;

use super::remedy::SET_ADDRESS;

/// The parts of a connection string, except the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneAddress {
    /// `HOST:PORT`
    pub address: String,
    /// The pin of the host's key.
    pub pin: Pin,
}

impl PhoneAddress {
    /// For commands that tell nobody where phones reach the host.
    pub fn untold() -> Self {
        Self { address: String::new(), pin: "0".repeat(64).parse().expect("64 hex digits") }
    }

    /// For the page, which pairs phones: those learn the host's key in the pairing itself, and not from its certificate.
    pub fn of_pairing(address: String) -> Self {
        Self { address, ..Self::untold() }
    }

    /// The connection string with this token. It is a secret.
    pub fn connection(&self, token: &str) -> String {
        format!("cellar://{}/?token={token}&pin={}", self.address, self.pin)
    }

    /// The host and the port of the address that is given to phones.
    pub(super) fn host_and_port(&self) -> Result<(String, u16), Failure> {
        let parts = typed::address(&self.address).map(|(host, port)| (host.to_ascii_lowercase(), port));
        parts.ok_or_else(|| {
            Failure::new(format!("phones cannot be told the address {}", self.address), SET_ADDRESS)
        })
    }
}
