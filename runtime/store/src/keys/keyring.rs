//! The keyring: one random key a stream and month, in one small sealed file that is replaced whole.
//!
//! It is never in the engine's file, which keeps old versions of what it holds.

use std::collections::BTreeMap;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime_types::{Area, Stream, StreamKey, UserId};
use zeroize::Zeroizing;

use super::{DataKey, Secret, SmallFile, random_bytes};
use crate::KeyError;

/// Its name in the store's folder.
pub(crate) const KEYRING_FILE: &str = "keyring";
const MAGIC: &[u8; 4] = b"CKR1";
const NONCE_BYTES: usize = 12;

/// A key of a stream's month.
#[derive(Clone)]
pub(crate) struct MonthKey {
    /// Never used twice in a store, also after the key is gone.
    pub number: u32,
    pub secret: Secret,
}

/// All keys of one store but the data key.
#[derive(Clone)]
pub(crate) struct Keyring {
    /// Seals what is not an entry: descriptors, superblock, documents.
    pub meta: MonthKey,
    /// Where digests of names, state and tokens are derived from.
    pub index: Secret,
    /// Where digests of origins are derived from: their own, so that an export can carry it.
    pub origins: Secret,
    months: BTreeMap<(Stream, i32), MonthKey>,
    /// Numbers of keys that were destroyed while their blocks may still stand in the engine.
    doomed: Vec<u32>,
    next_number: u32,
}

impl Keyring {
    pub fn new() -> Result<Self, KeyError> {
        Ok(Self {
            meta: MonthKey { number: 0, secret: Secret::random()? },
            index: Secret::random()?,
            origins: Secret::random()?,
            months: BTreeMap::new(),
            doomed: Vec::new(),
            next_number: 1,
        })
    }

    pub fn month(&self, stream: &Stream, month: i32) -> Option<&MonthKey> {
        // A lookup by reference would need a key type of its own; this is once a block.
        self.months.get(&(stream.clone(), month))
    }

    /// Draws a key where the month has none; answers whether it did.
    pub fn ensure(&mut self, stream: &Stream, month: i32) -> Result<bool, KeyError> {
        if self.month(stream, month).is_some() {
            return Ok(false);
        }
        let key = MonthKey { number: self.next_number, secret: Secret::random()? };
        self.next_number += 1;
        self.months.insert((stream.clone(), month), key);
        Ok(true)
    }

    /// Drops the keys that `choose` picks and notes their numbers as doomed.
    pub fn destroy(&mut self, choose: impl Fn(&Stream, i32) -> bool) -> Vec<u32> {
        let mut numbers = Vec::new();
        self.months.retain(|(stream, month), key| {
            let keep = !choose(stream, *month);
            if !keep {
                numbers.push(key.number);
            }
            keep
        });
        self.doomed.extend_from_slice(&numbers);
        numbers
    }

    pub fn doomed(&self) -> &[u32] {
        &self.doomed
    }

    /// The blocks of doomed keys are gone.
    pub fn forget_doomed(&mut self) {
        self.doomed.clear();
    }

    /// Seals it into the file, on disk when it returns.
    pub fn save(&self, user: UserId, key: &DataKey, file: &dyn SmallFile) -> Result<(), KeyError> {
        let nonce = random_bytes::<NONCE_BYTES>()?;
        let plain = self.encode();
        let mut sealed = Vec::with_capacity(plain.len() + 32);
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        let tag = wrap_key(key)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                about(user),
                &mut sealed[MAGIC.len() + NONCE_BYTES..],
            )
            .expect("a keyring is far shorter than what one nonce can seal");
        sealed.extend_from_slice(tag.as_ref());
        file.replace(&sealed).map_err(|source| disk("write", source))
    }

    /// Opens what [`Self::save`] wrote.
    pub fn load(user: UserId, key: &DataKey, file: &dyn SmallFile) -> Result<Self, KeyError> {
        let content = file.read().map_err(|source| disk("read", source))?;
        let mut content = Zeroizing::new(content.ok_or_else(unsound)?);
        let (magic, sealed) = content.split_first_chunk_mut::<4>().ok_or_else(unsound)?;
        let (nonce, sealed) = sealed.split_first_chunk_mut::<NONCE_BYTES>().ok_or_else(unsound)?;
        if magic != MAGIC {
            return Err(unsound());
        }
        let plain = wrap_key(key)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), about(user), sealed)
            .map_err(|_| KeyError::WrongKeyring { user })?;
        Self::decode(plain).ok_or_else(unsound)
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Sized beforehand, so that no half-grown copy of the secrets is left behind in memory.
        let size = 116 + self.doomed.len() * 4 + self.months.len() * (43 + 130);
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        out.extend_from_slice(&self.next_number.to_le_bytes());
        out.extend_from_slice(&self.meta.secret.0);
        out.extend_from_slice(&self.index.0);
        out.extend_from_slice(&self.origins.0);
        out.extend_from_slice(&(self.doomed.len() as u32).to_le_bytes());
        for number in &self.doomed {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(self.months.len() as u32).to_le_bytes());
        for ((stream, month), key) in &self.months {
            let name = stream.key.as_str().as_bytes();
            out.extend_from_slice(&[stream.area as u8, name.len() as u8]);
            out.extend_from_slice(name);
            out.extend_from_slice(&month.to_le_bytes());
            out.extend_from_slice(&key.number.to_le_bytes());
            out.extend_from_slice(&key.secret.0);
        }
        out
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            let (taken, rest) = bytes.split_first_chunk::<N>()?;
            *bytes = rest;
            Some(*taken)
        }
        let next_number = u32::from_le_bytes(take(&mut bytes)?);
        let meta = MonthKey { number: 0, secret: Secret(take(&mut bytes)?) };
        let index = Secret(take(&mut bytes)?);
        let origins = Secret(take(&mut bytes)?);
        let mut doomed = Vec::new();
        for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
            doomed.push(u32::from_le_bytes(take(&mut bytes)?));
        }
        let mut months = BTreeMap::new();
        for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
            let [area, length] = take(&mut bytes)?;
            let (name, rest) = bytes.split_at_checked(usize::from(length))?;
            bytes = rest;
            let key = StreamKey::parse(std::str::from_utf8(name).ok()?).ok()?;
            let stream = Stream { area: Area::from_number(area)?, key };
            let month = i32::from_le_bytes(take(&mut bytes)?);
            let number = u32::from_le_bytes(take(&mut bytes)?);
            months.insert((stream, month), MonthKey { number, secret: Secret(take(&mut bytes)?) });
        }
        bytes.is_empty().then_some(Self { meta, index, origins, months, doomed, next_number })
    }
}

fn wrap_key(key: &DataKey) -> LessSafeKey {
    let secret = key.0.derive(b"", &[b"cellar/keyring/1"]);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret.0).expect("the key has 32 bytes"))
}

fn about(user: UserId) -> Aad<Vec<u8>> {
    Aad::from([b"cellar/keyring/1".as_slice(), &user.0].concat())
}

fn disk(what: &'static str, source: std::io::Error) -> KeyError {
    KeyError::Disk { what, path: KEYRING_FILE.into(), source }
}

fn unsound() -> KeyError {
    KeyError::Unsound { what: "keyring", path: KEYRING_FILE.into() }
}
