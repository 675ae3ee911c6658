//! Files as people have them: plain, packed with gzip, or several in a zip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use crate::format::{LOOKED_AT_BYTES, detect};
use crate::{Format, ReadError, Takes, read};

/// How many files a zip may have.
pub const MEMBERS_MAX: usize = 20_000;
/// The file in an archive of a person that has everything; the others are the same diary in other forms.
pub const ARCHIVED: &str = "everything.json";
/// A packed file may expand to this in any case, bytes.
const EXPANDED_BYTES_FREE: u64 = 1 << 20;

/// How far a file may expand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many times the size of the packed file.
    pub expansion_max: u64,
    /// In any case, all parts together, bytes.
    pub expanded_bytes_max: u64,
}

/// Where the bytes of a file come from.
pub trait Source: Read + Seek + Send {}

impl<S: Read + Seek + Send> Source for S {}

type Bytes = Box<dyn Source>;

/// A file that can be read, part by part.
pub struct Opened {
    kind: Kind,
    file_bytes: u64,
    bounds: Bounds,
    named: Option<Format>,
}

enum Kind {
    Plain(Bytes),
    Gzip(Bytes),
    Zip {
        archive: Box<ZipArchive<BufReader<Bytes>>>,
        /// The one member that is read, in an archive of a person.
        only: Option<usize>,
    },
}

/// One part of a file: all of it, or a file within a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 0.
    pub index: usize,
    /// Its format.
    pub format: Format,
}

/// Opens a file. `named`: the format, where it is not to be found out.
///
/// # Errors
/// The error of the operating system; `InvalidData` where a zip is damaged or has too many files.
pub fn open(path: &Path, bounds: Bounds, named: Option<Format>) -> io::Result<Opened> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    open_source(Box::new(file), file_bytes, bounds, named)
}

/// Opens what has so many bytes, as [`open`] does a file.
///
/// # Errors
/// As of [`open`].
pub fn open_source(
    mut file: Box<dyn Source>,
    file_bytes: u64,
    bounds: Bounds,
    named: Option<Format>,
) -> io::Result<Opened> {
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let kind = match head.as_slice() {
        [0x1f, 0x8b, ..] => Kind::Gzip(file),
        [b'P', b'K', 3 | 5, ..] => {
            let archive = Box::new(archive(file)?);
            Kind::Zip { only: archive.index_for_name(ARCHIVED), archive }
        }
        _ => Kind::Plain(file),
    };
    Ok(Opened { kind, file_bytes, bounds, named })
}

fn archive(file: Bytes) -> io::Result<ZipArchive<BufReader<Bytes>>> {
    let archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| bad(format!("the zip is damaged: {error}")))?;
    match archive.len() {
        0..=MEMBERS_MAX => Ok(archive),
        members => Err(bad(format!("the zip has {members} files, more than {MEMBERS_MAX}: unpack it"))),
    }
}

impl Opened {
    /// How many parts it may have. Parts of no known format are passed over.
    pub fn parts(&self) -> usize {
        match &self.kind {
            Kind::Zip { archive, .. } => archive.len(),
            _ => 1,
        }
    }

    /// The size of all parts as far as it is known before they are read, bytes; for gzip, that of the packed file.
    pub fn bytes(&mut self) -> u64 {
        match &mut self.kind {
            Kind::Zip { archive, only } => {
                let read = only.map_or(0..archive.len(), |only| only..only + 1);
                let sizes = read.map(|index| archive.by_index(index).map_or(0, |member| member.size()));
                sizes.fold(0, u64::saturating_add).min(self.bounds.expanded_bytes_max)
            }
            _ => self.file_bytes,
        }
    }

    /// How much a packed part may give, bytes.
    fn expanded_bytes_max(&self) -> u64 {
        let allowed = self.file_bytes.saturating_mul(self.bounds.expansion_max);
        allowed.clamp(EXPANDED_BYTES_FREE, self.bounds.expanded_bytes_max.max(EXPANDED_BYTES_FREE))
    }

    /// Reads one part. `begin` is told its format before the first item, and `progress` how many bytes were read: of the
    /// part, or of the packed file. Gives `None` for a part of a zip that is of no known format.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Unknown`] where the whole file has no known format.
    pub fn read(
        &mut self,
        index: usize,
        begin: &mut dyn FnMut(&Part),
        progress: &mut dyn FnMut(u64),
        take: Takes<'_>,
    ) -> Result<Option<Part>, ReadError> {
        let bounded = self.expanded_bytes_max();
        let named = self.named;
        match &mut self.kind {
            Kind::Plain(file) => {
                file.seek(SeekFrom::Start(0))?;
                let counted = Counted::new(&mut *file, self.bounds.expanded_bytes_max, progress);
                part(index, named, counted, begin, take).map(Some)
            }
            Kind::Gzip(file) => {
                file.seek(SeekFrom::Start(0))?;
                let packed =
                    BufReader::with_capacity(BUFFER_BYTES, Counted::new(&mut *file, u64::MAX, progress));
                let mut none = |_| {};
                let plain = Counted::new(MultiGzDecoder::new(packed), bounded, &mut none);
                part(index, named, plain, begin, take).map(Some)
            }
            Kind::Zip { only: Some(only), .. } if *only != index => Ok(None),
            Kind::Zip { archive, .. } => {
                let member = archive.by_index(index).map_err(|error| damaged(&error))?;
                if member.is_dir() {
                    return Ok(None);
                }
                let plain = Counted::new(member, bounded, progress);
                match part(index, named, plain, begin, take) {
                    Err(ReadError::Unknown) => Ok(None),
                    done => done.map(Some),
                }
            }
        }
    }

    /// What [`ARCHIVED`] has, of an archive of a person; `None`: the file is no such archive.
    ///
    /// # Errors
    /// The error of the operating system; `InvalidData` where a zip is damaged, and when reading, where it expands to more
    /// than its bound or is not what its checksum says.
    pub fn archived(self) -> io::Result<Option<impl Read + use<>>> {
        let left = self.expanded_bytes_max();
        let Kind::Zip { mut archive, only: Some(only) } = self.kind else { return Ok(None) };
        let damaged = |error: zip::result::ZipError| bad(format!("the zip is damaged: {error}"));
        let member = archive.by_index(only).map_err(damaged)?;
        let (packed, method, crc) = (member.compressed_size(), member.compression(), member.crc32());
        let start = member.data_start().ok_or_else(|| bad("the zip is damaged".to_owned()))?;
        drop(member);
        let mut file = archive.into_inner();
        file.seek(SeekFrom::Start(start))?;
        let source = match method {
            CompressionMethod::Stored => Packed::Stored(file.take(packed)),
            CompressionMethod::Deflated => Packed::Deflated(DeflateDecoder::new(file.take(packed))),
            _ => {
                return Err(bad(format!("{ARCHIVED} is packed in another way than by `cellar user export`")));
            }
        };
        Ok(Some(Member { source, left, wanted: crc, crc: Crc::new() }))
    }
}

fn damaged(error: &zip::result::ZipError) -> ReadError {
    ReadError::Read(bad(format!("the zip is damaged: {error}")))
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A member of a zip whose file it owns.
struct Member {
    source: Packed,
    left: u64,
    wanted: u32,
    crc: Crc,
}

enum Packed {
    Stored(io::Take<BufReader<Bytes>>),
    Deflated(DeflateDecoder<io::Take<BufReader<Bytes>>>),
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Packed::Stored(source) => source.read(buffer)?,
            Packed::Deflated(source) => source.read(buffer)?,
        };
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.crc.sum() != self.wanted {
            return Err(bad(format!("{ARCHIVED} is damaged: it is not what its checksum says")));
        }
        let too_much = || bad(format!("{ARCHIVED} expands to too many bytes for the size of its file"));
        self.left = self.left.checked_sub(read as u64).ok_or_else(too_much)?;
        Ok(read)
    }
}

/// The buffer of a source, bytes.
const BUFFER_BYTES: usize = 256 << 10;

fn part(
    index: usize,
    named: Option<Format>,
    source: impl Read,
    begin: &mut dyn FnMut(&Part),
    take: Takes<'_>,
) -> Result<Part, ReadError> {
    let mut source = source;
    let mut head = Vec::new();
    Read::by_ref(&mut source).take(LOOKED_AT_BYTES as u64).read_to_end(&mut head)?;
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        let why = "the file is UTF-16: write it as UTF-8";
        return Err(ReadError::Read(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    let format = named.or_else(|| detect(&head)).ok_or(ReadError::Unknown)?;
    let found = Part { index, format };
    begin(&found);
    let mut source = BufReader::with_capacity(BUFFER_BYTES, head.as_slice().chain(source));
    read(format, &mut source as &mut dyn BufRead, take)?;
    Ok(found)
}

/// A source that tells how far it was read, and ends with an error beyond a bound.
struct Counted<'p, R> {
    source: R,
    read: u64,
    bytes_max: u64,
    progress: &'p mut dyn FnMut(u64),
}

impl<'p, R: Read> Counted<'p, R> {
    fn new(source: R, bytes_max: u64, progress: &'p mut dyn FnMut(u64)) -> Self {
        Self { source, read: 0, bytes_max, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read += read as u64;
        (self.progress)(self.read);
        if self.read > self.bytes_max {
            let why = format!("it expands to more than {} bytes, too many for its size", self.bytes_max);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(read)
    }
}
