//! The imports of version 0.2.

use runtime_types::EntryId;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::v0_2::endpoint::cellar::cell::{
    context, documents, exchange, log, request, response, state, timeseries_read, timeseries_write, types,
    usercache,
};
use crate::bindings::v0_2::stage::cellar::cell::stage_run;
use crate::contract::{Area, HEADERS};
use crate::draft::Draft;
use crate::state::{Columns, Pages, RunState};
use crate::{
    BODY_PIECE_BYTES_MAX, COLUMN_ROWS_MAX, CONTENT_TYPE_BYTES_MAX, Failure, Interface, Interfaces, LogLevel,
    PAGE_BYTES, PAGE_FORMAT, STATE_KEY_BYTES_MAX, STATE_SCAN_KEYS_MAX, STATE_VALUE_BYTES_MAX,
};

/// Links what gives no access, and of the rest only what a component imports.
pub(super) fn link(linker: &mut Linker<RunState>, imports: Interfaces) -> wasmtime::Result<()> {
    type Own = HasSelf<RunState>;
    types::add_to_linker::<_, Own>(linker, |state| state)?;
    context::add_to_linker::<_, Own>(linker, |state| state)?;
    stage_run::add_to_linker::<_, Own>(linker, |state| state)?;
    request::add_to_linker::<_, Own>(linker, |state| state)?;
    response::add_to_linker::<_, Own>(linker, |state| state)?;
    for interface in imports.iter() {
        match interface {
            Interface::TimeseriesRead => timeseries_read::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::TimeseriesWrite => timeseries_write::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Usercache => usercache::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Documents => documents::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Log => log::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::Exchange => exchange::add_to_linker::<_, Own>(linker, |state| state)?,
            Interface::State => state::add_to_linker::<_, Own>(linker, |state| state)?,
        }
    }
    Ok(())
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let (code, text) = match failure {
            Failure::Denied(what) => ("denied", what),
            Failure::Invalid(what) => ("invalid", what),
            Failure::OverBudget(what) => ("over-budget", what),
            Failure::Unavailable => ("unavailable", String::new()),
        };
        Self { code: code.to_owned(), text }
    }
}

type Answered<A> = Result<A, types::Failure>;

impl types::Host for RunState {}

impl context::Host for RunState {
    fn now(&mut self) -> f64 {
        self.arguments.now
    }

    fn seed(&mut self) -> u64 {
        self.arguments.seed
    }

    fn window_start(&mut self) -> Option<f64> {
        self.arguments.start
    }

    fn window_end(&mut self) -> f64 {
        self.arguments.end
    }

    fn purpose(&mut self) -> String {
        self.host.terms().purpose
    }

    fn grant(&mut self) -> Vec<context::Granted> {
        let line = |line: crate::Granted| context::Granted {
            area: area_name(line.area).to_owned(),
            streams: line.streams,
            since: line.since,
            until: line.until,
            place_precision_m: line.place_precision_m,
            time_precision_s: line.time_precision_s,
            left_out: line.left_out,
        };
        self.host.terms().reads.into_iter().map(line).collect()
    }
}

/// The contract's word for an area.
fn area_name(area: Area) -> &'static str {
    match area {
        Area::Timeseries => "timeseries",
        Area::Usercache => "usercache",
        Area::Errors => "errors",
        // No cell is granted access to it.
        Area::Audit => "audit",
    }
}

impl timeseries_read::HostQuery for RunState {
    fn new(&mut self) -> Resource<Draft> {
        Resource::new_own(self.drafts.add())
    }

    fn set_area(&mut self, query: Resource<Draft>, area: String) {
        self.change(&query, |draft| draft.set_area(&area));
    }

    fn set_keys(&mut self, query: Resource<Draft>, keys: Vec<String>) {
        self.change(&query, |draft| draft.set_keys(super::keys(&keys)));
    }

    fn set_time(&mut self, query: Resource<Draft>, field: String) {
        self.change(&query, |draft| draft.set_time(&field));
    }

    fn set_bounds(&mut self, query: Resource<Draft>, start: Option<f64>, end: Option<f64>) {
        self.change(&query, |draft| draft.set_bounds(start, end));
    }

    fn set_latest_first(&mut self, query: Resource<Draft>, latest_first: bool) {
        self.change(&query, |draft| draft.set_latest_first(latest_first));
    }

    fn set_with_invalid(&mut self, query: Resource<Draft>, with_invalid: bool) {
        self.change(&query, |draft| draft.set_with_invalid(with_invalid));
    }

    fn drop(&mut self, query: Resource<Draft>) -> wasmtime::Result<()> {
        self.drafts.remove(query.rep());
        Ok(())
    }
}

impl RunState {
    /// A query of an earlier call is not there any more; using it is `invalid`, so nothing is lost here.
    fn change(&mut self, query: &Resource<Draft>, change: impl FnOnce(&mut Draft)) {
        if let Some(draft) = self.drafts.get(query.rep()) {
            change(draft);
        }
    }

    /// One column of the rows at which a cursor stands.
    fn column<T: Default>(
        &self,
        cursor: &Resource<Columns>,
        column: impl FnOnce(&crate::LocationRows) -> T,
    ) -> T {
        self.cursors.rows(cursor.rep()).map(column).unwrap_or_default()
    }
}

impl timeseries_read::Host for RunState {
    fn find(&mut self, query: Resource<Draft>) -> Answered<Resource<Pages>> {
        let query = self.drafts.query(query.rep())?;
        Ok(Resource::new_own(self.open(|host| host.find(query))?))
    }

    fn find_ids(&mut self, keys: Vec<String>, ids: Vec<u8>) -> Answered<Resource<Pages>> {
        let keys = super::keys(&keys)?;
        super::check_ids(&ids)?;
        Ok(Resource::new_own(self.open(|host| host.find_ids(keys, &ids))?))
    }

    fn count(&mut self, query: Resource<Draft>) -> Answered<u64> {
        let query = self.drafts.query(query.rep())?;
        Ok(self.read(|host| host.count(query), |_| 0)?)
    }

    fn find_locations(&mut self, query: Resource<Draft>) -> Answered<Resource<Columns>> {
        let query = self.drafts.query(query.rep())?;
        Ok(Resource::new_own(self.open(|host| host.find_locations(query))?))
    }
}

impl timeseries_read::HostCursor for RunState {
    fn next_page(&mut self, cursor: Resource<Pages>, format: u32, bytes_max: u32) -> Answered<Vec<u8>> {
        if format != PAGE_FORMAT {
            let text = format!("pages of format {format}: this host has {PAGE_FORMAT}");
            return Err(types::Failure { code: "unsupported".to_owned(), text });
        }
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
    fn advance(&mut self, cursor: Resource<Columns>, rows_max: u32) -> Answered<u32> {
        let handle = self.cursors.handle(cursor.rep())?;
        let rows_max = rows_max.clamp(1, COLUMN_ROWS_MAX);
        let rows = self.read(|host| host.next_rows(handle, rows_max), crate::LocationRows::bytes)?;
        let count = u32::try_from(rows.len()).expect("at most as many as were asked for");
        self.cursors.stand_at(cursor.rep(), rows);
        Ok(count)
    }

    fn ids(&mut self, cursor: Resource<Columns>) -> Vec<u8> {
        self.column(&cursor, |rows| EntryId::pack(&rows.ids))
    }

    fn ts(&mut self, cursor: Resource<Columns>) -> Vec<f64> {
        self.column(&cursor, |rows| rows.ts.clone())
    }

    fn write_ts(&mut self, cursor: Resource<Columns>) -> Vec<f64> {
        self.column(&cursor, |rows| rows.write_ts.clone())
    }

    fn latitude(&mut self, cursor: Resource<Columns>) -> Vec<f64> {
        self.column(&cursor, |rows| rows.latitude.clone())
    }

    fn longitude(&mut self, cursor: Resource<Columns>) -> Vec<f64> {
        self.column(&cursor, |rows| rows.longitude.clone())
    }

    fn accuracy(&mut self, cursor: Resource<Columns>) -> Vec<f64> {
        self.column(&cursor, |rows| rows.accuracy.clone())
    }

    fn filter(&mut self, cursor: Resource<Columns>) -> Vec<u8> {
        self.column(&cursor, |rows| rows.filter.clone())
    }

    fn device(&mut self, cursor: Resource<Columns>) -> Vec<u16> {
        self.column(&cursor, |rows| rows.device.clone())
    }

    fn devices(&mut self, cursor: Resource<Columns>) -> Vec<String> {
        self.column(&cursor, |rows| rows.devices.clone())
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
        Ok(self.read(|host| host.document_get(&name), super::size)?)
    }

    fn put(&mut self, name: String, content: Vec<u8>) -> Answered<()> {
        Ok(super::put_document(self, &name, &content)?)
    }
}

/// Refuses a key that no state can have.
fn check_key(key: &str) -> Result<(), Failure> {
    if (1..=STATE_KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    let size = key.len();
    Err(Failure::Invalid(format!("a key of {size} bytes: it has 1 to {STATE_KEY_BYTES_MAX}")))
}

impl state::Host for RunState {
    fn get(&mut self, key: String) -> Answered<Option<Vec<u8>>> {
        check_key(&key)?;
        Ok(self.read(|host| host.state_get(&key), super::size)?)
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> Answered<()> {
        check_key(&key)?;
        let size = value.len();
        if size > STATE_VALUE_BYTES_MAX {
            let why = format!("a value of {size} bytes is over the limit of {STATE_VALUE_BYTES_MAX}");
            return Err(Failure::Invalid(why).into());
        }
        Ok(self.write(key.len() + size, |host| host.state_put(&key, &value))?)
    }

    fn delete(&mut self, key: String) -> Answered<()> {
        check_key(&key)?;
        Ok(self.write(key.len(), |host| host.state_delete(&key))?)
    }

    fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        keys_max: u32,
    ) -> Answered<Vec<(String, Vec<u8>)>> {
        for bound in [Some(&prefix), after.as_ref()].into_iter().flatten().filter(|bound| !bound.is_empty()) {
            check_key(bound)?;
        }
        let keys_max = keys_max.clamp(1, STATE_SCAN_KEYS_MAX);
        let size = |rows: &crate::StateRows| {
            rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>()
        };
        Ok(self.read(|host| host.state_scan(&prefix, after.as_deref(), keys_max), size)?)
    }
}

impl log::Host for RunState {
    fn debug(&mut self, text: String) {
        self.log(LogLevel::Debug, &text);
    }

    fn info(&mut self, text: String) {
        self.log(LogLevel::Info, &text);
    }

    fn warn(&mut self, text: String) {
        self.log(LogLevel::Warn, &text);
    }
}

impl request::Host for RunState {
    fn method(&mut self) -> String {
        self.host.request_head().method
    }

    fn rest(&mut self) -> String {
        self.arguments.rest.clone()
    }

    fn query(&mut self) -> String {
        self.host.request_head().query
    }

    fn header(&mut self, name: String) -> Option<String> {
        if !HEADERS.contains(&name.as_str()) {
            return None;
        }
        let headers = self.host.request_head().headers;
        headers.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn scope(&mut self) -> String {
        self.host.request_head().scope
    }

    fn body_bytes(&mut self) -> u64 {
        self.arguments.body_bytes
    }
}

impl response::Host for RunState {
    fn set_status(&mut self, status: u16) {
        self.results.status = status;
    }

    fn set_content_type(&mut self, mut content_type: String) {
        // One byte too many is enough to refuse it.
        content_type.truncate(content_type.floor_char_boundary(CONTENT_TYPE_BYTES_MAX + 4));
        self.results.content_type = content_type;
    }
}

impl exchange::Host for RunState {
    fn read(&mut self, bytes_max: u32) -> Answered<Vec<u8>> {
        Ok(self.read_body(bytes_max.clamp(1, BODY_PIECE_BYTES_MAX))?)
    }

    fn begin(&mut self) -> Answered<()> {
        let (status, content_type) = (self.results.status, self.results.content_type.clone());
        Ok(super::begin(self, status, &content_type)?)
    }

    fn write(&mut self, bytes: Vec<u8>) -> Answered<()> {
        Ok(super::send(self, bytes)?)
    }
}

impl stage_run::Host for RunState {
    fn memory(&mut self) -> Vec<u8> {
        self.arguments.memory.clone()
    }

    fn set_memory(&mut self, memory: Vec<u8>) {
        self.results.memory = Some(memory);
    }

    fn set_processed_through(&mut self, ts: f64) {
        self.results.processed_through = Some(ts);
    }

    fn set_more(&mut self, more: bool) {
        self.results.more = more;
    }
}
