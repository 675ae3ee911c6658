//! Conditions on entries beyond their key and time.

use cells_model::page::Entry;
use cells_model::text;
use cells_sdk::TimeField;
use serde_json::{Map, Value};

/// Bounds on the parts of a local time, each independent of the others: June to August of three years, not one span of
/// days.
#[derive(Debug, Clone, PartialEq)]
pub struct DateFilter {
    field: TimeField,
    /// Name, from, to. Where from is above to, the part wraps around: from November to February.
    parts: Vec<(String, i64, i64)>,
}

impl DateFilter {
    /// Parts that are not whole numbers, such as the zone, are not bounded. `None`: the two name different parts.
    pub fn between(field: TimeField, from: &Map<String, Value>, to: &Map<String, Value>) -> Option<Self> {
        if from.len() != to.len() {
            return None;
        }
        let mut parts = Vec::new();
        for (name, from) in from {
            let to = to.get(name)?;
            if let (Some(from), Some(to)) = (from.as_i64(), to.as_i64()) {
                parts.push((name.clone(), from, to));
            }
        }
        Some(Self { field, parts })
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
        let Some(local) = text::member(object, name) else { return false };
        self.parts.iter().all(|(part, from, to)| {
            let value = text::value_of(local.value, part).and_then(|value| value.parse::<i64>().ok());
            value.is_some_and(|value| {
                if from <= to { (*from..=*to).contains(&value) } else { value >= *from || value <= *to }
            })
        })
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
