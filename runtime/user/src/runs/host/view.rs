//! What a cell from elsewhere is shown of a query: which entries, and what of each.

use std::collections::HashMap;

use cells_model::page;
use cells_model::text::{number, value_of};
use runtime_consent::{StreamReach, Time};
use runtime_store::{LocationRows, OwnedRow, ReadError, Row, Snapshot};
use runtime_types::{EntryId, EntryTimes, Query, StreamKey, TimeField, UserId};

use crate::cells::grant::Grant;

/// What of each stream of a query is shown.
pub(super) struct View {
    streams: HashMap<StreamKey, Granted>,
    field: TimeField,
    /// The bounds of the query, of shown times.
    bounds: [f64; 2],
    account: Account,
}

/// What of one stream is shown.
struct Granted {
    reach: StreamReach,
    /// The positions that are shown, both closed.
    positions: [f64; 2],
    now: f64,
}

const EVERYTHING: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub id: EntryId,
    pub key: StreamKey,
    pub invalid: bool,
    pub write_ts: f64,
    pub time: f64,
    pub metadata: String,
    pub data: String,
}

impl Shown {
    pub fn entry(&self) -> page::Entry<'_> {
        page::Entry {
            id: self.id,
            key: self.key.as_str(),
            invalid: self.invalid,
            write_ts: self.write_ts,
            time: self.time,
            metadata: &self.metadata,
            data: &self.data,
            text: "",
        }
    }

    /// About how much memory it takes, bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.metadata.len() + self.data.len()
    }

    /// Appends it to columns of locations; they name no device.
    pub fn push_to(&self, rows: &mut LocationRows) {
        let of = |name| value_of(&self.data, name).and_then(number).unwrap_or(f64::NAN);
        rows.ids.push(self.id);
        rows.ts.push(of("ts"));
        rows.write_ts.push(self.write_ts);
        rows.latitude.push(of("latitude"));
        rows.longitude.push(of("longitude"));
        rows.accuracy.push(of("accuracy"));
        rows.filter.push(match value_of(&self.data, "filter") {
            None => 0,
            Some("\"time\"") => 1,
            Some("\"distance\"") => 2,
            Some(_) => 3,
        });
    }
}

/// The place of an entry in a result: its shown time and its shown id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub time: f64,
    pub id: EntryId,
}

impl View {
    /// The view of a query that the grant has narrowed: it names every stream. `None`: no entry of them is shown.
    pub fn of(grant: &Grant, query: &Query, now: f64, user: UserId) -> Option<Self> {
        let granted = query.keys.iter().filter_map(|key| {
            let reach = grant.stream(query.area, key)?;
            let (from, until) = reach.positions(now)?;
            Some((key.clone(), Granted { reach, positions: [from, until], now }))
        });
        let streams: HashMap<_, _> = granted.collect();
        let account = Account::new(user, grant.shown_user(user));
        let view = Self { streams, field: query.field, bounds: [query.start, query.end], account };
        (!view.streams.is_empty()).then_some(view)
    }

    /// The streams of which anything is shown.
    pub fn keys(&self) -> Vec<StreamKey> {
        let mut keys: Vec<_> = self.streams.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// The coarsest time of its streams.
    pub fn grain(&self) -> Time {
        self.streams.values().map(|granted| granted.reach.time()).max().unwrap_or_default()
    }

    /// The query by whose stored times every entry of the view is found, and not many others. `None`: there is none.
    pub fn stored(&self, query: &Query) -> Option<Query> {
        let each = self.streams.values().map(|granted| self.stored_bounds(granted));
        let [start, end] = each
            .reduce(|[start, end], [other_start, other_end]| [start.min(other_start), end.max(other_end)])?;
        (start <= end).then(|| Query { keys: self.keys(), start, end, ..query.clone() })
    }

    /// The stored times of the query's field whose entries may be shown.
    fn stored_bounds(&self, granted: &Granted) -> [f64; 2] {
        let (start, end) = granted.reach.stored_bounds(self.bounds[0], self.bounds[1]);
        if !self.is_of_position() {
            return [start, end];
        }
        [start.max(granted.positions[0]), end.min(granted.positions[1])]
    }

    /// Whether an entry's time of the query's field is its position: an entry that has a `ts` is at it.
    fn is_of_position(&self) -> bool {
        matches!(self.field, TimeField::Position | TimeField::DataTs)
    }

    /// Queries for the store whose counts together are the count of the view; `None`: entries have to be looked at.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn counted(&self, snapshot: &Snapshot, query: &Query) -> Result<Option<Vec<Query>>, ReadError> {
        let mut queries = Vec::new();
        for (key, granted) in &self.streams {
            let keys = vec![key.clone()];
            let indexed = self.is_of_position() || granted.positions == EVERYTHING;
            if !indexed || granted.has_unpassed(snapshot, query, &keys)? {
                return Ok(None);
            }
            let [start, end] = self.stored_bounds(granted);
            if start <= end {
                queries.push(Query { keys, start, end, ..query.clone() });
            }
        }
        Ok(Some(queries))
    }

    /// The query for the store's columns, and how to show their places, if columns can be shown so: one stream, or
    /// several of which the same is shown.
    pub fn columns(&self, query: &Query) -> Option<(Query, StreamReach)> {
        let mut each = self.streams.values();
        let first = each.next()?;
        let same = |other: &Granted| {
            other.positions == first.positions
                && other.reach.place() == first.reach.place()
                && other.reach.has_columns()
        };
        let indexed = self.is_of_position() || first.positions == EVERYTHING;
        let plain = indexed && first.reach.has_columns() && each.all(same);
        plain.then(|| self.stored(query)).flatten().map(|query| (query, first.reach.clone()))
    }

    /// Where an entry stands in the result; `None`: it is not shown.
    pub fn place(&self, row: &Row<'_>) -> Option<Place> {
        let granted = self.streams.get(row.key)?;
        let time = granted.reach.moment(row.time);
        let inside = self.bounds[0] <= time && time <= self.bounds[1];
        let shows = inside && granted.shows(row.metadata, row.data);
        shows.then(|| Place { time, id: granted.reach.id(row.id) })
    }

    /// An entry as it is shown; the place is that of [`Self::place`].
    pub fn show(&self, row: &Row<'_>, place: Place) -> Option<Shown> {
        let reach = &self.streams.get(row.key)?.reach;
        Some(Shown {
            id: place.id,
            key: row.key.clone(),
            invalid: row.invalid,
            write_ts: reach.moment(row.write_ts),
            time: place.time,
            metadata: self.account.hidden(reach.metadata(row.metadata)),
            data: self.account.hidden(reach.data(row.data).into_owned()),
        })
    }

    /// An entry that was found by its id.
    pub fn show_owned(&self, row: &OwnedRow) -> Option<Shown> {
        let row = Row {
            id: row.id,
            key: &row.key,
            invalid: row.invalid,
            write_ts: row.write_ts,
            time: row.write_ts,
            metadata: &row.metadata,
            data: &row.data,
            extra: "",
            origin: 0,
        };
        let granted = self.streams.get(row.key)?;
        let time = granted.reach.moment(row.time);
        let shows = granted.shows(row.metadata, row.data);
        shows.then(|| self.show(&row, Place { time, id: granted.reach.id(row.id) })).flatten()
    }

    /// The streams with stored ids, or those with other ones.
    pub fn keys_by_id(&self, stored: bool) -> Vec<StreamKey> {
        let of_kind = |granted: &Granted| (granted.reach.time() == Time::Exact) == stored;
        self.streams.iter().filter(|(_, granted)| of_kind(granted)).map(|(key, _)| key.clone()).collect()
    }
}

impl Granted {
    fn shows(&self, metadata: &str, data: &str) -> bool {
        let all = self.reach.time() == Time::Exact && self.positions == EVERYTHING;
        all || self.reach.shows(&EntryTimes::read(metadata, data), self.now)
    }

    /// Whether a stream has entries with a time in a grain that has not passed, so that an index of one time does not
    /// tell which are shown.
    fn has_unpassed(
        &self,
        snapshot: &Snapshot,
        query: &Query,
        keys: &[StreamKey],
    ) -> Result<bool, ReadError> {
        let start = self.reach.passed(self.now);
        if start == f64::INFINITY {
            return Ok(false);
        }
        for field in TimeField::OWN {
            let unpassed = Query { keys: keys.to_vec(), field, start, end: f64::INFINITY, ..query.clone() };
            if snapshot.count(&unpassed)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The account's id in texts: entries that hold whole entries hold it, too.
struct Account {
    written: [String; 2],
    shown: [String; 2],
}

impl Account {
    fn new(user: UserId, pseudonym: UserId) -> Self {
        let forms = |user: UserId| [user.to_string(), user.dashed()];
        Self { written: forms(user), shown: forms(pseudonym) }
    }

    fn hidden(&self, mut text: String) -> String {
        for (written, shown) in self.written.iter().zip(&self.shown) {
            if text.contains(written.as_str()) {
                text = text.replace(written.as_str(), shown);
            }
        }
        text
    }
}
