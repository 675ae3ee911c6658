//! Operations that change files, each announced before it takes place, so that a test can end a process before any of
//! them. Without the feature `testing` nothing is counted.

use std::fs;
use std::io;
use std::path::Path;

/// Announces one operation on a file or folder.
///
/// # Errors
/// Only in tests, once `testing::Kill` has ended what happens below a folder.
#[inline]
pub fn step(path: &Path) -> io::Result<()> {
    #[cfg(any(test, feature = "testing"))]
    crate::testing::kill::step(path)?;
    #[cfg(not(any(test, feature = "testing")))]
    let _ = path;
    Ok(())
}

/// Removes a folder and everything in it, entry by entry; does nothing where there is none.
///
/// # Errors
/// The error of the operating system; what was removed before stays removed.
pub fn remove_tree(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            step(&entry.path())?;
            fs::remove_file(entry.path())?;
        }
    }
    step(folder)?;
    fs::remove_dir(folder)
}
