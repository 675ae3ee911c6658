//! The types of both versions of `wit/` in Rust, and [`CellHost`]: everything that one run may reach.
//!
//! * Units: times are seconds since 1970-01-01T00:00:00Z; sizes are bytes.
//! * Pages and rows are opaque here: docs/formats/page.md describes their content, `runtime/user` encodes and parses
//!   them.
//! * Not here: grants over streams and stores (`runtime/user`), budgets of a run (`state`).

use std::any::Any;

pub use runtime_types::{Area, LocationRows, Order, Query, StreamKey, TimeField};

/// Why a call into the runtime was refused: the contract's `failure`. No failure ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Outside the grant; names what was requested.
    Denied(String),
    /// Invalid arguments; says which.
    Invalid(String),
    /// A budget of the run is used up; names it with its limit.
    OverBudget(String),
    /// The store cannot be read or written now, or the caller has gone.
    Unavailable,
}

/// The level of a cell's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author of the cell.
    Debug,
    /// Worth a line in the owner's log.
    Info,
    /// Something the owner may want to act on.
    Warn,
}

/// A request whose caller is known and whose path led to this cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The rest of the request's path after the granted path; often empty.
    pub rest: String,
    /// When the request arrived, s.
    pub now: f64,
    /// Size of the body, which [`CellHost::read_body`] returns.
    pub body_bytes: u64,
}

/// A cell's answer. After [`CellHost::begin`], status and content type are ignored and the body is the last piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599; checked by the sandbox. 400 and above commits nothing.
    pub status: u16,
    /// A type such as `application/json`; empty: none. Visible ASCII, at most 200 bytes; checked by the sandbox.
    pub content_type: String,
    /// At most [`crate::ANSWER_BYTES_MAX`]; checked by the sandbox.
    pub body: Vec<u8>,
}

/// One run of one stage over one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The moment of the run, s.
    pub now: f64,
    /// Closed lower bound of the window, s; `None` at first.
    pub start: Option<f64>,
    /// Closed upper bound of the window, s.
    pub end: f64,
    /// For stages that use random numbers; the same in a repeated run.
    pub seed: u64,
    /// The state that the stage returned last time; empty at first.
    pub state: Vec<u8>,
}

/// The result of a run that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The mark that the pipeline keeps, s; `None`: the old one stays. Never NaN; checked by the sandbox.
    pub processed_through: Option<f64>,
    /// The stage's own memory, at most [`crate::STAGE_STATE_BYTES_MAX`]; checked by the sandbox.
    pub state: Vec<u8>,
    /// Whether to run again at once, because there is more to do than fits one run.
    pub more: bool,
}

/// What a request says besides its path and body. A cell of version 0.1 sees none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// Such as `POST`.
    pub method: String,
    /// The query of the address, without the question mark, as it was sent.
    pub query: String,
    /// Names in lower case, and values. The sandbox passes on those of [`HEADERS`] alone.
    pub headers: Vec<(String, String)>,
    /// What the caller was allowed, in the words of the manifest.
    pub scope: String,
}

impl Default for RequestHead {
    /// A request of which nothing is known: every path of a cell is called by `POST`.
    fn default() -> Self {
        Self { method: "POST".to_owned(), query: String::new(), headers: Vec::new(), scope: String::new() }
    }
}

/// The headers of a request that a cell may read.
pub const HEADERS: [&str; 4] = ["accept", "accept-language", "content-type", "if-none-match"];

/// What the owner has agreed to, for a cell that wants to know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    /// In the words of the grant.
    pub purpose: String,
    /// What may be read; empty: the host does not say.
    pub reads: Vec<Granted>,
}

/// One line of a grant, as the owner has narrowed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// The area.
    pub area: Area,
    /// A key, or a pattern in which a whole part is `*`.
    pub streams: String,
    /// The time from which on entries are visible, s.
    pub since: Option<f64>,
    /// The time up to which entries are visible, s.
    pub until: Option<f64>,
    /// Places are rounded to this many metres; 0: as they are.
    pub place_precision_m: f64,
    /// Times are rounded to this many seconds; 0: as they are.
    pub time_precision_s: f64,
    /// Members of `data` that are left out.
    pub left_out: Vec<String>,
}

/// Keys of a cell's private state with their values, by the bytes of the keys.
pub type StateRows = Vec<(String, Vec<u8>)>;

/// Everything that one run may reach. Before each call, the sandbox counts budgets, clamps page sizes and bounds open
/// cursors; the implementation checks the grant and accesses the store.
///
/// A method is called from the thread that runs the cell and counts towards the run's wall clock, except
/// [`Self::begin`] and [`Self::write`], which may wait for a slow caller. Nothing can interrupt a method, so each
/// must end by itself.
///
/// Both versions of the contract call the same methods. Those with a body are of version 0.2; a host that does not
/// implement them refuses what they stand for, or says nothing.
pub trait CellHost: Any + Send {
    /// Opens a cursor over the entries that match. The implementation chooses the handle.
    fn find(&mut self, query: Query) -> Result<u32, Failure>;
    /// Opens a cursor over the entries of the timeseries with these ids, 12 bytes each, in their order. `keys` as in a
    /// query. Ids that do not exist, or are of another stream, are left out.
    fn find_ids(&mut self, keys: Vec<StreamKey>, ids: &[u8]) -> Result<u32, Failure>;
    /// The next entries of a cursor, packed; at most `bytes_max` (4 KiB to 1 MiB) unless one entry alone is larger.
    /// Empty: the end.
    fn next_page(&mut self, cursor: u32, bytes_max: u32) -> Result<Vec<u8>, Failure>;
    /// How many entries match.
    fn count(&mut self, query: Query) -> Result<u64, Failure>;
    /// Opens a cursor over locations as columns.
    fn find_locations(&mut self, query: Query) -> Result<u32, Failure>;
    /// The next rows, at most `rows_max` (1 to 65,536). Empty columns: the end.
    fn next_rows(&mut self, cursor: u32, rows_max: u32) -> Result<LocationRows, Failure>;
    /// Frees a cursor of either kind. Called once for every handle, also when a cell forgets it.
    fn drop_cursor(&mut self, cursor: u32);

    /// Buffers new entries; returns their ids, 12 bytes each.
    fn insert(&mut self, rows: &[u8]) -> Result<Vec<u8>, Failure>;
    /// Buffers new content for the entries that the rows name.
    fn replace(&mut self, rows: &[u8]) -> Result<(), Failure>;
    /// Buffers the removal of entries; 12 bytes each.
    fn delete(&mut self, ids: &[u8]) -> Result<(), Failure>;
    /// Buffers marks that hide entries; 12 bytes each.
    fn mark_invalid(&mut self, ids: &[u8]) -> Result<(), Failure>;

    /// Buffers entries as a phone sent them.
    fn put(&mut self, rows: &[u8]) -> Result<(), Failure>;
    /// Buffers moves from the usercache to the timeseries.
    fn take_in(&mut self, rows: &[u8]) -> Result<(), Failure>;
    /// Buffers moves to the errors area.
    fn set_aside(&mut self, rows: &[u8]) -> Result<(), Failure>;

    /// A document; `None` if none has that name.
    fn document_get(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// Buffers a whole document, at most [`crate::DOCUMENT_BYTES_MAX`].
    fn document_put(&mut self, name: &str, content: &[u8]) -> Result<(), Failure>;

    /// A line for the owner's log: at most [`crate::LOG_LINE_BYTES_MAX`], without control characters. Called at most
    /// [`crate::LOG_LINES_MAX`] times a run.
    fn log(&mut self, level: LogLevel, text: &str);

    /// The next bytes of the request's body, at most `bytes_max` (1 to 1 MiB). Empty: the end.
    fn read_body(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure>;
    /// Starts an answer that is sent in pieces; `status` is 200 to 599.
    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure>;
    /// Sends a piece; may wait while the caller is slow, and must give up on one that never reads.
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure>;

    /// The rest of the request's head.
    fn request_head(&mut self) -> RequestHead {
        RequestHead::default()
    }

    /// What the owner has agreed to.
    fn terms(&mut self) -> Terms {
        Terms::default()
    }

    /// The value of a key of the cell's private state; at most [`crate::STATE_KEY_BYTES_MAX`].
    fn state_get(&mut self, _key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Err(no_state())
    }
    /// Buffers a value, at most [`crate::STATE_VALUE_BYTES_MAX`].
    fn state_put(&mut self, _key: &str, _value: &[u8]) -> Result<(), Failure> {
        Err(no_state())
    }
    /// Buffers the removal of a key; nothing happens if it has no value.
    fn state_delete(&mut self, _key: &str) -> Result<(), Failure> {
        Err(no_state())
    }
    /// Keys behind `after` that begin with `prefix`, by their bytes, with their values: at most `keys_max` (1 to
    /// [`crate::STATE_SCAN_KEYS_MAX`]), and no further one once they have [`crate::STATE_SCAN_BYTES_MAX`] together. It
    /// sees the run's own writes.
    fn state_scan(
        &mut self,
        _prefix: &str,
        _after: Option<&str>,
        _keys_max: u32,
    ) -> Result<StateRows, Failure> {
        Err(no_state())
    }
}

fn no_state() -> Failure {
    Failure::Denied("the interface state: this host keeps none".to_owned())
}

/// A host that holds nothing and refuses everything: for an admission run or a measurement.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoHost;

impl CellHost for NoHost {
    fn find(&mut self, _: Query) -> Result<u32, Failure> {
        Err(Failure::Unavailable)
    }
    fn find_ids(&mut self, _: Vec<StreamKey>, _: &[u8]) -> Result<u32, Failure> {
        Err(Failure::Unavailable)
    }
    fn next_page(&mut self, _: u32, _: u32) -> Result<Vec<u8>, Failure> {
        Err(Failure::Unavailable)
    }
    fn count(&mut self, _: Query) -> Result<u64, Failure> {
        Err(Failure::Unavailable)
    }
    fn find_locations(&mut self, _: Query) -> Result<u32, Failure> {
        Err(Failure::Unavailable)
    }
    fn next_rows(&mut self, _: u32, _: u32) -> Result<LocationRows, Failure> {
        Err(Failure::Unavailable)
    }
    fn drop_cursor(&mut self, _: u32) {}
    fn insert(&mut self, _: &[u8]) -> Result<Vec<u8>, Failure> {
        Err(Failure::Unavailable)
    }
    fn replace(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn delete(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn mark_invalid(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn put(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn take_in(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn set_aside(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn document_get(&mut self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Err(Failure::Unavailable)
    }
    fn document_put(&mut self, _: &str, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn log(&mut self, _: LogLevel, _: &str) {}
    fn read_body(&mut self, _: u32) -> Result<Vec<u8>, Failure> {
        Err(Failure::Unavailable)
    }
    fn begin(&mut self, _: u16, _: &str) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
    fn write(&mut self, _: Vec<u8>) -> Result<(), Failure> {
        Err(Failure::Unavailable)
    }
}
