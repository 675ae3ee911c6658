//! Files with secrets: written whole or not at all, for this user alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates a folder for this user alone, if it is not there. The folder that it is in must be.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file that takes the place of another one, if `fits` accepts it as it is on disk. Then it is synced, and so is
/// its folder. What a crash leaves beside it is overwritten by the next call.
pub(crate) fn replace<E: From<io::Error>>(
    path: &Path,
    parts: &[&[u8]],
    fits: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let half = path.with_extension("new");
    match fs::remove_file(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let written = write_new(&half, parts).map_err(E::from).and_then(|()| fits(&half));
    if let Err(error) = written {
        // It has a key in it that nothing uses.
        let _ = fs::remove_file(&half);
        return Err(error);
    }
    fs::rename(&half, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(File::open(folder).and_then(|folder| folder.sync_all())?)
}

fn write_new(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// Whether nobody but this user may read the file.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}
