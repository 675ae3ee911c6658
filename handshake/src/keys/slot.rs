//! Slots: a data key that one phone, or the recovery phrase, can open. 147 bytes:
//!
//! ```text
//!  0  1  version, 1           22 65  ephemeral public key, an uncompressed point
//!  1  1  kind: 1, 3           87 12  nonce
//!  2 16  slot, at random      99 32  data key, encrypted
//! 18  4  generation, BE      131 16  tag
//!
//! KEK = HKDF-SHA256(salt slot, ECDH x, "upc/slot/1" ephemeral wrap_pub generation)
//! AAD = version kind user slot generation wrap_pub
//! ```
//!
//! * Kind 2 is the slot that opens without its owner; it contains no public key and is defined in `runtime/store`.
//! * A slot that an owner replaced still opens, to the data key of its own generation: the caller compares
//!   [`Slot::generation`] with the current one.

use super::agree::{Agree, aes_256_gcm, agree_once, derive};
use crate::encoding::{P256_POINT_BYTES, WrapPub, base64url};
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::aead::{Aad, Nonce};
use ring::rand::SecureRandom;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use zeroize::Zeroizing;

/// Length of a slot in bytes.
pub const SLOT_BYTES: usize = 147;
const VERSION: u8 = 1;
const INFO: &[u8] = b"upc/slot/1";
const ID_AT: usize = 2;
const GENERATION_AT: usize = ID_AT + 16;
const EPHEMERAL_AT: usize = GENERATION_AT + 4;
const NONCE_AT: usize = EPHEMERAL_AT + P256_POINT_BYTES;
const WRAPPED_AT: usize = NONCE_AT + 12;
const TAG_AT: usize = WRAPPED_AT + 32;
const _: () = assert!(TAG_AT + 16 == SLOT_BYTES);

/// The kind of key that opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// A phone's wrap key; 1.
    Device,
    /// The key that is derived from the recovery phrase; 3.
    Recovery,
}

impl From<SlotKind> for u8 {
    fn from(kind: SlotKind) -> Self {
        match kind {
            SlotKind::Device => 1,
            SlotKind::Recovery => 3,
        }
    }
}

/// A sealed data key. Safe to store and to send. The head of a `Slot` is valid; this does not imply that it opens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Slot(#[serde(with = "base64url")] [u8; SLOT_BYTES]);

/// Why bytes are no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSlot {
    /// Too short or too long.
    #[error("a slot has {SLOT_BYTES} bytes, this one has {bytes}")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// Made by a newer runtime.
    #[error("the slot has version {version}, {VERSION} is known")]
    Version {
        /// The version.
        version: u8,
    },
    /// Not a kind that a public key opens.
    #[error("the slot has kind {kind}, a public key opens 1 and 3")]
    Kind {
        /// The kind.
        kind: u8,
    },
    /// The ephemeral key is not on the curve.
    #[error("the slot's ephemeral key is no point of the curve")]
    Point,
}

/// Why a slot did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenSlotError {
    /// See [`Agree::agree`].
    #[error("the wrap key refused to agree")]
    KeyRefused,
    /// Made for another key or person, or a byte was changed; these cannot be distinguished.
    #[error("the slot is another key's or person's, or was changed")]
    Wrong,
}

impl Slot {
    /// Seals `data_key` for the private half of `to`. `user` is the person's id. A fresh slot id each time.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn seal(
        user: &[u8; 16],
        generation: u32,
        kind: SlotKind,
        to: &WrapPub,
        data_key: &Secret<32>,
        random: &dyn SecureRandom,
    ) -> Result<Self, NoRandomness> {
        let agreed = agree_once(to, random)?;
        let mut slot = Self([0; SLOT_BYTES]);
        slot.0[..ID_AT].copy_from_slice(&[VERSION, kind.into()]);
        random.fill(&mut slot.0[ID_AT..GENERATION_AT]).map_err(|_| NoRandomness)?;
        slot.0[GENERATION_AT..EPHEMERAL_AT].copy_from_slice(&generation.to_be_bytes());
        slot.0[EPHEMERAL_AT..NONCE_AT].copy_from_slice(&agreed.ephemeral);
        random.fill(&mut slot.0[NONCE_AT..WRAPPED_AT]).map_err(|_| NoRandomness)?;
        let mut wrapped = Zeroizing::new(*data_key.expose());
        let tag = aes_256_gcm(&slot.wrapping_key(to, &agreed.x))
            .seal_in_place_separate_tag(slot.nonce(), slot.about(user, to), &mut *wrapped)
            .expect("32 bytes are far below what one nonce can seal");
        slot.0[WRAPPED_AT..TAG_AT].copy_from_slice(&*wrapped);
        slot.0[TAG_AT..].copy_from_slice(tag.as_ref());
        Ok(slot)
    }

    /// Reads a slot without opening it.
    ///
    /// # Errors
    /// [`BadSlot`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSlot> {
        let slot = bytes.try_into().map(Self).map_err(|_| BadSlot::Length { bytes: bytes.len() })?;
        if slot.0[0] != VERSION {
            return Err(BadSlot::Version { version: slot.0[0] });
        }
        if !matches!(slot.0[1], 1 | 3) {
            return Err(BadSlot::Kind { kind: slot.0[1] });
        }
        WrapPub::parse(&slot.0[EPHEMERAL_AT..NONCE_AT]).map_err(|_| BadSlot::Point)?;
        Ok(slot)
    }

    /// Opens it to the data key of its [generation](Self::generation).
    ///
    /// # Errors
    /// [`OpenSlotError`].
    pub fn open(&self, key: &dyn Agree, user: &[u8; 16]) -> Result<Secret<32>, OpenSlotError> {
        let ephemeral = WrapPub::parse(&self.0[EPHEMERAL_AT..NONCE_AT]).expect("checked when it was read");
        let public = key.public();
        let x = key.agree(&ephemeral).ok_or(OpenSlotError::KeyRefused)?;
        let mut wrapped = Zeroizing::new([0; SLOT_BYTES - WRAPPED_AT]);
        wrapped.copy_from_slice(&self.0[WRAPPED_AT..]);
        let opened = aes_256_gcm(&self.wrapping_key(&public, &x))
            .open_in_place(self.nonce(), self.about(user, &public), &mut *wrapped)
            .map_err(|_| OpenSlotError::Wrong)?;
        (&*opened).try_into().map(Secret::new).map_err(|_| OpenSlotError::Wrong)
    }

    /// The kind of key that opens it.
    pub fn kind(&self) -> SlotKind {
        if self.0[1] == u8::from(SlotKind::Device) { SlotKind::Device } else { SlotKind::Recovery }
    }

    /// The id of the slot: 16 random bytes.
    pub fn id(&self) -> &[u8; 16] {
        self.array(ID_AT)
    }

    /// The generation of the data key in it.
    pub fn generation(&self) -> u32 {
        u32::from_be_bytes(*self.array(GENERATION_AT))
    }

    /// The 147 bytes.
    pub fn as_bytes(&self) -> &[u8; SLOT_BYTES] {
        &self.0
    }

    fn array<const N: usize>(&self, at: usize) -> &[u8; N] {
        self.0[at..].first_chunk().expect("the layout's offsets are constants")
    }

    fn nonce(&self) -> Nonce {
        Nonce::assume_unique_for_key(*self.array(NONCE_AT))
    }

    fn wrapping_key(&self, public: &WrapPub, x: &Secret<32>) -> Secret<32> {
        let generation = &self.0[GENERATION_AT..EPHEMERAL_AT];
        let ephemeral = &self.0[EPHEMERAL_AT..NONCE_AT];
        derive(self.id(), x, &[INFO, ephemeral, public.as_bytes(), generation])
    }

    fn about(&self, user: &[u8; 16], public: &WrapPub) -> Aad<Vec<u8>> {
        Aad::from([&self.0[..ID_AT], user, &self.0[ID_AT..EPHEMERAL_AT], public.as_bytes()].concat())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.id();
        write!(f, "Slot({:?} {first:02x}{second:02x}.., generation {})", self.kind(), self.generation())
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: [u8; SLOT_BYTES] = base64url::deserialize(deserializer)?;
        Self::parse(&bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::WrapKey;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use std::cell::Cell;

    const USER: [u8; 16] = [0x75; 16];

    fn key(byte: u8) -> WrapKey {
        WrapKey::from_bytes(&Secret::new([byte; 32])).unwrap()
    }

    fn sealed(generation: u32, kind: SlotKind, to: &WrapKey, data_key: [u8; 32]) -> Slot {
        let random = SystemRandom::new();
        Slot::seal(&USER, generation, kind, &to.public(), &Secret::new(data_key), &random).unwrap()
    }

    #[test]
    fn a_slot_is_sealed_without_the_phone_and_opened_by_it() {
        let phone = key(7);
        for kind in [SlotKind::Device, SlotKind::Recovery] {
            let slot = sealed(9, kind, &phone, [3; 32]);
            assert_eq!((slot.kind(), slot.generation()), (kind, 9));
            let read = Slot::parse(slot.as_bytes()).unwrap();
            assert_eq!(read.open(&phone, &USER), Ok(Secret::new([3; 32])));
            let text = serde_json::to_string(&slot).unwrap();
            assert_eq!(text.len(), 196 + 2);
            assert_eq!(serde_json::from_str::<Slot>(&text).unwrap(), slot);
        }
    }

    #[test]
    fn neither_another_phone_nor_another_person_opens_it() {
        let slot = sealed(1, SlotKind::Device, &key(7), [3; 32]);
        assert_eq!(slot.open(&key(8), &USER), Err(OpenSlotError::Wrong));
        for bit in 0..128 {
            let mut user = USER;
            user[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(slot.open(&key(7), &user), Err(OpenSlotError::Wrong), "bit {bit}");
        }
    }

    #[test]
    fn no_slot_with_a_flipped_bit_opens() {
        let phone = key(7);
        let slot = sealed(1, SlotKind::Device, &phone, [3; 32]);
        for bit in 0..SLOT_BYTES * 8 {
            let mut bytes = *slot.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = Slot::parse(&bytes).map(|slot| slot.open(&phone, &USER));
            let refused = match opened {
                Err(BadSlot::Version { .. }) => bit < 8,
                Err(BadSlot::Kind { .. }) => (8..16).contains(&bit),
                Err(BadSlot::Point) => (EPHEMERAL_AT * 8..NONCE_AT * 8).contains(&bit),
                // Bit 1 of the kind makes a phone's slot look like the phrase's.
                Ok(Err(OpenSlotError::Wrong)) => bit >= 16 || bit == 9,
                _ => false,
            };
            assert!(refused, "bit {bit}: {opened:?}");
        }
    }

    #[test]
    fn a_phones_slot_is_no_recovery_slot_and_one_generation_is_no_other() {
        let phone = key(7);
        let slot = sealed(5, SlotKind::Device, &phone, [3; 32]);
        let mut other_kind = *slot.as_bytes();
        other_kind[1] = 3;
        let mut other_generation = *slot.as_bytes();
        other_generation[GENERATION_AT..EPHEMERAL_AT].copy_from_slice(&6_u32.to_be_bytes());
        for bytes in [other_kind, other_generation] {
            assert_eq!(Slot::parse(&bytes).unwrap().open(&phone, &USER), Err(OpenSlotError::Wrong));
        }
    }

    #[test]
    fn hardware_agrees_without_showing_its_key_and_may_refuse() {
        struct Hardware(WrapKey, Cell<bool>);
        impl Agree for Hardware {
            fn public(&self) -> WrapPub {
                self.0.public()
            }
            fn agree(&self, ephemeral: &WrapPub) -> Option<Secret<32>> {
                self.1.get().then(|| self.0.agree(ephemeral)).flatten()
            }
        }
        let phone = Hardware(key(7), Cell::new(false));
        let slot = sealed(1, SlotKind::Device, &phone.0, [3; 32]);
        assert_eq!(slot.open(&phone, &USER), Err(OpenSlotError::KeyRefused));
        phone.1.set(true);
        assert_eq!(slot.open(&phone, &USER), Ok(Secret::new([3; 32])));
    }

    #[test]
    fn two_slots_share_neither_id_nor_ephemeral_key_nor_nonce() {
        let [one, two] = [0; 2].map(|_| sealed(1, SlotKind::Device, &key(7), [3; 32]));
        for range in [ID_AT..GENERATION_AT, EPHEMERAL_AT..NONCE_AT, NONCE_AT..WRAPPED_AT, WRAPPED_AT..TAG_AT]
        {
            assert_ne!(one.0[range.clone()], two.0[range]);
        }
    }

    #[test]
    fn every_other_length_is_refused_and_the_hosts_own_kind_is_none_of_these() {
        let slot = sealed(1, SlotKind::Device, &key(7), [3; 32]);
        for bytes in (0..SLOT_BYTES).chain(SLOT_BYTES + 1..300) {
            let mut other = slot.as_bytes().to_vec();
            other.resize(bytes, 0);
            assert_eq!(Slot::parse(&other), Err(BadSlot::Length { bytes }));
        }
        for kind in [0, 2, 4, 255] {
            let mut other = *slot.as_bytes();
            other[1] = kind;
            assert_eq!(Slot::parse(&other), Err(BadSlot::Kind { kind }));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_slot_opens_to_what_was_sealed(data_key: [u8; 32], user: [u8; 16], generation: u32, byte in 1_u8..255) {
            let (phone, data_key) = (key(byte), Secret::new(data_key));
            let kind = SlotKind::Device;
            let slot = Slot::seal(&user, generation, kind, &phone.public(), &data_key, &SystemRandom::new()).unwrap();
            prop_assert_eq!(slot.generation(), generation);
            prop_assert_eq!(slot.open(&phone, &user), Ok(data_key));
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>, start in 0_u8..4) {
            let _ = Slot::parse(&bytes);
            let mut sized = bytes;
            sized.resize(SLOT_BYTES, start);
            sized[..2].copy_from_slice(&[1, start]);
            let _ = Slot::parse(&sized);
        }
    }
}
