//! One block as a source of a merge: its matching rows in the query's order.

use std::cmp::Ordering;
use std::sync::Arc;

use runtime_types::{EntryId, Order, Query, TimeField};

use crate::ReadError;
use crate::block::{BlockMeta, DecodedBlock};
use crate::draft::or_zero;
use crate::index::BlockInfo;
use crate::vault::Vault;

/// Where a row stands in the answer: its time, then its id. Both turned round for a descending query, so
/// that smaller always comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    time: u64,
    id: [u8; 12],
}

impl SortKey {
    pub fn new(time: f64, id: EntryId, order: Order) -> Self {
        let (time, id) = (rank(time), id.0);
        match order {
            Order::Ascending => Self { time, id },
            Order::Descending => Self { time: !time, id: id.map(|byte| !byte) },
        }
    }

    /// The id of the row that stands there.
    pub fn id(&self, order: Order) -> EntryId {
        EntryId(if order == Order::Ascending { self.id } else { self.id.map(|byte| !byte) })
    }

    /// Before every row of that time.
    pub fn before(time: f64, order: Order) -> Self {
        let id = if order == Order::Ascending { EntryId::NONE } else { EntryId([255; 12]) };
        Self::new(time, id, order)
    }
}

/// Numbers in the order of the doubles. Zero has one rank, whatever its sign.
fn rank(time: f64) -> u64 {
    let bits = (time + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// What a cursor reads of a block.
pub(super) trait Content: Sized {
    fn load(vault: &Vault, info: &BlockInfo) -> Result<Arc<Self>, ReadError>;
    /// `None` for a selection.
    fn meta(&self) -> Option<&BlockMeta>;
    /// Only these rows, in this order.
    fn select(&self, rows: &[u32], info: &BlockInfo) -> Self;
}

/// The texts of a block or of a few of its rows.
#[derive(Debug)]
pub(super) enum Texts {
    Whole(Arc<DecodedBlock>),
    Part(Vec<PartRow>),
}

/// A row copied out of its block.
#[derive(Debug)]
pub(super) struct PartRow {
    id: EntryId,
    write_ts: f64,
    invalid: bool,
    origin: u64,
    texts: [Box<str>; 3],
}

impl Texts {
    /// Id, write time and the three texts of a row.
    pub fn row(&self, row: usize) -> (EntryId, f64, [&str; 3]) {
        match self {
            Self::Whole(block) => {
                (block.ids()[row], block.meta().time(row, TimeField::WriteTs), block.texts(row))
            }
            Self::Part(rows) => {
                let PartRow { id, write_ts, texts: [metadata, data, extra], .. } = &rows[row];
                (*id, *write_ts, [metadata, data, extra])
            }
        }
    }
}

impl Texts {
    /// Whether a row is marked invalid. A selection numbers its rows anew, and so keeps the marks itself.
    pub fn is_invalid(&self, row: usize, info: &BlockInfo) -> bool {
        match self {
            Self::Whole(_) => info.invalid.contains(row as u32),
            Self::Part(rows) => rows[row].invalid,
        }
    }
}

impl Texts {
    /// The origin of a row; 0 for none.
    pub fn origin(&self, row: usize) -> u64 {
        match self {
            Self::Whole(block) => block.meta().origin(row),
            Self::Part(rows) => rows[row].origin,
        }
    }
}

impl Content for Texts {
    fn load(vault: &Vault, info: &BlockInfo) -> Result<Arc<Self>, ReadError> {
        vault.block(&info.body).map(|block| Arc::new(Self::Whole(block)))
    }
    fn meta(&self) -> Option<&BlockMeta> {
        match self {
            Self::Whole(block) => Some(block.meta()),
            Self::Part(_) => None,
        }
    }
    fn select(&self, rows: &[u32], info: &BlockInfo) -> Self {
        let copied = rows.iter().map(|row| {
            let (id, write_ts, texts) = self.row(*row as usize);
            let (invalid, origin) = (info.invalid.contains(*row), self.origin(*row as usize));
            PartRow { id, write_ts, invalid, origin, texts: texts.map(Box::from) }
        });
        Self::Part(copied.collect())
    }
}

/// A block being read.
#[derive(Debug)]
pub(super) struct Source<C> {
    pub info: Arc<BlockInfo>,
    /// `None` while the merge has too many blocks at hand.
    pub content: Option<Arc<C>>,
    /// Matching rows with their times, in order.
    rows: Vec<(SortKey, f64, u32)>,
    next: usize,
}

/// The time of the query's field, of every row.
pub(super) fn time_of(meta: &BlockMeta, row: usize, field: TimeField) -> f64 {
    let time = meta.time(row, field);
    if field == TimeField::Position { or_zero(time) } else { time }
}

/// Whether a row is in the answer, leaving its time aside.
pub(super) fn is_visible(info: &BlockInfo, row: u32, query: &Query) -> bool {
    !info.dead.contains(row) && (query.with_invalid || !info.invalid.contains(row))
}

impl<C> Source<C> {
    pub fn new(
        info: Arc<BlockInfo>,
        content: Option<Arc<C>>,
        meta: &BlockMeta,
        query: &Query,
        after: Option<SortKey>,
    ) -> Self {
        let mut rows = Vec::with_capacity(meta.len());
        for (row, id) in meta.ids().iter().enumerate() {
            let time = time_of(meta, row, query.field);
            // NaN is in no range.
            if query.start <= time && time <= query.end && is_visible(&info, row as u32, query) {
                rows.push((SortKey::new(time, *id, query.order), time, row as u32));
            }
        }
        if let Some(after) = after {
            rows.retain(|(place, ..)| *place > after);
        }
        if !rows.is_sorted_by_key(|(place, ..)| *place) {
            rows.sort_unstable_by_key(|(place, ..)| *place);
        }
        Self { info, content, rows, next: 0 }
    }

    /// The next row: its place, time and number.
    pub fn head(&self) -> Option<(SortKey, f64, u32)> {
        self.rows.get(self.next).copied()
    }

    /// The rows that come before `bound`, which come before everybody else's.
    pub fn run(&self, bound: Option<SortKey>) -> &[(SortKey, f64, u32)] {
        let rest = &self.rows[self.next..];
        match bound {
            // The whole rest in most cases: blocks of a stream rarely overlap.
            Some(bound) if rest.last().is_some_and(|(place, ..)| *place >= bound) => {
                &rest[..rest.partition_point(|(place, ..)| *place < bound)]
            }
            _ => rest,
        }
    }

    pub fn advance(&mut self, rows: usize) {
        self.next += rows;
    }
}

/// The one whose next row comes first stands on top of a heap.
impl<C> Ord for Source<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |source: &Self| source.head().map(|(place, ..)| place);
        place(other).cmp(&place(self))
    }
}
impl<C> PartialOrd for Source<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<C> PartialEq for Source<C> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<C> Eq for Source<C> {}
