//! The labels of a trip: those of its owner, and its modes of travel.

use serde_json::Value;

use crate::{Entry, Trip};

/// The labels that are shown, each under its own name.
pub const LABELS: [&str; 4] = ["mode_confirm", "purpose_confirm", "replaced_mode", "trip_user_input"];

/// A label of a trip, or that of a whole form; `None` where the owner has given none.
pub fn label(trip: &Entry, name: &str) -> Option<String> {
    let value = trip.data.get("user_input")?.get(name)?;
    let value = match value {
        Value::Object(form) => form.get("data")?.get("label")?,
        other => other,
    };
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The distance by each mode, m, the longest first: from the trip's own summary, or else from its sections.
pub fn modes(trip: &Trip) -> Vec<(String, f64)> {
    let summary = |name| trip.entry.data.get(name)?.get("distance")?.as_object();
    let of_summary = summary("inferred_section_summary").or_else(|| summary("cleaned_section_summary"));
    let mut modes: Vec<(String, f64)> = match of_summary {
        Some(summary) => {
            summary.iter().filter_map(|(mode, metres)| Some((mode.clone(), metres.as_f64()?))).collect()
        }
        None => by_sections(trip),
    };
    modes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    modes
}

fn by_sections(trip: &Trip) -> Vec<(String, f64)> {
    let mut modes: Vec<(String, f64)> = Vec::new();
    for section in &trip.sections {
        let metres = section.entry.number("distance").unwrap_or(0.0);
        match modes.iter_mut().find(|(mode, _)| mode == section.mode.name()) {
            Some((_, sum)) => *sum += metres,
            None => modes.push((section.mode.name().to_owned(), metres)),
        }
    }
    modes
}
