//! The interfaces of `wit/0.2/cell.wit` as traits; that file documents limits and errors.

use cells_model::rows::Rows;
use cells_model::{EntryId, LocationRows};

/// Why a call into the runtime was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Outside the grant; names the stream, area or document.
    #[error("denied: {0}")]
    Denied(String),
    /// Arguments without a meaning; says which.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A budget of the run is spent; names it with its limit.
    #[error("over budget: {0}")]
    OverBudget(String),
    /// The store cannot be read or written now.
    #[error("the store is unavailable")]
    Unavailable,
}

/// The area that an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Entries that the analysis works on.
    Timeseries,
    /// Entries that phones have put and no stage has imported yet.
    Usercache,
    /// Entries that could not be imported, each with its reason.
    Errors,
}

/// The time of an entry that a query refers to. An entry without that time does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeField {
    /// `metadata.write_ts`
    WriteTs,
    /// `data.ts`
    DataTs,
    /// `data.start_ts`
    StartTs,
    /// `data.end_ts`
    EndTs,
    /// `data.enter_ts`
    EnterTs,
    /// `data.exit_ts`
    ExitTs,
    /// The first present of `ts`, `start_ts`, `enter_ts`, `exit_ts`, `write_ts`.
    Position,
}

/// Order of the result: by the query's time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The earliest first.
    Ascending,
    /// The latest first.
    Descending,
}

/// What to read. Start from [`Query::of`] and change what differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The area.
    pub area: Area,
    /// Keys such as `background/location`; empty: every key that the grant covers.
    pub keys: Vec<String>,
    /// The time that the bounds refer to.
    pub field: TimeField,
    /// Closed lower bound, s.
    pub start: Option<f64>,
    /// Closed upper bound, s.
    pub end: Option<f64>,
    /// Order of the result.
    pub order: Order,
    /// Whether to include entries that are marked invalid.
    pub with_invalid: bool,
}

impl Query {
    /// A query for all entries of those keys in the timeseries, ascending by `field`.
    pub fn of(keys: &[&str], field: TimeField) -> Self {
        Self {
            area: Area::Timeseries,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            field,
            start: None,
            end: None,
            order: Order::Ascending,
            with_invalid: false,
        }
    }

    /// The same query within closed bounds, s.
    #[must_use]
    pub fn between(self, start: Option<f64>, end: Option<f64>) -> Self {
        Self { start, end, ..self }
    }

    /// The same query in another area.
    #[must_use]
    pub fn in_area(self, area: Area) -> Self {
        Self { area, ..self }
    }

    /// The same query in the other order: the latest first.
    #[must_use]
    pub fn latest_first(self) -> Self {
        Self { order: Order::Descending, ..self }
    }
}

/// A cursor over entries.
pub trait EntrySource {
    /// The next entries as a page (see [`cells_model::page::Page`]); empty at the end.
    fn next_page(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure>;
}

/// A cursor over columns.
pub trait LocationSource {
    /// The next rows; empty at the end.
    fn next_rows(&mut self, rows_max: u32) -> Result<LocationRows, Failure>;
}

/// `timeseries-read`: all reads of a run come from the snapshot taken when it began.
pub trait ReadEntries {
    /// A cursor over entries.
    type Entries: EntrySource;
    /// A cursor over columns.
    type Locations: LocationSource;
    /// Opens a cursor.
    fn find(&mut self, query: &Query) -> Result<Self::Entries, Failure>;
    /// Opens a cursor over the entries of the timeseries with these ids, in the order of the ids, whatever their times;
    /// at most [`QUERY_IDS_MAX`](crate::limits::QUERY_IDS_MAX). Ids that do not exist, or have another key, are left
    /// out.
    fn find_ids(&mut self, keys: &[&str], ids: &[EntryId]) -> Result<Self::Entries, Failure>;
    /// How many entries match.
    fn count(&mut self, query: &Query) -> Result<u64, Failure>;
    /// Opens a cursor over columns.
    fn find_locations(&mut self, query: &Query) -> Result<Self::Locations, Failure>;
}

/// `timeseries-write`: buffered, committed when the run succeeds.
pub trait WriteEntries {
    /// Inserts new entries; returns their ids in order.
    fn insert(&mut self, rows: &Rows) -> Result<Vec<EntryId>, Failure>;
    /// Replaces the content of the entries that the rows name, and removes a mark as invalid.
    fn replace(&mut self, rows: &Rows) -> Result<(), Failure>;
    /// Removes entries.
    fn delete(&mut self, ids: &[EntryId]) -> Result<(), Failure>;
    /// Hides entries from queries that do not ask for invalid ones.
    fn mark_invalid(&mut self, ids: &[EntryId]) -> Result<(), Failure>;
}

/// `usercache`: entries that phones put, before they are imported.
pub trait Usercache {
    /// Puts entries as a phone sent them.
    fn put(&mut self, rows: &Rows) -> Result<(), Failure>;
    /// Moves entries to the timeseries with the content that the rows give.
    fn take_in(&mut self, rows: &Rows) -> Result<(), Failure>;
    /// Moves entries that cannot be imported to the errors area, with the reason in `extra`.
    fn set_aside(&mut self, rows: &Rows) -> Result<(), Failure>;
}

/// `documents`: small named documents of one person.
pub trait Documents {
    /// The document of that name; `None` where there is none.
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// Replaces the whole document when the run succeeds.
    fn put_document(&mut self, name: &str, content: &[u8]) -> Result<(), Failure>;
}

/// The level of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author of the cell.
    Debug,
    /// For the owner.
    Info,
    /// Something the owner may want to act on.
    Warn,
}

/// `log`: messages for the owner; no coordinates, no tokens.
pub trait Log {
    /// Writes one line.
    fn log(&mut self, level: Level, text: &str);
}

/// `exchange`: the body of a request, and an answer that is too large to return at once.
pub trait Exchange {
    /// The next bytes of the request's body; empty at the end.
    fn read(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure>;
    /// Starts an answer that is sent in pieces.
    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure>;
    /// Sends a piece.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;
}

/// A request to an endpoint cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The part of the path behind the granted one; often empty.
    pub rest: String,
    /// When it arrived, s.
    pub now: f64,
    /// Size of the body, which [`Exchange::read`] returns.
    pub body_bytes: u64,
}

/// The answer of an endpoint cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599. A status of 400 and above commits nothing.
    pub status: u16,
    /// Such as `application/json`.
    pub content_type: String,
    /// At most 4 MiB; the last piece where the answer was begun in pieces.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer in JSON.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: "application/json".to_owned(), body: body.into() }
    }
}

/// One run of a stage over one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The moment of the run, s.
    pub now: f64,
    /// Where the last run stopped (its mark + [`WINDOW_GAP_S`]); `None` in the first run.
    pub start: Option<f64>,
    /// `now` - [`WINDOW_GAP_S`]; both bounds are closed.
    pub end: f64,
    /// For stages that need random numbers.
    pub seed: u64,
    /// The state that the stage returned last time; empty in the first run.
    pub state: Vec<u8>,
}

impl Run {
    /// A query for all entries of those keys whose time `field` lies within the run's window.
    pub fn window(&self, keys: &[&str], field: TimeField) -> Query {
        Query::of(keys, field).between(self.start, Some(self.end))
    }
}

/// How far behind a mark the next window begins, and how far before `now` each window ends, s. A back-log may be cut
/// into runs only where at least this much lies between the last entry of one run and the first of the next.
pub const WINDOW_GAP_S: f64 = 5.0;

/// The earliest mark whose next window leaves out the moment `ts`, s. A stage whose mark is no earlier than this for
/// everything that it has read never does the same work twice, and never gets the same window again for ever.
pub fn mark_past(ts: f64) -> f64 {
    let mark = ts - WINDOW_GAP_S;
    let ulp = |number: f64| number.abs().next_up() - number.abs();
    // The sum is rounded, so the smallest step is the coarser of the two.
    let mut step = ulp(ts).max(ulp(mark));
    while mark + step + WINDOW_GAP_S <= ts {
        step *= 2.0;
    }
    mark + step
}

/// The result of a successful run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The mark that the pipeline keeps, s; `None`: the old one stays. It is the time of the last entry that was
    /// processed: entries that arrive later are compared with it.
    pub processed_through: Option<f64>,
    /// The state of the stage for its next run.
    pub state: Vec<u8>,
    /// Whether to run again at once.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_after_a_moment_excludes_that_moment_and_hardly_more() {
        let moments = (0..10_000).map(|step| f64::from(step) * 987_654.321 - 1e9);
        for ts in moments.chain([0.0, 5.0, 1.0 / 3.0, 1_073_741_824.0, 1_700_000_000.123_457]) {
            let start = mark_past(ts) + WINDOW_GAP_S;
            assert!(start > ts && start - ts < 1e-5, "{start} {ts}");
        }
    }
}
