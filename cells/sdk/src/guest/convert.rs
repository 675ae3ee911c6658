//! Conversions between the types of the traits and the generated ones.

use cells_model::EntryId;

use super::bindings::endpoint::cellar::cell::{context, timeseries_read as read, types};
use crate::{Area, Failure, Granted, LocationRows, Order, Query, TimeField};

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let types::Failure { code, text } = failure;
        match code.as_str() {
            "denied" => Self::Denied(text),
            "invalid" => Self::Invalid(text),
            "over-budget" => Self::OverBudget(text),
            "unavailable" => Self::Unavailable,
            // A code of a later version: the call was refused, and the text says why.
            _ => Self::Invalid(format!("{code}: {text}")),
        }
    }
}

/// The contract's query; what is as in a new one is not set.
pub(super) fn query(query: &Query) -> read::Query {
    let wire = read::Query::new();
    match query.area {
        Area::Timeseries => {}
        Area::Usercache => wire.set_area("usercache"),
        Area::Errors => wire.set_area("errors"),
    }
    if !query.keys.is_empty() {
        wire.set_keys(&query.keys);
    }
    match query.field {
        TimeField::WriteTs => wire.set_time("write-ts"),
        TimeField::DataTs => wire.set_time("data-ts"),
        TimeField::StartTs => wire.set_time("start-ts"),
        TimeField::EndTs => wire.set_time("end-ts"),
        TimeField::EnterTs => wire.set_time("enter-ts"),
        TimeField::ExitTs => wire.set_time("exit-ts"),
        TimeField::Position => {}
    }
    if query.start.is_some() || query.end.is_some() {
        wire.set_bounds(query.start, query.end);
    }
    if query.order == Order::Descending {
        wire.set_latest_first(true);
    }
    if query.with_invalid {
        wire.set_with_invalid(true);
    }
    wire
}

pub(super) fn granted(line: context::Granted) -> Granted {
    let context::Granted { area, streams, since, until, place_precision_m, time_precision_s, left_out } =
        line;
    Granted { area, streams, since, until, place_precision_m, time_precision_s, left_out }
}

/// Ids as the runtime packs them; a wrong length is a failure of the runtime.
pub(super) fn ids(packed: &[u8]) -> Result<Vec<EntryId>, Failure> {
    EntryId::unpack(packed)
        .ok_or_else(|| Failure::Invalid(format!("{} bytes are not whole ids", packed.len())))
}

/// The columns at which a cursor stands.
pub(super) fn columns(cursor: &read::LocationCursor) -> Result<LocationRows, Failure> {
    let device = cursor.device();
    let devices = if device.is_empty() { Vec::new() } else { cursor.devices() };
    Ok(LocationRows {
        ids: ids(&cursor.ids())?,
        ts: cursor.ts(),
        write_ts: cursor.write_ts(),
        latitude: cursor.latitude(),
        longitude: cursor.longitude(),
        accuracy: cursor.accuracy(),
        filter: cursor.filter(),
        device,
        devices,
    })
}
