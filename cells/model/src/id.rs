//! The id of an entry as cells see it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One entry of one person: 12 bytes, rising in the order of creation. In JSON it is `{"$oid":"<24 hex>"}`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EntryId(pub [u8; 12]);

impl EntryId {
    /// All zeros: no entry has it. Stands for "none" where ids are packed.
    pub const NONE: Self = Self([0; 12]);

    /// Reads 24 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 24 {
            return None;
        }
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = (high << 4 | low) as u8;
        }
        Some(Self(bytes))
    }

    /// Ids that were packed one behind the other; `None` where the length is no multiple of 12.
    pub fn unpack(packed: &[u8]) -> Option<Vec<Self>> {
        let (ids, rest) = packed.as_chunks::<12>();
        rest.is_empty().then(|| ids.iter().copied().map(Self).collect())
    }

    /// Packs ids one behind the other.
    pub fn pack(ids: &[Self]) -> Vec<u8> {
        ids.iter().flat_map(|id| id.0).collect()
    }
}

impl EntryId {
    /// Appends it as JSON.
    pub fn push_to(&self, json: &mut String) {
        json.push_str(r#"{"$oid":""#);
        self.with_hex(|hex| json.push_str(hex));
        json.push_str("\"}");
    }

    /// Calls `with` with its 24 hex digits.
    fn with_hex<T>(&self, with: impl FnOnce(&str) -> T) -> T {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 24];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        with(std::str::from_utf8(&hex).expect("hex digits are ASCII"))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_hex(|hex| f.write_str(hex))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(rename = "$oid", borrow)]
    oid: Cow<'a, str>,
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_hex(|hex| Wire { oid: Cow::Borrowed(hex) }.serialize(serializer))
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Self::parse(&wire.oid).ok_or_else(|| de::Error::custom("an id is 24 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_json_is_an_object_with_24_hex_digits() {
        let text = r#"{"$oid":"576810cb4a9bba50e3fa1d4a"}"#;
        let id: EntryId = serde_json::from_str(text).expect("sound");
        assert_eq!(serde_json::to_string(&id).expect("plain"), text);
        assert!(serde_json::from_str::<EntryId>(r#"{"$oid":"57"}"#).is_err());
        assert_eq!(EntryId::unpack(&EntryId::pack(&[id, EntryId::NONE])), Some(vec![id, EntryId::NONE]));
        assert_eq!(EntryId::unpack(&[0; 13]), None);
    }
}
