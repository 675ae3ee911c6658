//! The contract's imports as the guest calls them: converts types, counts budgets, and calls the host. Here those of
//! version 0.1, a thin form over the same host; `v0_2` has the others.

mod v0_2;

use runtime_types::EntryId;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::endpoint::cellar::cell::{
    documents, exchange, log, timeseries_read, timeseries_write, types, usercache,
};
use crate::contract::{Area, Order, Query, StreamKey, TimeField};
use crate::state::{Answer, Columns, Pages, RunState};
use crate::{
    BODY_PIECE_BYTES_MAX, DOCUMENT_BYTES_MAX, Failure, ID_BYTES, Interface, Interfaces, LogLevel, PAGE_BYTES,
    QUERY_IDS_MAX, QUERY_KEYS_MAX, ROWS_MAX, Version, answer,
};

/// Links only what a component imports.
pub(crate) fn link(
    linker: &mut Linker<RunState>,
    version: Version,
    imports: Interfaces,
) -> wasmtime::Result<()> {
    match version {
        Version::V0_1 => link_v0_1(linker, imports),
        Version::V0_2 => v0_2::link(linker, imports),
    }
}

fn link_v0_1(linker: &mut Linker<RunState>, imports: Interfaces) -> wasmtime::Result<()> {
    type Own = HasSelf<RunState>;
    types::add_to_linker::<_, Own>(linker, |state| state)?;
    for interface in imports.iter() {
        match interface {
            Interface::TimeseriesRead => timeseries_read::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::TimeseriesWrite => timeseries_write::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Usercache => usercache::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Documents => documents::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Log => log::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Exchange => exchange::add_to_linker::<_, Own>(linker, |state| state)?,
            // Not of this version, so not among the imports of an admitted component.
            Interface::State => {}
        }
    }
    Ok(())
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(what) => Self::Denied(what),
            Failure::Invalid(what) => Self::Invalid(what),
            Failure::OverBudget(what) => Self::OverBudget(what),
            Failure::Unavailable => Self::Unavailable,
        }
    }
}

/// Parses the keys of a query; refuses an invalid one with its index.
fn keys(wire: &[String]) -> Result<Vec<StreamKey>, Failure> {
    if wire.len() > QUERY_KEYS_MAX {
        return Err(Failure::Invalid(format!(
            "{} keys in a query: the limit is {QUERY_KEYS_MAX}",
            wire.len()
        )));
    }
    let read = |(index, key): (usize, &String)| {
        key.parse::<StreamKey>().map_err(|bad| Failure::Invalid(format!("key {index} of the query: {bad}")))
    };
    wire.iter().enumerate().map(read).collect()
}

/// Refuses bytes that are not a list of ids, and a list that is too long.
fn check_ids(ids: &[u8]) -> Result<(), Failure> {
    let (count, rest) = (ids.len() / ID_BYTES, ids.len() % ID_BYTES);
    if rest != 0 {
        return Err(Failure::Invalid(format!("{} bytes are no ids of {ID_BYTES} bytes each", ids.len())));
    }
    if count > QUERY_IDS_MAX {
        return Err(Failure::Invalid(format!("{count} ids in a query: the limit is {QUERY_IDS_MAX}")));
    }
    Ok(())
}

/// The size of what was read, bytes.
fn size(content: &Option<Vec<u8>>) -> u64 {
    content.as_ref().map_or(0, Vec::len) as u64
}

fn put_document(state: &mut RunState, name: &str, content: &[u8]) -> Result<(), Failure> {
    let size = content.len();
    if size > DOCUMENT_BYTES_MAX {
        return Err(Failure::Invalid(format!(
            "a document of {size} bytes is over the limit of {DOCUMENT_BYTES_MAX}"
        )));
    }
    state.write(name.len() + size, |host| host.document_put(name, content))
}

/// Begins an answer in pieces.
fn begin(state: &mut RunState, status: u16, content_type: &str) -> Result<(), Failure> {
    let refused = match state.answer {
        Answer::Open => answer::check_head(status, content_type).err(),
        Answer::Begun => Some("the answer has begun already".to_owned()),
        Answer::AfterCommit => {
            Some("the run has written to the store: its answer waits for the commit".to_owned())
        }
    };
    if let Some(why) = refused {
        return Err(Failure::Invalid(why));
    }
    state.send(0, |host| host.begin(status, content_type))?;
    state.answer = Answer::Begun;
    Ok(())
}

/// Sends a piece of an answer.
fn send(state: &mut RunState, bytes: Vec<u8>) -> Result<(), Failure> {
    if state.answer != Answer::Begun {
        return Err(Failure::Invalid("a piece of an answer that has not begun".to_owned()));
    }
    state.send(bytes.len(), |host| host.write(bytes))
}

/// Parses a query; refuses an invalid bound or key with its place.
fn query(wire: types::Query) -> Result<Query, Failure> {
    let keys = keys(&wire.keys)?;
    let query = Query {
        area: match wire.area {
            types::Area::Timeseries => Area::Timeseries,
            types::Area::Usercache => Area::Usercache,
            types::Area::Errors => Area::Errors,
        },
        keys,
        field: match wire.field {
            types::TimeField::WriteTs => TimeField::WriteTs,
            types::TimeField::DataTs => TimeField::DataTs,
            types::TimeField::StartTs => TimeField::StartTs,
            types::TimeField::EndTs => TimeField::EndTs,
            types::TimeField::EnterTs => TimeField::EnterTs,
            types::TimeField::ExitTs => TimeField::ExitTs,
            types::TimeField::Position => TimeField::Position,
        },
        start: wire.start.unwrap_or(f64::NEG_INFINITY),
        end: wire.end.unwrap_or(f64::INFINITY),
        order: match wire.order {
            types::Order::Ascending => Order::Ascending,
            types::Order::Descending => Order::Descending,
        },
        with_invalid: wire.with_invalid,
    };
    query.check().map_err(|bad| Failure::Invalid(bad.to_string()))?;
    Ok(query)
}

type Answered<A> = Result<A, types::Failure>;

impl types::Host for RunState {}

impl timeseries_read::Host for RunState {
    fn find(&mut self, wire: types::Query) -> Answered<Resource<Pages>> {
        let query = query(wire)?;
        Ok(Resource::new_own(self.open(|host| host.find(query))?))
    }

    fn find_ids(&mut self, wire_keys: Vec<String>, ids: Vec<u8>) -> Answered<Resource<Pages>> {
        let keys = keys(&wire_keys)?;
        check_ids(&ids)?;
        Ok(Resource::new_own(self.open(|host| host.find_ids(keys, &ids))?))
    }

    fn count(&mut self, wire: types::Query) -> Answered<u64> {
        let query = query(wire)?;
        Ok(self.read(|host| host.count(query), |_| 0)?)
    }

    fn find_locations(&mut self, wire: types::Query) -> Answered<Resource<Columns>> {
        let query = query(wire)?;
        Ok(Resource::new_own(self.open(|host| host.find_locations(query))?))
    }
}

impl timeseries_read::HostCursor for RunState {
    fn next_page(&mut self, cursor: Resource<Pages>, bytes_max: u32) -> Answered<Vec<u8>> {
        let handle = self.cursors.handle(cursor.rep())?;
        let bytes_max = bytes_max.clamp(*PAGE_BYTES.start(), *PAGE_BYTES.end());
        Ok(self.read(|host| host.next_page(handle, bytes_max), |page| page.len() as u64)?)
    }

    fn drop(&mut self, cursor: Resource<Pages>) -> wasmtime::Result<()> {
        self.close(cursor.rep());
        Ok(())
    }
}

impl timeseries_read::HostLocationCursor for RunState {
    fn next_rows(
        &mut self,
        cursor: Resource<Columns>,
        rows_max: u32,
    ) -> Answered<timeseries_read::LocationRows> {
        let handle = self.cursors.handle(cursor.rep())?;
        let rows_max = rows_max.clamp(1, ROWS_MAX);
        let columns = self.read(|host| host.next_rows(handle, rows_max), crate::LocationRows::bytes)?;
        Ok(timeseries_read::LocationRows {
            ids: EntryId::into_packed(columns.ids),
            ts: columns.ts,
            write_ts: columns.write_ts,
            latitude: columns.latitude,
            longitude: columns.longitude,
            accuracy: columns.accuracy,
            filter: columns.filter,
            device: columns.device,
            devices: columns.devices,
        })
    }

    fn drop(&mut self, cursor: Resource<Columns>) -> wasmtime::Result<()> {
        self.close(cursor.rep());
        Ok(())
    }
}

impl timeseries_write::Host for RunState {
    fn insert(&mut self, rows: Vec<u8>) -> Answered<Vec<u8>> {
        Ok(self.write(rows.len(), |host| host.insert(&rows))?)
    }

    fn replace(&mut self, rows: Vec<u8>) -> Answered<()> {
        Ok(self.write(rows.len(), |host| host.replace(&rows))?)
    }

    fn delete(&mut self, ids: Vec<u8>) -> Answered<()> {
        Ok(self.write(ids.len(), |host| host.delete(&ids))?)
    }

    fn mark_invalid(&mut self, ids: Vec<u8>) -> Answered<()> {
        Ok(self.write(ids.len(), |host| host.mark_invalid(&ids))?)
    }
}

impl usercache::Host for RunState {
    fn put(&mut self, rows: Vec<u8>) -> Answered<()> {
        Ok(self.write(rows.len(), |host| host.put(&rows))?)
    }

    fn take_in(&mut self, rows: Vec<u8>) -> Answered<()> {
        Ok(self.write(rows.len(), |host| host.take_in(&rows))?)
    }

    fn set_aside(&mut self, rows: Vec<u8>) -> Answered<()> {
        Ok(self.write(rows.len(), |host| host.set_aside(&rows))?)
    }
}

impl documents::Host for RunState {
    fn get(&mut self, name: String) -> Answered<Option<Vec<u8>>> {
        Ok(self.read(|host| host.document_get(&name), size)?)
    }

    fn put(&mut self, name: String, content: Vec<u8>) -> Answered<()> {
        Ok(put_document(self, &name, &content)?)
    }
}

impl log::Host for RunState {
    fn write(&mut self, level: log::Level, text: String) {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
        };
        self.log(level, &text);
    }
}

impl exchange::Host for RunState {
    fn read(&mut self, bytes_max: u32) -> Answered<Vec<u8>> {
        Ok(self.read_body(bytes_max.clamp(1, BODY_PIECE_BYTES_MAX))?)
    }

    fn begin(&mut self, status: u16, content_type: String) -> Answered<()> {
        Ok(begin(self, status, &content_type)?)
    }

    fn write(&mut self, bytes: Vec<u8>) -> Answered<()> {
        Ok(send(self, bytes)?)
    }
}
