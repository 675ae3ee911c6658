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
    max_id: EntryId,
    /// Made when an id is first looked for.
    by_id: OnceLock<Vec<IdSpan>>,
}

/// The ids of a block, in a list ordered by the least one.
#[derive(Debug)]
struct IdSpan {
    min: EntryId,
    max: EntryId,
    /// The largest id in this block and those before it in the list.
    max_so_far: EntryId,
    /// Where the block is in [`StreamBlocks::blocks`].
    at: u32,
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
        let max_id = blocks.iter().map(|info| info.body.max_id).max().unwrap_or(EntryId::NONE);
        Self { stream, blocks, write_ts, max_id, by_id: OnceLock::new() }
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

    /// Blocks in which that id may be. Ids begin with a time, so these are few, and found without a look at the others.
    pub fn with_id(&self, id: EntryId) -> impl Iterator<Item = &Arc<BlockInfo>> {
        let spans =
            if id > self.max_id { &[] } else { self.by_id.get_or_init(|| self.id_spans()).as_slice() };
        let begun = spans.partition_point(|span| span.min <= id);
        let reaching = spans[..begun].iter().rev().take_while(move |span| span.max_so_far >= id);
        reaching.filter(move |span| span.max >= id).map(|span| &self.blocks[span.at as usize])
    }

    fn id_spans(&self) -> Vec<IdSpan> {
        let blocks = self.blocks.iter().zip(0..);
        let span = |(info, at): (&Arc<BlockInfo>, u32)| {
            let (min, max) = (info.body.min_id, info.body.max_id);
            IdSpan { min, max, max_so_far: max, at }
        };
        let mut spans: Vec<IdSpan> = blocks.map(span).collect();
        // Stable: it is quick where they are in order already, as most are.
        spans.sort_by_key(|span| span.min);
        let mut max_so_far = EntryId::NONE;
        for span in &mut spans {
            max_so_far = max_so_far.max(span.max);
            span.max_so_far = max_so_far;
        }
        spans
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
        self.area(area).map(|stream| stream.max_id).max().unwrap_or(EntryId::NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Codec;
    use crate::layout::FIELDS;
    use proptest::prelude::*;

    fn id(number: u16) -> EntryId {
        let mut id = EntryId::NONE;
        id.0[..2].copy_from_slice(&number.to_be_bytes());
        id
    }

    fn block(stream: &Arc<Stream>, number: u64, [one, other]: [u16; 2]) -> Arc<BlockInfo> {
        let body = Body {
            number,
            stream: Arc::clone(stream),
            month: 0,
            key_number: 0,
            codec: Codec::Rows,
            rows: 1,
            bytes: 0,
            text_bytes: 0,
            seal: [0; 24],
            min_id: id(one.min(other)),
            max_id: id(one.max(other)),
            spans: [None; FIELDS],
        };
        let (dead, invalid) = (RowSet::default(), RowSet::default());
        Arc::new(BlockInfo { body: Arc::new(body), dead, invalid, digest: [0; 32] })
    }

    proptest! {
        #[test]
        fn an_id_is_looked_for_in_exactly_the_blocks_whose_ids_reach_over_it(
            spans in prop::collection::vec([0..60_u16, 0..60_u16], 0..40), asked in 0..64_u16,
        ) {
            let key = "background/location".parse().expect("a key");
            let stream = Arc::new(Stream { area: Area::Timeseries, key });
            let blocks: Vec<_> = (1..).zip(spans).map(|(number, span)| block(&stream, number, span)).collect();
            let reaches = |info: &&Arc<BlockInfo>| {
                info.body.min_id <= id(asked) && id(asked) <= info.body.max_id
            };
            let expected: Vec<u64> = blocks.iter().filter(reaches).map(|info| info.body.number).collect();
            let stream = StreamBlocks::new(stream, blocks);
            let mut found: Vec<u64> = stream.with_id(id(asked)).map(|info| info.body.number).collect();
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
