//! Bearer tokens: a caller that shows one is treated as the person for whom it was made.
//!
//! A token is 190 random bits, written as 38 characters of Crockford's base 32 (0-9 and A-Z without I, L, O and U), so
//! that it can be read aloud, typed and put into a QR code's alphanumeric mode. The person has the token; the host
//! stores only its [`TokenHash`], from which the token cannot be found.
//!
//! An e-mission app accepts only tokens that name their study: `nrelop_<study>_<subgroup>_` and the token
//! ([`AppForm`]). Study and subgroup are part of the digest, so that the same secret under another study is invalid.
//!
//! * Invariants: a [`Token`] is in canonical form (upper case, no look-alikes); its memory is wiped when it is
//!   dropped; neither `Debug` nor any error prints a character of it.
//! * Why a plain digest is enough: 190 bits cannot be searched, so salt or stretching would slow down no attack.

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::hash::{Hash, Hasher};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Length of a token in characters.
pub const TOKEN_CHARS: usize = 38;
/// The entropy of a token: 5 bits a character.
pub const TOKEN_BITS: usize = TOKEN_CHARS * 5;

const _: () = assert!(TOKEN_BITS == 190);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Separates these digests from every other SHA-256 that the system computes.
const HASH_DOMAIN: &[u8] = b"cellar bearer token v1\0";

/// The secret itself. Not `Clone` and not comparable: compare [`TokenHash`]es.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; TOKEN_CHARS]);

/// Why a text is no token. It does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadToken {
    /// Too short or too long.
    #[error("a token has {TOKEN_CHARS} characters, this one has {chars}")]
    Length {
        /// The number of characters.
        chars: usize,
    },
    /// A character outside the alphabet.
    #[error("character {index} of the token is none of 0-9 and A-Z without U")]
    Character {
        /// Its index, from 0.
        index: usize,
    },
}

/// The system returned no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

impl Token {
    /// Draws a token from the operating system's randomness.
    ///
    /// # Errors
    /// [`NoRandomness`] where the operating system refuses.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0_u8; TOKEN_CHARS];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        // 32 divides 256, so the low five bits of a random byte are a fair draw.
        for byte in &mut bytes {
            *byte = ALPHABET[usize::from(*byte & 31)];
        }
        let token = Self(bytes);
        bytes.zeroize();
        Ok(token)
    }

    /// Reads a token as people type it: any case, O for 0, I and L for 1. Space around it is ignored.
    ///
    /// # Errors
    /// [`BadToken`], with the index of a character but not the text.
    pub fn parse(text: &str) -> Result<Self, BadToken> {
        let text = text.trim_ascii();
        let chars = text.chars().count();
        if chars != TOKEN_CHARS {
            return Err(BadToken::Length { chars });
        }
        let mut token = Self([0; TOKEN_CHARS]);
        for (index, (slot, character)) in token.0.iter_mut().zip(text.chars()).enumerate() {
            *slot = canonical(character).ok_or(BadToken::Character { index })?;
        }
        Ok(token)
    }

    /// The digest that the host stores and looks up.
    pub fn hash(&self) -> TokenHash {
        self.hash_behind("")
    }

    /// The digest of a token in an app's form.
    pub fn hash_in(&self, form: &AppForm) -> TokenHash {
        self.hash_behind(&form.0)
    }

    fn hash_behind(&self, form: &str) -> TokenHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(HASH_DOMAIN);
        context.update(form.as_bytes());
        context.update(&self.0);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        TokenHash(bytes)
    }

    /// The text, only for showing it to the owner. Never log it.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).expect("every character comes from the alphabet, which is ASCII")
    }
}

/// The prefix of a token for an e-mission app: `nrelop_<study>_<subgroup>_`. Public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppForm(String);

/// A study or subgroup that an app would not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a study and a subgroup each have 1 to {STUDY_CHARS_MAX} of a-z, 0-9 and dashes")]
pub struct BadStudy;

/// Longest name of a study or subgroup, in characters.
pub const STUDY_CHARS_MAX: usize = 32;
const APP_PREFIX: &str = "nrelop_";

impl AppForm {
    /// The form of a study's subgroup.
    ///
    /// # Errors
    /// [`BadStudy`].
    pub fn new(study: &str, subgroup: &str) -> Result<Self, BadStudy> {
        let sound = |name: &str| {
            let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
            (1..=STUDY_CHARS_MAX).contains(&name.len()) && name.bytes().all(plain)
        };
        if sound(study) && sound(subgroup) {
            Ok(Self(format!("{APP_PREFIX}{study}_{subgroup}_")))
        } else {
            Err(BadStudy)
        }
    }

    /// The text that the app accepts, only for showing it to the owner. Never log it.
    pub fn reveal(&self, token: &Token) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", self.0, token.reveal()))
    }
}

/// The digest of a shown token, in either form; `None`: the text has neither form.
pub fn hash_of_shown(text: &str) -> Option<TokenHash> {
    let text = text.trim_ascii();
    let Some(named) = text.strip_prefix(APP_PREFIX) else {
        return Token::parse(text).ok().map(|token| token.hash());
    };
    let (names, token) = named.rsplit_once('_')?;
    let (study, subgroup) = names.split_once('_')?;
    let form = AppForm::new(study, subgroup).ok()?;
    Token::parse(token).ok().map(|token| token.hash_in(&form))
}

/// Prints nothing of the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn canonical(character: char) -> Option<u8> {
    match character.to_ascii_uppercase() {
        'O' => Some(b'0'),
        'I' | 'L' => Some(b'1'),
        other => u8::try_from(other).ok().filter(|byte| ALPHABET.contains(byte)),
    }
}

/// SHA-256 of a token. Compares in constant time; safe to store, and useless to a reader.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

/// For look-ups: a table's timing may reveal hashes, but only the tokens behind them are of use.
impl Hash for TokenHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// 64 lower-case hex digits, as the registry stores them.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Only the first digits, so that a dump of a structure does not list whole hashes.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// A stored hash that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token hash has 64 hex digits")]
pub struct BadTokenHash;

impl std::str::FromStr for TokenHash {
    type Err = BadTokenHash;

    fn from_str(text: &str) -> Result<Self, BadTokenHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(BadTokenHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or(BadTokenHash)?;
            let low = char::from(pair[1]).to_digit(16).ok_or(BadTokenHash)?;
            *byte = u8::try_from(high << 4 | low).map_err(|_| BadTokenHash)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_random_token_reads_back_as_itself() {
        for _ in 0..200 {
            let token = Token::random().expect("randomness");
            assert_eq!(token.reveal().len(), TOKEN_CHARS);
            assert!(token.reveal().bytes().all(|byte| ALPHABET.contains(&byte)));
            let again = Token::parse(token.reveal()).expect("canonical");
            assert_eq!(again.hash(), token.hash());
        }
    }

    #[test]
    fn every_letter_of_the_alphabet_is_drawn_and_no_two_tokens_agree() {
        let tokens: Vec<Token> = (0..200).map(|_| Token::random().expect("randomness")).collect();
        let text: String = tokens.iter().map(Token::reveal).collect();
        assert!(ALPHABET.iter().all(|letter| text.contains(char::from(*letter))));
        let hashes: std::collections::HashSet<TokenHash> = tokens.iter().map(Token::hash).collect();
        assert_eq!(hashes.len(), tokens.len());
    }

    #[test]
    fn a_token_may_be_typed_in_any_case_and_with_look_alikes() {
        let canonical = Token::parse("01010123456789ABCDEFGHJKMNPQRSTVWXYZ00").expect("canonical");
        let typed = Token::parse(" oiOl0123456789abcdefghjkmnpqrstvwxyzoO\n").expect("look-alikes");
        assert_eq!(typed.hash(), canonical.hash());
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_place() {
        assert_eq!(Token::parse("").err(), Some(BadToken::Length { chars: 0 }));
        let long = "0".repeat(39);
        assert_eq!(Token::parse(&long).err(), Some(BadToken::Length { chars: 39 }));
        let odd = format!("{}U{}", "0".repeat(7), "0".repeat(30));
        assert_eq!(Token::parse(&odd).err(), Some(BadToken::Character { index: 7 }));
        let wide = format!("{}\u{130}", "0".repeat(37));
        assert_eq!(Token::parse(&wide).err(), Some(BadToken::Character { index: 37 }));
    }

    #[test]
    fn nothing_that_is_printed_holds_the_secret() {
        let token = Token::random().expect("randomness");
        assert_eq!(format!("{token:?}"), "Token(..)");
        let hash = token.hash();
        assert!(!format!("{hash:?}").contains(&hash.to_string()));
    }

    #[test]
    fn a_token_in_an_apps_form_is_of_its_study_and_subgroup_alone() {
        let (token, form) =
            (Token::random().expect("randomness"), AppForm::new("study", "a-1").expect("plain"));
        let shown = form.reveal(&token);
        assert_eq!(shown.as_str(), format!("nrelop_study_a-1_{}", token.reveal()));
        assert_eq!(hash_of_shown(&format!(" {}\n", shown.as_str())), Some(token.hash_in(&form)));
        assert_eq!(hash_of_shown(token.reveal()), Some(token.hash()));
        let others = ["nrelop_other_a-1_", "nrelop_study_b_", "nrelop_studya_-1_", ""];
        for other in others.map(|other| hash_of_shown(&format!("{other}{}", token.reveal()))) {
            assert!(other.is_some() && other != Some(token.hash_in(&form)));
        }
        for none in [
            "nrelop_",
            "nrelop_study_",
            "nrelop__a_",
            "nrelop_a_b_c_",
            "NRELOP_study_a-1_",
            "nrelop_Study_a_",
        ] {
            assert_eq!(hash_of_shown(&format!("{none}{}", token.reveal())), None, "{none}");
        }
        for (study, subgroup) in [("", "a"), ("a", ""), ("a_b", "c"), ("A", "b"), (&*"a".repeat(33), "b")] {
            assert_eq!(AppForm::new(study, subgroup), Err(BadStudy));
        }
    }

    #[test]
    fn a_hash_reads_what_it_prints_and_differs_from_the_plain_digest() {
        let token = Token::random().expect("randomness");
        let hash = token.hash();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("12".parse::<TokenHash>(), Err(BadTokenHash));
        assert_eq!("g".repeat(64).parse::<TokenHash>(), Err(BadTokenHash));
        let plain = digest::digest(&digest::SHA256, token.reveal().as_bytes());
        assert_ne!(hash.as_bytes().as_slice(), plain.as_ref());
    }

    #[test]
    fn the_hash_of_a_token_never_changes() {
        // Stored hashes must stay valid, so the domain and the canonical form are part of the format.
        let token = Token::parse(&"7".repeat(TOKEN_CHARS)).expect("canonical");
        let want = "3de2488966210b2beb4e229f26421eb607b3865a65d943c27c541e0b3b9aab59";
        assert_eq!(token.hash().to_string(), want);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
            let _ = Token::parse(&text);
            let _ = text.parse::<TokenHash>();
        }
    }
}
