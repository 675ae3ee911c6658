//! The path of a receiver: what a tracker from the shops shows instead of a token, since such an app sends to an address
//! and to nothing else.
//!
//! The path has a segment of 256 random bits. Whoever has it may add to one device's streams and nothing more. The app
//! has the segment; the host stores only its digest.
//!
//! * Invariants: a [`PathSecret`] is wiped when it is dropped, and nothing prints a character of it; each has one
//!   written form; its digest is never one of a bearer token's.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::token::{NoRandomness, TokenHash};

/// The randomness of a path, bytes.
pub const PATH_SECRET_BYTES: usize = 32;
/// Its length as a segment: base 32, lower case, without padding.
pub const PATH_SECRET_CHARS: usize = (PATH_SECRET_BYTES * 8).div_ceil(5);
/// Separates these digests from every other SHA-256 that the system computes.
const HASH_DOMAIN: &[u8] = b"cellar receiver path v1\0";

/// The secret segment of a receiver's path. Not `Clone` and not comparable: compare the digests.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PathSecret([u8; PATH_SECRET_BYTES]);

impl PathSecret {
    /// Draws one from the operating system's randomness.
    ///
    /// # Errors
    /// [`NoRandomness`] where the operating system refuses.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut secret = Self([0; PATH_SECRET_BYTES]);
        SystemRandom::new().fill(&mut secret.0).map_err(|_| NoRandomness)?;
        Ok(secret)
    }

    /// Reads a segment; `None` for any text that [`Self::reveal`] does not give.
    pub fn parse(segment: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if segment.len() != PATH_SECRET_CHARS || !segment.bytes().all(plain) {
            return None;
        }
        let upper = Zeroizing::new(segment.to_ascii_uppercase());
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(upper.as_bytes()).ok()?);
        Some(Self(bytes.as_slice().try_into().ok()?))
    }

    /// The digest that the host stores and looks up.
    pub fn hash(&self) -> TokenHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(HASH_DOMAIN);
        context.update(&self.0);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        TokenHash::from_bytes(bytes)
    }

    /// The segment, only for showing it to the owner. Never log it.
    pub fn reveal(&self) -> Zeroizing<String> {
        let upper = Zeroizing::new(BASE32_NOPAD.encode(&self.0));
        Zeroizing::new(upper.to_ascii_lowercase())
    }
}

/// Prints nothing of the secret.
impl fmt::Debug for PathSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::hash_of_shown;

    #[test]
    fn a_segment_reads_back_as_itself_and_no_two_agree() {
        let mut known = std::collections::HashSet::new();
        for _ in 0..200 {
            let secret = PathSecret::random().expect("randomness");
            let segment = secret.reveal();
            assert_eq!(segment.len(), PATH_SECRET_CHARS);
            assert_eq!(PathSecret::parse(&segment).expect("its form").hash(), secret.hash());
            assert_eq!(hash_of_shown(&segment), None, "it is no token");
            assert!(known.insert(secret.hash()));
            assert_eq!(format!("{secret:?}"), "PathSecret(..)");
        }
    }

    #[test]
    fn each_secret_has_one_written_form() {
        let secret = PathSecret([0xff; PATH_SECRET_BYTES]);
        let segment = secret.reveal();
        // The last character has four bits that say nothing, and must be zero.
        let other = format!("{}r", &segment[..PATH_SECRET_CHARS - 1]);
        assert_ne!(other, *segment);
        for bad in [other, segment.to_uppercase(), format!("{}a", &*segment), String::new(), "0".repeat(52)] {
            assert!(PathSecret::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_digest_of_a_path_never_changes() {
        let plain = digest::digest(&digest::SHA256, &[7; PATH_SECRET_BYTES]);
        let hash = PathSecret([7; PATH_SECRET_BYTES]).hash();
        assert_ne!(hash.as_bytes().as_slice(), plain.as_ref());
        let mut domain = b"cellar receiver path v1\0".to_vec();
        domain.extend([7; PATH_SECRET_BYTES]);
        assert_eq!(hash.as_bytes().as_slice(), digest::digest(&digest::SHA256, &domain).as_ref());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}", plain in "[a-z2-7]{52}") {
            let _ = PathSecret::parse(&text);
            let read = PathSecret::parse(&plain);
            prop_assert!(read.is_none_or(|secret| *secret.reveal() == plain));
        }
    }
}
