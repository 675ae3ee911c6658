//! The typed code: a person reads it from one screen and types it on another device where no camera can be used.
//!
//! `SSSS-CCCC-CCCC-CCCC-CCCK` in Crockford's base 32 (0-9, A-Z without I, L, O, U): 4 selector characters, which
//! are public and say where to connect; 15 secret characters, 75 bits; 1 check character.
//!
//! * The check character is the weighted sum of the 19 characters before it modulo 31, as a character, with the powers
//!   1, 3, 3², ... of 3 as weights (3 generates all 30 units modulo 31). It detects every single wrong character unless
//!   the value changes by 31 (0 for Z), and every swap of neighbours except of 0 with Z: 31 is prime, no weight is 0
//!   and no two neighbours have the same weight. A check of 31 values needs no letter beyond the 32 of the alphabet; it
//!   is never Z.
//! * The last 16 characters, check character included, are stretched in canonical form.

use ring::rand::SecureRandom;
use std::fmt;
use std::hash::{Hash, Hasher};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::token::NoRandomness;

/// Characters of a code, without dashes.
pub const CODE_CHARS: usize = 20;
const SELECTOR_CHARS: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The public part of a typed code: 4 characters, 20 bits, canonical.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector([u8; SELECTOR_CHARS]);

/// A whole typed code, canonical. A secret: wiped when dropped, hidden from `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TypedCode([u8; CODE_CHARS]);

/// Why a text is no code. It does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCode {
    /// Too short or too long; dashes and spaces are not counted.
    #[error("a code has {want} characters, this one has {chars}")]
    Length {
        /// The number of characters.
        chars: usize,
        /// The required number.
        want: usize,
    },
    /// A character outside the alphabet.
    #[error("character {index} of the code is none of 0-9 and A-Z without U")]
    Character {
        /// Its index, from 0; dashes and spaces are not counted.
        index: usize,
    },
    /// A character was mistyped.
    #[error("the last character of the code does not fit the others")]
    Check,
}

impl TypedCode {
    /// Draws a code.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let mut code = Self([0; CODE_CHARS]);
        random.fill(&mut code.0).map_err(|_| NoRandomness)?;
        // 32 divides 256, so the low five bits of a random byte are a fair draw.
        for byte in &mut code.0 {
            *byte = ALPHABET[usize::from(*byte & 31)];
        }
        code.0[CODE_CHARS - 1] = check_of(&code.0[..CODE_CHARS - 1]);
        Ok(code)
    }

    /// Reads a code as people type it: any case, O for 0, I and L for 1; dashes and space are ignored.
    ///
    /// # Errors
    /// [`BadCode`], with the place but not the text.
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        let mut code = Self([0; CODE_CHARS]);
        read(text, &mut code.0)?;
        let (body, check) = code.0.split_at(CODE_CHARS - 1);
        if check[0] == check_of(body) { Ok(code) } else { Err(BadCode::Check) }
    }

    /// The selector, by which the phone connects.
    pub fn selector(&self) -> Selector {
        let mut selector = [0; SELECTOR_CHARS];
        selector.copy_from_slice(&self.0[..SELECTOR_CHARS]);
        Selector(selector)
    }

    /// The 16 characters that are stretched into the key of the pairing.
    pub fn password(&self) -> &[u8] {
        &self.0[SELECTOR_CHARS..]
    }

    /// The code with its dashes, only for showing it to the owner. Never log it.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = String::with_capacity(CODE_CHARS + 4);
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(*byte));
        }
        Zeroizing::new(text)
    }
}

impl PartialEq for TypedCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TypedCode {}

/// For a model checker that stores visited states; no table of the product is keyed by a code.
impl Hash for TypedCode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedCode({}, ..)", self.selector())
    }
}

impl Selector {
    /// Reads 4 characters, with the same tolerance as a code.
    ///
    /// # Errors
    /// [`BadCode::Length`] and [`BadCode::Character`].
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        let mut selector = [0; SELECTOR_CHARS];
        read(text, &mut selector)?;
        Ok(Self(selector))
    }

    /// The first part of the server name: `p-` and the characters in lower case.
    pub fn server_label(&self) -> String {
        format!("p-{}", self.to_string().to_ascii_lowercase())
    }

    /// The selector of a server name that begins with [`Self::server_label`].
    pub fn of_server_name(name: &str) -> Option<Self> {
        let (first, rest) = name.split_once('.')?;
        let characters = first.strip_prefix("p-").or_else(|| first.strip_prefix("P-"))?;
        let selector = Self::parse(characters).ok().filter(|_| characters.len() == SELECTOR_CHARS);
        selector.filter(|_| !rest.is_empty())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({self})")
    }
}

impl serde::Serialize for Selector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn read(text: &str, into: &mut [u8]) -> Result<(), BadCode> {
    let typed = || text.chars().filter(|character| !matches!(character, '-' | ' ' | '\t' | '\r' | '\n'));
    let chars = typed().count();
    if chars != into.len() {
        return Err(BadCode::Length { chars, want: into.len() });
    }
    for (index, (slot, character)) in into.iter_mut().zip(typed()).enumerate() {
        *slot = canonical(character).ok_or(BadCode::Character { index })?;
    }
    Ok(())
}

fn canonical(character: char) -> Option<u8> {
    match character.to_ascii_uppercase() {
        'O' => Some(b'0'),
        'I' | 'L' => Some(b'1'),
        other => u8::try_from(other).ok().filter(|byte| ALPHABET.contains(byte)),
    }
}

fn check_of(body: &[u8]) -> u8 {
    let (mut sum, mut weight) = (0_usize, 1_usize);
    for character in body {
        let value = ALPHABET.iter().position(|letter| letter == character);
        sum += weight * value.expect("a code is canonical before it is checked");
        weight = weight * 3 % 31;
    }
    ALPHABET[sum % 31]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn a_random_code_reads_back_as_it_is_shown() {
        for _ in 0..200 {
            let code = TypedCode::random(&SystemRandom::new()).unwrap();
            assert_eq!(code.reveal().len(), 24);
            let again = TypedCode::parse(&code.reveal().to_lowercase()).unwrap();
            assert_eq!(again.0, code.0);
            let name = format!("{}.example", code.selector().server_label());
            assert_eq!(Selector::of_server_name(&name), Some(code.selector()));
            assert!(!format!("{code:?}").contains(&code.reveal()[5..]));
        }
    }

    #[test]
    fn a_wrong_character_or_a_swap_is_noticed_unless_it_is_zero_for_z() {
        let mut bytes = *b"0123456789ABCDEFGHJ0";
        bytes[19] = check_of(&bytes[..19]);
        let code = TypedCode::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
        for index in 0..CODE_CHARS {
            for letter in ALPHABET {
                let mut other = code.0;
                other[index] = *letter;
                let same = other == code.0 || (index < 19 && [other[index], code.0[index]] == *b"Z0");
                let text = std::str::from_utf8(&other).unwrap();
                assert_eq!(TypedCode::parse(text).is_ok(), same, "character {index}");
            }
            if index + 2 < CODE_CHARS {
                let mut other = code.0;
                other.swap(index, index + 1);
                assert_eq!(
                    TypedCode::parse(std::str::from_utf8(&other).unwrap()).err(),
                    Some(BadCode::Check)
                );
            }
        }
    }

    #[test]
    fn look_alikes_are_taken_and_other_letters_refused_by_place() {
        let mut bytes = [b'0'; 20];
        bytes[4] = b'1';
        bytes[19] = check_of(&bytes[..19]);
        let canonical = std::str::from_utf8(&bytes).unwrap();
        let typed = format!(" oO0o-l000-0000-0000-000{} ", char::from(bytes[19]));
        assert_eq!(TypedCode::parse(&typed).unwrap().0, TypedCode::parse(canonical).unwrap().0);
        let refused = TypedCode::parse(&"u".repeat(20)).err();
        assert_eq!(refused, Some(BadCode::Character { index: 0 }));
        assert_eq!(TypedCode::parse("").err(), Some(BadCode::Length { chars: 0, want: 20 }));
    }
}
