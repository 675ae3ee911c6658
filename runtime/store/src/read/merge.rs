//! Merging the blocks that a query needs into one run of rows, a few blocks in memory at a time.

use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use runtime_types::{EntryId, Order, Query};

use super::Progress;
use super::source::{Content, SortKey, Source};
use crate::ReadError;
use crate::index::{BlockInfo, Index};
use crate::vault::Vault;

/// How many blocks may overlap at one point before their contents are read a window at a time.
const CROWD: usize = 16;
/// A window's rows, and about how many bytes of their blocks' texts.
const WINDOW_ROWS_MAX: usize = 4096;
const WINDOW_BYTES_MAX: usize = 4 << 20;

/// A place that a cursor can go on from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    pub time: f64,
    pub id: EntryId,
}

/// Rows of many blocks in the order of a query.
#[derive(Debug)]
pub(super) struct Merge<C> {
    vault: Arc<Vault>,
    query: Query,
    /// Rows up to here are not wanted.
    after: Option<SortKey>,
    /// Blocks not opened yet with the place that none of their rows comes before; the next one stands last.
    waiting: Vec<(SortKey, Arc<BlockInfo>)>,
    active: BinaryHeap<Source<C>>,
    /// Rows of a window, read from crowded blocks.
    window: VecDeque<Windowed<C>>,
    /// The last row consumed.
    pub mark: Option<Mark>,
}

#[derive(Debug)]
struct Windowed<C> {
    info: Arc<BlockInfo>,
    part: Arc<C>,
    /// Of the row in `part`.
    row: u32,
    time: f64,
    id: EntryId,
}

/// A row that was chosen by its place alone.
struct Picked {
    info: Arc<BlockInfo>,
    row: u32,
    time: f64,
    id: EntryId,
}

/// The blocks that may have matching rows.
pub(super) fn candidates<'i>(index: &'i Index, query: &'i Query) -> impl Iterator<Item = &'i Arc<BlockInfo>> {
    let streams = index
        .area(query.area)
        .filter(|stream| query.keys.is_empty() || query.keys.contains(&stream.stream.key));
    streams.flat_map(|stream| &stream.blocks).filter(|info| {
        let span = info.body.span(query.field);
        span.is_some_and(|span| span.min <= query.end && query.start <= span.max)
            && (query.with_invalid || info.invalid.len() < info.body.rows)
    })
}

impl<C: Content> Merge<C> {
    pub fn new(vault: Arc<Vault>, index: &Index, query: &Query, mark: Option<Mark>) -> Self {
        let order = query.order;
        let after = mark.map(|mark| SortKey::new(mark.time, mark.id, order));
        let mut waiting = Vec::new();
        for info in candidates(index, query) {
            let span = info.body.span(query.field).expect("candidates have the time");
            let (first, last, last_id) = match order {
                Order::Ascending => (span.min, span.max, EntryId([255; 12])),
                Order::Descending => (span.max, span.min, EntryId::NONE),
            };
            if after.is_none_or(|after| SortKey::new(last, last_id, order) > after) {
                waiting.push((SortKey::before(first, order), Arc::clone(info)));
            }
        }
        waiting.sort_by_key(|(first, _)| std::cmp::Reverse(*first));
        let (active, window) = (BinaryHeap::new(), VecDeque::new());
        Self { vault, query: query.clone(), after, waiting, active, window, mark }
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Calls `visit` with the block, its content, the row's number in the content and its time.
    pub fn visit(
        &mut self,
        mut visit: impl FnMut(&BlockInfo, &C, u32, f64) -> ControlFlow<()>,
    ) -> Result<Progress, ReadError> {
        loop {
            while let Some(row) = self.window.front() {
                if visit(&row.info, &row.part, row.row, row.time).is_break() {
                    return Ok(Progress::More);
                }
                self.mark = Some(Mark { time: row.time, id: row.id });
                self.window.pop_front();
            }
            self.open_due()?;
            if self.active.len() > CROWD {
                self.fill_window()?;
                continue;
            }
            let Some(mut source) = self.active.pop() else { return Ok(Progress::End) };
            let content = self.content(&mut source)?;
            let run = source.run(self.bound());
            let mut consumed = 0;
            for (_, time, row) in run {
                if visit(&source.info, &content, *row, *time).is_break() {
                    break;
                }
                consumed += 1;
            }
            let broken = consumed < run.len();
            if let Some((place, time, _)) = run[..consumed].last() {
                self.mark = Some(Mark { time: *time, id: place.id(self.query.order) });
            }
            source.advance(consumed);
            if source.head().is_some() {
                self.active.push(source);
            }
            if broken {
                return Ok(Progress::More);
            }
        }
    }

    fn content(&self, source: &mut Source<C>) -> Result<Arc<C>, ReadError> {
        if let Some(content) = &source.content {
            return Ok(Arc::clone(content));
        }
        let content = C::load(&self.vault, &source.info)?;
        Ok(Arc::clone(source.content.insert(content)))
    }

    /// Where the next source begins, once the first one has been taken from the heap.
    fn bound(&self) -> Option<SortKey> {
        let active = self.active.peek().and_then(Source::head).map(|(place, ..)| place);
        let waiting = self.waiting.last().map(|(place, _)| *place);
        match (active, waiting) {
            (Some(active), Some(waiting)) => Some(active.min(waiting)),
            (active, waiting) => active.or(waiting),
        }
    }

    /// Opens the blocks that may hold the next row.
    fn open_due(&mut self) -> Result<(), ReadError> {
        while let Some((bound, info)) = self.waiting.last() {
            let next = self.active.peek().and_then(Source::head);
            if next.is_some_and(|(place, ..)| place < *bound) {
                break;
            }
            let info = Arc::clone(info);
            let source = if self.active.len() < CROWD {
                let content = C::load(&self.vault, &info)?;
                let meta = content.meta().expect("a whole block was loaded");
                Source::new(info, Some(Arc::clone(&content)), meta, &self.query, self.after)
            } else {
                let meta = self.vault.meta(&info.body)?;
                Source::new(info, None, &meta, &self.query, self.after)
            };
            if source.head().is_some() {
                self.active.push(source);
            }
            self.waiting.pop();
        }
        Ok(())
    }

    /// Picks the next rows by their places alone, then reads each block that they come from once.
    fn fill_window(&mut self) -> Result<(), ReadError> {
        self.drop_contents();
        let mut picked: Vec<Picked> = Vec::new();
        let mut bytes = 0;
        while picked.len() < WINDOW_ROWS_MAX && bytes < WINDOW_BYTES_MAX && self.active.len() > CROWD {
            let Some(mut source) = self.active.pop() else { break };
            let (place, time, row) = source.head().expect("sources without rows are not kept");
            bytes += (source.info.body.text_bytes / source.info.body.rows) as usize;
            picked.push(Picked { info: Arc::clone(&source.info), row, time, id: place.id(self.query.order) });
            source.advance(1);
            if source.head().is_some() {
                self.active.push(source);
            }
            self.open_due()?;
        }
        self.drop_contents();
        self.window = self.read_picked(&picked)?;
        Ok(())
    }

    /// Reads each block of the picked rows once, and keeps of it only those rows.
    fn read_picked(&self, picked: &[Picked]) -> Result<VecDeque<Windowed<C>>, ReadError> {
        let mut by_block: Vec<usize> = (0..picked.len()).collect();
        by_block.sort_by_key(|at| picked[*at].info.body.number);
        let mut window: Vec<Option<Windowed<C>>> = picked.iter().map(|_| None).collect();
        for same in by_block.chunk_by(|a, b| picked[*a].info.body.number == picked[*b].info.body.number) {
            let info = &picked[same[0]].info;
            let rows: Vec<u32> = same.iter().map(|at| picked[*at].row).collect();
            let part = Arc::new(C::load(&self.vault, info)?.select(&rows, info));
            for (row, at) in (0..).zip(same) {
                let Picked { info, time, id, .. } = &picked[*at];
                let (info, part) = (Arc::clone(info), Arc::clone(&part));
                window[*at] = Some(Windowed { info, part, row, time: *time, id: *id });
            }
        }
        Ok(window.into_iter().flatten().collect())
    }

    fn drop_contents(&mut self) {
        let mut sources = std::mem::take(&mut self.active).into_vec();
        sources.iter_mut().for_each(|source| source.content = None);
        self.active = sources.into();
    }
}
