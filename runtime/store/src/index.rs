//! What is known of a store without reading its blocks: an immutable tree that snapshots share.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use runtime_types::{Area, EntryId, Stream, TimeField};

use crate::keys::SealId;
use crate::layout::{Body, Span};
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
    /// The first and last `write_ts` of all rows, and of some that are gone, s: most puts are later than all of them.
    write_ts: Option<RangeInclusive<f64>>,
    /// The largest id of all rows, and of some that are gone.
    max_id: EntryId,
    /// Made when an id is first looked for.
    by_id: OnceLock<Vec<IdSpan>>,
}

/// What a commit does to one block of a stream.
#[derive(Debug)]
pub(crate) enum BlockChange {
    Added(Arc<BlockInfo>),
    /// Its body is as before, its rows are marked as said here.
    Marked(Arc<BlockInfo>),
    Removed(Arc<BlockInfo>),
}

impl BlockChange {
    pub fn info(&self) -> &Arc<BlockInfo> {
        match self {
            Self::Added(info) | Self::Marked(info) | Self::Removed(info) => info,
        }
    }
}

/// The order of the blocks of a stream: by least position, then number.
fn in_order(a: &Arc<BlockInfo>, b: &Arc<BlockInfo>) -> Ordering {
    let by_position = a.body.min_position().total_cmp(&b.body.min_position());
    by_position.then(a.body.number.cmp(&b.body.number))
}

fn covering(range: Option<RangeInclusive<f64>>, span: Option<Span>) -> Option<RangeInclusive<f64>> {
    let Some(span) = span else { return range };
    let (first, last) = range.map_or((span.min, span.max), RangeInclusive::into_inner);
    Some(first.min(span.min)..=last.max(span.max))
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
    /// The blocks of a stream, in any order.
    pub fn new(stream: Arc<Stream>, blocks: Vec<Arc<BlockInfo>>) -> Self {
        Self::empty(stream).after(blocks.into_iter().map(BlockChange::Added).collect())
    }

    /// A stream without a block.
    pub fn empty(stream: Arc<Stream>) -> Self {
        Self { stream, blocks: Vec::new(), write_ts: None, max_id: EntryId::NONE, by_id: OnceLock::new() }
    }

    /// The blocks after these changes, each of another block. The others are copied without a look at them: there may
    /// be tens of thousands.
    pub fn after(&self, mut changes: Vec<BlockChange>) -> Self {
        changes.sort_by(|a, b| in_order(a.info(), b.info()));
        let mut blocks = Vec::with_capacity(self.blocks.len() + changes.len());
        let (mut write_ts, mut max_id) = (self.write_ts.clone(), self.max_id);
        let mut rest = self.blocks.as_slice();
        for change in changes {
            let before = rest.partition_point(|info| in_order(info, change.info()).is_lt());
            blocks.extend_from_slice(&rest[..before]);
            rest = &rest[before..];
            if let BlockChange::Added(info) = change {
                write_ts = covering(write_ts, info.body.span(TimeField::WriteTs));
                max_id = max_id.max(info.body.max_id);
                blocks.push(info);
                continue;
            }
            let number = change.info().body.number;
            let (was, others) = rest.split_first().expect("a block that changes is one of the stream");
            debug_assert_eq!(was.body.number, number, "and at its place");
            rest = others;
            if let BlockChange::Marked(info) = change {
                blocks.push(info);
            }
        }
        blocks.extend_from_slice(rest);
        Self { stream: Arc::clone(&self.stream), blocks, write_ts, max_id, by_id: OnceLock::new() }
    }

    /// The blocks of a month.
    pub fn of_month(&self, month: i32) -> &[Arc<BlockInfo>] {
        // Their order is that of their positions, and so of their months.
        let from = self.blocks.partition_point(|info| info.body.month < month);
        let blocks = &self.blocks[from..];
        &blocks[..blocks.partition_point(|info| info.body.month == month)]
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
        let mut spans = [None; FIELDS];
        let [min, max] = [one.min(other), one.max(other)].map(f64::from);
        for field in [TimeField::Position, TimeField::WriteTs] {
            spans[field as usize] = Some(Span { min, max, rows: 1 });
        }
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
            spans,
        };
        let (dead, invalid) = (RowSet::default(), RowSet::default());
        Arc::new(BlockInfo { body: Arc::new(body), dead, invalid, digest: [0; 32] })
    }

    /// What a change does, how many a commit makes at the most, and to which block.
    fn changes() -> impl Strategy<Value = Vec<Vec<(u8, usize, [u16; 2])>>> {
        let change = (0..4_u8, 0..64_usize, [0..60_u16, 0..60_u16]);
        prop::collection::vec(prop::collection::vec(change, 0..8), 0..8)
    }

    proptest! {
        #[test]
        fn a_list_that_was_changed_is_the_one_that_would_be_made_anew(commits in changes()) {
            let key = "background/location".parse().expect("a key");
            let stream = Arc::new(Stream { area: Area::Timeseries, key });
            let mut list = StreamBlocks::empty(Arc::clone(&stream));
            let mut plain: BTreeMap<u64, Arc<BlockInfo>> = BTreeMap::new();
            let mut number = 0;
            for commit in commits {
                let mut changed = BTreeMap::new();
                for (what, which, span) in commit {
                    let old = plain.values().nth(which % plain.len().max(1)).map(Arc::clone);
                    let change = match (what, old) {
                        (0, Some(old)) => BlockChange::Removed(old),
                        (1, Some(old)) => {
                            let mut dead = RowSet::default();
                            dead.insert(0);
                            let body = Arc::clone(&old.body);
                            let invalid = RowSet::default();
                            BlockChange::Marked(Arc::new(BlockInfo { body, dead, invalid, digest: [1; 32] }))
                        }
                        _ => {
                            number += 1;
                            BlockChange::Added(block(&stream, number, span))
                        }
                    };
                    changed.insert(change.info().body.number, change);
                }
                for change in changed.values() {
                    match change {
                        BlockChange::Removed(info) => plain.remove(&info.body.number),
                        BlockChange::Added(info) | BlockChange::Marked(info) => {
                            plain.insert(info.body.number, Arc::clone(info))
                        }
                    };
                }
                list = list.after(changed.into_values().collect());
                let anew = StreamBlocks::new(Arc::clone(&stream), plain.values().cloned().collect());
                let told = |list: &StreamBlocks| -> Vec<(u64, u32)> {
                    list.blocks.iter().map(|info| (info.body.number, info.dead.len())).collect()
                };
                prop_assert_eq!(told(&list), told(&anew));
                prop_assert!(list.max_id >= anew.max_id);
                for at in 0..60 {
                    let written = |list: &StreamBlocks| -> Vec<u64> {
                        list.written_at(f64::from(at)).map(|info| info.body.number).collect()
                    };
                    prop_assert_eq!(written(&list), written(&anew));
                }
            }
        }

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
