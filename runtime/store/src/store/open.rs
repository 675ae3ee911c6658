//! Creating a store, and reading the state of one at opening.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use runtime_types::{Stream, UserId};

use super::publish::{When, Writer, in_clear, publish};
use super::{Store, rotate, shred};
use crate::engine::memory::MemoryDisk;
use crate::engine::{self, Engine, Key, Kind, Op};
use crate::index::{BlockInfo, Document, Index, StreamBlocks};
use crate::keys::{
    DataKey, FolderFile, Held, KEYRING_FILE, KeyProvider, Keyring, MemoryFile, SmallFile, generation_in,
    sync_folder,
};
use crate::layout::{Superblock, decode_descriptor, decode_document_name};
use crate::vault::{Parts, Vault};
use crate::{CommitError, Head, KeyError, OpenError, Options, ReadError, remove_tree, step};

pub(super) fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Disk { what, path: path.to_owned(), source }
}

/// The folder in which a store is created before it is moved to its place.
fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn open_engine(folder: &Path, options: &Options) -> Result<Box<dyn Engine>, OpenError> {
    let engine = match options.engine {
        crate::EngineKind::Redb => "redb",
        crate::EngineKind::Sled => "sled",
    };
    engine::open(folder, options).ok_or(OpenError::NoSuchEngine { engine })?.map_err(OpenError::Engine)
}

pub(super) fn create(
    folder: &Path,
    user: UserId,
    keys: &dyn KeyProvider,
    options: &Options,
) -> Result<Store, OpenError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(OpenError::Exists { folder: folder.to_owned() });
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(disk("create", parent))?;
    let making = beside(folder);
    remove_tree(&making).map_err(disk("clear", &making))?;
    step(&making).and_then(|()| fs::create_dir(&making)).map_err(disk("create", &making))?;
    let held = keys.create(&making, user).map_err(OpenError::Key)?;
    let keyring_file = Box::new(keyring_file(&making));
    let parts = Parts { engine: open_engine(&making, options)?, keyring_file, held, user };
    create_on(parts, options)?;
    sync_folder(&making).map_err(disk("sync", &making))?;
    step(folder).and_then(|()| fs::rename(&making, folder)).map_err(disk("create", folder))?;
    sync_folder(parent).map_err(disk("sync", parent))?;
    open(folder, user, keys, options)
}

pub(super) fn open(
    folder: &Path,
    user: UserId,
    keys: &dyn KeyProvider,
    options: &Options,
) -> Result<Store, OpenError> {
    // Opening the engine would create a file where there is none.
    if engine::kind_in(folder) != Some(options.engine) {
        return Err(OpenError::Absent { folder: folder.to_owned() });
    }
    let held = keys.unlock(folder, user).map_err(OpenError::Key)?;
    let keyring_file = Box::new(keyring_file(folder));
    // Before the engine, whose opening may include a repair: a key that does not open should cost nothing.
    Keyring::load(user, &held, &*keyring_file).map_err(OpenError::Key)?;
    open_on(Parts { engine: open_engine(folder, options)?, keyring_file, held, user }, options)
}

fn keyring_file(folder: &Path) -> FolderFile {
    FolderFile(folder.join(KEYRING_FILE))
}

/// The generation of the data key that opens the store in a folder; `None` where there is no store.
pub(super) fn key_generation(folder: &Path) -> Result<Option<u32>, OpenError> {
    generation_in(&keyring_file(folder)).map_err(OpenError::Key)
}

/// Whether a data key opens the keyring of the store in a folder.
pub(super) fn opens_with(folder: &Path, user: UserId, key: &DataKey) -> Result<bool, OpenError> {
    let absent = OpenError::Absent { folder: folder.to_owned() };
    let generation = key_generation(folder)?.ok_or(absent)?;
    match Keyring::load(user, &Held { key: key.copy(), generation }, &keyring_file(folder)) {
        Ok(_) => Ok(true),
        Err(KeyError::WrongKeyring { .. }) => Ok(false),
        Err(error) => Err(OpenError::Key(error)),
    }
}

/// A store in memory that is gone when it is dropped.
pub(super) fn in_memory(user: UserId, options: &Options) -> Result<Store, OpenError> {
    let held = Held { key: DataKey::random().map_err(OpenError::Key)?, generation: 1 };
    let keyring = Keyring::new(held.generation).map_err(OpenError::Key)?;
    let (engine, keyring_file) = (MemoryDisk::default().engine(), Box::new(MemoryFile::default()));
    let vault = Vault::new(Parts { engine, keyring_file, held, user }, keyring, options);
    let writer = Writer { superblock: Superblock::FIRST, ..Writer::default() };
    let clock = Arc::clone(&options.clock);
    Ok(Store::new(vault.map_err(OpenError::Key)?, writer, Arc::default(), clock))
}

/// Writes a keyring and the first superblock, which turn an engine into a store.
pub(super) fn create_on(parts: Parts, options: &Options) -> Result<(), OpenError> {
    let generation = parts.held.generation;
    if generation == 0 {
        return Err(OpenError::Key(KeyError::OtherGeneration { keyring: 1, held: generation }));
    }
    let keyring = Keyring::new(generation).map_err(OpenError::Key)?;
    let vault = Vault::new(parts, keyring.clone(), options).map_err(OpenError::Key)?;
    vault.replace_keyring(keyring).map_err(OpenError::Key)?;
    let (sealed, _) =
        vault.seal_meta(Key::SUPERBLOCK, &Superblock::FIRST.encode()).map_err(OpenError::Key)?;
    let head = Op::Put(Key::HEAD, in_clear(&Superblock::FIRST));
    vault.engine.commit(vec![Op::Put(Key::SUPERBLOCK, sealed), head]).map_err(OpenError::Engine)
}

/// Reads everything but blocks and contents of documents, and checks that all of it is of one commit.
pub(super) fn open_on(parts: Parts, options: &Options) -> Result<Store, OpenError> {
    let file: &dyn SmallFile = &*parts.keyring_file;
    let keyring = Keyring::load(parts.user, &parts.held, file).map_err(OpenError::Key)?;
    let before = keyring.with_meta_before();
    let vault = Vault::new(parts, keyring.clone(), options).map_err(OpenError::Key)?;
    let mut superblock = read_superblock(&vault);
    let mut unsealed = false;
    if let (Err(ReadError::Sealed { .. }), Some(before)) = (&superblock, before) {
        vault.use_keyring(before);
        superblock = read_superblock(&vault);
        unsealed = true;
    }
    let superblock = superblock.map_err(OpenError::Damaged)?;
    let mut index = Arc::new(read_index(&vault, &superblock).map_err(OpenError::Damaged)?);
    tell_head(&vault, &superblock);
    let left_behind = superblock.graveyard.clone();
    let mut writer = Writer { superblock, left_behind, ..Writer::default() };
    if unsealed {
        index = finish_rotation(&vault, &mut writer, &index, keyring)?;
    }
    rotate::forget_meta_before(&vault).map_err(OpenError::Key)?;
    if !vault.keyring().doomed().is_empty() {
        let why = "shredding cannot be finished";
        index = shred::delete_doomed(&vault, &mut writer, &index).map_err(unfinished(why))?;
        shred::forget(&vault).map_err(unfinished(why))?;
    }
    Ok(Store::new(vault, writer, index, Arc::clone(&options.clock)))
}

/// Writes the head in clear where an earlier version has left none, or another.
fn tell_head(vault: &Vault, superblock: &Superblock) {
    let head = in_clear(superblock);
    // A disk that takes nothing now takes it with the next commit.
    if vault.engine.takes_commits()
        && vault.engine.get(Key::HEAD).is_ok_and(|told| told.as_ref() != Some(&head))
    {
        let _ = vault.engine.commit(vec![Op::Put(Key::HEAD, head)]);
    }
}

/// The head of the store in a folder as its disk tells it, without any key.
pub(super) fn told_head(folder: &Path, options: &Options) -> Result<Option<Head>, OpenError> {
    if engine::kind_in(folder) != Some(options.engine) {
        return Ok(None);
    }
    let Some(engine) = engine::open_for_reading(folder, options) else { return Ok(None) };
    let engine = engine.map_err(OpenError::Engine)?;
    let told = engine.get(Key::HEAD).map_err(OpenError::Engine)?;
    Ok(told.and_then(|told| {
        let (commit, hash) = told.split_first_chunk::<8>()?;
        Some(Head { commit: u64::from_le_bytes(*commit), hash: hash.try_into().ok()? })
    }))
}

pub(super) fn read_superblock(vault: &Vault) -> Result<Superblock, ReadError> {
    let what = "superblock";
    let mut sealed = vault.engine.get(Key::SUPERBLOCK)?.ok_or(ReadError::Missing { what, number: 0 })?;
    let plain = vault.open_meta(Key::SUPERBLOCK, &mut sealed).ok_or(ReadError::Sealed { what, number: 0 })?;
    let unsound = ReadError::Unsound { what, number: 0, why: "it does not parse" };
    Superblock::decode(plain).ok_or(unsound)
}

/// The values found while scanning the engine.
struct Found {
    state: [u8; 32],
    blocks: BTreeMap<Arc<Stream>, Vec<Arc<BlockInfo>>>,
    descriptors: u64,
    documents: BTreeMap<String, Arc<Document>>,
    /// The first thing that was wrong.
    wrong: Option<ReadError>,
}

impl Found {
    fn digest(&mut self, vault: &Vault, key: Key, sealed: &[u8]) -> [u8; 32] {
        let digest = vault.state_digest(key, sealed);
        self.state.iter_mut().zip(digest).for_each(|(byte, other)| *byte ^= other);
        digest
    }

    fn descriptor(&mut self, vault: &Vault, key: Key, sealed: &[u8]) -> Result<(), ReadError> {
        let (what, number) = ("descriptor", key.number());
        let digest = self.digest(vault, key, sealed);
        let mut sealed = sealed.to_vec();
        let plain = vault.open_meta(key, &mut sealed).ok_or(ReadError::Sealed { what, number })?;
        let unsound = |why| ReadError::Unsound { what, number, why };
        let (mut body, dead, invalid) =
            decode_descriptor(number, plain).ok_or(unsound("it does not parse"))?;
        let keyring = vault.keyring();
        let key = keyring.numbered(&body.stream, body.month, body.key_number);
        if key.is_none() && !keyring.doomed().contains(&body.key_number) {
            return Err(unsound("its key is not in the keyring"));
        }
        if let Some((stream, _)) = self.blocks.get_key_value(&body.stream) {
            body.stream = Arc::clone(stream);
        }
        let stream = Arc::clone(&body.stream);
        let info = Arc::new(BlockInfo { body: Arc::new(body), dead, invalid, digest });
        self.blocks.entry(stream).or_default().push(info);
        self.descriptors += 1;
        Ok(())
    }

    fn document(&mut self, vault: &Vault, key: Key, sealed: &[u8]) -> Result<(), ReadError> {
        let (what, number) = ("document name", 0);
        let digest = self.digest(vault, key, sealed);
        let mut sealed = sealed.to_vec();
        let plain = vault.open_meta(key, &mut sealed).ok_or(ReadError::Sealed { what, number })?;
        let unsound = ReadError::Unsound { what, number, why: "it does not parse" };
        let (name, seal) = decode_document_name(plain).ok_or(unsound)?;
        let document = Document { name_digest: key.digest(), seal, digest, content: OnceLock::new() };
        self.documents.insert(name.to_owned(), Arc::new(document));
        Ok(())
    }

    fn note(&mut self, answer: Result<(), ReadError>) {
        if let Err(error) = answer {
            self.wrong.get_or_insert(error);
        }
    }
}

fn read_index(vault: &Vault, superblock: &Superblock) -> Result<Index, ReadError> {
    let mut found = Found {
        state: [0; 32],
        blocks: BTreeMap::new(),
        descriptors: 0,
        documents: BTreeMap::new(),
        wrong: None,
    };
    vault.engine.scan(Kind::Descriptor, &mut |key, sealed| {
        let answer = found.descriptor(vault, key, sealed);
        found.note(answer);
    })?;
    vault.engine.scan(Kind::DocumentName, &mut |key, sealed| {
        let answer = found.document(vault, key, sealed);
        found.note(answer);
    })?;
    if let Some(wrong) = found.wrong {
        return Err(wrong);
    }
    let counts = (found.descriptors, found.documents.len() as u64);
    if counts != (superblock.descriptors, superblock.documents) || found.state != superblock.state {
        let why = "descriptors and documents are not the ones of its commit";
        return Err(ReadError::Unsound { what: "superblock", number: 0, why });
    }
    let streams = found
        .blocks
        .into_iter()
        .map(|(stream, blocks)| ((*stream).clone(), Arc::new(StreamBlocks::new(stream, blocks))));
    Ok(Index {
        commit: superblock.commit,
        head: superblock.head,
        streams: streams.collect(),
        documents: found.documents,
    })
}

/// The error for an unfinished operation that opening could not finish.
fn unfinished(why: &'static str) -> impl FnOnce(CommitError) -> OpenError {
    move |error| match error {
        CommitError::Engine(error) => OpenError::Engine(error),
        CommitError::Key(error) => OpenError::Key(error),
        CommitError::Read(error) => OpenError::Damaged(error),
        _ => OpenError::Damaged(ReadError::Unsound { what: "keyring", number: 0, why }),
    }
}

/// A crash came after the keyring was put under another data key and before the rest was sealed again.
fn finish_rotation(
    vault: &Vault,
    writer: &mut Writer,
    index: &Index,
    keyring: Keyring,
) -> Result<Arc<Index>, OpenError> {
    let changes = rotate::everything(vault, index).map_err(OpenError::Damaged)?;
    vault.use_keyring(keyring);
    publish(vault, writer, index, changes, When::Now).map_err(unfinished("a rotation cannot be finished"))
}
