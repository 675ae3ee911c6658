//! Who read what: one entry a run, in an area that no cell reaches.

use runtime_sandbox::{CodeDigest, Usage};
use runtime_store::{Batch, NewEntry, Store};
use runtime_types::{Area, StreamKey};
use serde::Serialize;

/// At most so many reads of one run are told one by one; the rest is counted.
const READS_TOLD_MAX: usize = 32;

/// One run of one cell.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Note {
    /// When, s.
    pub ts: f64,
    /// The cell's name.
    pub cell: String,
    /// The digest of its code, 64 hex digits.
    pub digest: String,
    /// What it read, such as `find Timeseries: background/location`.
    pub reads: Vec<String>,
    /// Reads that are not told.
    pub reads_untold: usize,
    /// Entries that it read.
    pub entries_read: u64,
    /// Bytes that it read.
    pub bytes_read: u64,
    /// Bytes that it wrote.
    pub bytes_written: u64,
    /// How long it took, µs.
    pub elapsed_us: u64,
    /// What it said to the owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
}

impl Note {
    pub(crate) fn new(
        ts: f64,
        cell: &str,
        digest: CodeDigest,
        effects: &mut crate::runs::reach::Effects,
        usage: Usage,
    ) -> Self {
        let mut reads = std::mem::take(&mut effects.reads);
        let reads_untold = reads.len().saturating_sub(READS_TOLD_MAX);
        reads.truncate(READS_TOLD_MAX);
        Self {
            ts,
            cell: cell.to_owned(),
            digest: digest.to_string(),
            reads,
            reads_untold,
            entries_read: effects.entries_read,
            bytes_read: usage.read_bytes,
            bytes_written: usage.written_bytes,
            elapsed_us: usage.elapsed_us,
            said: effects.log.drain(..).map(|(_, text)| text).collect(),
        }
    }

    /// Tells of runs whose notes went because the disk took none for too long; `next` is the first that is told again.
    pub(crate) fn untold(count: u64, next: Option<&Self>) -> Self {
        Self {
            ts: next.map_or(0.0, |next| next.ts),
            cell: String::new(),
            digest: String::new(),
            reads: Vec::new(),
            reads_untold: 0,
            entries_read: 0,
            bytes_read: 0,
            bytes_written: 0,
            elapsed_us: 0,
            said: vec![format!("{count} earlier runs are not told: the disk took nothing for too long")],
        }
    }

    /// Whether the owner learns anything from it: a run that touched nothing leaves no note.
    pub(crate) fn tells(&self) -> bool {
        !self.reads.is_empty() || self.bytes_written > 0 || !self.said.is_empty()
    }
}

/// Puts notes into a commit.
pub(crate) fn add<'a>(store: &Store, batch: &mut Batch, notes: impl ExactSizeIterator<Item = &'a Note>) {
    if notes.len() == 0 {
        return;
    }
    let key = StreamKey::parse("audit/run").expect("a plain key");
    let ids = store.allocate(notes.len());
    for (note, id) in notes.zip(ids) {
        let metadata = format!(r#"{{"key":"audit/run","platform":"server","write_ts":{}}}"#, note.ts);
        let data = serde_json::to_string(note).expect("a note has only texts and numbers");
        let entry = NewEntry { id: Some(id), key: key.clone(), metadata: &metadata, data: &data, extra: "" };
        batch.insert(Area::Audit, entry);
    }
}
