//! Cursors over what a cell from elsewhere is shown.
//!
//! Under exact times the entries come as the store has them. Under a coarse time the order within a grain must not be
//! the store's, which is finer: entries are ordered by their shown times and shown ids. The memory for that is bounded,
//! however many entries a grain has: a shelf takes the first [`SHELF_BYTES_MAX`] of them, and once they are gone the
//! grain is read again for those behind.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use runtime_sandbox::Failure;
use runtime_store::{Cursor, OwnedRow, ReadError, Snapshot};
use runtime_types::{Area, EntryId, Order, Query, StreamKey};

use super::view::{Place, Shown, View};

/// How much of a result a cursor holds in the order in which it is shown, bytes. One entry may be larger.
const SHELF_BYTES_MAX: usize = 2 << 20;
/// How many entries that are not shown one call passes over.
const PASSED_OVER_MAX: usize = 1_048_576;

/// Why a cursor cannot go on.
pub(super) enum Stopped {
    Read(ReadError),
    Refused(Failure),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

fn too_many() -> Failure {
    Failure::OverBudget(format!(
        "{PASSED_OVER_MAX} entries outside the grant in one call; ask for a shorter span"
    ))
}

/// Where an entry stands in the order of a query, as a key of which the smallest comes first.
type Rank = (u64, [u8; 12], StreamKey);

/// A position in a result.
pub(super) struct ShownCursor {
    view: View,
    rows: Rows,
}

enum Rows {
    /// Nothing of it is shown.
    None,
    /// In the store's order.
    Stored(Cursor),
    Grains(Grains),
}

impl ShownCursor {
    /// Opens a cursor; `None`: nothing of the query is shown.
    pub fn open(snapshot: &Snapshot, view: Option<View>, query: &Query) -> Result<Option<Self>, ReadError> {
        let Some(view) = view else { return Ok(None) };
        let rows = match view.stored(query) {
            None => Rows::None,
            Some(stored) if view.grain().seconds().is_none() => Rows::Stored(snapshot.find(&stored)?),
            Some(stored) => Rows::Grains(Grains::new(snapshot.clone(), stored, SHELF_BYTES_MAX)),
        };
        Ok(Some(Self { view, rows }))
    }

    /// Visits entries until `visit` breaks; that one comes first next time.
    pub fn visit(&mut self, visit: &mut dyn FnMut(&Shown) -> ControlFlow<()>) -> Result<(), Stopped> {
        match &mut self.rows {
            Rows::None => Ok(()),
            Rows::Stored(cursor) => stored(&self.view, cursor, visit),
            Rows::Grains(grains) => grains.visit(&self.view, visit),
        }
    }
}

/// How many entries of a query are shown.
pub(super) fn count(snapshot: &Snapshot, view: &View, query: &Query) -> Result<u64, ReadError> {
    if let Some(queries) = view.counted(snapshot, query)? {
        return queries.iter().map(|query| snapshot.count(query)).sum();
    }
    let Some(stored) = view.stored(query) else { return Ok(0) };
    let mut count = 0;
    snapshot.find(&stored)?.visit(&mut |row| {
        count += u64::from(view.place(row).is_some());
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

fn stored(
    view: &View,
    cursor: &mut Cursor,
    visit: &mut dyn FnMut(&Shown) -> ControlFlow<()>,
) -> Result<(), Stopped> {
    let (mut passed_over, mut is_over) = (0, false);
    cursor.visit(&mut |row| match view.place(row).and_then(|place| view.show(row, place)) {
        Some(shown) => visit(&shown),
        None => {
            is_over = passed_over == PASSED_OVER_MAX;
            passed_over += 1;
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    })?;
    if is_over { Err(Stopped::Refused(too_many())) } else { Ok(()) }
}

/// A result in the order of shown times and ids.
struct Grains {
    snapshot: Snapshot,
    /// What of the stored times is not on the shelf yet; its bounds close in on each other.
    rest: Query,
    /// The entry that the shelf ended with, where it holds only a part of its grain.
    after: Option<Rank>,
    shelf: VecDeque<Shown>,
    shelf_bytes_max: usize,
    ended: bool,
}

/// What a pass over stored entries collects.
struct Pass<'p> {
    view: &'p View,
    order: Order,
    after: Option<&'p Rank>,
    /// Only entries before this one: others were left out for want of room.
    limit: Option<Rank>,
    found: BTreeMap<Rank, Shown>,
    bytes: usize,
    bytes_max: usize,
    /// The start of the grain that the pass is in, s.
    grain: Option<f64>,
    passed_over: usize,
}

/// How a pass ended.
enum Ended {
    /// At the end of the stored entries.
    Whole,
    /// Before this grain.
    Before(f64),
    /// In the middle of this grain.
    Within(f64),
    TooMany,
}

impl Grains {
    fn new(snapshot: Snapshot, rest: Query, shelf_bytes_max: usize) -> Self {
        Self { snapshot, rest, after: None, shelf: VecDeque::new(), shelf_bytes_max, ended: false }
    }

    fn visit(
        &mut self,
        view: &View,
        visit: &mut dyn FnMut(&Shown) -> ControlFlow<()>,
    ) -> Result<(), Stopped> {
        loop {
            while let Some(shown) = self.shelf.front() {
                if visit(shown).is_break() {
                    return Ok(());
                }
                self.shelf.pop_front();
            }
            if self.ended {
                return Ok(());
            }
            self.fill(view)?;
        }
    }

    /// Puts the next entries on the shelf.
    fn fill(&mut self, view: &View) -> Result<(), Stopped> {
        let mut pass = Pass {
            view,
            order: self.rest.order,
            after: self.after.as_ref(),
            limit: None,
            found: BTreeMap::new(),
            bytes: 0,
            bytes_max: self.shelf_bytes_max,
            grain: None,
            passed_over: 0,
        };
        let mut ended = Ended::Whole;
        let mut cursor = self.snapshot.find(&self.rest)?;
        cursor.visit(&mut |row| match pass.take(row) {
            Some(end) => {
                ended = end;
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })?;
        if let (Ended::Whole, Some(_), Some(grain)) = (&ended, &pass.limit, pass.grain) {
            ended = Ended::Within(grain);
        }
        let last = pass.found.last_key_value().map(|(rank, _)| rank.clone());
        self.shelf = pass.found.into_values().collect();
        self.after = None;
        match ended {
            Ended::Whole => self.ended = true,
            Ended::Before(start) => self.go_on_at(view, start),
            Ended::Within(start) => {
                self.go_on_at(view, start);
                self.after = last;
            }
            Ended::TooMany => return Err(Stopped::Refused(too_many())),
        }
        Ok(())
    }

    /// Leaves out everything before the grain that begins at `start`, in the order of the query.
    fn go_on_at(&mut self, view: &View, start: f64) {
        match self.rest.order {
            Order::Ascending => self.rest.start = self.rest.start.max(start),
            Order::Descending => self.rest.end = self.rest.end.min(view.grain().end_of(start)),
        }
    }
}

impl Pass<'_> {
    /// Takes a stored entry; how the pass ends, if it ends before this one or with it.
    fn take(&mut self, row: &runtime_store::Row<'_>) -> Option<Ended> {
        let start = self.view.grain().floor(row.time);
        if self.grain != Some(start) {
            if let (Some(grain), true) = (self.grain, self.limit.is_some()) {
                return Some(Ended::Within(grain));
            }
            if self.bytes >= self.bytes_max / 2 {
                return Some(Ended::Before(start));
            }
            self.grain = Some(start);
        }
        let Some(place) = self.view.place(row) else {
            self.passed_over += 1;
            return (self.passed_over > PASSED_OVER_MAX).then_some(Ended::TooMany);
        };
        let rank = rank(place, row.key, self.order);
        if self.after.is_some_and(|after| rank <= *after)
            || self.limit.as_ref().is_some_and(|limit| rank >= *limit)
        {
            return None;
        }
        let shown = self.view.show(row, place)?;
        self.bytes += shown.bytes();
        self.found.insert(rank, shown);
        self.make_room(start)
    }

    /// Keeps the first entries that there is room for. Those of a grain behind others wait until it is read whole.
    fn make_room(&mut self, start: f64) -> Option<Ended> {
        if self.bytes <= self.bytes_max || self.found.len() == 1 {
            return None;
        }
        let edge = match self.order {
            Order::Ascending => Place { time: start, id: EntryId::NONE },
            Order::Descending => Place { time: self.view.grain().end_of(start), id: EntryId([255; 12]) },
        };
        let (time, id, _) = rank(edge, &self.found.first_key_value()?.0.2, self.order);
        let first = self.found.first_key_value().map(|(rank, _)| (rank.0, rank.1));
        if first.is_some_and(|first| first < (time, id)) {
            self.found.retain(|(of_time, of_id, _), _| (*of_time, *of_id) < (time, id));
            return Some(Ended::Before(start));
        }
        while self.bytes > self.bytes_max && self.found.len() > 1 {
            let (rank, shown) = self.found.pop_last()?;
            self.bytes -= shown.bytes();
            self.limit = Some(rank);
        }
        None
    }
}

fn rank(place: Place, key: &StreamKey, order: Order) -> Rank {
    let bits = (place.time + 0.0).to_bits();
    let time = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    match order {
        Order::Ascending => (time, place.id.0, key.clone()),
        Order::Descending => (!time, place.id.0.map(|byte| !byte), key.clone()),
    }
}

/// A cursor over entries with given ids, as they are shown.
pub(super) struct ShownIds {
    view: Option<View>,
    ids: std::vec::IntoIter<EntryId>,
    /// The entry that did not fit the last page.
    kept: Option<Shown>,
}

impl ShownIds {
    pub fn new(view: Option<View>, ids: std::vec::IntoIter<EntryId>) -> Self {
        Self { view, ids, kept: None }
    }

    /// Visits entries in the order of their ids' list until `visit` breaks; that one comes first next time.
    pub fn visit(
        &mut self,
        snapshot: &Snapshot,
        stored_id: impl Fn(EntryId) -> EntryId,
        visit: &mut dyn FnMut(&Shown) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let Some(view) = &self.view else { return Ok(()) };
        let (stored, others) = (view.keys_by_id(true), view.keys_by_id(false));
        let find = |keys: &[StreamKey], id| -> Result<Option<OwnedRow>, ReadError> {
            // No streams would mean every stream.
            if keys.is_empty() { Ok(None) } else { snapshot.find_id_of(Area::Timeseries, keys, id) }
        };
        loop {
            if let Some(shown) = &self.kept {
                if visit(shown).is_break() {
                    return Ok(());
                }
                self.kept = None;
            }
            let Some(id) = self.ids.next() else { return Ok(()) };
            let found = match find(&stored, id)? {
                Some(row) => Some(row),
                None => find(&others, stored_id(id))?,
            };
            self.kept = found.and_then(|row| view.show_owned(&row));
        }
    }
}

#[cfg(test)]
impl ShownCursor {
    /// The same with room for fewer entries.
    pub fn with_shelf(mut self, bytes_max: usize) -> Self {
        if let Rows::Grains(grains) = &mut self.rows {
            grains.shelf_bytes_max = bytes_max;
        }
        self
    }
}
