//! The sealed inbox: uploads that arrive while the store is locked, sealed to a key that is available only when it is
//! open.
//!
//! ```text
//!  0  1  version, 1
//!  1 65  ephemeral public key, an uncompressed point
//! 66  n  item, encrypted
//!  + 16  tag
//!
//! key = HKDF-SHA256(no salt, ECDH x, "upc/inbox/1" ephemeral inbox_pub)
//! AES-256-GCM, nonce of 12 zeros, AAD = version context
//! ```
//!
//! * The nonce may be constant since every item has a fresh ephemeral key, and so a different encryption key.
//! * `context` is chosen by the caller: facts to which the item is bound, such as the person and its number. It may
//!   have any length, since it comes last.
//! * Not promised: who sealed an item (the public half is no secret, so anyone with the disk can add items), and the
//!   secrecy of its length, which is the item's and 82 bytes.

use super::agree::{BadPrivateKey, PrivateKey, aes_256_gcm, agree_once, derive};
use crate::encoding::{BadSpki, P256_POINT_BYTES, WrapPub};
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::aead::{Aad, LessSafeKey, Nonce};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

/// Longest item, before it is sealed: the longest upload, 64 MiB, and its description.
pub const INBOX_ITEM_BYTES_MAX: usize = (64 << 20) + 1024;
/// The length of the part before the encrypted item.
pub const INBOX_HEAD_BYTES: usize = 1 + P256_POINT_BYTES;
const TAG_BYTES: usize = 16;
/// The number of bytes that sealing adds.
pub const INBOX_OVERHEAD_BYTES: usize = INBOX_HEAD_BYTES + TAG_BYTES;
const VERSION: u8 = 1;
const INFO: &[u8] = b"upc/inbox/1";

/// The public half of an inbox, which a locked runtime seals to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InboxPub(WrapPub);

/// The private half. The caller stores it under the data key.
#[derive(Debug)]
pub struct InboxKey(PrivateKey);

/// The parts around an item that was sealed in place: `head`, the item, `tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Version and ephemeral key.
    pub head: [u8; INBOX_HEAD_BYTES],
    /// The tag.
    pub tag: [u8; TAG_BYTES],
}

/// Why an item was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealItemError {
    /// More than [`INBOX_ITEM_BYTES_MAX`].
    #[error("an item of {bytes} bytes is over the limit of {INBOX_ITEM_BYTES_MAX}")]
    TooLong {
        /// The number of bytes of the item.
        bytes: usize,
    },
    /// The system returned no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why an item did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenItemError {
    /// Shorter than an empty item or longer than the longest.
    #[error("{bytes} bytes are no sealed item")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// Sealed by a newer runtime.
    #[error("the item has version {version}, {VERSION} is known")]
    Version {
        /// The version.
        version: u8,
    },
    /// Sealed to another inbox or for another context, or a byte was changed; these cannot be distinguished.
    #[error("the item is another inbox's or context's, or was changed")]
    Wrong,
}

impl InboxPub {
    /// Reads an uncompressed point, 65 bytes.
    ///
    /// # Errors
    /// [`BadSpki::Length`] and [`BadSpki::Point`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSpki> {
        WrapPub::parse(bytes).map(Self)
    }

    /// The 65 bytes.
    pub fn as_bytes(&self) -> &[u8; P256_POINT_BYTES] {
        self.0.as_bytes()
    }

    /// Seals an item into new memory, [`INBOX_OVERHEAD_BYTES`] longer.
    ///
    /// # Errors
    /// [`SealItemError`].
    pub fn seal(
        &self,
        context: &[u8],
        item: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SealItemError> {
        let sealing = self.sealing(item.len(), random)?;
        let mut sealed = Vec::with_capacity(item.len() + INBOX_OVERHEAD_BYTES);
        sealed.extend_from_slice(&sealing.head);
        sealed.extend_from_slice(item);
        let tag = sealing.seal(context, &mut sealed[INBOX_HEAD_BYTES..]);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Seals an item in place: no copy, and no plain text is left. The memory then has the encrypted bytes, which
    /// belong between the envelope's head and tag. Unchanged where an error is returned.
    ///
    /// # Errors
    /// [`SealItemError`].
    pub fn seal_in_place(
        &self,
        context: &[u8],
        item: &mut [u8],
        random: &dyn SecureRandom,
    ) -> Result<Envelope, SealItemError> {
        let sealing = self.sealing(item.len(), random)?;
        let tag = sealing.seal(context, item);
        Ok(Envelope { head: sealing.head, tag })
    }

    fn sealing(&self, bytes: usize, random: &dyn SecureRandom) -> Result<Sealing, SealItemError> {
        if bytes > INBOX_ITEM_BYTES_MAX {
            return Err(SealItemError::TooLong { bytes });
        }
        let agreed = agree_once(&self.0, random)?;
        let mut head = [VERSION; INBOX_HEAD_BYTES];
        head[1..].copy_from_slice(&agreed.ephemeral);
        Ok(Sealing { head, key: item_key(&head, self, &agreed.x) })
    }
}

/// A key for one item.
struct Sealing {
    head: [u8; INBOX_HEAD_BYTES],
    key: LessSafeKey,
}

impl Sealing {
    fn seal(&self, context: &[u8], item: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self.key.seal_in_place_separate_tag(nonce(), about(context), item);
        let tag = tag.expect("64 MiB are far below what one nonce can seal");
        tag.as_ref().try_into().expect("AES-GCM has tags of 16 bytes")
    }
}

impl InboxKey {
    /// Draws one.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        PrivateKey::random(random).map(Self)
    }

    /// Reads the private half that [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`BadPrivateKey`] for 0 and for a number that is not below the order of the curve.
    pub fn from_bytes(bytes: &Secret<32>) -> Result<Self, BadPrivateKey> {
        PrivateKey::from_bytes(bytes.expose()).map(Self)
    }

    /// The private half, big-endian, to be stored under the data key.
    pub fn to_bytes(&self) -> Secret<32> {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> InboxPub {
        InboxPub(*self.0.public())
    }

    /// Opens an item in place: the memory then has the plain text. Where an error is returned, its bytes are no longer
    /// usable.
    ///
    /// # Errors
    /// [`OpenItemError`].
    pub fn open<'i>(&self, context: &[u8], sealed: &'i mut [u8]) -> Result<&'i mut [u8], OpenItemError> {
        let bytes = sealed.len();
        if !(INBOX_OVERHEAD_BYTES..=INBOX_ITEM_BYTES_MAX + INBOX_OVERHEAD_BYTES).contains(&bytes) {
            return Err(OpenItemError::Length { bytes });
        }
        let (head, item) = sealed.split_first_chunk_mut().ok_or(OpenItemError::Length { bytes })?;
        if head[0] != VERSION {
            return Err(OpenItemError::Version { version: head[0] });
        }
        let ephemeral = WrapPub::parse(&head[1..]).map_err(|_| OpenItemError::Wrong)?;
        let key = item_key(head, &self.public(), &self.0.agree(&ephemeral));
        key.open_in_place(nonce(), about(context), item).map_err(|_| OpenItemError::Wrong)
    }
}

fn item_key(head: &[u8; INBOX_HEAD_BYTES], to: &InboxPub, x: &Secret<32>) -> LessSafeKey {
    aes_256_gcm(&derive(b"", x, &[INFO, &head[1..], to.as_bytes()]))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn about(context: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&[VERSION], context].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    const CONTEXT: &[u8] = b"person 7, item 1";

    fn key(byte: u8) -> InboxKey {
        InboxKey::from_bytes(&Secret::new([byte; 32])).unwrap()
    }

    fn sealed(to: &InboxKey, item: &[u8]) -> Vec<u8> {
        to.public().seal(CONTEXT, item, &SystemRandom::new()).unwrap()
    }

    #[test]
    fn an_item_opens_with_the_private_half_alone() {
        let mut item = sealed(&key(7), b"a day");
        assert_eq!(item.len(), 5 + INBOX_OVERHEAD_BYTES);
        assert_eq!(key(8).open(CONTEXT, &mut item.clone()), Err(OpenItemError::Wrong));
        let again = InboxKey::from_bytes(&key(7).to_bytes()).unwrap();
        assert_eq!(again.open(CONTEXT, &mut item).unwrap(), b"a day");
    }

    #[test]
    fn no_item_with_a_flipped_bit_opens_nor_any_for_another_context() {
        let item = sealed(&key(7), b"a day in the country");
        for bit in 0..item.len() * 8 {
            let mut other = item.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let refused = key(7).open(CONTEXT, &mut other).unwrap_err();
            assert_eq!(matches!(refused, OpenItemError::Version { .. }), bit < 8, "bit {bit}");
        }
        for bit in 0..CONTEXT.len() * 8 {
            let mut context = CONTEXT.to_vec();
            context[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key(7).open(&context, &mut item.clone()), Err(OpenItemError::Wrong), "bit {bit}");
        }
        for context in [b"".as_slice(), &CONTEXT[1..], &[CONTEXT, b"1"].concat()] {
            assert_eq!(key(7).open(context, &mut item.clone()), Err(OpenItemError::Wrong));
        }
    }

    #[test]
    fn a_shortened_or_lengthened_item_is_refused() {
        let item = sealed(&key(7), b"");
        for bytes in 0..INBOX_OVERHEAD_BYTES {
            let mut shorter = item[..bytes].to_vec();
            assert_eq!(key(7).open(CONTEXT, &mut shorter), Err(OpenItemError::Length { bytes }));
        }
        let mut longer = [item, vec![0]].concat();
        assert_eq!(key(7).open(CONTEXT, &mut longer), Err(OpenItemError::Wrong));
    }

    #[test]
    fn an_item_of_64_mib_is_taken_and_one_byte_more_is_not() {
        let mut item = vec![0x5a; INBOX_ITEM_BYTES_MAX];
        let envelope = key(7).public().seal_in_place(CONTEXT, &mut item, &SystemRandom::new()).unwrap();
        item.extend_from_slice(&envelope.tag);
        item.splice(..0, envelope.head);
        let opened = key(7).open(CONTEXT, &mut item).unwrap();
        assert_eq!(opened.len(), INBOX_ITEM_BYTES_MAX);
        assert!(opened.iter().all(|byte| *byte == 0x5a));
        item.push(0);
        let bytes = item.len();
        assert_eq!(key(7).open(CONTEXT, &mut item), Err(OpenItemError::Length { bytes }));
        let long = &mut item[..=INBOX_ITEM_BYTES_MAX];
        let refused = key(7).public().seal_in_place(CONTEXT, long, &SystemRandom::new());
        assert_eq!(refused, Err(SealItemError::TooLong { bytes: INBOX_ITEM_BYTES_MAX + 1 }));
    }

    #[test]
    fn the_same_item_twice_shares_nothing() {
        let [one, two] = [0; 2].map(|_| sealed(&key(7), &[0; 64]));
        assert_ne!(one[1..INBOX_HEAD_BYTES], two[1..INBOX_HEAD_BYTES]);
        assert_ne!(one[INBOX_HEAD_BYTES..], two[INBOX_HEAD_BYTES..]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn an_item_opens_to_what_was_sealed_in_place_or_not(item: Vec<u8>, context: Vec<u8>) {
            let (key, random) = (key(7), SystemRandom::new());
            let mut copied = key.public().seal(&context, &item, &random).unwrap();
            prop_assert_eq!(key.open(&context, &mut copied).unwrap(), &item);
            let mut placed = item.clone();
            let envelope = key.public().seal_in_place(&context, &mut placed, &random).unwrap();
            let mut joined = [&envelope.head, placed.as_slice(), &envelope.tag].concat();
            prop_assert_eq!(key.open(&context, &mut joined).unwrap(), &item);
        }

        #[test]
        fn no_bytes_make_opening_panic_or_succeed(mut bytes: Vec<u8>, sound: bool) {
            if sound && !bytes.is_empty() {
                bytes[0] = VERSION;
            }
            prop_assert!(key(7).open(CONTEXT, &mut bytes).is_err());
        }
    }
}
