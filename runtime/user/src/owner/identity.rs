//! The key that a person's runtime shows in TLS. Each person has one, created once. It is on the host's disk, because
//! the port must answer while the store is locked.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use ring::rand::SystemRandom;
use zeroize::Zeroizing;

use super::OwnerError;
use crate::files;
use crate::people::Damage;

pub(super) const KEY_FILE: &str = "runtime.key";

/// Reads the key in the person's folder, which must have mode 600; creates it if it is absent and no phone knows one.
pub(super) fn open_or_make(folder: &Path, known: bool) -> Result<SigningKey, OwnerError> {
    let path = folder.join(KEY_FILE);
    let disk = |source| OwnerError::Disk { path: path.clone(), source };
    let random = SystemRandom::new();
    // A link without a target means a file that is not mounted; no key is created then.
    let absent = matches!(fs::symlink_metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound);
    let bytes = match fs::metadata(&path) {
        Err(_) if absent && known => return Err(OwnerError::Missing { path }),
        Err(_) if absent => {
            let made = SigningKey::generate(KeyKind::Ed25519, &random);
            let made = made.map_err(|_| OwnerError::NoRandomness)?;
            files::replace(&path, made.pkcs8()).map_err(disk)?;
            return Ok(made);
        }
        Err(error) => return Err(disk(error)),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            return Err(OwnerError::OpenToOthers { path });
        }
        Ok(_) => Zeroizing::new(fs::read(&path).map_err(disk)?),
    };
    let key = SigningKey::from_pkcs8(&bytes, &random);
    key.map_err(|_| OwnerError::NotAKey { path: path.clone() })
}

/// Checks the key in the person's folder, if there is one.
pub(super) fn inspect(folder: &Path) -> Result<(), Damage> {
    let path = folder.join(KEY_FILE);
    if files::is_absent(&path) {
        return Ok(());
    }
    open_or_make(folder, true).map(drop).map_err(|error| match error {
        OwnerError::OpenToOthers { .. } => {
            Damage::new(&path, "can be read by others: change its mode to 600")
        }
        OwnerError::Disk { source, .. } => Damage::unreadable(&path, &source),
        _ => Damage::new(&path, "holds no key"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_refused_where_others_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
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
        let path = folder.path().join(KEY_FILE);
        assert!(matches!(open_or_make(folder.path(), true), Err(OwnerError::Missing { .. })));
        assert!(!path.exists());
        std::os::unix::fs::symlink(folder.path().join("not mounted"), &path).expect("linked");
        assert!(matches!(open_or_make(folder.path(), false), Err(OwnerError::Disk { .. })));
    }
}
