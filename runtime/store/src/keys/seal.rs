//! Sealing values: AES-256-GCM, with subkeys that no restart and no restored backup uses twice, and nonces that differ
//! where values differ.
//!
//! A sealed value is `version 2 | algorithm 1 | boot 16 | counter 8 | nonce 12 | ciphertext | tag 16`. A boot is 16 random
//! bytes, drawn when the store is opened, every minute of the clock and every 2^32 values. The subkey is derived from it,
//! so a counter that starts over is used with another key. The nonce is a keyed digest of counter, context and plain
//! value: a machine that is cloned while it runs goes on with the same boot and counters on both sides, and still no
//! nonce protects two different values (the synthetic nonces of RFC 5297 and RFC 8452, made with HMAC).
//!
//! Values of version 1 are still read: they have no nonce, which was `0⁴ | counter`.

use std::sync::{Arc, Mutex, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use runtime_types::UserId;

use super::{SealKey, random_bytes};
use crate::{Clock, KeyError};

const VERSION: u8 = 2;
/// The version whose nonce is the counter.
const VERSION_COUNTED: u8 = 1;
const AES_256_GCM_ALGORITHM: u8 = 1;
/// Version, algorithm, boot and counter.
const ID_END: usize = 26;
const NONCE_BYTES: usize = 12;
const HEADER_BYTES: usize = ID_END + NONCE_BYTES;
const TAG_BYTES: usize = 16;
/// How long one boot is used, s.
const BOOT_SECONDS_MAX: f64 = 60.0;
const BOOT_VALUES_MAX: u64 = 1 << 32;

/// The act of sealing that made a value: boot and counter. No two values of a store share one, but a clone of a running
/// machine may give one to another value of its own.
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

    /// The same with the counter, which the nonce of version 2 does not show.
    fn with_counter(&self, user: UserId, counter: &[u8; 8]) -> Vec<u8> {
        let mut bytes = self.bytes(user);
        bytes.extend_from_slice(counter);
        bytes
    }
}

/// What is derived from a key for one boot.
struct Subkey {
    seals: LessSafeKey,
    nonces: hmac::Key,
}

fn subkey(key: &SealKey, boot: &[u8; 16]) -> Subkey {
    let secret = key.secret.derive(b"", &[b"cellar/seal/1", boot]);
    let seals = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*secret.0).expect("the key has 32 bytes"));
    let secret = key.secret.derive(b"", &[b"cellar/seal-nonce/1", boot]);
    Subkey { seals, nonces: hmac::Key::new(hmac::HMAC_SHA256, &*secret.0) }
}

/// The nonce of version 2. `about` has the counter at its end.
fn synthetic_nonce(key: &hmac::Key, about: &[u8], plain: &[u8]) -> [u8; NONCE_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(&(about.len() as u64).to_le_bytes());
    context.update(about);
    context.update(plain);
    *context.sign().as_ref().first_chunk().expect("a digest has 32 bytes")
}

/// The nonce of version 1.
fn counted_nonce(counter: &[u8; 8]) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[4..].copy_from_slice(counter);
    nonce
}

/// The boot and counter in the header of a sealed value; `None` where the value is too short.
pub(crate) fn header_id(sealed: &[u8]) -> Option<SealId> {
    sealed.get(2..ID_END)?.try_into().ok()
}

/// Seals values of one person.
pub(crate) struct Sealer {
    user: UserId,
    clock: Arc<dyn Clock>,
    boot: Mutex<Boot>,
}

#[cfg_attr(test, derive(Clone))]
struct Boot {
    bytes: [u8; 16],
    began_s: f64,
    values: u64,
    /// Subkeys of this boot, by the number of their key.
    subkeys: Vec<(u32, Arc<Subkey>)>,
}

impl Boot {
    fn draw(now_s: f64) -> Result<Self, KeyError> {
        Ok(Self { bytes: random_bytes()?, began_s: now_s, values: 0, subkeys: Vec::new() })
    }

    fn subkey(&mut self, key: &SealKey) -> Arc<Subkey> {
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

    fn next(&self, key: &SealKey) -> Result<(Arc<Subkey>, [u8; 16], u64), KeyError> {
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

    /// What goes on in a clone of the machine: the same boot and counter.
    #[cfg(test)]
    pub fn cloned(&self) -> Self {
        let boot = self.boot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { user: self.user, clock: Arc::clone(&self.clock), boot: Mutex::new(boot) }
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
        let counter = counter.to_be_bytes();
        let aad = about.with_counter(self.user, &counter);
        let nonce = synthetic_nonce(&subkey.nonces, &aad, plain);
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&[VERSION, AES_256_GCM_ALGORITHM]);
        sealed.extend_from_slice(&boot);
        sealed.extend_from_slice(&counter);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = subkey
            .seals
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut sealed[HEADER_BYTES..],
            )
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
    subkey: Arc<Subkey>,
}

impl Opener {
    pub fn new(user: UserId) -> Self {
        Self { user, last: Mutex::new(None) }
    }

    fn subkey(&self, key: &SealKey, boot: &[u8; 16]) -> Arc<Subkey> {
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
        let header_bytes = match sealed.first_chunk()? {
            [VERSION, AES_256_GCM_ALGORITHM] => HEADER_BYTES,
            [VERSION_COUNTED, AES_256_GCM_ALGORITHM] => ID_END,
            _ => return None,
        };
        if sealed.len() < header_bytes + TAG_BYTES {
            return None;
        }
        let (header, body) = sealed.split_at_mut(header_bytes);
        let boot: [u8; 16] = header[2..18].try_into().ok()?;
        let counter: [u8; 8] = header[18..ID_END].try_into().ok()?;
        let (nonce, aad) = match <[u8; NONCE_BYTES]>::try_from(&header[ID_END..]) {
            Ok(nonce) => (nonce, about.with_counter(self.user, &counter)),
            Err(_) => (counted_nonce(&counter), about.bytes(self.user)),
        };
        let subkey = self.subkey(key, &boot);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = subkey.seals.open_in_place(nonce, Aad::from(aad), body).ok()?;
        Some(plain)
    }
}
