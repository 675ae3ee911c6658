//! The id of an entry.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::hex::{BadHex, parse_hex};

/// One entry of one person: 12 bytes, rising in the order of creation. Imports keep theirs. In JSON it is
/// `{"$oid":"<24 hex>"}`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EntryId(pub [u8; 12]);

impl EntryId {
    /// All zeros: no entry has it. Stands for "none" where ids are packed.
    pub const NONE: Self = Self([0; 12]);

    /// The next larger id; the largest is followed by itself.
    #[must_use]
    pub fn next(self) -> Self {
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(&self.0);
        let next = u128::from_be_bytes(wide).saturating_add(1).min((1 << 96) - 1);
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&next.to_be_bytes()[4..]);
        Self(bytes)
    }

    /// The smallest id of the second `seconds`: the first four bytes are seconds, as in the reference's ids.
    pub fn first_of_second(seconds: u32) -> Self {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        Self(bytes)
    }

    /// Reads 24 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }

    /// Reads packed ids; `None` where the length is no multiple of 12.
    pub fn unpack(packed: &[u8]) -> Option<Vec<Self>> {
        let (ids, rest) = packed.as_chunks::<12>();
        rest.is_empty().then(|| ids.iter().copied().map(Self).collect())
    }

    /// Packs ids.
    pub fn pack(ids: &[Self]) -> Vec<u8> {
        ids.iter().flat_map(|id| id.0).collect()
    }

    /// Packs ids in place.
    pub fn into_packed(ids: Vec<Self>) -> Vec<u8> {
        ids.into_iter().map(|id| id.0).collect::<Vec<_>>().into_flattened()
    }

    /// The 24 lower-case hex digits, as bytes.
    pub fn hex(&self) -> [u8; 24] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 24];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// Appends it as JSON.
    pub fn push_to(&self, json: &mut String) {
        json.push_str(r#"{"$oid":""#);
        self.with_hex(|hex| json.push_str(hex));
        json.push_str("\"}");
    }

    /// Calls `with` with its 24 hex digits.
    fn with_hex<T>(&self, with: impl FnOnce(&str) -> T) -> T {
        with(std::str::from_utf8(&self.hex()).expect("hex digits are ASCII"))
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

impl FromStr for EntryId {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        Self::parse(text).ok_or(BadHex { digits: 24 })
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

#[cfg(feature = "schemas")]
impl schemars::JsonSchema for EntryId {
    fn schema_name() -> Cow<'static, str> {
        "EntryId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The id of an entry",
            "type": "object",
            "properties": { "$oid": { "type": "string", "pattern": "^[0-9a-f]{24}$" } },
            "required": ["$oid"],
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_followed_by_the_next_larger_one() {
        let id = EntryId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255]);
        assert_eq!(id.next().0[10..], [1, 0]);
        assert!(id.next() > id);
        assert_eq!(EntryId([255; 12]).next(), EntryId([255; 12]));
    }

    #[test]
    fn an_id_can_be_printed_and_parsed_back() {
        let id: EntryId = "576810cb4a9bba50e3fa1d4a".parse().expect("24 digits");
        assert_eq!(id.to_string(), "576810cb4a9bba50e3fa1d4a");
        assert_eq!(&id.hex(), b"576810cb4a9bba50e3fa1d4a");
        assert_eq!("xyz".parse::<EntryId>(), Err(BadHex { digits: 24 }));
    }

    #[test]
    fn an_id_in_json_is_an_object_with_24_hex_digits() {
        let text = r#"{"$oid":"576810cb4a9bba50e3fa1d4a"}"#;
        let id: EntryId = serde_json::from_str(text).expect("sound");
        assert_eq!(serde_json::to_string(&id).expect("plain"), text);
        assert!(serde_json::from_str::<EntryId>(r#"{"$oid":"57"}"#).is_err());
    }

    #[test]
    fn ids_can_be_packed_and_unpacked() {
        let ids = vec![EntryId([7; 12]), EntryId::NONE];
        assert_eq!(EntryId::unpack(&EntryId::pack(&ids)), Some(ids.clone()));
        assert_eq!(EntryId::into_packed(ids.clone()), EntryId::pack(&ids));
        assert_eq!(EntryId::unpack(&[0; 13]), None);
    }
}
