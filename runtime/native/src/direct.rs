//! A cell's view of the runtime without a sandbox between.

use std::cell::RefCell;
use std::rc::Rc;

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Rows;
use cells_sdk::{
    Area, Documents, EntrySource, Failure, Level, LocationRows, LocationSource, Log, Order, Query,
    ReadEntries, TimeField, Usercache, WriteEntries,
};
use runtime_sandbox::{CellHost, LogLevel, StreamKey};

type Host = Rc<RefCell<Box<dyn CellHost>>>;

/// Everything that one run may reach, called directly.
pub struct Direct(Host);

/// A cursor of either kind; frees what it holds when it is dropped.
pub struct Cursor {
    host: Host,
    handle: u32,
}

impl Direct {
    /// Over what the sandbox would have called.
    pub fn over(host: Box<dyn CellHost>) -> Self {
        Self(Rc::new(RefCell::new(host)))
    }

    fn cursor(&self, handle: Result<u32, runtime_sandbox::Failure>) -> Result<Cursor, Failure> {
        Ok(Cursor { host: Rc::clone(&self.0), handle: handle.map_err(failure)? })
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.host.borrow_mut().drop_cursor(self.handle);
    }
}

impl EntrySource for Cursor {
    fn next_page(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        self.host.borrow_mut().next_page(self.handle, bytes_max).map_err(failure)
    }
}

impl LocationSource for Cursor {
    fn next_rows(&mut self, rows_max: u32) -> Result<LocationRows, Failure> {
        self.host.borrow_mut().next_rows(self.handle, rows_max).map_err(failure)
    }
}

impl ReadEntries for Direct {
    type Entries = Cursor;
    type Locations = Cursor;

    fn find(&mut self, query: &Query) -> Result<Cursor, Failure> {
        let handle = self.0.borrow_mut().find(query_of(query)?);
        self.cursor(handle)
    }

    fn find_ids(&mut self, keys: &[&str], ids: &[EntryId]) -> Result<Cursor, Failure> {
        let handle = self.0.borrow_mut().find_ids(keys_of(keys.iter().copied())?, &EntryId::pack(ids));
        self.cursor(handle)
    }

    fn count(&mut self, query: &Query) -> Result<u64, Failure> {
        self.0.borrow_mut().count(query_of(query)?).map_err(failure)
    }

    fn find_locations(&mut self, query: &Query) -> Result<Cursor, Failure> {
        let handle = self.0.borrow_mut().find_locations(query_of(query)?);
        self.cursor(handle)
    }
}

impl WriteEntries for Direct {
    fn insert(&mut self, rows: &Rows) -> Result<Vec<EntryId>, Failure> {
        ids(&self.0.borrow_mut().insert(rows.as_bytes()).map_err(failure)?)
    }

    fn replace(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.borrow_mut().replace(rows.as_bytes()).map_err(failure)
    }

    fn delete(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        self.0.borrow_mut().delete(&EntryId::pack(ids)).map_err(failure)
    }

    fn mark_invalid(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        self.0.borrow_mut().mark_invalid(&EntryId::pack(ids)).map_err(failure)
    }
}

impl Usercache for Direct {
    fn put(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.borrow_mut().put(rows.as_bytes()).map_err(failure)
    }

    fn take_in(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.borrow_mut().take_in(rows.as_bytes()).map_err(failure)
    }

    fn set_aside(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.borrow_mut().set_aside(rows.as_bytes()).map_err(failure)
    }
}

impl Documents for Direct {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.0.borrow_mut().document_get(name).map_err(failure)
    }

    fn put_document(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.0.borrow_mut().document_put(name, content).map_err(failure)
    }
}

impl Log for Direct {
    fn log(&mut self, level: Level, text: &str) {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
        };
        self.0.borrow_mut().log(level, text);
    }
}

fn failure(failure: runtime_sandbox::Failure) -> Failure {
    match failure {
        runtime_sandbox::Failure::Denied(what) => Failure::Denied(what),
        runtime_sandbox::Failure::Invalid(what) => Failure::Invalid(what),
        runtime_sandbox::Failure::OverBudget(what) => Failure::OverBudget(what),
        runtime_sandbox::Failure::Unavailable => Failure::Unavailable,
    }
}

fn ids(packed: &[u8]) -> Result<Vec<EntryId>, Failure> {
    EntryId::unpack(packed).ok_or_else(|| Failure::Invalid(format!("{} bytes are no ids", packed.len())))
}

fn keys_of<'a>(keys: impl Iterator<Item = &'a str>) -> Result<Vec<StreamKey>, Failure> {
    keys.map(|key| key.parse::<StreamKey>().map_err(|_| Failure::Invalid(format!("{key} is no stream key"))))
        .collect()
}

fn query_of(query: &Query) -> Result<runtime_sandbox::Query, Failure> {
    let keys = keys_of(query.keys.iter().map(String::as_str))?;
    Ok(runtime_sandbox::Query {
        area: match query.area {
            Area::Timeseries => runtime_sandbox::Area::Timeseries,
            Area::Usercache => runtime_sandbox::Area::Usercache,
            Area::Errors => runtime_sandbox::Area::Errors,
        },
        keys,
        field: match query.field {
            TimeField::WriteTs => runtime_sandbox::TimeField::WriteTs,
            TimeField::DataTs => runtime_sandbox::TimeField::DataTs,
            TimeField::StartTs => runtime_sandbox::TimeField::StartTs,
            TimeField::EndTs => runtime_sandbox::TimeField::EndTs,
            TimeField::EnterTs => runtime_sandbox::TimeField::EnterTs,
            TimeField::ExitTs => runtime_sandbox::TimeField::ExitTs,
            TimeField::Position => runtime_sandbox::TimeField::Position,
        },
        start: query.start.unwrap_or(f64::NEG_INFINITY),
        end: query.end.unwrap_or(f64::INFINITY),
        order: match query.order {
            Order::Ascending => runtime_sandbox::Order::Ascending,
            Order::Descending => runtime_sandbox::Order::Descending,
        },
        with_invalid: query.with_invalid,
    })
}
