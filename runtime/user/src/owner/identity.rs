//! The key that a person's runtime shows in TLS: its own, made once, on the disk of the host, since the port must answer
//! while the store is locked.

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

const KEY_FILE: &str = "runtime.key";

/// Reads the key of the person's folder, which must have mode 600; makes it where it is absent.
pub(super) fn open_or_make(folder: &Path) -> Result<SigningKey, OwnerError> {
    let path = folder.join(KEY_FILE);
    let disk = |source| OwnerError::Disk { path: path.clone(), source };
    let random = SystemRandom::new();
    let bytes = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
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
    key.map_err(|_| OwnerError::Unsound { path: path.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_refused_where_others_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = open_or_make(folder.path()).expect("made");
        let again = open_or_make(folder.path()).expect("read");
        assert_eq!(first.spki(), again.spki());
        let path = folder.path().join(KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(open_or_make(folder.path()), Err(OwnerError::OpenToOthers { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        fs::write(&path, "no key").expect("written");
        assert!(matches!(open_or_make(folder.path()), Err(OwnerError::Unsound { .. })));
    }
}
