//! Sealing values: AES-256-GCM under subkeys that no restart, restored backup or cloned machine uses twice.
//!
//! A sealed value is `version 1 | algorithm 1 | boot 16 | counter 8 | ciphertext | tag 16`. A boot is 16 random bytes,
//! drawn when the store is opened, every minute of the clock and every 2^32 values. The subkey is derived from it, so a
//! counter that starts over is used with another key.

use std::sync::{Arc, Mutex, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime_types::UserId;

use super::{SealKey, random_bytes};
use crate::{Clock, KeyError};

const VERSION: u8 = 1;
const AES_256_GCM_ALGORITHM: u8 = 1;
const HEADER_BYTES: usize = 26;
const TAG_BYTES: usize = 16;
/// How long one boot is used, s: a machine that is cloned while it runs repeats nonces for no longer than this.
const BOOT_SECONDS_MAX: f64 = 60.0;
const BOOT_VALUES_MAX: u64 = 1 << 32;

/// The act of sealing that made a value: boot and counter. No two values of a store share one.
pub(crate) type SealId = [u8; 24];

/// The context of a sealed value; authenticated, so that a value moved elsewhere does not open.
pub(crate) struct About<'a> {
    /// The key of the value in the engine.
    pub key: &'a [u8],
    /// Further facts that the reader knows beforehand.
    pub context: &'a [u8],
}

impl About<'_> {
    fn bytes(&self, user: UserId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.context.len());
        bytes.extend_from_slice(b"cellar/sealed/1");
        bytes.extend_from_slice(&user.0);
        bytes.push(self.key.len() as u8);
        bytes.extend_from_slice(self.key);
        bytes.extend_from_slice(self.context);
        bytes
    }
}

fn subkey(key: &SealKey, boot: &[u8; 16]) -> LessSafeKey {
    let secret = key.secret.derive(b"", &[b"cellar/seal/1", boot]);
    let key = UnboundKey::new(&AES_256_GCM, &*secret.0).expect("the key has 32 bytes");
    LessSafeKey::new(key)
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// The boot and counter in the header of a sealed value; `None` where the value is too short.
pub(crate) fn header_id(sealed: &[u8]) -> Option<SealId> {
    sealed.get(2..HEADER_BYTES)?.try_into().ok()
}

/// Seals values of one person.
pub(crate) struct Sealer {
    user: UserId,
    clock: Arc<dyn Clock>,
    boot: Mutex<Boot>,
}

struct Boot {
    bytes: [u8; 16],
    began_s: f64,
    values: u64,
    /// Subkeys of this boot, by the number of their key.
    subkeys: Vec<(u32, Arc<LessSafeKey>)>,
}

impl Boot {
    fn draw(now_s: f64) -> Result<Self, KeyError> {
        Ok(Self { bytes: random_bytes()?, began_s: now_s, values: 0, subkeys: Vec::new() })
    }

    fn subkey(&mut self, key: &SealKey) -> Arc<LessSafeKey> {
        if let Some((_, subkey)) = self.subkeys.iter().find(|(number, _)| *number == key.number) {
            return Arc::clone(subkey);
        }
        let subkey = Arc::new(subkey(key, &self.bytes));
        self.subkeys.push((key.number, Arc::clone(&subkey)));
        subkey
    }
}

impl Sealer {
    pub fn new(user: UserId, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let boot = Mutex::new(Boot::draw(clock.now_s())?);
        Ok(Self { user, clock, boot })
    }

    fn next(&self, key: &SealKey) -> Result<(Arc<LessSafeKey>, [u8; 16], u64), KeyError> {
        let now_s = self.clock.now_s();
        let mut boot = self.boot.lock().unwrap_or_else(PoisonError::into_inner);
        let age_s = now_s - boot.began_s;
        // A clock that was set back, or is no number, also ends a boot.
        if !(0.0..BOOT_SECONDS_MAX).contains(&age_s) || boot.values >= BOOT_VALUES_MAX {
            *boot = Boot::draw(now_s)?;
        }
        let counter = boot.values;
        boot.values += 1;
        Ok((boot.subkey(key), boot.bytes, counter))
    }

    /// Drops the subkeys that it derived: their keys may be destroyed.
    pub fn forget(&self) {
        self.boot.lock().unwrap_or_else(PoisonError::into_inner).subkeys.clear();
    }

    /// Seals a value; returns it with its id.
    pub fn seal(
        &self,
        key: &SealKey,
        about: &About<'_>,
        plain: &[u8],
    ) -> Result<(Vec<u8>, SealId), KeyError> {
        let (subkey, boot, counter) = self.next(key)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&[VERSION, AES_256_GCM_ALGORITHM]);
        sealed.extend_from_slice(&boot);
        sealed.extend_from_slice(&counter.to_be_bytes());
        sealed.extend_from_slice(plain);
        let aad = Aad::from(about.bytes(self.user));
        let tag = subkey
            .seal_in_place_separate_tag(nonce(counter), aad, &mut sealed[HEADER_BYTES..])
            .expect("a value is far shorter than what one nonce can seal");
        sealed.extend_from_slice(tag.as_ref());
        let id = header_id(&sealed).expect("the header was just written");
        Ok((sealed, id))
    }
}

/// Opens values of one person. It keeps the last subkey, since neighbours often share one.
pub(crate) struct Opener {
    user: UserId,
    last: Mutex<Option<Remembered>>,
}

struct Remembered {
    number: u32,
    boot: [u8; 16],
    subkey: Arc<LessSafeKey>,
}

impl Opener {
    pub fn new(user: UserId) -> Self {
        Self { user, last: Mutex::new(None) }
    }

    fn subkey(&self, key: &SealKey, boot: &[u8; 16]) -> Arc<LessSafeKey> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.number == key.number && last.boot == *boot) {
            return Arc::clone(&last.subkey);
        }
        let subkey = Arc::new(subkey(key, boot));
        *last = Some(Remembered { number: key.number, boot: *boot, subkey: Arc::clone(&subkey) });
        subkey
    }

    /// Drops the subkey that it derived last.
    pub fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Opens a value in place; `None` where a byte of it, its place or its key differs.
    pub fn open<'v>(&self, key: &SealKey, about: &About<'_>, sealed: &'v mut [u8]) -> Option<&'v [u8]> {
        if sealed.len() < HEADER_BYTES + TAG_BYTES || sealed[..2] != [VERSION, AES_256_GCM_ALGORITHM] {
            return None;
        }
        let (header, body) = sealed.split_at_mut(HEADER_BYTES);
        let boot: [u8; 16] = header[2..18].try_into().ok()?;
        let counter = u64::from_be_bytes(header[18..].try_into().ok()?);
        let subkey = self.subkey(key, &boot);
        let plain = subkey.open_in_place(nonce(counter), Aad::from(about.bytes(self.user)), body).ok()?;
        Some(plain)
    }
}
