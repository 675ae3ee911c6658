//! Small files that are replaced whole: whenever power fails, either the old content is there or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::step;

/// A file of a few KiB that is replaced whole.
pub trait SmallFile: Send + Sync {
    /// Its content; `None` where there is no file.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;
    /// Replaces the content, on disk when it returns.
    fn replace(&self, content: &[u8]) -> io::Result<()>;
}

/// A file in a folder.
#[derive(Debug)]
pub(crate) struct FolderFile(pub PathBuf);

impl SmallFile for FolderFile {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match File::open(&self.0) {
            Ok(file) => {
                let mut content = Vec::new();
                // A file of another size is damaged anyway; it must not fill the memory.
                file.take(SMALL_FILE_BYTES_MAX).read_to_end(&mut content)?;
                Ok(Some(content))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        replace_file(&self.0, content)
    }
}

/// A file in memory that is lost when its last holder is dropped.
#[derive(Debug, Default)]
pub(crate) struct MemoryFile(Mutex<Option<Vec<u8>>>);

impl SmallFile for MemoryFile {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(content.to_vec());
        Ok(())
    }
}

/// 500 streams for 50 years of months take 30 MiB.
const SMALL_FILE_BYTES_MAX: u64 = 64 << 20;

/// Writes a new file beside the old, syncs it, renames it over the old, and syncs the folder. Mode 600.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = write_new(&beside, content).and_then(|()| {
        step(path)?;
        fs::rename(&beside, path)
    });
    if written.is_err() && step(&beside).is_ok() {
        // The part that was written takes room on a full disk; an error of the removal would hide the first error.
        let _ = fs::remove_file(&beside);
    }
    written?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Writes and syncs a file of mode 600. A remainder of a crash under that name is overwritten.
pub(super) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    step(path)?;
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()?
        }
        created => created?,
    };
    if let Err(killed) = step(path) {
        // What a kill during a write leaves.
        file.write_all(&content[..content.len() / 2])?;
        return Err(killed);
    }
    file.write_all(content)?;
    step(path)?;
    file.sync_all()
}

/// Makes creations, renames and removals in a folder survive power loss.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    step(folder)?;
    File::open(folder)?.sync_all()
}
