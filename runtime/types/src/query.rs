//! Queries: which entries, in which order.

use crate::{Area, StreamKey};

/// Which of an entry's times a query uses. An entry without that time does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TimeField {
    /// `metadata.write_ts`: when the phone wrote the entry.
    WriteTs = 0,
    /// `data.ts`
    DataTs = 1,
    /// `data.start_ts`
    StartTs = 2,
    /// `data.end_ts`
    EndTs = 3,
    /// `data.enter_ts`
    EnterTs = 4,
    /// `data.exit_ts`
    ExitTs = 5,
    /// The first of `ts`, `start_ts`, `enter_ts`, `exit_ts`, `write_ts` that is present: the sort time.
    Position = 6,
}

impl TimeField {
    /// The times that an entry itself may have, in the order of their numbers; [`Self::Position`] is derived from
    /// them.
    pub const OWN: [Self; 6] =
        [Self::WriteTs, Self::DataTs, Self::StartTs, Self::EndTs, Self::EnterTs, Self::ExitTs];
}

/// Order of the results: by the query's time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The earliest first.
    Ascending,
    /// The latest first.
    Descending,
}

/// Why a query is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a bound of a time range is not a number")]
pub struct BadQuery;

/// What to read from one person's store.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The area to search.
    pub area: Area,
    /// The streams; empty means every stream of the area.
    pub keys: Vec<StreamKey>,
    /// The time that the bounds apply to.
    pub field: TimeField,
    /// Closed lower bound, s; minus infinity for none.
    pub start: f64,
    /// Closed upper bound, s; infinity for none.
    pub end: f64,
    /// Order of the results.
    pub order: Order,
    /// Includes entries that are marked invalid, which are left out otherwise.
    pub with_invalid: bool,
}

impl Query {
    /// Everything in an area, by position.
    pub fn everything(area: Area) -> Self {
        Self {
            area,
            keys: Vec::new(),
            field: TimeField::Position,
            start: f64::NEG_INFINITY,
            end: f64::INFINITY,
            order: Order::Ascending,
            with_invalid: true,
        }
    }

    /// Refuses bounds that are not numbers.
    pub fn check(&self) -> Result<(), BadQuery> {
        if self.start.is_nan() || self.end.is_nan() { Err(BadQuery) } else { Ok(()) }
    }
}
