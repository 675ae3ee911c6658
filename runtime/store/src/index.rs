//! What is known of a store without reading its blocks: an immutable tree that snapshots share.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use runtime_types::{Area, EntryId, Stream, TimeField};

use crate::keys::SealId;
use crate::layout::Body;
use crate::rows::RowSet;

/// A block as one commit left it: its body never changes, its dead and invalid rows may in the next commit.
#[derive(Debug)]
pub(crate) struct BlockInfo {
    pub body: Arc<Body>,
    /// Rows that were superseded or deleted.
    pub dead: RowSet,
    /// Rows that queries leave out unless they ask for invalid ones.
    pub invalid: RowSet,
    /// The digest of the sealed descriptor, for the superblock's check.
    pub digest: [u8; 32],
}

impl BlockInfo {
    /// Rows that are not dead.
    pub fn live(&self) -> u32 {
        self.body.rows - self.dead.len()
    }
}

/// The blocks of one stream.
#[derive(Debug)]
pub(crate) struct StreamBlocks {
    pub stream: Arc<Stream>,
    /// Ordered by least position, then number.
    pub blocks: Vec<Arc<BlockInfo>>,
    /// The first and last `write_ts` of all rows, s: most puts are later than all existing rows.
    write_ts: Option<RangeInclusive<f64>>,
}

impl StreamBlocks {
    pub fn new(stream: Arc<Stream>, mut blocks: Vec<Arc<BlockInfo>>) -> Self {
        let by_position = |info: &Arc<BlockInfo>| (info.body.min_position(), info.body.number);
        blocks.sort_by(|a, b| {
            let (a, b) = (by_position(a), by_position(b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        });
        let spans = || blocks.iter().filter_map(|info| info.body.span(TimeField::WriteTs));
        let first = spans().map(|span| span.min).min_by(f64::total_cmp);
        let last = spans().map(|span| span.max).max_by(f64::total_cmp);
        let write_ts = first.zip(last).map(|(first, last)| first..=last);
        Self { stream, blocks, write_ts }
    }

    /// Blocks in which a row with that `write_ts` may be.
    pub fn written_at(&self, write_ts: f64) -> impl Iterator<Item = &Arc<BlockInfo>> {
        let any = self.write_ts.as_ref().is_some_and(|span| span.contains(&write_ts));
        let blocks = if any { &self.blocks[..] } else { &[] };
        let within = move |info: &&Arc<BlockInfo>| {
            let span = info.body.span(TimeField::WriteTs);
            span.is_some_and(|span| span.min <= write_ts && write_ts <= span.max)
        };
        blocks.iter().filter(within)
    }

    pub fn live(&self) -> u64 {
        self.blocks.iter().map(|info| u64::from(info.live())).sum()
    }

    /// Blocks in which that id may be.
    pub fn with_id(&self, id: EntryId) -> impl Iterator<Item = &Arc<BlockInfo>> {
        self.blocks.iter().filter(move |info| (info.body.min_id..=info.body.max_id).contains(&id))
    }
}

/// A document as one commit left it.
#[derive(Debug)]
pub(crate) struct Document {
    /// The digest of its name: its key in the engine.
    pub name_digest: [u8; 16],
    /// The act of sealing that made its content.
    pub seal: SealId,
    /// The digest of the sealed name, for the superblock's check.
    pub digest: [u8; 32],
    /// The content, where it is small, or where a newer one replaced it while snapshots may need it.
    pub content: OnceLock<Arc<[u8]>>,
}

/// The state that one commit left.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub commit: u64,
    pub head: [u8; 32],
    pub streams: BTreeMap<Stream, Arc<StreamBlocks>>,
    pub documents: BTreeMap<String, Arc<Document>>,
}

impl Index {
    /// The streams of an area.
    pub fn area(&self, area: Area) -> impl Iterator<Item = &Arc<StreamBlocks>> {
        self.streams.iter().filter(move |(stream, _)| stream.area == area).map(|(_, blocks)| blocks)
    }

    /// Every block.
    pub fn blocks(&self) -> impl Iterator<Item = &Arc<BlockInfo>> {
        self.streams.values().flat_map(|stream| stream.blocks.iter())
    }

    /// The largest id in an area; none where it is empty.
    pub fn max_id(&self, area: Area) -> EntryId {
        let blocks = self.area(area).flat_map(|stream| stream.blocks.iter());
        blocks.map(|info| info.body.max_id).max().unwrap_or(EntryId::NONE)
    }
}
