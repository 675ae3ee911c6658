//! Engine and keys together: sealed values in, plain values out.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ring::hmac;
use runtime_types::UserId;

use crate::block::{self, BadBlock, BlockMeta, Codec, DecodedBlock, Fields};
use crate::cache::BlockCache;
use crate::engine::ahead::Ahead;
use crate::engine::{Engine, Key};
use crate::index::Document;
use crate::keys::{
    About, DataKey, Held, Keyring, Opener, SealId, SealKey, Sealer, Secret, SmallFile, generation_in,
    header_id,
};
use crate::layout::Body;
use crate::{KeyError, Options, ReadError};

/// One person's engine, keys and decoded blocks. Snapshots and cursors share it.
pub(crate) struct Vault {
    pub engine: Ahead,
    pub user: UserId,
    data_key: Mutex<DataKey>,
    keyring_file: Box<dyn SmallFile>,
    in_use: RwLock<InUse>,
    sealer: Sealer,
    opener: Opener,
    pub cache: BlockCache,
    /// Whether texts of this store went through contexts that all stores share.
    packed_columns: AtomicBool,
    names: Box<hmac::Key>,
    pub tokens: Box<hmac::Key>,
}

/// The keyring, and values derived from its keys that may change. Boxed, so that moving it leaves no copies.
struct InUse {
    keyring: Arc<Keyring>,
    /// Derived from the meta key: an earlier meta key cannot make a superblock that this store accepts.
    state: Box<hmac::Key>,
    origins: Box<hmac::Key>,
}

impl InUse {
    fn new(keyring: Keyring) -> Self {
        let state = mac_key(&keyring.meta.secret, b"state");
        let origins = mac_key(&keyring.origins, b"origins");
        Self { keyring: Arc::new(keyring), state, origins }
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.cache.clear();
        if self.packed_columns.load(Ordering::Relaxed) {
            block::forget();
        }
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The parts of a vault.
pub(crate) struct Parts {
    pub engine: Box<dyn Engine>,
    pub keyring_file: Box<dyn SmallFile>,
    pub held: Held,
    pub user: UserId,
}

/// The rows of a block without their texts, from either source.
pub(crate) enum Meta {
    Decoded(Arc<DecodedBlock>),
    Own(Box<BlockMeta>),
}

impl Deref for Meta {
    type Target = BlockMeta;
    fn deref(&self) -> &BlockMeta {
        match self {
            Self::Decoded(block) => block.meta(),
            Self::Own(meta) => meta,
        }
    }
}

fn mac_key(secret: &Secret, use_for: &[u8]) -> Box<hmac::Key> {
    Box::new(hmac::Key::new(hmac::HMAC_SHA256, &*secret.derive(b"", &[b"cellar/index/1/", use_for]).0))
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut digest = [0; 32];
    digest.copy_from_slice(context.sign().as_ref());
    digest
}

impl Vault {
    pub fn new(parts: Parts, keyring: Keyring, options: &Options) -> Result<Self, KeyError> {
        let index = &keyring.index;
        Ok(Self {
            names: mac_key(index, b"names"),
            tokens: mac_key(index, b"tokens"),
            sealer: Sealer::new(parts.user, Arc::clone(&options.clock))?,
            opener: Opener::new(parts.user),
            cache: BlockCache::new(options.block_cache_bytes),
            packed_columns: AtomicBool::new(false),
            engine: Ahead::new(parts.engine),
            user: parts.user,
            data_key: Mutex::new(parts.held.key),
            keyring_file: parts.keyring_file,
            in_use: RwLock::new(InUse::new(keyring)),
        })
    }

    fn in_use<T>(&self, look: impl FnOnce(&InUse) -> T) -> T {
        look(&self.in_use.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn keyring(&self) -> Arc<Keyring> {
        self.in_use(|keys| Arc::clone(&keys.keyring))
    }

    /// Puts another keyring in use, and drops what was derived from keys that may not be in it.
    pub fn use_keyring(&self, keyring: Keyring) {
        *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = InUse::new(keyring);
        self.sealer.forget();
        self.opener.forget();
    }

    /// Puts the keyring in use on disk.
    pub fn save_keyring(&self) -> Result<(), KeyError> {
        let data_key = self.data_key.lock().unwrap_or_else(PoisonError::into_inner);
        self.keyring().save(self.user, &data_key, &*self.keyring_file)
    }

    /// The generation of the data key that opens the keyring on disk, if it can be read.
    pub fn generation_on_disk(&self) -> Option<u32> {
        generation_in(&*self.keyring_file).ok().flatten()
    }

    /// Puts another keyring on disk, and then in use.
    pub fn replace_keyring(&self, keyring: Keyring) -> Result<(), KeyError> {
        let data_key = self.data_key.lock().unwrap_or_else(PoisonError::into_inner);
        keyring.save(self.user, &data_key, &*self.keyring_file)?;
        self.use_keyring(keyring);
        Ok(())
    }

    /// Replaces the keyring with one under another data key.
    pub fn rotate_keyring(&self, keyring: Keyring, key: DataKey) -> Result<(), KeyError> {
        let mut data_key = self.data_key.lock().unwrap_or_else(PoisonError::into_inner);
        keyring.save(self.user, &key, &*self.keyring_file)?;
        *data_key = key;
        self.use_keyring(keyring);
        Ok(())
    }

    /// The digest under which a document of that name is stored.
    pub fn name_digest(&self, name: &str) -> [u8; 16] {
        let mut digest = [0; 16];
        digest.copy_from_slice(&mac(&self.names, &[name.as_bytes()])[..16]);
        digest
    }

    /// A digest of a sealed descriptor or document name for the superblock's state. Keyed, so that others cannot search
    /// for another set of old values with the same sum.
    pub fn state_digest(&self, key: Key, sealed: &[u8]) -> [u8; 32] {
        self.in_use(|keys| mac(&keys.state, &[key.bytes(), sealed]))
    }

    /// A digest of what a phone sent, 8 bytes that distinguish an identical resend from another entry; never 0.
    pub fn origin(&self, kind: &str, key: &str, write_ts: f64, [metadata, data]: [&str; 2]) -> u64 {
        // There are many NaN values; use one.
        let write_ts = if write_ts.is_nan() { f64::NAN } else { write_ts };
        let lengths = [kind.len(), key.len(), metadata.len()].map(|length| (length as u64).to_le_bytes());
        let parts = [
            lengths.as_flattened(),
            &write_ts.to_le_bytes(),
            kind.as_bytes(),
            key.as_bytes(),
            metadata.as_bytes(),
            data.as_bytes(),
        ];
        let digest = self.in_use(|keys| mac(&keys.origins, &parts));
        u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes")).max(1)
    }

    /// Seals a value other than a block.
    pub fn seal_meta(&self, key: Key, plain: &[u8]) -> Result<(Vec<u8>, SealId), KeyError> {
        self.sealer.seal(&self.keyring().meta, &About { key: key.bytes(), context: b"" }, plain)
    }

    /// Opens a value other than a block, in place.
    pub fn open_meta<'v>(&self, key: Key, sealed: &'v mut [u8]) -> Option<&'v [u8]> {
        self.opener.open(&self.keyring().meta, &About { key: key.bytes(), context: b"" }, sealed)
    }

    pub fn seal_block(
        &self,
        key: Key,
        month: &SealKey,
        context: &[u8],
        plain: &[u8],
    ) -> Result<(Vec<u8>, SealId), KeyError> {
        self.sealer.seal(month, &About { key: key.bytes(), context }, plain)
    }

    /// Notes that columns are about to be packed or unpacked.
    pub fn note_codec(&self, codec: Codec) {
        if codec == Codec::Columns {
            self.packed_columns.store(true, Ordering::Relaxed);
        }
    }

    /// Reads and opens a block.
    fn with_block<T>(
        &self,
        body: &Body,
        decode: impl FnOnce(&[u8]) -> Result<T, BadBlock>,
    ) -> Result<T, ReadError> {
        let number = body.number;
        self.note_codec(body.codec);
        let key = Key::block(number);
        let sealed = self.engine.get(key)?;
        let keyring = self.keyring();
        let month = keyring.numbered(&body.stream, body.month, body.key_number);
        let month = month.ok_or(ReadError::Shredded { block: number })?;
        let mut sealed = sealed.ok_or(ReadError::Missing { what: "block", number })?;
        let unopened = ReadError::Sealed { what: "block", number };
        if header_id(&sealed) != Some(body.seal) {
            return Err(unopened);
        }
        let about = About { key: key.bytes(), context: &body.context() };
        let plain = self.opener.open(month, &about, &mut sealed).ok_or(unopened)?;
        decode(plain).map_err(|source| ReadError::Block { block: number, source: Box::new(source) })
    }

    /// A block with its texts.
    pub fn block(&self, body: &Body) -> Result<Arc<DecodedBlock>, ReadError> {
        if let Some(block) = self.cache.get(body.number) {
            return Ok(block);
        }
        let block = Arc::new(self.with_block(body, |bytes| block::decode(body.codec, bytes))?);
        check_rows(body, block.len())?;
        self.cache.put(body.number, &block);
        Ok(block)
    }

    /// The rows of a block without their texts.
    pub fn meta(&self, body: &Body) -> Result<Meta, ReadError> {
        if let Some(block) = self.cache.get(body.number) {
            return Ok(Meta::Decoded(block));
        }
        let meta = self.with_block(body, |bytes| block::decode_meta(body.codec, bytes))?;
        check_rows(body, meta.len())?;
        Ok(Meta::Own(Box::new(meta)))
    }

    /// The columns of a block that locations have.
    pub fn fields(&self, body: &Body) -> Result<Arc<Fields>, ReadError> {
        if body.codec == Codec::Rows {
            // The texts are unpacked for it; the next reader finds both.
            return Ok(self.block(body)?.fields());
        }
        let fields = self.with_block(body, |bytes| block::decode_fields(body.codec, bytes))?;
        check_rows(body, fields.meta.len())?;
        Ok(Arc::new(fields))
    }

    /// The content of a document as its index entry says.
    pub fn document(&self, document: &Document) -> Result<Arc<[u8]>, ReadError> {
        if let Some(content) = document.content.get() {
            return Ok(Arc::clone(content));
        }
        let key = Key::document(document.name_digest);
        let sealed = self.engine.get(key)?;
        if let Some(sealed) = sealed.filter(|sealed| header_id(sealed) == Some(document.seal)) {
            let mut sealed = sealed;
            let plain = self.open_meta(key, &mut sealed);
            return plain.map(Arc::from).ok_or(ReadError::Sealed { what: "document", number: 0 });
        }
        // A commit between the two lookups keeps the old content before it writes the new.
        let kept = document.content.get().map(Arc::clone);
        kept.ok_or(ReadError::Sealed { what: "document", number: 0 })
    }
}

fn check_rows(body: &Body, rows: usize) -> Result<(), ReadError> {
    if rows == body.rows as usize {
        return Ok(());
    }
    Err(ReadError::Unsound { what: "block", number: body.number, why: "it has another count of rows" })
}
