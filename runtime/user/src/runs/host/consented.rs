//! Reads of a cell from elsewhere: each passes through its owner's consent. One place for every version of the
//! contract, below all of them.

use std::ops::ControlFlow;

use cells_model::page::PageWriter;
use runtime_consent::StreamGrant;
use runtime_sandbox::Failure;
use runtime_store::{LocationRows, ReadError, Snapshot};
use runtime_types::{Area, EntryId, Order, Query, StreamKey, UserId};

use super::cursors::{Open, OpenCursor};
use super::effects::{SharedEffects, lock, reading};
use super::shown::{self, ShownCursor, ShownIds, Stopped};
use super::view::{Shown, View};
use super::{RunHost, invalid};
use crate::cells::grant::Grant;
use crate::runs::audit::ReadNumber;

impl RunHost {
    /// What of a query a cell from elsewhere is shown. The audit has the bounds of what was read: the query, as far as
    /// the grant allows.
    fn view(&mut self, query: Query, what: &str) -> Result<(Option<View>, Query, ReadNumber), Failure> {
        let area = query.area;
        let present = self.snapshot.stream_names().filter(|stream| stream.area == area);
        let present = || present.map(|stream| stream.key.clone()).collect();
        let asked = query.clone();
        match self.grant.narrow(query, present) {
            Ok(query) => {
                let view = View::of(&self.grant, &query, self.now, self.user);
                let read = view.as_ref().and_then(|view| view.stored(&query));
                let number = lock(&self.effects).reads.query(what, read.as_ref().unwrap_or(&query));
                Ok((view, query, number))
            }
            Err(refused) => {
                if matches!(refused, Failure::Denied(_)) {
                    lock(&self.effects).reads.denied_query(what, &asked);
                }
                Err(refused)
            }
        }
    }

    /// A cursor over what is shown of a query.
    pub(super) fn shown(&mut self, query: Query, what: &str) -> Result<u32, Failure> {
        let (view, query, read) = self.view(query, what)?;
        let cursor = reading(&self.effects, || ShownCursor::open(&self.snapshot, view, &query))?;
        Ok(self.keep(read, Open::Shown(cursor)))
    }

    /// A cursor over entries with those ids, as they are shown.
    pub(super) fn shown_ids(
        &mut self,
        keys: Vec<StreamKey>,
        ids: std::vec::IntoIter<EntryId>,
    ) -> Result<u32, Failure> {
        let query = Query { keys, ..Query::everything(Area::Timeseries) };
        let (view, _, read) = self.view(query, "find-ids")?;
        Ok(self.keep(read, Open::ShownIds(ShownIds::new(view, ids))))
    }

    /// How many entries of a query are shown.
    pub(super) fn count_shown(&mut self, query: Query) -> Result<u64, Failure> {
        let (view, query, read) = self.view(query, "count")?;
        let Some(view) = view else { return Ok(0) };
        let count = reading(&self.effects, || shown::count(&self.snapshot, &view, &query))?;
        lock(&self.effects).reads.got(read, count);
        Ok(count)
    }

    /// A cursor over columns of what is shown.
    pub(super) fn shown_locations(&mut self, query: Query) -> Result<u32, Failure> {
        let (view, query, read) = self.view(query, "find-locations")?;
        if let Some((stored, reach)) = view.as_ref().and_then(|view| view.columns(&query)) {
            let cursor = reading(&self.effects, || self.snapshot.find_locations(&stored))?;
            return Ok(self.keep(read, Open::ShownLocations(cursor, reach)));
        }
        let cursor = reading(&self.effects, || ShownCursor::open(&self.snapshot, view, &query))?;
        Ok(self.keep(read, Open::Shown(cursor)))
    }

    /// Fills a page with what is shown.
    pub(super) fn next_shown(&mut self, cursor: u32, mut writer: PageWriter) -> Result<Vec<u8>, Failure> {
        let Self { effects, snapshot, grant, cursors, .. } = self;
        let open = cursors.get_mut(cursor as usize).and_then(Option::as_mut);
        let mut push = |shown: &Shown| match writer.push(&shown.entry(), "") {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        let read = match open {
            Some(OpenCursor { read, rows: Open::Shown(cursor) }) => {
                if let Some(cursor) = cursor {
                    going_on(effects, || cursor.visit(&mut push))?;
                }
                *read
            }
            Some(OpenCursor { read, rows: Open::ShownIds(ids) }) => {
                let stored = |shown| grant.stored_id(shown);
                reading(effects, || ids.visit(snapshot, stored, &mut push))?;
                *read
            }
            _ => return Err(invalid("no such cursor of entries")),
        };
        lock(effects).got(read, u64::from(writer.count()));
        Ok(writer.finish())
    }

    /// Columns of what is shown.
    pub(super) fn next_shown_rows(&mut self, cursor: u32, rows_max: usize) -> Result<LocationRows, Failure> {
        let Self { effects, cursors, .. } = self;
        let open = cursors.get_mut(cursor as usize).and_then(Option::as_mut);
        let mut rows = LocationRows::default();
        let read = match open {
            Some(OpenCursor { read, rows: Open::Shown(None) }) => *read,
            Some(OpenCursor { read, rows: Open::Shown(Some(cursor)) }) => {
                let mut push = |shown: &Shown| {
                    if rows.len() == rows_max {
                        return ControlFlow::Break(());
                    }
                    shown.push_to(&mut rows);
                    ControlFlow::Continue(())
                };
                going_on(effects, || cursor.visit(&mut push))?;
                *read
            }
            Some(OpenCursor { read, rows: Open::ShownLocations(cursor, reach) }) => {
                reading(effects, || cursor.next(rows_max, &mut rows))?;
                for (latitude, longitude) in rows.latitude.iter_mut().zip(&mut rows.longitude) {
                    (*latitude, *longitude) = reach.located(*latitude, *longitude);
                }
                rows.device.clear();
                rows.devices.clear();
                *read
            }
            _ => return Err(invalid("no such cursor of locations")),
        };
        lock(effects).got(read, rows.len() as u64);
        Ok(rows)
    }
}

/// As [`reading`], for a cursor that may be refused to go on.
fn going_on(effects: &SharedEffects, visit: impl FnOnce() -> Result<(), Stopped>) -> Result<(), Failure> {
    let mut refused = None;
    reading(effects, || match visit() {
        Ok(()) => Ok(()),
        Err(Stopped::Read(error)) => Err(error),
        Err(Stopped::Refused(failure)) => {
            refused = Some(failure);
            Ok(())
        }
    })?;
    refused.map_or(Ok(()), Err)
}

/// How many entries of the streams that `named` covers a grant shows at `now`, s: for an owner, before or after they say
/// yes. 0 under the grant of a built-in cell.
pub(crate) fn shown_now(
    grant: &Grant,
    snapshot: &Snapshot,
    named: &StreamGrant,
    now: f64,
) -> Result<u64, ReadError> {
    let present = snapshot.stream_names().filter(|stream| named.covers(stream.area, stream.key.as_str()));
    let keys: Vec<_> = present.map(|stream| stream.key.clone()).collect();
    let query = Query { keys, ..Query::everything(named.area) };
    // Whose the store is does not change how many there are.
    let view = View::of(grant, &query, now, UserId([0; 16]));
    view.map_or(Ok(0), |view| shown::count(snapshot, &view, &query))
}

/// What is done with an entry as a cell is shown it: its id, its metadata, its data.
pub(crate) type VisitShown<'v> = &'v mut dyn FnMut(EntryId, &str, &str) -> ControlFlow<()>;
/// Visits entries until it is told to stop.
pub(crate) type Newest = Box<dyn FnMut(VisitShown<'_>) -> Result<(), ReadError>>;

/// How many entries of a stream a grant shows at `now`, s, and the way to visit them, the newest first; `None`: it shows
/// nothing of the stream.
pub(crate) fn preview(
    grant: &Grant,
    snapshot: &Snapshot,
    key: &StreamKey,
    user: UserId,
    now: f64,
) -> Result<Option<(u64, Newest)>, ReadError> {
    let keys = vec![key.clone()];
    let everything = Query::everything(Area::Timeseries);
    let asked = Query { keys, order: Order::Descending, with_invalid: false, ..everything };
    let Ok(query) = grant.narrow(asked, Vec::new) else { return Ok(None) };
    let view = |now| View::of(grant, &query, now, user);
    let Some(counted) = view(now) else { return Ok(None) };
    let entries = shown::count(snapshot, &counted, &query)?;
    let Some(mut cursor) = ShownCursor::open(snapshot, view(now), &query)? else { return Ok(None) };
    let newest: Newest = Box::new(move |visit| {
        let visited = cursor.visit(&mut |entry| visit(entry.id, &entry.metadata, &entry.data));
        match visited {
            Err(Stopped::Read(error)) => Err(error),
            // Too many entries outside the grant stand before the next one: these are what there is to show.
            Ok(()) | Err(Stopped::Refused(_)) => Ok(()),
        }
    });
    Ok(Some((entries, newest)))
}
