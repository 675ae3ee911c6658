//! Conversions between the types of the traits and the generated ones.

use cells_model::EntryId;

use super::bindings::endpoint::cellar::cell::{log, timeseries_read as read, types};
use crate::{Area, Failure, Level, LocationRows, Order, Query, TimeField};

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        match failure {
            types::Failure::Denied(what) => Self::Denied(what),
            types::Failure::Invalid(what) => Self::Invalid(what),
            types::Failure::OverBudget(what) => Self::OverBudget(what),
            types::Failure::Unavailable => Self::Unavailable,
        }
    }
}

impl From<&Query> for types::Query {
    fn from(query: &Query) -> Self {
        Self {
            area: match query.area {
                Area::Timeseries => types::Area::Timeseries,
                Area::Usercache => types::Area::Usercache,
                Area::Errors => types::Area::Errors,
            },
            keys: query.keys.clone(),
            field: match query.field {
                TimeField::WriteTs => types::TimeField::WriteTs,
                TimeField::DataTs => types::TimeField::DataTs,
                TimeField::StartTs => types::TimeField::StartTs,
                TimeField::EndTs => types::TimeField::EndTs,
                TimeField::EnterTs => types::TimeField::EnterTs,
                TimeField::ExitTs => types::TimeField::ExitTs,
                TimeField::Position => types::TimeField::Position,
            },
            start: query.start,
            end: query.end,
            order: match query.order {
                Order::Ascending => types::Order::Ascending,
                Order::Descending => types::Order::Descending,
            },
            with_invalid: query.with_invalid,
        }
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
        }
    }
}

/// Ids as the runtime packs them; a wrong length is a failure of the runtime.
pub(super) fn ids(packed: &[u8]) -> Result<Vec<EntryId>, Failure> {
    EntryId::unpack(packed)
        .ok_or_else(|| Failure::Invalid(format!("{} bytes are not whole ids", packed.len())))
}

pub(super) fn location_rows(rows: read::LocationRows) -> Result<LocationRows, Failure> {
    let ids = ids(&rows.ids)?;
    let read::LocationRows { ids: _, ts, write_ts, latitude, longitude, accuracy, filter, device, devices } =
        rows;
    Ok(LocationRows { ids, ts, write_ts, latitude, longitude, accuracy, filter, device, devices })
}
