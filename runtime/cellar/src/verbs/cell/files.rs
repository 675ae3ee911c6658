//! Files of packages and keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ring::rand::SystemRandom;
use runtime_package::{PACKAGE_BYTES_MAX, PublisherKey};
use runtime_program::Failure;
use zeroize::Zeroizing;

/// Largest file of a key, bytes: sixteen successions take 4 KiB.
const KEY_FILE_BYTES_MAX: u64 = 16 << 10;
/// The first bytes of everything that WebAssembly calls a binary.
const MAGIC: &[u8] = b"\0asm";

/// Reads a package or a component, and no more of it than a package may have.
pub(in crate::verbs) fn read_package(path: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |error: io::Error| {
        Failure::new(format!("cannot read {}: {error}", path.display()), "name the file of a package")
    };
    let file = File::open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(PACKAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

/// Writes a package in one step. It replaces a package or a component, and nothing else.
pub(super) fn write_package(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: &io::Error| Failure::of_file(path, error);
    let mut head = [0; MAGIC.len()];
    match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(()) if head == MAGIC => {}
        _ => {
            let what = format!("{} is there and is no package", path.display());
            return Err(Failure::new(what, "name another file"));
        }
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut half = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    half.write_all(bytes).and_then(|()| half.as_file().sync_all()).map_err(|error| failed(&error))?;
    half.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// Reads a key, which nobody else may be able to read.
pub(in crate::verbs) fn read_key(path: &Path) -> Result<PublisherKey, Failure> {
    let unread = |error: io::Error| {
        Failure::new(
            format!("cannot read {}: {error}", path.display()),
            "`cellar cell keygen` makes the key of a new publisher",
        )
    };
    let file = File::open(path).map_err(unread)?;
    if file.metadata().map_err(unread)?.permissions().mode() & 0o077 != 0 {
        let what = format!("{} can be read by others", path.display());
        return Err(Failure::new(what, "if nobody has read it, make it yours alone with chmod 600"));
    }
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize + 1));
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unread)?;
    PublisherKey::from_file(&text, &SystemRandom::new()).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure::new(what, "name the file that `cellar cell keygen` wrote, or a copy of it")
    })
}

/// Writes a key into a new file; a file that is there is never replaced, since it may be somebody's only key.
pub(super) fn write_key(path: &Path, key: &PublisherKey) -> Result<(), Failure> {
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            let written = file.write_all(key.to_file().as_bytes()).and_then(|()| file.sync_all());
            if written.is_err() {
                // A part of a key is of no use to anybody.
                let _ = fs::remove_file(path);
            }
            written
        });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            format!("{} is there already", path.display()),
            "name a new file: a key is never written over another file",
        ),
        _ => Failure::of_file(path, &error),
    })
}
