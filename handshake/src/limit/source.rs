//! From where something comes, as coarsely as a person or a provider has addresses.

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

/// IPv4 written as IPv6 is IPv4, or one address would be two sources, and all of IPv4 one.
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

/// How a token begins: the first 8 bytes of its secret part, in upper case. Part of a secret, so hidden from `Debug`; the rest of a
/// token still has 150 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenPrefix([u8; 8]);

impl TokenPrefix {
    /// Of any text that is shown as a token. What an app puts before the secret is the same for a whole study.
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
