//! The thread of an intake: reads files and makes chunks of entries.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use cells_model::EntryId;
use cells_model::time::Zone;
use ring::digest::{Context, SHA256};
use runtime_import::{Entries, Format, Item, Opened, ReadError, Reading, Refused, Texts};

use runtime_types::chain;

use super::{FAULTS_MAX, Fault, Given, IntakeError, Wish};
use crate::data::parcels::Handed;

/// How many records one chunk has: this bounds the work that a crash repeats.
pub const RECORDS_PER_CHUNK: usize = 1_250;
/// How much text one chunk has, bytes; one record more at most.
pub const CHUNK_BYTES_MAX: usize = 2 << 20;
/// The room for the text of a chunk, bytes: most never outgrow it. A text that grows is copied each time, and the
/// memory that it leaves is of little use to others.
const TEXT_ROOM_BYTES: usize = CHUNK_BYTES_MAX + (64 << 10);
/// How much of a file tells which one it is, bytes.
const TELLING_BYTES: u64 = 64 << 10;

/// What one record becomes.
pub(super) enum Piece {
    /// One entry or two, the first of which says whether the record is known.
    Reading { is_point: bool, ts: f64, first: Entry, second: Option<Entry> },
    /// An entry of a dump, as it is written.
    Dump(Range<usize>),
}

/// Where the texts of an entry are.
pub(super) struct Entry {
    pub id: EntryId,
    pub key: &'static str,
    pub metadata: Range<usize>,
    pub data: Range<usize>,
    pub extra: Range<usize>,
}

/// What is stored in one commit.
#[derive(Default)]
pub(super) struct Chunk {
    pub pieces: Vec<Piece>,
    pub texts: String,
    pub dumps: Vec<u8>,
    pub refused: u64,
    pub faults: Vec<Fault>,
    /// How many records it stands for.
    pub records: u64,
    pub bytes: u64,
    pub formats: Vec<String>,
    pub columns: Vec<String>,
    pub ended: bool,
}

impl Chunk {
    fn with_room() -> Self {
        let pieces = Vec::with_capacity(RECORDS_PER_CHUNK);
        Self { pieces, texts: String::with_capacity(TEXT_ROOM_BYTES), ..Self::default() }
    }
}

/// Files that are open.
pub(super) struct Files {
    files: Vec<(PathBuf, Opened)>,
    bytes: u64,
}

/// Opens all files, and says which ones they are: a digest that their names do not change.
pub(super) fn open(wish: &Wish) -> Result<(Files, String), IntakeError> {
    let mut digest = Context::new(&SHA256);
    let (mut files, mut bytes) = (Vec::new(), 0_u64);
    for given in &wish.files {
        let (path, found) = match given {
            Given::Path(path) => (path.clone(), on_disk(path, wish)),
            Given::Parcel(handed) => (PathBuf::from(handed.name()), handed_in(handed, wish)),
        };
        let of_file = |source| IntakeError::Open { path: path.clone(), source };
        let (mut opened, size, begin) = found.map_err(of_file)?;
        digest.update(&size.to_le_bytes());
        digest.update(&begin);
        bytes = bytes.saturating_add(opened.bytes());
        files.push((path, opened));
    }
    digest.update(wish.format.map_or("", Format::name).as_bytes());
    let of = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((Files { files, bytes }, of))
}

/// A file with its size and its beginning.
type Found = io::Result<(Opened, u64, Vec<u8>)>;

fn on_disk(path: &Path, wish: &Wish) -> Found {
    let opened = runtime_import::open(path, wish.bounds, wish.format)?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((opened, size, beginning(file)?))
}

fn handed_in(handed: &Arc<Handed>, wish: &Wish) -> Found {
    let size = handed.bytes();
    let opened = runtime_import::open_source(Box::new(handed.open()), size, wish.bounds, wish.format)?;
    Ok((opened, size, beginning(handed.open())?))
}

fn beginning(file: impl io::Read) -> io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    file.take(TELLING_BYTES).read_to_end(&mut begin)?;
    Ok(begin)
}

impl Files {
    /// How much there is to read, bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the files in a thread of their own, which ends when nobody takes chunks any more. The first `skip` records
    /// are passed over.
    pub fn start(self, zone: Zone, skip: u64) -> Receiver<Chunk> {
        // One chunk waits while another is made and a third is stored.
        let (sender, receiver) = sync_channel(1);
        let worker = Worker::new(sender, Entries::new(zone), skip);
        // Where no thread can be started, the channel has no sender, which whoever waits is told.
        let _ = std::thread::Builder::new().name("import".to_owned()).spawn(move || worker.run(self.files));
        receiver
    }
}

struct Worker {
    sender: SyncSender<Chunk>,
    entries: Entries,
    /// How many records are still passed over.
    skip: u64,
    chunk: Chunk,
    format: Format,
    file: String,
    faults: usize,
    /// Whether nobody takes chunks any more.
    gone: bool,
}

impl Worker {
    fn new(sender: SyncSender<Chunk>, entries: Entries, skip: u64) -> Self {
        let (chunk, file) = (Chunk::with_room(), String::new());
        Self { sender, entries, skip, chunk, format: Format::Emission, file, faults: 0, gone: false }
    }

    fn run(mut self, files: Vec<(PathBuf, Opened)>) {
        let mut before = 0_u64;
        for (path, mut opened) in files {
            let parts = opened.parts();
            for part in 0..parts {
                self.file = name_of(&path, part, parts);
                before += self.part(&mut opened, part, before);
                if self.gone {
                    return;
                }
            }
        }
        self.chunk.ended = true;
        self.chunk.bytes = before;
        self.send();
    }

    /// Reads one part, before which so many bytes were read; gives how many it had.
    fn part(&mut self, opened: &mut Opened, part: usize, before: u64) -> u64 {
        let (read, format) = (Cell::new(0), Cell::new(None));
        let done = opened.read(
            part,
            &mut |part| format.set(Some(part.format)),
            &mut |bytes| read.set(bytes),
            &mut |item| {
                if let Some(format) = format.get() {
                    self.format = format;
                }
                self.chunk.bytes = before + read.get();
                self.item(item);
                if self.gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        if let Some(format) = format.get() {
            self.chunk.formats.push(format!("{}: {format}", self.file));
        }
        if let Err(error) = done {
            let at = if let ReadError::Broken { at, .. } = &error { *at } else { 0 };
            self.fault(at, &chain(&error), String::new());
        }
        read.get()
    }

    fn item(&mut self, item: Item<'_>) {
        if let Item::Columns(columns) = item {
            self.chunk.columns.push(format!("{}: {columns}", self.file));
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.chunk.records += 1;
        match item {
            Item::Reading { reading, raw } => self.reading(&reading, raw),
            Item::Entry(bytes) => {
                let start = self.chunk.dumps.len();
                self.chunk.dumps.extend_from_slice(bytes);
                self.chunk.pieces.push(Piece::Dump(start..self.chunk.dumps.len()));
            }
            Item::Refused(Refused { at, why, text }) => self.fault(at, why, text),
            Item::Columns(_) => {}
        }
        let full = self.chunk.texts.len() + self.chunk.dumps.len() >= CHUNK_BYTES_MAX;
        if full || self.chunk.records >= RECORDS_PER_CHUNK as u64 {
            self.send();
        }
    }

    fn reading(&mut self, reading: &Reading, raw: &str) {
        let Self { entries, chunk, format, .. } = self;
        let mut kept: Vec<Entry> = Vec::with_capacity(2);
        let texts = &mut chunk.texts;
        let done = entries.each(*format, reading, raw, |Texts { id, key, metadata, data, extra }| {
            let mut add = |text: &str| {
                let start = texts.len();
                texts.push_str(text);
                start..texts.len()
            };
            let [metadata, data, extra] = [metadata, data, extra].map(&mut add);
            kept.push(Entry { id, key, metadata, data, extra });
        });
        if done.is_err() {
            return self.fault(0, "its moment has no local time", String::new());
        }
        let mut kept = kept.into_iter();
        if let Some(first) = kept.next() {
            let is_point = matches!(reading, Reading::Fix(_));
            chunk.pieces.push(Piece::Reading { is_point, ts: reading.ts(), first, second: kept.next() });
        }
    }

    fn fault(&mut self, at: u64, why: &str, text: String) {
        self.chunk.refused += 1;
        self.faults += 1;
        if self.faults <= FAULTS_MAX {
            self.chunk.faults.push(Fault { file: self.file.clone(), at, why: why.to_owned(), text });
        }
    }

    fn send(&mut self) {
        let bytes = self.chunk.bytes;
        self.gone |= self.sender.send(std::mem::replace(&mut self.chunk, Chunk::with_room())).is_err();
        self.chunk.bytes = bytes;
    }
}

fn name_of(path: &Path, part: usize, parts: usize) -> String {
    let name = path.file_name().map_or_else(|| "?".to_owned(), |name| name.to_string_lossy().into_owned());
    if parts > 1 { format!("{name}, file {}", part + 1) } else { name }
}
