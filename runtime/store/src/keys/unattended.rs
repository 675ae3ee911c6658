//! The slot that opens without its owner: wrapped under a secret in a file of the host.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime_types::UserId;
use zeroize::Zeroizing;

use super::files::{FolderFile, SmallFile, replace_file, sync_folder, write_new};
use super::keyring::{KEYRING_FILE, generation_in};
use super::{DataKey, Held, KeyProvider, Secret, random_bytes};
use crate::{KeyError, step};

/// The prefix of the names of files with wrapped data keys, whether this module or another writes them.
pub(crate) const SLOT_PREFIX: &str = "slot";
/// The name of the slot in the store's folder.
pub(crate) const SLOT_FILE: &str = "slot-unattended";
/// The generation of the first data key of a store.
const FIRST_GENERATION: u32 = 1;
const HOST_KEY_MAGIC: &[u8; 4] = b"CHK1";
const SLOT_VERSION: u8 = 1;
/// The kind of slot whose secret is a file of the host.
const SLOT_UNATTENDED: u8 = 2;
/// version, kind, slot id, generation
const SLOT_HEAD_BYTES: usize = 22;
/// head, nonce, wrapped key, tag
const SLOT_BYTES: usize = SLOT_HEAD_BYTES + 12 + 32 + 16;

/// Wraps data keys under a secret of the host. That file together with a store is enough to read the store.
pub struct Unattended {
    secret: Secret,
}

impl std::fmt::Debug for Unattended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unattended(…)")
    }
}

impl Unattended {
    /// Reads the host's key file, which must have mode 600; creates it where it is absent. Only for callers that know
    /// that no key was ever wrapped under it: see [`Self::open`] and [`Self::is_needed`].
    pub fn open_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::open(path)? {
            Some(keys) => Ok(keys),
            None => Self::draw(path),
        }
    }

    /// Reads the host's key file, which must have mode 600; `None` where there is none. A file that is empty or cut
    /// short is an error, and so is a dangling link.
    pub fn open(path: &Path) -> Result<Option<Self>, KeyError> {
        match fs::symlink_metadata(path) {
            Ok(_) => Self::read(path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyError::Disk { what: "read", path: path.to_owned(), source }),
        }
    }

    /// Whether the store in a folder has a slot that only the key of its host opens.
    pub fn is_needed(folder: &Path) -> bool {
        fs::symlink_metadata(slot_path(folder)).is_ok()
    }

    /// Whether this is the key that the slot of the store in a folder was wrapped under.
    ///
    /// # Errors
    /// [`KeyError`] where the slot cannot be read, so that there is no result.
    pub fn opens(&self, folder: &Path, user: UserId) -> Result<bool, KeyError> {
        match self.unlock(folder, user) {
            Ok(_) => Ok(true),
            Err(KeyError::WrongKey { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A digest by which the key is recognised. It opens nothing.
    pub fn id(&self) -> [u8; 32] {
        *self.secret.derive(b"", &[b"cellar/host-key-id/1"]).0
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    fn read(path: &Path) -> Result<Self, KeyError> {
        let disk = |source| KeyError::Disk { what: "read", path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(disk)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::OpenToOthers { path: path.to_owned(), mode });
        }
        let content = Zeroizing::new(FolderFile(path.to_owned()).read().map_err(disk)?.unwrap_or_default());
        let secret = content.strip_prefix(HOST_KEY_MAGIC).and_then(|secret| secret.try_into().ok());
        let unsound = || KeyError::Unsound { what: "host key file", path: path.to_owned() };
        secret.map(|bytes: [u8; 32]| Self { secret: bytes.into() }).ok_or_else(unsound)
    }

    /// Two processes may start at once: the file is linked into place, so that one wins and both read it.
    fn draw(path: &Path) -> Result<Self, KeyError> {
        let disk = |source| KeyError::Disk { what: "create", path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        let secret = Secret::random()?;
        let content = Zeroizing::new([HOST_KEY_MAGIC.as_slice(), &*secret.0].concat());
        let mark = u64::from_le_bytes(random_bytes()?);
        let beside = path.with_extension(format!("{mark:016x}"));
        write_new(&beside, &content).map_err(disk)?;
        let linked = step(path).and_then(|()| fs::hard_link(&beside, path));
        fs::remove_file(&beside).map_err(disk)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(disk(error)),
            _ => sync_folder(folder).map_err(disk)?,
        }
        Self::read(path)
    }

    fn wrap_key(&self, head: &[u8]) -> LessSafeKey {
        let secret = self.secret.derive(&head[2..18], &[b"cellar/slot/1", head]);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*secret.0).expect("the key has 32 bytes"))
    }
}

/// The authenticated data of the wrapped key: the slot's head and its owner.
fn about(head: &[u8], user: UserId) -> Aad<Vec<u8>> {
    Aad::from([b"cellar/slot/1".as_slice(), head, &user.0].concat())
}

fn slot_path(folder: &Path) -> PathBuf {
    folder.join(SLOT_FILE)
}

impl Unattended {
    /// Wraps a data key for the host, beside the existing slot: while a key is being changed the keyring says which of
    /// the two is valid. On disk when it returns.
    ///
    /// # Errors
    /// [`KeyError`] where the disk refuses.
    pub fn write(&self, folder: &Path, user: UserId, held: &Held) -> Result<(), KeyError> {
        let mut slots = read_slots(folder)?;
        slots.retain(|slot| generation_of(slot) != held.generation);
        // The newest first; of the older ones only the last can still be valid.
        slots.truncate(1);
        slots.insert(0, self.wrap(user, held)?);
        write_slots(folder, &slots)
    }

    /// Removes the slots of every other generation.
    ///
    /// # Errors
    /// [`KeyError`] where the disk refuses.
    pub fn keep_generation(folder: &Path, generation: u32) -> Result<(), KeyError> {
        let mut slots = read_slots(folder)?;
        slots.retain(|slot| generation_of(slot) == generation);
        write_slots(folder, &slots)
    }

    /// Removes the host's slot: from then on the owner must open the store.
    ///
    /// # Errors
    /// [`KeyError`] where the disk refuses.
    pub fn remove(folder: &Path) -> Result<(), KeyError> {
        let path = slot_path(folder);
        let removed = match step(&path).and_then(|()| fs::remove_file(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| sync_folder(folder)),
        };
        removed.map_err(|source| KeyError::Disk { what: "remove", path, source })
    }

    fn wrap(&self, user: UserId, held: &Held) -> Result<[u8; SLOT_BYTES], KeyError> {
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(&[SLOT_VERSION, SLOT_UNATTENDED]);
        slot.extend_from_slice(&random_bytes::<16>()?);
        slot.extend_from_slice(&held.generation.to_be_bytes());
        let nonce = random_bytes::<12>()?;
        let mut wrapped = Zeroizing::new(*held.key.expose());
        let tag = self
            .wrap_key(&slot)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                about(&slot, user),
                wrapped.as_mut_slice(),
            )
            .expect("a key is far shorter than what one nonce can seal");
        slot.extend_from_slice(&nonce);
        slot.extend_from_slice(wrapped.as_slice());
        slot.extend_from_slice(tag.as_ref());
        Ok(slot.try_into().expect("head, nonce, key and tag are the length of a slot"))
    }
}

/// The host's slots as they are on disk, the newest first; empty where there is no file.
fn read_slots(folder: &Path) -> Result<Vec<[u8; SLOT_BYTES]>, KeyError> {
    let path = slot_path(folder);
    let content = FolderFile(path.clone()).read();
    let content = content.map_err(|source| KeyError::Disk { what: "read", path: path.clone(), source })?;
    let content = content.unwrap_or_default();
    let (slots, rest) = content.as_chunks::<SLOT_BYTES>();
    let sound = |slot: &[u8; SLOT_BYTES]| slot[..2] == [SLOT_VERSION, SLOT_UNATTENDED];
    if !rest.is_empty() || slots.len() > 2 || !slots.iter().all(sound) {
        return Err(KeyError::Unsound { what: "key slot", path });
    }
    Ok(slots.to_vec())
}

fn write_slots(folder: &Path, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyError> {
    let path = slot_path(folder);
    replace_file(&path, slots.as_flattened()).map_err(|source| KeyError::Disk { what: "write", path, source })
}

fn generation_of(slot: &[u8; SLOT_BYTES]) -> u32 {
    let bytes = slot[..SLOT_HEAD_BYTES].last_chunk().expect("a head ends with four bytes of generation");
    u32::from_be_bytes(*bytes)
}

impl KeyProvider for Unattended {
    fn create(&self, folder: &Path, user: UserId) -> Result<Held, KeyError> {
        let held = Held { key: DataKey::random()?, generation: FIRST_GENERATION };
        write_slots(folder, &[self.wrap(user, &held)?])?;
        Ok(held)
    }

    fn unlock(&self, folder: &Path, user: UserId) -> Result<Held, KeyError> {
        let unsound = || KeyError::Unsound { what: "key slot", path: slot_path(folder) };
        let slots = read_slots(folder)?;
        let named = generation_in(&FolderFile(folder.join(KEYRING_FILE)))?;
        let counts = |slot: &&[u8; SLOT_BYTES]| named.is_none_or(|named| generation_of(slot) == named);
        // Where none is of the keyring's generation, the store reports it, with both numbers.
        let slot = slots.iter().find(counts).or(slots.first()).ok_or_else(unsound)?;
        let mut slot = Zeroizing::new(*slot);
        let generation = generation_of(&slot);
        let (head, wrapped) = slot.split_at_mut(SLOT_HEAD_BYTES);
        let (nonce, wrapped) = wrapped.split_first_chunk_mut::<12>().ok_or_else(unsound)?;
        let opened = self
            .wrap_key(head)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), about(head, user), wrapped)
            .map_err(|_| KeyError::WrongKey { user })?;
        let bytes: [u8; 32] = (&*opened).try_into().map_err(|_| KeyError::WrongKey { user })?;
        Ok(Held { key: DataKey::from_bytes(bytes), generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId([1; 16]);

    #[test]
    fn a_key_file_that_is_there_is_never_replaced_however_little_is_left_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("host.key");
        assert!(Unattended::open(&path).expect("readable").is_none());
        Unattended::open_or_create(&path).expect("a key");
        let sound = fs::read(&path).expect("a key");
        for left in 0..sound.len() {
            fs::write(&path, &sound[..left]).expect("written");
            assert!(matches!(Unattended::open_or_create(&path), Err(KeyError::Unsound { .. })), "{left}");
            assert_eq!(fs::read(&path).expect("there").len(), left);
        }
        fs::write(&path, [&sound[..], b"\n"].concat()).expect("written");
        assert!(matches!(Unattended::open_or_create(&path), Err(KeyError::Unsound { .. })));
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(folder.path().join("not mounted"), &path).expect("linked");
        assert!(matches!(Unattended::open_or_create(&path), Err(KeyError::Disk { .. })));
        assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
    }

    #[test]
    fn a_slot_tells_whose_key_opens_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |name: &str| Unattended::open_or_create(&folder.path().join(name)).expect("a key");
        let (right, wrong) = (key("host.key"), key("other.key"));
        assert!(!Unattended::is_needed(folder.path()));
        right.create(folder.path(), ADA).expect("made");
        assert!(Unattended::is_needed(folder.path()));
        assert!(
            right.opens(folder.path(), ADA).expect("sound")
                && !wrong.opens(folder.path(), ADA).expect("sound")
        );
        fs::write(slot_path(folder.path()), b"half").expect("written");
        assert!(right.opens(folder.path(), ADA).is_err());
    }

    #[test]
    fn a_change_of_key_leaves_both_until_the_old_one_is_forgotten_and_then_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = Unattended::open_or_create(&folder.path().join("host.key")).expect("a key");
        let first = host.create(folder.path(), ADA).expect("made");
        let second = Held { key: DataKey::from_bytes([9; 32]), generation: 2 };
        host.write(folder.path(), ADA, &second).expect("written");
        assert_eq!(read_slots(folder.path()).expect("sound").len(), 2);
        // There is no keyring here, so the newest slot is used.
        assert_eq!(host.unlock(folder.path(), ADA).expect("opens").key.expose(), &[9; 32]);
        Unattended::keep_generation(folder.path(), first.generation).expect("written");
        assert_eq!(host.unlock(folder.path(), ADA).expect("opens").key.expose(), first.key.expose());
        Unattended::remove(folder.path()).expect("removed");
        Unattended::remove(folder.path()).expect("nothing to do");
        assert!(matches!(host.unlock(folder.path(), ADA), Err(KeyError::Unsound { .. })));
    }
}
