//! Labels: they say which runtime a connection is for, before anything is encrypted.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// 16 random bytes, written as 26 characters of base 32 (RFC 4648, lower case, no padding): the first part of the
/// server name. Random rather than derived, so that it cannot be linked to a key or a person.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub [u8; 16]);

/// A text that is no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a label has 26 characters of a-z and 2-7 that stand for 16 bytes")]
pub struct BadLabel;

/// The rest of the server name where the host is an address: names in DNS or TLS cannot end with an address.
const UNDER_AN_ADDRESS: &str = "upc.internal";

/// The server name for TLS: the label or selector, followed by the host. Only the first part decides the route.
pub fn server_name(first: &str, host: &str) -> String {
    let host = if host.parse::<std::net::Ipv4Addr>().is_ok() { UNDER_AN_ADDRESS } else { host };
    format!("{first}.{host}")
}

impl Label {
    /// Length of the written form in characters.
    pub const CHARS: usize = 26;

    /// The label of a server name: its first part, and there must be a second. `None` for any other name.
    pub fn of_server_name(name: &str) -> Option<Self> {
        let (first, rest) = name.split_once('.')?;
        if rest.is_empty() { None } else { first.parse().ok() }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({self})")
    }
}

/// Ignores letter case, as names in DNS do.
impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Self, BadLabel> {
        if text.len() != Self::CHARS {
            return Err(BadLabel);
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| BadLabel)?;
        bytes.try_into().map(Self).map_err(|_| BadLabel)
    }
}

/// Serialised as its text.
impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_label_with_bits_that_stand_for_nothing_is_refused() {
        assert_eq!("a".repeat(26).parse(), Ok(Label([0; 16])));
        assert_eq!(format!("{}b", "a".repeat(25)).parse::<Label>(), Err(BadLabel));
        assert_eq!("a".repeat(25).parse::<Label>(), Err(BadLabel));
        assert_eq!("\u{e9}".repeat(13).parse::<Label>(), Err(BadLabel));
    }

    proptest! {
        #[test]
        fn a_label_reads_what_it_prints_in_any_case(bytes: [u8; 16]) {
            let label = Label(bytes);
            let text = label.to_string();
            prop_assert_eq!(text.len(), Label::CHARS);
            prop_assert_eq!(text.parse(), Ok(label));
            prop_assert_eq!(Label::of_server_name(&format!("{}.example", text.to_uppercase())), Some(label));
            prop_assert_eq!(Label::of_server_name(&text), None);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
            if let Ok(label) = text.parse::<Label>() {
                prop_assert_eq!(label.to_string(), text.to_lowercase());
            }
        }
    }
}
