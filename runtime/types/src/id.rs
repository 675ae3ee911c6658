//! Who and which: identities that are safe to log.

use std::fmt;
use std::str::FromStr;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of {digits} hex digits")]
pub struct BadHex {
    /// How many digits the id has.
    pub digits: usize,
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The owner of a runtime: 16 random bytes, drawn once. Keys rotate, this stays; safe to log.
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

/// One entry of one person: 12 bytes, rising in the order of creation. Imports keep theirs.
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

    /// The smallest id of the second `seconds`: the first four bytes are a clock, as in the reference's ids.
    pub fn first_of_second(seconds: u32) -> Self {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        Self(bytes)
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
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
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
        parse_hex(text).map(Self).ok_or(BadHex { digits: 24 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_id_is_followed_by_the_next_larger_one() {
        let id = EntryId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255]);
        assert_eq!(id.next().0[10..], [1, 0]);
        assert!(id.next() > id);
        assert_eq!(EntryId([255; 12]).next(), EntryId([255; 12]));
    }

    #[test]
    fn ids_read_what_they_print() {
        let id: EntryId = "576810cb4a9bba50e3fa1d4a".parse().expect("24 digits");
        assert_eq!(id.to_string(), "576810cb4a9bba50e3fa1d4a");
        assert_eq!(&id.hex(), b"576810cb4a9bba50e3fa1d4a");
        let user: UserId = "0763de67-f61e-3f5d-90e7-518e69793954".parse().expect("32 digits");
        assert_eq!(user.dashed(), "0763de67-f61e-3f5d-90e7-518e69793954");
        assert_eq!("xyz".parse::<EntryId>(), Err(BadHex { digits: 24 }));
    }
}
