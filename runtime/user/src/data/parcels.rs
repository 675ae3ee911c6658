//! Parcels: files that a person's page hands in, in parts, before another command takes them.
//!
//! A parcel lies on the disk without a name and sealed, under a key that is only in memory: whatever ends the process, or
//! whoever copies the disk, has nothing of it.
//!
//! ```text
//! part n  = n × (32 KiB + 16): up to 32 KiB encrypted, AES-256-GCM, nonce n (BE, 12 bytes) ‖ tag 16
//! ```
//!
//! * Invariants: every part has 32 KiB, except the last one; each is written once, so that no nonce is used twice. A
//!   person has one parcel. It is gone with the lock of the store, with its person, and when nobody has asked for it for
//!   ten minutes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_types::UserId;
use zeroize::Zeroizing;

use crate::error::CallError;
use crate::runtime::Runtime;

/// The largest parcel, bytes.
pub const PARCEL_BYTES_MAX: u64 = 1 << 30;
/// What a part has, except the last one, bytes.
pub const PARCEL_PART_BYTES: usize = 32 << 10;
/// How many parcels may lie on a host.
pub const PARCELS_MAX: usize = 8;
/// The longest name of a parcel, bytes.
pub const PARCEL_NAME_BYTES_MAX: usize = 255;
/// A parcel that nobody has asked for so long is gone.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// What the seal adds to a part, bytes.
const TAG_BYTES: usize = 16;
const PART: u64 = PARCEL_PART_BYTES as u64;
const SEALED_PART: u64 = PART + TAG_BYTES as u64;

/// Why a parcel is not taken, or not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParcelError {
    /// It is larger than a parcel may be.
    #[error("{bytes} bytes are more than the {PARCEL_BYTES_MAX} that a page may hand in")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Its name is too long.
    #[error("the name of a file has at most {PARCEL_NAME_BYTES_MAX} bytes")]
    Name,
    /// Too many lie here.
    #[error("{PARCELS_MAX} files are being handed in: wait for one to end")]
    TooMany,
    /// There is none of that id.
    #[error("no such file was handed in, or it was given up since")]
    None,
    /// Not all of it is here.
    #[error("{received} of {bytes} bytes were handed in")]
    Unfinished {
        /// How much is here.
        received: u64,
        /// How much it has.
        bytes: u64,
    },
    /// A part is not the next one, or has another size than it must have.
    #[error("the next part begins at {at} and has {bytes} bytes")]
    Part {
        /// Where the next part begins.
        at: u64,
        /// How many bytes it has.
        bytes: u64,
    },
    /// The disk refused it.
    #[error("the disk does not take the file")]
    Disk(#[source] io::Error),
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    NoRandomness,
    /// The person's runtime refused it.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A parcel's content.
pub struct Handed {
    name: String,
    bytes: u64,
    file: File,
    key: LessSafeKey,
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handed({} bytes)", self.bytes)
    }
}

/// Neither content nor key is compared.
impl PartialEq for Handed {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Handed {
    fn new(folder: &Path, name: &str, bytes: u64) -> Result<Self, ParcelError> {
        let mut key = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *key).map_err(|_| ParcelError::NoRandomness)?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("a key has 32 bytes");
        let file = tempfile::tempfile_in(folder).map_err(ParcelError::Disk)?;
        Ok(Self { name: name.to_owned(), bytes, file, key: LessSafeKey::new(key) })
    }

    /// What its owner calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it from the start.
    pub fn open(self: &Arc<Self>) -> impl Read + Seek + Send + use<> {
        Reader { handed: Arc::clone(self), at: 0, part: None, plain: Zeroizing::default() }
    }

    /// How many bytes the part has that begins there.
    fn part_bytes(&self, at: u64) -> u64 {
        self.bytes.saturating_sub(at).min(PART)
    }

    fn write(&self, at: u64, part: &[u8]) -> io::Result<()> {
        let mut sealed = part.to_vec();
        let sealing = self.key.seal_in_place_append_tag(nonce(at / PART), Aad::empty(), &mut sealed);
        sealing.map_err(|_| io::Error::other("a part cannot be sealed"))?;
        self.file.write_all_at(&sealed, at / PART * SEALED_PART)
    }

    fn read(&self, index: u64, into: &mut Zeroizing<Vec<u8>>) -> io::Result<()> {
        let plain = usize::try_from(self.part_bytes(index * PART)).map_err(io::Error::other)?;
        into.resize(plain + TAG_BYTES, 0);
        self.file.read_exact_at(into, index * SEALED_PART)?;
        let opened = self.key.open_in_place(nonce(index), Aad::empty(), into);
        opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a part was changed on the disk"))?;
        into.truncate(plain);
        Ok(())
    }
}

/// Each part of a parcel has its own.
fn nonce(index: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// A place in a parcel; one part of it is in memory.
struct Reader {
    handed: Arc<Handed>,
    at: u64,
    part: Option<u64>,
    plain: Zeroizing<Vec<u8>>,
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.handed.bytes || out.is_empty() {
            return Ok(0);
        }
        let index = self.at / PART;
        if self.part != Some(index) {
            self.part = None;
            self.handed.read(index, &mut self.plain)?;
            self.part = Some(index);
        }
        let within = usize::try_from(self.at % PART).map_err(io::Error::other)?;
        let there = self.plain.get(within..).unwrap_or_default();
        let count = there.len().min(out.len());
        out[..count].copy_from_slice(&there[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.handed.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

struct Parcel {
    id: String,
    handed: Arc<Handed>,
    received: u64,
    /// Which opening of the store it came in.
    opening: u64,
    asked: Instant,
}

/// The parcels of a host. Each is taken out while a part of it is written.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<UserId, Parcel>>);

impl Kept {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<UserId, Parcel>) -> T) -> T {
        let mut parcels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parcels.retain(|_, parcel| parcel.asked.elapsed() < IDLE_MAX);
        work(&mut parcels)
    }

    /// The person's parcel is gone.
    pub(crate) fn remove(&self, user: UserId) {
        self.with(|parcels| parcels.remove(&user));
    }

    /// Those that nobody asks for, and those of stores that are not open any more, are gone.
    pub(crate) fn tidy(&self, opening: impl Fn(UserId) -> Option<u64>) {
        self.with(|parcels| parcels.retain(|user, parcel| opening(*user) == Some(parcel.opening)));
    }
}

/// The parcels of a runtime's people.
#[derive(Clone, Copy)]
pub struct Parcels<'r> {
    runtime: &'r Runtime,
}

impl Runtime {
    /// Files that people's pages hand in.
    pub fn parcels(&self) -> Parcels<'_> {
        Parcels { runtime: self }
    }
}

impl Parcels<'_> {
    /// The opening that the person's store is in. Reads the disk.
    fn opening(self, user: UserId) -> Result<u64, ParcelError> {
        self.runtime.person(user)?;
        self.runtime.passkeys().opening(user).ok_or(ParcelError::Call(CallError::Locked))
    }

    /// Begins a parcel of that size, in place of the one that the person may have; gives its id.
    ///
    /// # Errors
    /// [`ParcelError`]; then the person has no parcel.
    pub fn begin(self, user: UserId, name: &str, bytes: u64) -> Result<String, ParcelError> {
        let opening = self.opening(user)?;
        let kept = self.runtime.owners().parcels();
        kept.remove(user);
        if bytes > PARCEL_BYTES_MAX {
            return Err(ParcelError::TooLarge { bytes });
        }
        if name.len() > PARCEL_NAME_BYTES_MAX {
            return Err(ParcelError::Name);
        }
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| ParcelError::NoRandomness)?;
        let id = BASE64URL_NOPAD.encode(&id);
        let handed = Arc::new(Handed::new(&self.runtime.settings().data, name, bytes)?);
        let parcel = Parcel { id: id.clone(), handed, received: 0, opening, asked: Instant::now() };
        let is_kept = kept.with(|parcels| {
            let has_room = parcels.len() < PARCELS_MAX;
            if has_room {
                parcels.insert(user, parcel);
            }
            has_room
        });
        if is_kept { Ok(id) } else { Err(ParcelError::TooMany) }
    }

    /// Adds the part that begins at `at`; gives how many bytes are here. Writes to the disk.
    ///
    /// # Errors
    /// [`ParcelError`]; the parcel is as before, except after an error of the disk: then it is gone.
    pub fn add(self, user: UserId, id: &str, at: u64, part: &[u8]) -> Result<u64, ParcelError> {
        let opening = self.opening(user)?;
        let kept = self.runtime.owners().parcels();
        let fits = |parcel: &Parcel| parcel.id == id && parcel.opening == opening;
        let taken = kept.with(|parcels| match parcels.get(&user) {
            Some(parcel) if fits(parcel) => parcels.remove(&user),
            _ => None,
        });
        let mut parcel = taken.ok_or(ParcelError::None)?;
        let next = parcel.handed.part_bytes(parcel.received);
        let is_next = at == parcel.received && part.len() as u64 == next && next > 0;
        let done = match is_next {
            false => Err(ParcelError::Part { at: parcel.received, bytes: next }),
            true => parcel.handed.write(at, part).map_err(ParcelError::Disk).map(|()| at + next),
        };
        if let Ok(received) = done {
            parcel.received = received;
        }
        if !matches!(done, Err(ParcelError::Disk(_))) {
            parcel.asked = Instant::now();
            kept.with(|parcels| {
                parcels.entry(user).or_insert(parcel);
            });
        }
        done
    }

    /// The person's parcel, if all of it is here. It stays.
    ///
    /// # Errors
    /// [`ParcelError`].
    pub fn find(self, user: UserId, id: &str) -> Result<Arc<Handed>, ParcelError> {
        let opening = self.opening(user)?;
        self.runtime.owners().parcels().with(|parcels| {
            let parcel = parcels.get_mut(&user).ok_or(ParcelError::None)?;
            if parcel.id != id || parcel.opening != opening {
                return Err(ParcelError::None);
            }
            parcel.asked = Instant::now();
            let (received, bytes) = (parcel.received, parcel.handed.bytes);
            if received < bytes {
                return Err(ParcelError::Unfinished { received, bytes });
            }
            Ok(Arc::clone(&parcel.handed))
        })
    }

    /// The person's parcel of that id is gone; whoever reads it may go on.
    pub fn end(self, user: UserId, id: &str) {
        self.runtime.owners().parcels().with(|parcels| {
            if parcels.get(&user).is_some_and(|parcel| parcel.id == id) {
                parcels.remove(&user);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(content: &[u8]) -> Arc<Handed> {
        let folder = tempfile::tempdir().expect("a folder");
        let handed = Handed::new(folder.path(), "a.gpx", content.len() as u64).expect("made");
        for (index, part) in content.chunks(PARCEL_PART_BYTES).enumerate() {
            handed.write(index as u64 * PART, part).expect("written");
        }
        assert_eq!(folder.path().read_dir().expect("read").count(), 0, "it has no name on the disk");
        Arc::new(handed)
    }

    #[test]
    fn what_was_handed_in_reads_back_from_any_place() {
        for size in [0, 1, PARCEL_PART_BYTES - 1, PARCEL_PART_BYTES, PARCEL_PART_BYTES + 1, 100_000] {
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let handed = parcel(&content);
            let mut all = Vec::new();
            handed.open().read_to_end(&mut all).expect("read");
            assert_eq!(all, content);
            let mut reader = handed.open();
            for from in [0, size / 2, size.saturating_sub(1), size, size + 5] {
                assert_eq!(reader.seek(SeekFrom::Start(from as u64)).expect("a place"), from as u64);
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).expect("read");
                assert_eq!(rest, content.get(from..).unwrap_or_default());
            }
            assert_eq!(reader.seek(SeekFrom::End(0)).expect("a place"), size as u64);
            assert!(reader.seek(SeekFrom::End(-1 - size as i64)).is_err());
            assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
        }
    }

    #[test]
    fn the_disk_has_nothing_that_reads_and_what_was_changed_there_is_refused() {
        let content = b"a place of mine ".repeat(5_000);
        let handed = parcel(&content);
        let mut sealed = vec![0; 3 * (PARCEL_PART_BYTES + TAG_BYTES)];
        let read = handed.file.read_at(&mut sealed, 0).expect("read");
        assert!(read > content.len());
        assert!(!sealed.windows(8).any(|window| window == b"a place "));
        handed.file.write_all_at(&[sealed[SEALED_PART as usize] ^ 1], SEALED_PART).expect("written");
        let mut all = Vec::new();
        assert!(handed.open().read_to_end(&mut all).is_err());
        assert_eq!(all.len(), PARCEL_PART_BYTES, "the part before it is whole");
    }
}
