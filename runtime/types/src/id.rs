//! Identities of people, safe to log.

use std::fmt;
use std::str::FromStr;

use cells_contract::{BadHex, parse_hex};

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The owner of a runtime: 16 random bytes, drawn once. Keys change, this id stays; safe to log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub [u8; 16]);

impl UserId {
    /// The first 8 hex digits: enough to tell people apart in a log.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }

    /// The form of RFC 9562, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    pub fn dashed(&self) -> String {
        let hex = self.to_string();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({self})")
    }
}

/// Reads 32 hex digits, with or without dashes.
impl FromStr for UserId {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        parse_hex(&text.replace('-', "")).map(Self).ok_or(BadHex { digits: 32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_prints() {
        let user: UserId = "0763de67-f61e-3f5d-90e7-518e69793954".parse().expect("32 digits");
        assert_eq!(user.dashed(), "0763de67-f61e-3f5d-90e7-518e69793954");
        assert_eq!("xyz".parse::<UserId>(), Err(BadHex { digits: 32 }));
    }
}
