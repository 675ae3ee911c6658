//! The keyring: one random key for each stream and month, in one small sealed file that is replaced whole.
//!
//! The keyring is never in the engine's file, which keeps old versions of its values. A month whose key was drawn under
//! an earlier data key gets another one for new entries; the old one stays for the blocks that it sealed.

use std::collections::{BTreeMap, HashSet};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime_types::{Area, Stream, StreamKey, UserId};
use zeroize::Zeroizing;

use super::{DataKey, Held, Secret, SmallFile, random_bytes};
use crate::KeyError;

/// Its name in the store's folder.
pub(crate) const KEYRING_FILE: &str = "keyring";
const MAGIC: &[u8; 4] = b"CKR2";
/// Magic and generation: in clear, and authenticated with the sealed keys.
const HEAD_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A key that seals values: a month's, or the meta key.
#[derive(Clone)]
pub(crate) struct SealKey {
    /// Never used twice in a store, even after the key is destroyed.
    pub number: u32,
    /// The generation of the data key under which it was drawn.
    pub generation: u32,
    pub secret: Secret,
}

/// All keys of one store but the data key.
#[derive(Clone)]
pub(crate) struct Keyring {
    /// The generation of the data key that opens it, from 1.
    pub generation: u32,
    /// Seals everything but entries: descriptors, superblock, documents.
    pub meta: SealKey,
    /// The meta key before, until everything that it sealed has been sealed again.
    meta_before: Option<SealKey>,
    /// The secret from which digests of names and tokens are derived.
    pub index: Secret,
    /// The secret from which digests of origins are derived: a separate one, so that an export can contain it.
    pub origins: Secret,
    /// Oldest first. No list is empty; only the last key of a month may be of this generation.
    months: BTreeMap<(Stream, i32), Vec<SealKey>>,
    /// Numbers of keys that were destroyed while their blocks may still be in the engine.
    doomed: Vec<u32>,
    next_number: u32,
}

impl Keyring {
    pub fn new(generation: u32) -> Result<Self, KeyError> {
        Ok(Self {
            generation,
            meta: SealKey { number: 0, generation, secret: Secret::random()? },
            meta_before: None,
            index: Secret::random()?,
            origins: Secret::random()?,
            months: BTreeMap::new(),
            doomed: Vec::new(),
            next_number: 1,
        })
    }

    fn draw(&mut self) -> Result<SealKey, KeyError> {
        let key =
            SealKey { number: self.next_number, generation: self.generation, secret: Secret::random()? };
        self.next_number += 1;
        Ok(key)
    }

    /// All keys of a month.
    fn month(&self, stream: &Stream, month: i32) -> &[SealKey] {
        self.months.get(&(stream.clone(), month)).map_or(&[], Vec::as_slice)
    }

    /// The key that seals new blocks of a month; `None` until [`Self::ensure`] has drawn one.
    pub fn current(&self, stream: &Stream, month: i32) -> Option<&SealKey> {
        self.month(stream, month).last().filter(|key| key.generation == self.generation)
    }

    /// The key with that number, if the month has it.
    pub fn numbered(&self, stream: &Stream, month: i32, number: u32) -> Option<&SealKey> {
        self.month(stream, month).iter().find(|key| key.number == number)
    }

    /// Draws a key where the month has none for new blocks; returns whether it did.
    pub fn ensure(&mut self, stream: &Stream, month: i32) -> Result<bool, KeyError> {
        if self.current(stream, month).is_some() {
            return Ok(false);
        }
        let key = self.draw()?;
        self.months.entry((stream.clone(), month)).or_default().push(key);
        Ok(true)
    }

    /// The keyring under the next data key: with another meta key, and none for new blocks of any month. Of the old
    /// keys it keeps those in `used`, which sealed existing blocks.
    pub fn rotated(&self, generation: u32, used: &HashSet<u32>) -> Result<Self, KeyError> {
        let mut next = Self { generation, ..self.clone() };
        next.months.retain(|_, keys| {
            keys.retain(|key| used.contains(&key.number));
            !keys.is_empty()
        });
        let meta = next.draw()?;
        next.meta_before = Some(std::mem::replace(&mut next.meta, meta));
        Ok(next)
    }

    /// The keyring that reads what has not been sealed again; `None` where everything has been.
    pub fn with_meta_before(&self) -> Option<Self> {
        let before = self.meta_before.clone()?;
        Some(Self { meta: before, ..self.clone() })
    }

    /// Notes that everything has been sealed again; returns whether there was a meta key to forget.
    pub fn forget_meta_before(&mut self) -> bool {
        self.meta_before.take().is_some()
    }

    /// Drops all keys of the months that `choose` picks and notes their numbers as doomed.
    pub fn destroy(&mut self, choose: impl Fn(&Stream, i32) -> bool) -> Vec<u32> {
        let mut numbers = Vec::new();
        self.months.retain(|(stream, month), keys| {
            let keep = !choose(stream, *month);
            if !keep {
                numbers.extend(keys.iter().map(|key| key.number));
            }
            keep
        });
        self.doomed.extend_from_slice(&numbers);
        numbers
    }

    pub fn doomed(&self) -> &[u32] {
        &self.doomed
    }

    /// Notes that the blocks of doomed keys are deleted.
    pub fn forget_doomed(&mut self) {
        self.doomed.clear();
    }

    /// Seals it into the file, on disk when it returns.
    pub fn save(&self, user: UserId, key: &DataKey, file: &dyn SmallFile) -> Result<(), KeyError> {
        let nonce = random_bytes::<NONCE_BYTES>()?;
        let plain = self.encode();
        let mut sealed = Vec::with_capacity(HEAD_BYTES + NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&self.generation.to_le_bytes());
        let about = about(user, &sealed);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        let tag = wrap_key(key)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                about,
                &mut sealed[HEAD_BYTES + NONCE_BYTES..],
            )
            .expect("a keyring is far shorter than what one nonce can seal");
        sealed.extend_from_slice(tag.as_ref());
        file.replace(&sealed).map_err(|source| disk("write", source))
    }

    /// Opens what [`Self::save`] wrote.
    pub fn load(user: UserId, held: &Held, file: &dyn SmallFile) -> Result<Self, KeyError> {
        let content = file.read().map_err(|source| disk("read", source))?;
        let mut content = Zeroizing::new(content.ok_or_else(unsound)?);
        let generation = generation_of(&content).ok_or_else(unsound)?;
        if generation != held.generation {
            return Err(KeyError::OtherGeneration { keyring: generation, held: held.generation });
        }
        let (head, sealed) = content.split_at_mut(HEAD_BYTES);
        let (nonce, sealed) = sealed.split_first_chunk_mut::<NONCE_BYTES>().ok_or_else(unsound)?;
        let plain = wrap_key(&held.key)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), about(user, head), sealed)
            .map_err(|_| KeyError::WrongKeyring { user })?;
        Self::decode(generation, plain).ok_or_else(unsound)
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Sized beforehand, so that a reallocation leaves no partial copy of the secrets in memory.
        let keys: usize = self.months.values().map(Vec::len).sum();
        let size = 157 + self.doomed.len() * 4 + keys * (46 + 129);
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        let put_key = |out: &mut Vec<u8>, key: &SealKey| {
            out.extend_from_slice(&key.number.to_le_bytes());
            out.extend_from_slice(&key.generation.to_le_bytes());
            out.extend_from_slice(&*key.secret.0);
        };
        out.extend_from_slice(&self.next_number.to_le_bytes());
        put_key(&mut out, &self.meta);
        out.push(u8::from(self.meta_before.is_some()));
        self.meta_before.iter().for_each(|key| put_key(&mut out, key));
        out.extend_from_slice(&*self.index.0);
        out.extend_from_slice(&*self.origins.0);
        out.extend_from_slice(&(self.doomed.len() as u32).to_le_bytes());
        for number in &self.doomed {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(keys as u32).to_le_bytes());
        for ((stream, month), keys) in &self.months {
            for key in keys {
                let name = stream.key.as_str().as_bytes();
                out.extend_from_slice(&[stream.area as u8, name.len() as u8]);
                out.extend_from_slice(name);
                out.extend_from_slice(&month.to_le_bytes());
                put_key(&mut out, key);
            }
        }
        debug_assert!(out.len() <= size, "{} bytes of keys in a buffer of {size}", out.len());
        out
    }

    fn decode(generation: u32, mut bytes: &[u8]) -> Option<Self> {
        fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            let (taken, rest) = bytes.split_first_chunk::<N>()?;
            *bytes = rest;
            Some(*taken)
        }
        fn number(bytes: &mut &[u8]) -> Option<u32> {
            take(bytes).map(u32::from_le_bytes)
        }
        fn key(bytes: &mut &[u8]) -> Option<SealKey> {
            Some(SealKey {
                number: number(bytes)?,
                generation: number(bytes)?,
                secret: take::<32>(bytes)?.into(),
            })
        }
        let next_number = number(&mut bytes)?;
        let meta = key(&mut bytes)?;
        let meta_before = match take(&mut bytes)? {
            [0] => None,
            _ => Some(key(&mut bytes)?),
        };
        let (index, origins) = (take::<32>(&mut bytes)?.into(), take::<32>(&mut bytes)?.into());
        let mut doomed = Vec::new();
        for _ in 0..number(&mut bytes)? {
            doomed.push(number(&mut bytes)?);
        }
        let mut months: BTreeMap<(Stream, i32), Vec<SealKey>> = BTreeMap::new();
        for _ in 0..number(&mut bytes)? {
            let [area, length] = take(&mut bytes)?;
            let (name, rest) = bytes.split_at_checked(usize::from(length))?;
            bytes = rest;
            let name = StreamKey::parse(std::str::from_utf8(name).ok()?).ok()?;
            let stream = Stream { area: Area::from_number(area)?, key: name };
            let month = i32::from_le_bytes(take(&mut bytes)?);
            months.entry((stream, month)).or_default().push(key(&mut bytes)?);
        }
        let keyring = Self { generation, meta, meta_before, index, origins, months, doomed, next_number };
        bytes.is_empty().then_some(keyring)
    }
}

/// The generation that a keyring's first bytes name, unverified until it opens. `None` where the bytes are no keyring.
fn generation_of(content: &[u8]) -> Option<u32> {
    let generation = content.strip_prefix(MAGIC)?.first_chunk()?;
    Some(u32::from_le_bytes(*generation)).filter(|generation| *generation > 0)
}

/// The generation of a keyring in a file; `None` where there is none.
pub(crate) fn generation_in(file: &dyn SmallFile) -> Result<Option<u32>, KeyError> {
    let content = file.read().map_err(|source| disk("read", source))?;
    content.map(|content| generation_of(&content).ok_or_else(unsound)).transpose()
}

fn wrap_key(key: &DataKey) -> LessSafeKey {
    let secret = key.0.derive(b"", &[b"cellar/keyring/2"]);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*secret.0).expect("the key has 32 bytes"))
}

/// The authenticated data of the sealed keys: the file's head and its owner.
fn about(user: UserId, head: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([b"cellar/keyring/2".as_slice(), head, &user.0].concat())
}

fn disk(what: &'static str, source: std::io::Error) -> KeyError {
    KeyError::Disk { what, path: KEYRING_FILE.into(), source }
}

fn unsound() -> KeyError {
    KeyError::Unsound { what: "keyring", path: KEYRING_FILE.into() }
}
