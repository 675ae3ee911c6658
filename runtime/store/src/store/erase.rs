//! Destroying a whole store, with a receipt.

use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::Store;
use super::open::disk;
use crate::keys::{FolderFile, KEYRING_FILE, SLOT_PREFIX, SmallFile, sync_folder};
use crate::{OpenError, remove_tree, step};

/// What [`Store::erase`] destroyed, as a receipt for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Files with wrapped data keys: those whose names begin with `slot`.
    pub slots: usize,
    /// Whether there was a keyring.
    pub keyring: bool,
    /// SHA-256 over slots and keyring in the order of their names, each as length of the name (8 bytes, little-endian),
    /// name, length of the content (likewise), content. A copy of these files can be recognised by it.
    pub destroyed_sha256: [u8; 32],
    /// All files together, bytes.
    pub bytes: u64,
}

impl Store {
    /// What [`Self::erase`] would destroy of the store in `folder`. Changes nothing.
    ///
    /// # Errors
    /// [`OpenError::Absent`] where there is no folder.
    pub fn survey(folder: &Path) -> Result<Erased, OpenError> {
        if !folder.exists() {
            return Err(OpenError::Absent { folder: folder.to_owned() });
        }
        let bytes = folder_bytes(folder)?;
        let mut erased = Erased { slots: 0, keyring: false, destroyed_sha256: [0; 32], bytes };
        let mut digest = Context::new(&SHA256);
        for (name, path) in wrapped_keys(folder)? {
            let content = FolderFile(path.clone()).read().map_err(disk("read", &path))?.unwrap_or_default();
            for part in [name.as_bytes(), &content] {
                digest.update(&(part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            erased.slots += usize::from(name.starts_with(SLOT_PREFIX));
            erased.keyring |= name == KEYRING_FILE;
        }
        erased.destroyed_sha256.copy_from_slice(digest.finish().as_ref());
        Ok(erased)
    }

    /// Destroys the wrapped keys of the store in `folder`, then its files. The store must not be open.
    ///
    /// # Errors
    /// After an error, the parts that were destroyed stay destroyed: call again for the rest.
    pub fn erase(folder: &Path) -> Result<Erased, OpenError> {
        let erased = Self::survey(folder)?;
        // The keys come first: after a crash on the way, the rest cannot be read.
        for (_, path) in wrapped_keys(folder)? {
            step(&path).and_then(|()| fs::remove_file(&path)).map_err(disk("remove", &path))?;
        }
        sync_folder(folder).map_err(disk("sync", folder))?;
        remove_tree(folder).map_err(disk("remove", folder))?;
        let parent = folder.parent().unwrap_or(Path::new("."));
        sync_folder(parent).map_err(disk("sync", parent))?;
        Ok(erased)
    }
}

/// Slots and keyring by name, with remainders of a crash while they were written.
fn wrapped_keys(folder: &Path) -> Result<Vec<(String, PathBuf)>, OpenError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk("read", folder))? {
        let path = entry.map_err(disk("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && (name.starts_with(SLOT_PREFIX) || name.starts_with(KEYRING_FILE)) {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}

/// The sizes of all files in a folder and those below it.
fn folder_bytes(folder: &Path) -> Result<u64, OpenError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(disk("read", folder))? {
        let path = entry.map_err(disk("read", folder))?.path();
        let about = path.symlink_metadata().map_err(disk("read", &path))?;
        bytes += if about.is_dir() { folder_bytes(&path)? } else { about.len() };
    }
    Ok(bytes)
}
