//! The slot that opens without its owner: wrapped under a secret in a file of the host.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use runtime_types::UserId;
use zeroize::Zeroizing;

use super::files::{FolderFile, SmallFile, replace_file, sync_folder, write_new};
use super::{DataKey, KeyProvider, Secret, random_bytes};
use crate::KeyError;

/// Name of the slot in the store's folder.
pub(crate) const SLOT_FILE: &str = "slot-unattended";
const HOST_KEY_MAGIC: &[u8; 4] = b"CHK1";
const SLOT_VERSION: u8 = 1;
/// The kind of slot whose secret is a file of the host.
const SLOT_UNATTENDED: u8 = 2;
/// version, kind, slot id, generation
const SLOT_HEAD_BYTES: usize = 22;
/// head, nonce, wrapped key, tag
const SLOT_BYTES: usize = SLOT_HEAD_BYTES + 12 + 32 + 16;

/// Wraps data keys under a secret of the host. Whoever has that file and a store can read the store.
pub struct Unattended {
    secret: Secret,
}

impl std::fmt::Debug for Unattended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unattended(…)")
    }
}

impl Unattended {
    /// Reads the host's key file, which must have mode 600; draws it where it is absent.
    pub fn open_or_create(path: &Path) -> Result<Self, KeyError> {
        match fs::metadata(path) {
            Ok(_) => Self::read(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::draw(path),
            Err(source) => Err(KeyError::Disk { what: "read", path: path.to_owned(), source }),
        }
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
        secret.map(|bytes| Self { secret: Secret(bytes) }).ok_or_else(unsound)
    }

    /// Two processes may start at once: the file is linked into place, so that one wins and both read it.
    fn draw(path: &Path) -> Result<Self, KeyError> {
        let disk = |source| KeyError::Disk { what: "create", path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        let secret = Secret::random()?;
        let content = Zeroizing::new([HOST_KEY_MAGIC.as_slice(), &secret.0].concat());
        let mark = u64::from_le_bytes(random_bytes()?);
        let beside = path.with_extension(format!("{mark:016x}"));
        write_new(&beside, &content).map_err(disk)?;
        let linked = fs::hard_link(&beside, path);
        fs::remove_file(&beside).map_err(disk)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(disk(error)),
            _ => sync_folder(folder).map_err(disk)?,
        }
        Self::read(path)
    }

    fn wrap_key(&self, head: &[u8]) -> LessSafeKey {
        let secret = self.secret.derive(&head[2..18], &[b"cellar/slot/1", head]);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret.0).expect("the key has 32 bytes"))
    }
}

/// What the wrapped key is bound to: the slot's head and its owner.
fn about(head: &[u8], user: UserId) -> Aad<Vec<u8>> {
    Aad::from([b"cellar/slot/1".as_slice(), head, &user.0].concat())
}

fn slot_path(folder: &Path) -> PathBuf {
    folder.join(SLOT_FILE)
}

impl KeyProvider for Unattended {
    fn create(&self, folder: &Path, user: UserId) -> Result<DataKey, KeyError> {
        let key = DataKey::random()?;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(&[SLOT_VERSION, SLOT_UNATTENDED]);
        slot.extend_from_slice(&random_bytes::<16>()?);
        slot.extend_from_slice(&1_u32.to_be_bytes());
        let nonce = random_bytes::<12>()?;
        let mut wrapped = Zeroizing::new(*key.expose());
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
        let path = slot_path(folder);
        replace_file(&path, &slot).map_err(|source| KeyError::Disk { what: "write", path, source })?;
        Ok(key)
    }

    fn unlock(&self, folder: &Path, user: UserId) -> Result<DataKey, KeyError> {
        let path = slot_path(folder);
        let content = FolderFile(path.clone()).read();
        let content =
            content.map_err(|source| KeyError::Disk { what: "read", path: path.clone(), source })?;
        let unsound = || KeyError::Unsound { what: "key slot", path: path.clone() };
        let mut slot = Zeroizing::new(content.ok_or_else(unsound)?);
        if slot.len() != SLOT_BYTES || slot[..2] != [SLOT_VERSION, SLOT_UNATTENDED] {
            return Err(unsound());
        }
        let (head, wrapped) = slot.split_at_mut(SLOT_HEAD_BYTES);
        let (nonce, wrapped) = wrapped.split_first_chunk_mut::<12>().ok_or_else(unsound)?;
        let opened = self
            .wrap_key(head)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), about(head, user), wrapped)
            .map_err(|_| KeyError::WrongKey { user })?;
        let bytes: [u8; 32] = (&*opened).try_into().map_err(|_| KeyError::WrongKey { user })?;
        Ok(DataKey::from_bytes(bytes))
    }
}
