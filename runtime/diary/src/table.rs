//! Trips as CSV (RFC 4180): a heading, then a line for each trip.

use std::io::{self, Write};

use serde_json::Value;

use crate::{Entry, Trip};

/// Labels that have a column of their own.
const LABELS: [&str; 4] = ["mode_confirm", "purpose_confirm", "replaced_mode", "trip_user_input"];

const HEADING: [&str; 11] = [
    "start_time",
    "end_time",
    "start_latitude",
    "start_longitude",
    "end_latitude",
    "end_longitude",
    "distance_m",
    "duration_s",
    "main_mode",
    "modes_m",
    "trip",
];

/// A file that was begun.
pub struct Table<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> Table<W> {
    pub fn begin(out: W) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(HEADING.into_iter().chain(LABELS))?;
        Ok(Self { csv })
    }

    pub fn trip(&mut self, trip: &Trip) -> io::Result<()> {
        let entry = &trip.entry;
        let time = |name| entry.text(name).unwrap_or_default().to_owned();
        let [from, to] =
            [(&trip.start_place, "start_loc"), (&trip.end_place, "end_loc")].map(|(place, own)| {
                let place = place.as_ref().and_then(|place| place.coordinates("location"));
                place.or_else(|| entry.coordinates(own))
            });
        let degrees = |place: Option<[f64; 2]>, index: usize| number(place.map(|place| place[index]));
        let modes = modes(trip);
        let told: Vec<_> = modes.iter().map(|(mode, metres)| format!("{mode} {metres:.0}")).collect();
        let row = [
            time("start_fmt_time"),
            time("end_fmt_time"),
            degrees(from, 1),
            degrees(from, 0),
            degrees(to, 1),
            degrees(to, 0),
            number(entry.number("distance")),
            number(entry.number("duration")),
            modes.first().map_or_else(String::new, |(mode, _)| mode.clone()),
            told.join("; "),
            entry.id.to_string(),
        ];
        let labels = LABELS.map(|name| label(entry, name));
        Ok(self.csv.write_record(row.iter().chain(&labels))?)
    }

    pub fn end(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// How far by which mode, m, the longest first: as the trip's own summary says, or else its sections.
fn modes(trip: &Trip) -> Vec<(String, f64)> {
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

/// A label, or that of a whole form.
fn label(trip: &Entry, name: &str) -> String {
    let value = trip.data.get("user_input").and_then(|input| input.get(name));
    let value = match value {
        Some(Value::Object(form)) => form.get("data").and_then(|data| data.get("label")),
        other => other,
    };
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
