//! Rosters as files: one each, written once and never changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use handshake::encoding::WrapPub;
use handshake::roster::{SIGNED_ROSTER_BYTES_MAX, Signed};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

use super::super::OwnerError;
use super::ROSTERS_KEPT;
use crate::files;

/// The folder in a person's folder.
pub(super) const FOLDER: &str = "roster";
const WISH: &str = "wish";

fn folder(person: &Path) -> PathBuf {
    person.join(FOLDER)
}

fn path(person: &Path, version: u64) -> PathBuf {
    folder(person).join(format!("{version:016x}"))
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> OwnerError {
    let path = path.to_owned();
    move |source| OwnerError::Disk { path, source }
}

/// The versions that have a file, in order.
fn versions(person: &Path) -> Result<Vec<u64>, OwnerError> {
    let folder = folder(person);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(disk(&folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(disk(&folder))?.file_name();
        let name = name.to_str().filter(|name| name.len() == 16);
        found.extend(name.and_then(|name| u64::from_str_radix(name, 16).ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn read_one(person: &Path, version: u64) -> Result<Option<Signed>, OwnerError> {
    let path = path(person, version);
    // A file of any length would be read whole.
    let bytes = fs::metadata(&path).map_err(disk(&path))?.len();
    if bytes > SIGNED_ROSTER_BYTES_MAX as u64 {
        return Ok(None);
    }
    let read = Signed::parse(&fs::read(&path).map_err(disk(&path))?).ok();
    Ok(read.filter(|signed| signed.roster().version == version))
}

/// The chain on disk: from the oldest file that is kept, as far as each roster follows the one before. What comes
/// behind a roster that is missing, damaged or not validly signed does not count.
pub(super) fn read(person: &Path, user: UserId) -> Result<Vec<Signed>, OwnerError> {
    let mut chain: Vec<Signed> = Vec::new();
    for version in versions(person)? {
        let Some(next) = read_one(person, version)? else {
            tracing::error!(user = %user.short(), version, "a roster on disk does not read; what follows it does not count");
            break;
        };
        let checked = match chain.last() {
            Some(before) => next.check_after(before),
            None if version == 1 => next.check_first(user),
            // Older ones were removed; the copy in the store says whether this one is right.
            None if next.roster().user == user => Ok(()),
            None => Err(handshake::roster::BadStep::OtherPerson),
        };
        if let Err(error) = checked {
            tracing::error!(user = %user.short(), version, %error, "a roster on disk does not count, nor what follows it");
            break;
        }
        chain.push(next);
    }
    Ok(chain)
}

/// Writes a roster; it is on disk when this returns. Removes the oldest beyond [`ROSTERS_KEPT`].
pub(super) fn write(person: &Path, signed: &Signed) -> Result<(), OwnerError> {
    let folder = folder(person);
    files::create_folder(&folder).map_err(disk(&folder))?;
    let path = path(person, signed.roster().version);
    files::move_in(&folder.join("half"), &path, &signed.to_bytes()).map_err(disk(&path))?;
    let all = versions(person)?;
    for old in all.iter().take(all.len().saturating_sub(ROSTERS_KEPT)) {
        let path = self::path(person, *old);
        fs::remove_file(&path).map_err(disk(&path))?;
    }
    Ok(())
}

/// Puts this roster in place of whatever chain lies there.
pub(super) fn replace_all(person: &Path, signed: &Signed) -> Result<(), OwnerError> {
    write(person, signed)?;
    for version in versions(person)?.into_iter().filter(|version| *version != signed.roster().version) {
        let path = path(person, version);
        fs::remove_file(&path).map_err(disk(&path))?;
    }
    let folder = folder(person);
    files::sync_folder(&folder).map_err(disk(&folder))
}

/// What the console wants and no device has signed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Wish {
    /// The public half of another recovery phrase.
    pub phrase: Option<WrapPub>,
}

/// The wish; an empty one where there is none, or where it does not read: it only proposes.
pub(super) fn read_wish(person: &Path) -> Wish {
    let bytes = fs::read(folder(person).join(WISH)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Keeps a wish.
pub(super) fn write_wish(person: &Path, wish: &Wish) -> Result<(), OwnerError> {
    let folder = folder(person);
    files::create_folder(&folder).map_err(disk(&folder))?;
    let path = folder.join(WISH);
    let text = serde_json::to_vec(wish).expect("a key as a text");
    files::move_in(&folder.join("half"), &path, &text).map_err(disk(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use handshake::encoding::Digest32;
    use handshake::roster::{Author, Roster};

    const ADA: UserId = UserId([1; 16]);

    fn unsigned(before: Option<&Signed>) -> Signed {
        let roster = Roster {
            user: ADA,
            version: before.map_or(1, |before| before.roster().version + 1),
            previous: before.map_or(Digest32([0; 32]), Signed::hash),
            at_ms: 0,
            author: Author::Nobody,
            unattended: true,
            generation: 1,
            inbox: None,
            phrase: None,
            devices: Vec::new(),
            tokens: Vec::new(),
        };
        Signed::by_nobody(roster).expect("sound")
    }

    fn chain(folder: &Path, count: usize) -> Vec<Signed> {
        let mut chain: Vec<Signed> = Vec::new();
        for _ in 0..count {
            chain.push(unsigned(chain.last()));
            write(folder, chain.last().expect("pushed")).expect("written");
        }
        chain
    }

    #[test]
    fn a_chain_reads_back_as_far_as_it_is_unbroken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path(), ADA).expect("read"), []);
        let chain = chain(folder.path(), 4);
        assert_eq!(read(folder.path(), ADA).expect("read"), chain);
        assert_eq!(read(folder.path(), UserId([2; 16])).expect("read"), [], "another person's");
        let third = path(folder.path(), 3);
        let sound = fs::read(&third).expect("read");
        for length in 0..sound.len() {
            fs::write(&third, &sound[..length]).expect("written");
            assert_eq!(read(folder.path(), ADA).expect("read"), chain[..2], "{length} bytes");
        }
        fs::write(&third, vec![0; SIGNED_ROSTER_BYTES_MAX + 1]).expect("written");
        assert_eq!(read(folder.path(), ADA).expect("read").len(), 2);
        fs::remove_file(&third).expect("removed");
        assert_eq!(read(folder.path(), ADA).expect("read"), chain[..2]);
        replace_all(folder.path(), &chain[3]).expect("written");
        assert_eq!(read(folder.path(), ADA).expect("read"), chain[3..]);
    }

    #[test]
    fn the_oldest_rosters_are_removed_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let chain = chain(folder.path(), ROSTERS_KEPT + 3);
        assert_eq!(read(folder.path(), ADA).expect("read"), chain[3..]);
    }

    #[test]
    fn a_wish_that_does_not_read_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(read_wish(folder.path()).phrase.is_none());
        write_wish(folder.path(), &Wish::default()).expect("written");
        fs::write(super::folder(folder.path()).join(WISH), "{").expect("written");
        assert!(read_wish(folder.path()).phrase.is_none());
        assert_eq!(versions(folder.path()).expect("read"), [] as [u64; 0]);
    }
}
