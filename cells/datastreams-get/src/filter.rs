//! Conditions on entries beyond their key and time.

use cells_local_dates::LocalDates;
use cells_model::page::Entry;
use cells_model::text;
use cells_sdk::TimeField;
use serde_json::{Map, Value};

/// Bounds on the parts of one of an entry's local times.
#[derive(Debug, Clone, PartialEq)]
pub struct DateFilter {
    field: TimeField,
    dates: LocalDates,
}

impl DateFilter {
    /// `None`: the two name different parts.
    pub fn between(field: TimeField, from: &Map<String, Value>, to: &Map<String, Value>) -> Option<Self> {
        Some(Self { field, dates: LocalDates::between(from, to)? })
    }

    /// The time that belongs to the bounded local time.
    pub fn field(&self) -> TimeField {
        self.field
    }

    /// Whether the entry has such a local time. An entry without the local time, or without one of the parts, does not
    /// match.
    pub fn matches(&self, metadata: &str, data: &str) -> bool {
        let (object, name) = match self.field {
            TimeField::DataTs => (data, "local_dt"),
            TimeField::StartTs => (data, "start_local_dt"),
            TimeField::EndTs => (data, "end_local_dt"),
            TimeField::EnterTs => (data, "enter_local_dt"),
            TimeField::ExitTs => (data, "exit_local_dt"),
            TimeField::WriteTs | TimeField::Position => (metadata, "write_local_dt"),
        };
        self.dates.has(object, name)
    }
}

/// The condition of one part of the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) date: Option<&'a DateFilter>,
    /// Only raw keys, or only those of stages.
    pub(crate) analysis: Option<bool>,
    /// Only the types that phones send: `document`s in the usercache are for phones.
    pub(crate) from_phones: bool,
}

impl Filter<'_> {
    pub(crate) fn lets_all_through(&self) -> bool {
        self.date.is_none() && self.analysis.is_none() && !self.from_phones
    }

    pub(crate) fn matches(&self, entry: &Entry<'_>) -> bool {
        self.date.is_none_or(|date| date.matches(entry.metadata, entry.data))
            && self.analysis.is_none_or(|wanted| cells_model::keys::is_analysis(entry.key) == wanted)
            && (!self.from_phones || is_from_phone(entry.metadata))
    }
}

fn is_from_phone(metadata: &str) -> bool {
    let kind = text::value_of(metadata, "type").and_then(text::string);
    matches!(kind.as_deref(), Some("message" | "sensor-data" | "rw-document"))
}
