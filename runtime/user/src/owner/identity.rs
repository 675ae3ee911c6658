//! The key that a person's runtime shows in TLS. Each person has one, created once. It is on the host's disk, because
//! the port must answer while the store is locked, and sealed under the host's key: whoever has a copy of the folder
//! without that key cannot pose as the runtime. Sealed rather than kept in a folder apart: such a folder would have to be
//! copied again for each new person, and `host.key`, which is kept apart already, never changes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use ring::rand::SystemRandom;
use runtime_store::{NotOpened, Unattended, is_sealed_apart};
use runtime_types::UserId;
use zeroize::Zeroizing;

use super::OwnerError;
use super::slots::SLOTS_FILE;
use crate::files;
use crate::people::Damage;

pub(crate) const KEY_FILE: &str = "runtime.key";

/// What the key is sealed as.
const PURPOSE: &str = "runtime key";

/// Reads the key in the person's folder, which must have mode 600; creates it if it is absent and no phone knows one.
pub(super) fn open_or_make(
    folder: &Path,
    user: UserId,
    host_key: &Unattended,
    known: bool,
) -> Result<SigningKey, OwnerError> {
    let path = folder.join(KEY_FILE);
    let disk = |source| OwnerError::Disk { path: path.clone(), source };
    let random = SystemRandom::new();
    // A link without a target means a file that is not mounted; no key is created then.
    let absent = matches!(fs::symlink_metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound);
    let bytes = match fs::metadata(&path) {
        Err(_) if absent && known => return Err(OwnerError::Missing { path }),
        Err(_) if absent => return make(&path, user, host_key),
        Err(error) => return Err(disk(error)),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            return Err(OwnerError::OpenToOthers { path });
        }
        Ok(_) => Zeroizing::new(fs::read(&path).map_err(disk)?),
    };
    let bytes = match is_sealed_apart(&bytes).then(|| host_key.open_apart(user, PURPOSE, &bytes)) {
        None => bytes,
        Some(Ok(opened)) => opened,
        Some(Err(NotOpened::Unsound)) => return Err(OwnerError::NotAKey { path }),
        Some(Err(NotOpened::OtherKey)) if known => return Err(OwnerError::OtherHostKey { path }),
        // The host's key was lost before any phone was paired.
        Some(Err(NotOpened::OtherKey)) => return make(&path, user, host_key),
    };
    let key = SigningKey::from_pkcs8(&bytes, &random);
    key.map_err(|_| OwnerError::NotAKey { path: path.clone() })
}

fn make(path: &Path, user: UserId, host_key: &Unattended) -> Result<SigningKey, OwnerError> {
    let made = SigningKey::generate(KeyKind::Ed25519, &SystemRandom::new());
    let made = made.map_err(|_| OwnerError::NoRandomness)?;
    let sealed = host_key.seal_apart(user, PURPOSE, made.pkcs8()).map_err(OwnerError::Key)?;
    let disk = |source| OwnerError::Disk { path: path.to_owned(), source };
    files::replace(path, &sealed).map_err(disk)?;
    Ok(made)
}

/// Checks the key in the person's folder, if there is one.
pub(super) fn inspect(folder: &Path, user: UserId, host_key: &Unattended) -> Result<(), Damage> {
    let path = folder.join(KEY_FILE);
    if files::is_absent(&path) {
        return Ok(());
    }
    match open_or_make(folder, user, host_key, true).map(drop) {
        Ok(()) => Ok(()),
        // A new one takes its place, since no phone knows this one.
        Err(OwnerError::OtherHostKey { .. }) if !needs_host_key(folder) => Ok(()),
        Err(OwnerError::OpenToOthers { .. }) => {
            Err(Damage::new(&path, "can be read by others: change its mode to 600"))
        }
        Err(OwnerError::Disk { source, .. }) => Err(Damage::unreadable(&path, &source)),
        Err(_) => Err(Damage::new(&path, "holds no key")),
    }
}

/// Seals a key that an earlier version has left in clear. Anything else that is there stays as it is.
pub(super) fn seal_plain(folder: &Path, user: UserId, host_key: &Unattended) -> Result<(), OwnerError> {
    let path = folder.join(KEY_FILE);
    let disk = |source| OwnerError::Disk { path: path.clone(), source };
    let Ok(bytes) = fs::read(&path).map(Zeroizing::new) else { return Ok(()) };
    if is_sealed_apart(&bytes) || SigningKey::from_pkcs8(&bytes, &SystemRandom::new()).is_err() {
        return Ok(());
    }
    let sealed = host_key.seal_apart(user, PURPOSE, &bytes).map_err(OwnerError::Key)?;
    files::replace(&path, &sealed).map_err(disk)
}

/// Whether the person's folder has a key that phones know, and that only the key of its host opens.
pub(crate) fn needs_host_key(folder: &Path) -> bool {
    // The first pairing makes the slots. Before it nobody knows the key.
    fs::symlink_metadata(folder.join(SLOTS_FILE)).is_ok() && is_sealed(folder)
}

fn is_sealed(folder: &Path) -> bool {
    fs::read(folder.join(KEY_FILE)).is_ok_and(|bytes| is_sealed_apart(&bytes))
}

/// Whether this is the key of the host that the person's key was sealed under; `None` where the file is damaged.
pub(crate) fn opens(folder: &Path, user: UserId, host_key: &Unattended) -> Option<bool> {
    let bytes = fs::read(folder.join(KEY_FILE)).ok()?;
    match host_key.open_apart(user, PURPOSE, &bytes) {
        Ok(_) => Some(true),
        Err(NotOpened::OtherKey) => Some(false),
        Err(NotOpened::Unsound) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId([1; 16]);

    fn host_key(folder: &Path) -> Unattended {
        Unattended::open_or_create(&folder.join("host.key")).expect("a key")
    }

    #[test]
    fn the_key_is_made_once_and_refused_where_others_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = host_key(folder.path());
        let open_or_make = |folder: &Path, known| open_or_make(folder, ADA, &host, known);
        let first = open_or_make(folder.path(), false).expect("made");
        let again = open_or_make(folder.path(), true).expect("read");
        assert_eq!(first.spki(), again.spki());
        let path = folder.path().join(KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(open_or_make(folder.path(), true), Err(OwnerError::OpenToOthers { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        let sound = fs::read(&path).expect("a key");
        for left in [&b""[..], &sound[..sound.len() / 2], b"no key"] {
            fs::write(&path, left).expect("written");
            assert!(matches!(open_or_make(folder.path(), false), Err(OwnerError::NotAKey { .. })));
            assert_eq!(fs::read(&path).expect("there"), left, "what is there is never replaced");
        }
    }

    #[test]
    fn a_key_that_phones_know_is_not_made_a_second_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = host_key(folder.path());
        let open_or_make = |folder: &Path, known| open_or_make(folder, ADA, &host, known);
        let path = folder.path().join(KEY_FILE);
        assert!(matches!(open_or_make(folder.path(), true), Err(OwnerError::Missing { .. })));
        assert!(!path.exists());
        std::os::unix::fs::symlink(folder.path().join("not mounted"), &path).expect("linked");
        assert!(matches!(open_or_make(folder.path(), false), Err(OwnerError::Disk { .. })));
    }

    #[test]
    fn a_key_in_clear_of_an_earlier_version_is_sealed_and_stays_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = host_key(folder.path());
        let path = folder.path().join(KEY_FILE);
        let plain = SigningKey::generate(KeyKind::Ed25519, &SystemRandom::new()).expect("a key");
        files::replace(&path, plain.pkcs8()).expect("written");
        assert!(!is_sealed(folder.path()));
        assert_eq!(open_or_make(folder.path(), ADA, &host, true).expect("read").spki(), plain.spki());
        for _ in 0..2 {
            seal_plain(folder.path(), ADA, &host).expect("sealed");
            assert!(is_sealed(folder.path()));
            assert_eq!(open_or_make(folder.path(), ADA, &host, true).expect("read").spki(), plain.spki());
        }
        let other = Unattended::open_or_create(&folder.path().join("other.key")).expect("a key");
        let refused = open_or_make(folder.path(), ADA, &other, true);
        assert!(matches!(refused, Err(OwnerError::OtherHostKey { .. })));
        assert_eq!(
            (opens(folder.path(), ADA, &host), opens(folder.path(), ADA, &other)),
            (Some(true), Some(false))
        );
        fs::write(&path, b"no key").expect("written");
        seal_plain(folder.path(), ADA, &host).expect("left alone");
        assert_eq!(fs::read(&path).expect("there"), b"no key");
    }
}
