//! The traits, implemented by calls into the runtime.

use cells_model::{EntryId, rows::Rows};

use super::bindings::endpoint::cellar::cell::{
    context, documents, exchange, log, request, response, state, timeseries_read, timeseries_write, usercache,
};
use super::convert;
use crate::limits::PAGE_FORMAT;
use crate::{
    Documents, EntrySource, Exchange, Failure, Granted, Level, LocationRows, LocationSource, Log, Query,
    ReadEntries, RequestHead, State, Terms, Usercache, WriteEntries,
};

/// The runtime that this component runs in. It holds nothing: a cell that does not call an interface does not import
/// it.
#[derive(Debug, Clone, Copy)]
pub struct Runtime;

/// A cursor over entries.
#[derive(Debug)]
pub struct EntryCursor(timeseries_read::Cursor);

/// A cursor over columns.
#[derive(Debug)]
pub struct LocationCursor(timeseries_read::LocationCursor);

impl EntrySource for EntryCursor {
    fn next_page(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        Ok(self.0.next_page(PAGE_FORMAT, bytes_max)?)
    }
}

impl LocationSource for LocationCursor {
    fn next_rows(&mut self, rows_max: u32) -> Result<LocationRows, Failure> {
        match self.0.advance(rows_max)? {
            0 => Ok(LocationRows::default()),
            _ => convert::columns(&self.0),
        }
    }
}

impl ReadEntries for Runtime {
    type Entries = EntryCursor;
    type Locations = LocationCursor;

    fn find(&mut self, query: &Query) -> Result<EntryCursor, Failure> {
        Ok(EntryCursor(timeseries_read::find(&convert::query(query))?))
    }

    fn find_ids(&mut self, keys: &[&str], ids: &[EntryId]) -> Result<EntryCursor, Failure> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(EntryCursor(timeseries_read::find_ids(&keys, &EntryId::pack(ids))?))
    }

    fn count(&mut self, query: &Query) -> Result<u64, Failure> {
        Ok(timeseries_read::count(&convert::query(query))?)
    }

    fn find_locations(&mut self, query: &Query) -> Result<LocationCursor, Failure> {
        Ok(LocationCursor(timeseries_read::find_locations(&convert::query(query))?))
    }
}

impl WriteEntries for Runtime {
    fn insert(&mut self, rows: &Rows) -> Result<Vec<EntryId>, Failure> {
        convert::ids(&timeseries_write::insert(rows.as_bytes())?)
    }

    fn replace(&mut self, rows: &Rows) -> Result<(), Failure> {
        Ok(timeseries_write::replace(rows.as_bytes())?)
    }

    fn delete(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        Ok(timeseries_write::delete(&EntryId::pack(ids))?)
    }

    fn mark_invalid(&mut self, ids: &[EntryId]) -> Result<(), Failure> {
        Ok(timeseries_write::mark_invalid(&EntryId::pack(ids))?)
    }
}

impl Usercache for Runtime {
    fn put(&mut self, rows: &Rows) -> Result<(), Failure> {
        Ok(usercache::put(rows.as_bytes())?)
    }

    fn take_in(&mut self, rows: &Rows) -> Result<(), Failure> {
        Ok(usercache::take_in(rows.as_bytes())?)
    }

    fn set_aside(&mut self, rows: &Rows) -> Result<(), Failure> {
        Ok(usercache::set_aside(rows.as_bytes())?)
    }
}

impl Documents for Runtime {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(documents::get(name)?)
    }

    fn put_document(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        Ok(documents::put(name, content)?)
    }
}

impl Log for Runtime {
    fn log(&mut self, level: Level, text: &str) {
        match level {
            Level::Debug => log::debug(text),
            Level::Info => log::info(text),
            Level::Warn => log::warn(text),
        }
    }
}

impl Exchange for Runtime {
    fn read(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        Ok(exchange::read(bytes_max)?)
    }

    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure> {
        response::set_status(status);
        response::set_content_type(content_type);
        Ok(exchange::begin()?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(exchange::write(bytes)?)
    }
}

impl State for Runtime {
    fn value(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(state::get(key)?)
    }

    fn put_value(&mut self, key: &str, value: &[u8]) -> Result<(), Failure> {
        Ok(state::put(key, value)?)
    }

    fn delete_value(&mut self, key: &str) -> Result<(), Failure> {
        Ok(state::delete(key)?)
    }

    fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        keys_max: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        Ok(state::scan(prefix, after, keys_max)?)
    }
}

impl Terms for Runtime {
    fn purpose(&mut self) -> String {
        context::purpose()
    }

    fn grant(&mut self) -> Vec<Granted> {
        context::grant().into_iter().map(convert::granted).collect()
    }
}

impl RequestHead for Runtime {
    fn method(&mut self) -> String {
        request::method()
    }

    fn query(&mut self) -> String {
        request::query()
    }

    fn header(&mut self, name: &str) -> Option<String> {
        request::header(name)
    }

    fn scope(&mut self) -> String {
        request::scope()
    }
}
