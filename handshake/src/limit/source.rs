//! The source of a request, as coarse as the addresses that a person or a provider has.

use std::fmt;
use std::net::IpAddr;

/// A network: a /24 of IPv4, a /56 of IPv6, which is what one connection to a provider gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The first 3 bytes.
    V4([u8; 3]),
    /// The first 7 bytes.
    V6([u8; 7]),
}

/// IPv4 written as IPv6 is treated as IPv4; otherwise one address would be two sources, and all of IPv4 one.
impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

/// The beginning of a token: the first 8 bytes of its secret part, in upper case. Part of a secret, so hidden from
/// `Debug`; the rest of a token still has 150 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenPrefix([u8; 8]);

impl TokenPrefix {
    /// The beginning of any text that is shown as a token. An app's prefix is skipped, as it is the same for a whole
    /// study.
    pub fn of(token: &str) -> Self {
        let mut prefix = [0; 8];
        let shown = token.trim_ascii().rsplit('_').next().unwrap_or_default().bytes();
        prefix.iter_mut().zip(shown).for_each(|(slot, byte)| *slot = byte.to_ascii_uppercase());
        Self(prefix)
    }
}

impl fmt::Debug for TokenPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPrefix(..)")
    }
}
