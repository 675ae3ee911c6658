//! Trips as CSV (RFC 4180): a heading, then a line for each trip.
//!
//! * All times of a column have one form. `start_time` is in UTC, since local times before and after a change to summer
//!   time have two offsets from it, which programs do not read as one column; `start_local_time` is the local time in
//!   the zone `start_time_zone`.
//! * Text that a spreadsheet would read as a formula is escaped with an apostrophe. Numbers are never changed.

use std::io::{self, Write};

use crate::labels::{LABELS, label, modes};
use crate::time::{on_the_clock, utc};
use crate::{Entry, Trip};

const HEADING: [&str; 15] = [
    "start_time",
    "end_time",
    "start_local_time",
    "end_local_time",
    "start_time_zone",
    "end_time_zone",
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

/// A file that is being written.
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
        let [start, end] =
            [(trip.start_ts, "start"), (trip.end_ts, "end")].map(|(ts, of)| Times::of(entry, ts, of));
        let [from, to] =
            [(&trip.start_place, "start_loc"), (&trip.end_place, "end_loc")].map(|(place, own)| {
                let place = place.as_ref().and_then(|place| place.coordinates("location"));
                place.or_else(|| entry.coordinates(own))
            });
        let degrees = |place: Option<[f64; 2]>, index: usize| number(place.map(|place| place[index]));
        let modes = modes(trip);
        let told: Vec<_> = modes.iter().map(|(mode, metres)| format!("{mode} {metres:.0}")).collect();
        let row = [
            start.utc,
            end.utc,
            start.local,
            end.local,
            text(&start.zone),
            text(&end.zone),
            degrees(from, 1),
            degrees(from, 0),
            degrees(to, 1),
            degrees(to, 0),
            number(entry.number("distance")),
            number(entry.number("duration")),
            modes.first().map_or_else(String::new, |(mode, _)| text(mode)),
            text(&told.join("; ")),
            entry.id.to_string(),
        ];
        let labels = LABELS.map(|name| text(&label(entry, name).unwrap_or_default()));
        Ok(self.csv.write_record(row.iter().chain(&labels))?)
    }

    pub fn end(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

/// A moment in the forms of the columns; empty where it is not known.
struct Times {
    utc: String,
    local: String,
    zone: String,
}

impl Times {
    /// The times of the trip's start or end.
    fn of(trip: &Entry, ts: f64, of: &str) -> Self {
        let local_dt = trip.data.get(&format!("{of}_local_dt"));
        let zone = local_dt.and_then(|local_dt| local_dt.get("timezone")?.as_str());
        let local = on_the_clock(ts, zone, trip.text(&format!("{of}_fmt_time")));
        Self {
            utc: utc(ts).unwrap_or_default(),
            local: local.unwrap_or_default(),
            zone: zone.unwrap_or_default().to_owned(),
        }
    }
}

/// Characters at which spreadsheets recognise a formula; some also in their wide form.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Text that comes from people or cells, as a field of the table. Line breaks and tabs stay; other control characters
/// are removed, since some programs read them as the end of the file.
fn text(text: &str) -> String {
    let is_kept = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
    let text: String = text.chars().filter(is_kept).collect();
    let begins_formula = text.starts_with(['\t', '\r', '\n'])
        || text
            .trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
            .starts_with(FORMULA);
    if begins_formula { format!("'{text}") } else { text }
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}
