//! The recovery phrase: 24 words on paper that open a person's data when every phone is lost.
//!
//! ```text
//! words   = BIP-39, English: 256 random bits and 8 bits of their SHA-256, eleven a word
//! private = the first of HKDF-SHA256(no salt, the 256 bits, "upc/recovery/1" counter) for counter 0, 1, .. 255
//!           (one byte) that is a private key of P-256
//! ```
//!
//! * Invariants: errors give a word's index and never the word.
//! * BIP-39's own stretching into a seed is not used: 256 bits cannot be searched.

use super::WrapKey;
use super::agree::{Agree, derive};
use crate::secret::Secret;
use crate::token::NoRandomness;
use bip39::{Language, Mnemonic};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Words of a phrase.
pub const PHRASE_WORDS: usize = 24;
const ENTROPY_BYTES: usize = 32;
/// The longest word of the list, with the space behind it.
const WORD_CHARS_MAX: usize = 9;
const INFO: &[u8] = b"upc/recovery/1";

/// A recovery phrase. A secret: wiped when dropped, hidden from `Debug`.
#[derive(Clone)]
pub struct Phrase(Mnemonic);

/// Why a text is no phrase. It does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPhrase {
    /// Words missing or left over.
    #[error("a recovery phrase has {PHRASE_WORDS} words, this one has {words}")]
    Length {
        /// The number of words.
        words: usize,
    },
    /// A word that is not on the list.
    #[error("word {index} of the phrase is none of the list")]
    Word {
        /// Its index, from 0.
        index: usize,
    },
    /// All words are on the list, but they are not a phrase: one is wrong, or two were swapped.
    #[error("the words of the phrase do not fit each other")]
    Check,
}

impl Phrase {
    /// Draws one.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
        random.fill(&mut *entropy).map_err(|_| NoRandomness)?;
        Ok(Self::from_entropy(&entropy))
    }

    fn from_entropy(entropy: &[u8; ENTROPY_BYTES]) -> Self {
        let phrase = Mnemonic::from_entropy_in(Language::English, entropy);
        Self(phrase.expect("256 bits are a length that BIP-39 has"))
    }

    /// Reads a phrase in any case, with any white space between and around the words.
    ///
    /// # Errors
    /// [`BadPhrase`], with the index of a word but not the word.
    pub fn parse(text: &str) -> Result<Self, BadPhrase> {
        let words = text.split_whitespace().count();
        if words != PHRASE_WORDS {
            return Err(BadPhrase::Length { words });
        }
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let phrase =
            Mnemonic::parse_in_normalized(Language::English, &lower).map_err(|error| match error {
                bip39::Error::UnknownWord(index) => BadPhrase::Word { index },
                _ => BadPhrase::Check,
            })?;
        Ok(Self(phrase))
    }

    /// The words with single spaces, only for showing them to the owner. Never log them.
    pub fn reveal(&self) -> Zeroizing<String> {
        // Sized beforehand, so that a reallocation leaves no partial copy in memory.
        let mut text = Zeroizing::new(String::with_capacity(PHRASE_WORDS * WORD_CHARS_MAX));
        for (index, word) in self.0.words().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// The key whose public half the runtime stores; the private half is recomputed from the words when needed.
    pub fn wrap_key(&self) -> WrapKey {
        let (mut bytes, _) = self.0.to_entropy_array();
        let entropy = Secret::new(*bytes.first_chunk().expect("the array has room for 33 bytes"));
        bytes.zeroize();
        first_key(|counter| derive(b"", &entropy, &[INFO, &[counter]]))
    }

    /// Signs with the key of [`Self::wrap_key`]: ECDSA with SHA-256, DER. One key opens slots and signs, because phrases
    /// that were written down before rosters existed must be able to sign; what is signed begins with a prefix of its
    /// own, and what is agreed goes through HKDF, so that neither use says anything about the other.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn sign(&self, message: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, NoRandomness> {
        let (key, algorithm) = (self.wrap_key(), &ECDSA_P256_SHA256_ASN1_SIGNING);
        let (private, public) = (key.to_bytes(), key.public());
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            algorithm,
            private.expose(),
            public.as_bytes(),
            random,
        );
        // Both halves belong together, so that only randomness can be missing.
        let signature = pair.map_err(|_| NoRandomness)?.sign(random, message).map_err(|_| NoRandomness)?;
        Ok(signature.as_ref().to_vec())
    }

    /// The two words that the owner is asked to type again: two different indexes from 0, in rising order, each pair as
    /// likely as any other.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn check_places(random: &dyn SecureRandom) -> Result<[usize; 2], NoRandomness> {
        let first = below(PHRASE_WORDS, random)?;
        let second = below(PHRASE_WORDS - 1, random)?;
        // The index that `first` has is skipped.
        let second = if second >= first { second + 1 } else { second };
        Ok([first.min(second), first.max(second)])
    }

    /// Whether `typed`, in any case and with white space around it, is the word at index `place`, from 0.
    pub fn word_is(&self, place: usize, typed: &str) -> bool {
        let typed = Zeroizing::new(typed.trim().to_ascii_lowercase());
        let word = self.0.words().nth(place);
        word.is_some_and(|word| word.as_bytes().ct_eq(typed.as_bytes()).into())
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(..)")
    }
}

/// One of 2^32 candidates is no private key.
fn first_key(candidate: impl Fn(u8) -> Secret<32>) -> WrapKey {
    let mut keys = (0..=u8::MAX).filter_map(|counter| WrapKey::from_bytes(&candidate(counter)).ok());
    keys.next().expect("256 candidates all fail once in 2^8192")
}

/// A uniform draw from 0 to `bound` - 1, which is at most 256.
fn below(bound: usize, random: &dyn SecureRandom) -> Result<usize, NoRandomness> {
    let fair = 256 - 256 % bound;
    // At most one draw in sixteen is rejected; 64 in a row mean that the source is not random.
    for _ in 0..64 {
        let mut byte = [0];
        random.fill(&mut byte).map_err(|_| NoRandomness)?;
        if usize::from(byte[0]) < fair {
            return Ok(usize::from(byte[0]) % bound);
        }
    }
    Err(NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Agree;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    #[test]
    fn the_published_phrases_come_out() {
        let art = format!("{}art", "abandon ".repeat(23));
        let vote = format!("{}vote", "zoo ".repeat(23));
        for (byte, words) in [(0x00, art), (0xff, vote)] {
            let phrase = Phrase::from_entropy(&[byte; 32]);
            assert_eq!(*phrase.reveal(), words);
            let read = Phrase::parse(&words).unwrap();
            assert_eq!(read.wrap_key().public(), phrase.wrap_key().public());
        }
    }

    #[test]
    fn a_phrase_reads_back_in_any_case_and_spacing_and_is_hidden() {
        let phrase = Phrase::random(&SystemRandom::new()).unwrap();
        let words = phrase.reveal();
        let typed = format!("\t{}\r\n", words.to_uppercase().replace(' ', " \u{a0}\n  "));
        let read = Phrase::parse(&typed).unwrap();
        assert_eq!(*read.reveal(), *words);
        assert_eq!(read.wrap_key().to_bytes(), phrase.wrap_key().to_bytes());
        assert_eq!(format!("{phrase:?}"), "Phrase(..)");
    }

    #[test]
    fn what_is_no_phrase_is_refused_by_place() {
        let words = format!("{}art", "abandon ".repeat(23));
        for count in [0, 1, 12, 23, 25, 1000] {
            let text = "zoo ".repeat(count);
            assert_eq!(Phrase::parse(&text).err(), Some(BadPhrase::Length { words: count }));
        }
        for index in 0..PHRASE_WORDS {
            let mut list: Vec<&str> = words.split(' ').collect();
            list[index] = "cellar";
            let refused = Phrase::parse(&list.join(" ")).unwrap_err();
            assert_eq!(refused, BadPhrase::Word { index });
            assert!(!refused.to_string().contains("cellar"));
        }
        let swapped = format!("art {}", "abandon ".repeat(23));
        assert_eq!(Phrase::parse(&swapped).err(), Some(BadPhrase::Check));
        // The lower case of this letter is two characters outside ASCII.
        let odd = words.replacen("abandon", "\u{130}", 1);
        assert_eq!(Phrase::parse(&odd).err(), Some(BadPhrase::Word { index: 0 }));
    }

    #[test]
    fn a_candidate_that_is_no_key_gives_way_to_the_next() {
        let key = first_key(|counter| Secret::new([if counter < 3 { 0xff } else { counter }; 32]));
        assert_eq!(key.to_bytes(), Secret::new([3; 32]));
        let key = first_key(|counter| Secret::new([counter; 32]));
        assert_eq!(key.to_bytes(), Secret::new([1; 32]), "zero is no key");
    }

    #[test]
    fn two_different_words_are_asked_for_and_every_place_comes_up() {
        let mut asked = [0; PHRASE_WORDS];
        for _ in 0..2_000 {
            let [first, second] = Phrase::check_places(&SystemRandom::new()).unwrap();
            assert!(first < second && second < PHRASE_WORDS);
            asked[first] += 1;
            asked[second] += 1;
        }
        // 167 are expected; 12 standard deviations below is 12.
        assert!(asked.iter().all(|times| *times > 12), "{asked:?}");
    }

    #[test]
    fn a_word_typed_again_is_judged_at_its_own_place() {
        let phrase = Phrase::parse(&format!("{}art", "abandon ".repeat(23))).unwrap();
        assert!(phrase.word_is(0, "abandon") && phrase.word_is(23, " ART\n"));
        for (place, typed) in [(0, "art"), (23, "abandon"), (0, "aban"), (0, ""), (24, "art"), (24, "")] {
            assert!(!phrase.word_is(place, typed), "{place} {typed}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\PC{0,4} ){0,26}", place: usize) {
            let _ = Phrase::parse(&text);
            prop_assert!(!Phrase::from_entropy(&[0; 32]).word_is(place, &text));
        }

        #[test]
        fn a_phrase_with_another_word_is_mostly_noticed_and_never_the_same_key(place in 0_usize..24, word in 0_usize..2048) {
            let phrase = Phrase::from_entropy(&[0x5a; 32]);
            let words = phrase.reveal();
            let mut list: Vec<&str> = words.split(' ').collect();
            let other = Language::English.word_list()[word];
            prop_assume!(list[place] != other);
            list[place] = other;
            if let Ok(other) = Phrase::parse(&list.join(" ")) {
                prop_assert_ne!(other.wrap_key().public(), phrase.wrap_key().public());
            }
        }
    }
}
