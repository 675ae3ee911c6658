//! Uploads that arrive while a store is locked: one file each, sealed to the person's inbox key, whose private half is
//! in the store. A reader of the disk learns how many there are, their sizes, and their times of arrival.
//!
//! * Invariants: an upload is on disk when [`Inbox::put`] returns; it is removed only after its content was committed;
//!   accepting one twice changes nothing, since the store recognises a resend.
//! * Units: sizes are bytes.
//!
//! A file is the sealed form, by `handshake::keys::inbox`, of: 0 (1) · length of the stamp (1) · stamp of the device
//! that sent it · length of the path (1) · path · length of the segment after it (1) · that segment · moment of
//! arrival, s (8, little-endian double) · body. Without a stamp it begins with the path's length; a path is never
//! empty. An upload with a query begins with 0 (1) · 0 (1), since no stamp is empty, · length of the query (2,
//! little-endian) · query, and goes on as above. It is bound to the person and to its number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use handshake::keys::{InboxKey, InboxPub};
use ring::rand::SystemRandom;
use runtime_store::step;
use runtime_types::UserId;
use zeroize::Zeroizing;

use crate::cells::paths::Target;
use crate::data::stamp::Stamp;
use crate::files;
use crate::runs::exchange::{Body, Call};

/// How much may wait for one person, bytes: a phone that records every second and has no contact for a month stays
/// below it.
pub(crate) const INBOX_BYTES_MAX: u64 = 1 << 30;
/// How many uploads may wait for one person: each is a file. A phone that uploads four times an hour and has no contact
/// for a month stays far below it.
pub(crate) const INBOX_UPLOADS_MAX: usize = 16_384;
const SUFFIX: &str = ".sealed";
/// Takes the place of the path's length if a stamp precedes the path.
const STAMPED: u8 = 0;
/// Takes the place of the stamp's length if a query precedes the rest.
const NO_STAMP: u8 = 0;
/// The file extension of an upload that could not be accepted.
const ASIDE: &str = "aside";

/// Why an upload was refused, or cannot be read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// Too much waits already.
    #[error(
        "{waiting_bytes} bytes in {waiting} uploads wait for the owner to unlock, over the limit of {INBOX_BYTES_MAX} bytes in {INBOX_UPLOADS_MAX}"
    )]
    Full {
        /// How many uploads wait, this one included.
        waiting: usize,
        /// How many bytes wait, this upload included.
        waiting_bytes: u64,
    },
    /// The folder cannot be used.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The upload cannot be sealed: it is too large, or the operating system gives no random bytes.
    #[error("an upload cannot be sealed")]
    Seal,
    /// The file was changed, or belongs to another person.
    #[error("{} is not what was sealed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// An upload that was sealed. Whether a cell answers its path is checked when it is opened.
pub(crate) struct Upload {
    /// The path with the segment after it, without a slash at either end.
    pub path: String,
    /// When it arrived, s.
    pub now: f64,
    /// The whole body.
    pub body: Body,
    /// The query of its address; empty for most.
    pub query: String,
    /// The device that sent it.
    pub device: Option<Stamp>,
}

/// One person's sealed uploads.
pub(crate) struct Inbox {
    folder: PathBuf,
    user: UserId,
}

impl Inbox {
    /// The inbox in a person's folder; it need not exist yet.
    pub fn of(person: &Path, user: UserId) -> Self {
        Self { folder: person.join("inbox"), user }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016x}{SUFFIX}"))
    }

    fn disk(path: &Path) -> impl FnOnce(io::Error) -> InboxError {
        let path = path.to_owned();
        move |source| InboxError::Disk { path, source }
    }

    /// Numbers and sizes of the waiting uploads, in the order of arrival.
    pub fn waiting(&self) -> Result<Vec<(u64, u64)>, InboxError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Self::disk(&self.folder))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Self::disk(&self.folder))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            // A half-written file that a crash left has another name.
            let Some(number) = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()) else { continue };
            let bytes = entry.metadata().map_err(Self::disk(&self.folder))?.len();
            found.push((number, bytes));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Seals an upload; it is on disk when this returns. One call at a time: the caller holds the person's lock.
    pub fn put(&self, to: &InboxPub, call: &Call) -> Result<(), InboxError> {
        files::create_within(&self.folder).map_err(Self::disk(&self.folder))?;
        let waiting = self.waiting()?;
        let waiting_bytes = waiting.iter().map(|(_, bytes)| bytes).sum::<u64>() + call.body.len();
        // Those that could not be accepted take room as well.
        let files = waiting.len() + 1 + self.aside() as usize;
        if waiting_bytes > INBOX_BYTES_MAX || files > INBOX_UPLOADS_MAX {
            return Err(InboxError::Full { waiting: files, waiting_bytes });
        }
        let number = waiting.last().map_or(0, |(last, _)| last + 1);
        let mut plain = Zeroizing::new(Vec::with_capacity(call.body.len() as usize + 64));
        let query = call.head.query();
        if !query.is_empty() {
            let bytes = u16::try_from(query.len()).map_err(|_| InboxError::Seal)?;
            plain.extend([STAMPED, NO_STAMP]);
            plain.extend(bytes.to_le_bytes());
            plain.extend_from_slice(query.as_bytes());
        }
        let stamp = call.device.as_ref().map(Stamp::as_str);
        if stamp.is_some() {
            plain.push(STAMPED);
        }
        let Target { path, rest, .. } = &call.target;
        for text in stamp.into_iter().chain([path.path.as_str(), rest.as_str()]) {
            plain.push(u8::try_from(text.len()).map_err(|_| InboxError::Seal)?);
            plain.extend_from_slice(text.as_bytes());
        }
        plain.extend_from_slice(&call.now.to_le_bytes());
        let mut body = call.body.clone();
        while !body.is_empty() {
            plain.extend_from_slice(&body.read(1 << 20));
        }
        let sealed = to.seal(&self.context(number), &plain, &SystemRandom::new());
        let sealed = sealed.map_err(|_| InboxError::Seal)?;
        self.keep(number, &sealed)
    }

    fn keep(&self, number: u64, sealed: &[u8]) -> Result<(), InboxError> {
        let path = self.path(number);
        files::move_in(&self.folder.join("half"), &path, sealed).map_err(Self::disk(&path))
    }

    fn context(&self, number: u64) -> Vec<u8> {
        [self.user.0.as_slice(), &number.to_be_bytes()].concat()
    }

    /// Reads an upload back.
    pub fn open(&self, key: &InboxKey, number: u64) -> Result<Upload, InboxError> {
        let path = self.path(number);
        // The file is opened in place, in memory that is wiped.
        let mut sealed = Zeroizing::new(fs::read(&path).map_err(Self::disk(&path))?);
        let plain = key.open(&self.context(number), &mut sealed).ok();
        plain.and_then(|plain| read(plain)).ok_or(InboxError::Changed { path })
    }

    /// Renames an upload that cannot be accepted, so that it is not retried.
    pub fn set_aside(&self, number: u64) -> Result<(), InboxError> {
        let path = self.path(number);
        step(&path).and_then(|()| fs::rename(&path, path.with_extension(ASIDE))).map_err(Self::disk(&path))
    }

    /// How many uploads were renamed so.
    pub fn aside(&self) -> u64 {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        names.filter(|entry| entry.path().extension().is_some_and(|extension| extension == ASIDE)).count()
            as u64
    }

    /// Removes an upload that was accepted.
    pub fn remove(&self, number: u64) -> Result<(), InboxError> {
        let path = self.path(number);
        step(&path).and_then(|()| fs::remove_file(&path)).map_err(Self::disk(&path))
    }
}

fn read(plain: &[u8]) -> Option<Upload> {
    let (query, plain) = match plain {
        [STAMPED, NO_STAMP, plain @ ..] => {
            let (bytes, plain) = plain.split_first_chunk::<2>()?;
            let (query, plain) = plain.split_at_checked(usize::from(u16::from_le_bytes(*bytes)))?;
            (std::str::from_utf8(query).ok()?.to_owned(), plain)
        }
        plain => (String::new(), plain),
    };
    let (device, plain) = match plain.split_first()? {
        (&STAMPED, plain) => {
            let (stamp, plain) = text(plain)?;
            (Some(Stamp::parse(&stamp)?), plain)
        }
        _ => (None, plain),
    };
    let (path, plain) = text(plain)?;
    let (rest, plain) = text(plain)?;
    let (now, body) = plain.split_first_chunk::<8>()?;
    let body = Body::from_chunks(vec![bytes::Bytes::copy_from_slice(body)]);
    let path = if rest.is_empty() { path } else { format!("{path}/{rest}") };
    Some(Upload { path, now: f64::from_le_bytes(*now), body, query, device })
}

fn text(plain: &[u8]) -> Option<(String, &[u8])> {
    let (length, plain) = plain.split_first()?;
    let (text, plain) = plain.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(text).ok()?.to_owned(), plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::manifest::Manifest;
    use crate::cells::paths::Paths;
    use crate::runs::head::Head;

    const ADA: UserId = UserId([1; 16]);

    fn call(body: &'static str) -> Call {
        let body = Body::from_chunks(vec![bytes::Bytes::from_static(body.as_bytes())]);
        Call { target: target(), now: 12.5, head: Head::default(), body, device: None }
    }

    fn target() -> Target {
        let manifest = "name = \"notes\"\nversion = 1\nworld = \"endpoint\"\n\
            [[paths]]\npath = \"notes/list\"\nscope = \"profile\"\nrest = \"kind\"";
        let mut paths = Paths::default();
        paths.add(&Manifest::parse(manifest).expect("a manifest")).expect("one path");
        paths.find_path("notes/list/all").expect("found")
    }

    fn body_of(call: &Upload) -> Vec<u8> {
        call.body.clone().read(1 << 20).to_vec()
    }

    fn key() -> InboxKey {
        InboxKey::random(&SystemRandom::new()).expect("randomness")
    }

    #[test]
    fn what_waited_comes_back_in_the_order_in_which_it_came() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let inbox = Inbox::of(folder.path(), ADA);
        for body in ["first", "second"] {
            inbox.put(&key.public(), &call(body)).expect("kept");
        }
        let numbers: Vec<_> = inbox.waiting().expect("read").into_iter().map(|(number, _)| number).collect();
        let opened: Vec<_> = numbers.iter().map(|number| inbox.open(&key, *number).expect("opens")).collect();
        assert_eq!(opened.iter().map(body_of).collect::<Vec<_>>(), [b"first".to_vec(), b"second".to_vec()]);
        assert_eq!((opened[0].path.as_str(), opened[0].now), ("notes/list/all", 12.5));
        inbox.remove(numbers[0]).expect("removed");
        inbox.put(&key.public(), &call("third")).expect("kept");
        assert_eq!(inbox.waiting().expect("read").len(), 2);
    }

    #[test]
    fn attack_101_no_more_uploads_wait_than_the_limit_however_small_they_are() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let inbox = Inbox::of(folder.path(), ADA);
        files::create_folder(&inbox.folder).expect("made");
        for number in 0..INBOX_UPLOADS_MAX as u64 - 1 {
            let path = inbox.path(number);
            let path = if number % 2 == 0 { path } else { path.with_extension(ASIDE) };
            fs::File::create(path).expect("made");
        }
        inbox.put(&key.public(), &call("")).expect("the last one");
        let refused = inbox.put(&key.public(), &call("")).expect_err("one too many");
        assert!(matches!(refused, InboxError::Full { waiting, .. } if waiting == INBOX_UPLOADS_MAX + 1));
        inbox.remove(0).expect("removed");
        inbox.put(&key.public(), &call("")).expect("there is room again");
    }

    #[test]
    fn an_upload_that_waited_keeps_the_device_that_brought_it() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let inbox = Inbox::of(folder.path(), ADA);
        let stamp = Stamp::parse("token-00ff");
        for device in [stamp.clone(), None] {
            inbox.put(&key.public(), &Call { device, ..call("a body") }).expect("kept");
        }
        let opened = [0, 1].map(|number| inbox.open(&key, number).expect("opens"));
        assert_eq!(opened.each_ref().map(|call| call.device.clone()), [stamp, None]);
        assert_eq!(opened.each_ref().map(body_of), [b"a body".to_vec(), b"a body".to_vec()]);
    }

    #[test]
    fn an_upload_keeps_its_query_with_and_without_a_stamp() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let inbox = Inbox::of(folder.path(), ADA);
        let stamps = [Stamp::parse("receiver-00ff"), None];
        for device in &stamps {
            let head = Head::of_query("zone=UTC&lat=1".to_owned());
            inbox.put(&key.public(), &Call { device: device.clone(), head, ..call("") }).expect("kept");
        }
        for (number, stamp) in stamps.into_iter().enumerate() {
            let opened = inbox.open(&key, number as u64).expect("opens");
            assert_eq!((opened.query.as_str(), opened.device, opened.now), ("zone=UTC&lat=1", stamp, 12.5));
            assert_eq!(opened.body.len(), 0);
        }
    }

    #[test]
    fn nothing_of_an_upload_is_on_disk_in_clear_and_a_changed_or_moved_file_is_an_error() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let inbox = Inbox::of(folder.path(), ADA);
        for _ in 0..2 {
            inbox.put(&key.public(), &call("a marker that nobody may read")).expect("kept");
        }
        let sealed = fs::read(inbox.path(0)).expect("a file");
        assert!(!sealed.windows(6).any(|window| window == b"marker"));
        fs::rename(inbox.path(0), inbox.path(1)).expect("moved");
        assert!(matches!(inbox.open(&key, 1), Err(InboxError::Changed { .. })));
        let other = Inbox { folder: inbox.folder.clone(), user: UserId([2; 16]) };
        fs::write(inbox.path(0), &sealed).expect("written");
        assert!(matches!(other.open(&key, 0), Err(InboxError::Changed { .. })));
        assert!(inbox.open(&key, 0).is_ok());
    }
}
