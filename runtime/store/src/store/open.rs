//! Making a store, and finding out what one holds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use runtime_types::{Stream, UserId};

use super::Store;
use super::publish::{Changes, Writer, publish};
use crate::engine::{self, Engine, Key, Kind, Op};
use crate::index::{BlockInfo, Document, Index, StreamBlocks};
use crate::keys::{FolderFile, KEYRING_FILE, KeyProvider, Keyring, SmallFile, sync_folder};
use crate::layout::{Superblock, decode_descriptor, decode_document_name};
use crate::vault::{Parts, Vault};
use crate::{CommitError, KeyError, OpenError, Options, ReadError};

fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Disk { what, path: path.to_owned(), source }
}

/// Where a store is made before it is moved to its place.
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
    match fs::remove_dir_all(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk("clear", &making)(error)),
        _ => fs::create_dir(&making).map_err(disk("create", &making))?,
    }
    let data_key = keys.create(&making, user).map_err(OpenError::Key)?;
    let keyring_file = Box::new(FolderFile(making.join(KEYRING_FILE)));
    let parts = Parts { engine: open_engine(&making, options)?, keyring_file, data_key, user };
    create_on(parts, options)?;
    sync_folder(&making).map_err(disk("sync", &making))?;
    fs::rename(&making, folder).map_err(disk("create", folder))?;
    sync_folder(parent).map_err(disk("sync", parent))?;
    open(folder, user, keys, options)
}

pub(super) fn open(
    folder: &Path,
    user: UserId,
    keys: &dyn KeyProvider,
    options: &Options,
) -> Result<Store, OpenError> {
    // Opening would make a file where there is none.
    if engine::kind_in(folder) != Some(options.engine) {
        return Err(OpenError::Absent { folder: folder.to_owned() });
    }
    let data_key = keys.unlock(folder, user).map_err(OpenError::Key)?;
    let keyring_file = Box::new(FolderFile(folder.join(KEYRING_FILE)));
    open_on(Parts { engine: open_engine(folder, options)?, keyring_file, data_key, user }, options)
}

/// Writes a keyring and the first superblock, which is what makes a store of an engine.
pub(super) fn create_on(parts: Parts, options: &Options) -> Result<(), OpenError> {
    let keyring = Keyring::new().map_err(OpenError::Key)?;
    let vault = Vault::new(parts, keyring.clone(), options).map_err(OpenError::Key)?;
    vault.replace_keyring(keyring).map_err(OpenError::Key)?;
    let superblock = Superblock { next_block: 1, ..Superblock::default() };
    let (sealed, _) = vault.seal_meta(Key::SUPERBLOCK, &superblock.encode()).map_err(OpenError::Key)?;
    vault.engine.commit(&[Op::Put(Key::SUPERBLOCK, sealed)]).map_err(OpenError::Engine)
}

/// Reads everything but blocks and contents of documents, and checks that it is one commit's.
pub(super) fn open_on(parts: Parts, options: &Options) -> Result<Store, OpenError> {
    let keyring = load_keyring(&parts).map_err(OpenError::Key)?;
    let vault = Vault::new(parts, keyring, options).map_err(OpenError::Key)?;
    let superblock = read_superblock(&vault).map_err(OpenError::Damaged)?;
    let mut index = read_index(&vault, &superblock).map_err(OpenError::Damaged)?;
    let left_behind = superblock.graveyard.clone();
    let mut writer = Writer { superblock, graveyard: Vec::new(), left_behind, poisoned: false };
    if !vault.keyring().doomed().is_empty() {
        index = finish_shredding(&vault, &mut writer, index)?;
    }
    Ok(Store::new(vault, writer, index, Arc::clone(&options.clock)))
}

fn load_keyring(parts: &Parts) -> Result<Keyring, KeyError> {
    let file: &dyn SmallFile = &*parts.keyring_file;
    Keyring::load(parts.user, &parts.data_key, file)
}

fn read_superblock(vault: &Vault) -> Result<Superblock, ReadError> {
    let what = "superblock";
    let mut sealed = vault.engine.get(Key::SUPERBLOCK)?.ok_or(ReadError::Missing { what, number: 0 })?;
    let plain = vault.open_meta(Key::SUPERBLOCK, &mut sealed).ok_or(ReadError::Sealed { what, number: 0 })?;
    let unsound = ReadError::Unsound { what, number: 0, why: "it does not parse" };
    Superblock::decode(plain).ok_or(unsound)
}

/// What is found while scanning the engine.
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
        let key = keyring.month(&body.stream, body.month).map(|key| key.number);
        if key != Some(body.key_number) && !keyring.doomed().contains(&body.key_number) {
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

/// A crash came between destroying keys and deleting what they sealed.
fn finish_shredding(vault: &Vault, writer: &mut Writer, index: Index) -> Result<Index, OpenError> {
    let mut keyring = (*vault.keyring()).clone();
    let doomed = |info: &&Arc<BlockInfo>| keyring.doomed().contains(&info.body.key_number);
    let removed = index.blocks().filter(doomed).map(|info| (info.body.number, Arc::clone(info))).collect();
    let index = publish(vault, writer, &index, Changes { removed, ..Changes::default() });
    let index = index.map_err(|error| match error {
        CommitError::Engine(error) => OpenError::Engine(error),
        CommitError::Key(error) => OpenError::Key(error),
        _ => OpenError::Damaged(ReadError::Unsound {
            what: "keyring",
            number: 0,
            why: "shredding cannot be finished",
        }),
    })?;
    keyring.forget_doomed();
    vault.replace_keyring(keyring).map_err(OpenError::Key)?;
    Ok(index)
}

/// Destroys the wrapped keys first: what remains after a crash cannot be read.
pub(super) fn erase(folder: &Path) -> Result<(), OpenError> {
    if !folder.exists() {
        return Err(OpenError::Absent { folder: folder.to_owned() });
    }
    for entry in fs::read_dir(folder).map_err(disk("read", folder))? {
        let path = entry.map_err(disk("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("slot-") || name.starts_with(KEYRING_FILE) {
            fs::remove_file(&path).map_err(disk("remove", &path))?;
        }
    }
    sync_folder(folder).map_err(disk("sync", folder))?;
    fs::remove_dir_all(folder).map_err(disk("remove", folder))?;
    let parent = folder.parent().unwrap_or(Path::new("."));
    sync_folder(parent).map_err(disk("sync", parent))
}
