//! Sections of one point: their path is that point as the phone sent it, with the columns that the reference's tables
//! add.
//!
//! Quirk: the reference does not resample a single point, so it stores a row of its table of points: every member of
//! the phone's point, the parts of its local time as separate members, its number in the table (`index`), its owner and
//! its time of writing. A row with a gap is dropped, so the point is kept only where it has every member that any point
//! of the window has.
//!
//! * Not as the reference: a missing value that a phone may not always know ([`MAY_LACK`]) is no gap.
//! * Not as the reference: if a back-log is cut into runs, `index` and the members are those of one run.

use std::collections::{BTreeMap, BTreeSet};

use cells_locations::Repeats;
use cells_sdk::model::EntryId;
use cells_sdk::model::background::MotionType;
use cells_sdk::model::device::device_name;
use cells_sdk::model::page::Entry;
use cells_sdk::model::text::{self, Member};
use cells_sdk::{Query, ReadEntries, Run, RunError, TimeField, for_each_entry};

use crate::inputs::Inputs;
use crate::points::KEY;
use crate::section::{Alone, Cleaned, Path};
use crate::trip::CleanedTrip;

/// Members that the table never has, or that the stage computes.
const NOT_KEPT: [&str; 6] = ["speed", "distance", "heading", "idx", "mode", "section"];
const LOCAL_DT: &str = "local_dt";
/// Members that every phone sends, but not with every point. Members that only one platform has are not included: where
/// phones of both platforms took part, they show whose point it was, and the reference's rule applies.
const MAY_LACK: [&str; 4] = ["altitude", "accuracy", "sensed_speed", "filter"];

/// A point as a row of the reference's table: its members as JSON, joined by commas, without those that the stage
/// computes.
pub type Row = String;

/// The results of a walk over the window's points.
#[derive(Default)]
struct Found {
    /// Every member that any point has.
    columns: BTreeSet<String>,
    /// The names of the last point's members, in their order: the next point mostly has the same.
    last: Vec<String>,
    /// Members by name, of the wanted points.
    rows: BTreeMap<EntryId, BTreeMap<String, String>>,
}

/// Decides which sections of one point keep it; the others lose their path. Returns the rows of the points.
pub fn settle<R: ReadEntries>(
    runtime: &mut R,
    run: &Run,
    inputs: &Inputs,
    trips: &mut [Option<CleanedTrip>],
) -> Result<BTreeMap<EntryId, Row>, RunError> {
    let Inputs { window, points, .. } = inputs;
    let sections = trips.iter_mut().flatten().flat_map(|trip| &mut trip.sections);
    let mut alone: Vec<(&mut Cleaned, EntryId)> = sections
        .filter_map(|section| match &section.path {
            Path::Alone(point) => {
                let id = points.ids[point.row];
                Some((section, id))
            }
            Path::Steps(_) => None,
        })
        .collect();
    let mut wanted = BTreeMap::<Option<String>, BTreeSet<EntryId>>::new();
    for (section, id) in &alone {
        let device = window.sections[section.raw].data.known.device.clone();
        wanted.entry(device).or_default().insert(*id);
    }
    // Of a back-log, only this part: the next run reads what follows.
    let end = if window.is_part() { window.end_ts() } else { run.end };
    let mut rows = BTreeMap::new();
    for (device, wanted) in &wanted {
        rows.extend(read_rows(runtime, inputs.points_start, end, device.as_deref(), wanted)?);
    }
    for (section, id) in &mut alone {
        if !rows.contains_key(id) {
            section.lose_path();
        }
    }
    Ok(rows)
}

/// The rows of those points in the table of a device, or of all devices; rows with a gap are left out.
fn read_rows<R: ReadEntries>(
    runtime: &mut R,
    start: Option<f64>,
    end: f64,
    device: Option<&str>,
    wanted: &BTreeSet<EntryId>,
) -> Result<BTreeMap<EntryId, Row>, RunError> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (mut found, mut repeats, mut index) = (Found::default(), Repeats::new(), 0_u64);
    let query = Query::of(&[KEY], TimeField::DataTs).between(start, Some(end));
    for_each_entry(runtime, &query, |_, entry| {
        if device.is_some_and(|device| device_name(entry.metadata).as_deref() != Some(device)) {
            return Ok(());
        }
        found.add_columns(&entry);
        if !repeats.is_repeat(&entry) {
            if wanted.contains(&entry.id) {
                found.add_row(&entry, index);
            }
            index += 1;
        }
        Ok(())
    })?;
    let Found { columns, rows, .. } = found;
    let has = |row: &BTreeMap<String, String>, column: &String| {
        row.contains_key(column) || MAY_LACK.contains(&column.as_str())
    };
    let whole = |row: &BTreeMap<String, String>| columns.iter().all(|column| has(row, column));
    Ok(rows.into_iter().filter(|(_, row)| whole(row)).map(|(id, row)| (id, joined(&row))).collect())
}

impl Found {
    fn add_columns(&mut self, entry: &Entry<'_>) {
        let (mut same, mut count) = (true, 0);
        for_each_column(entry.data, |prefix, member| {
            let last = self.last.get(count).and_then(|last| last.strip_prefix(prefix));
            same &= last == Some(member.name);
            count += 1;
        });
        if same && count == self.last.len() {
            return;
        }
        self.last.clear();
        for_each_column(entry.data, |prefix, member| self.last.push(format!("{prefix}{}", member.name)));
        self.columns.extend(self.last.iter().cloned());
    }

    fn add_row(&mut self, entry: &Entry<'_>, index: u64) {
        let mut row = BTreeMap::new();
        for_each_column(entry.data, |prefix, member| {
            let sound = match member.name {
                "fmt_time" => member.value.starts_with('"'),
                "altitude" => text::number(member.value).is_some(),
                _ => true,
            };
            if member.value != "null" && sound {
                row.insert(format!("{prefix}{}", member.name), member.value.to_owned());
            }
        });
        row.insert("index".to_owned(), index.to_string());
        if entry.write_ts.is_finite() {
            let write_ts = text::value_of(entry.metadata, "write_ts").map(str::to_owned);
            row.extend(write_ts.map(|write_ts| ("metadata_write_ts".to_owned(), write_ts)));
        }
        row.extend(text::value_of(entry.text, "user_id").map(|user| ("user_id".to_owned(), user.to_owned())));
        self.rows.insert(entry.id, row);
    }
}

/// Calls `visit` with every column of a point: its members, and the parts of its local time with a prefix.
fn for_each_column(data: &str, mut visit: impl FnMut(&str, Member<'_>)) {
    for member in text::members(data).map_while(Result::ok) {
        if member.name == LOCAL_DT {
            text::members(member.value).map_while(Result::ok).for_each(|part| visit("local_dt_", part));
        } else if !NOT_KEPT.contains(&member.name) {
            visit("", member);
        }
    }
}

/// The data of the section's only point.
pub fn data(row: &Row, point: &Alone, mode: MotionType, section: EntryId) -> String {
    let numbers = [point.distance, point.speed].map(|number| serde_json::json!(number));
    let [distance, speed] = numbers;
    let mode = mode.number();
    format!(
        r#"{{{row},"distance":{distance},"speed":{speed},"heading":0.0,"idx":0,"mode":{mode},"section":{{"$oid":"{section}"}}}}"#
    )
}

fn joined(row: &BTreeMap<String, String>) -> Row {
    let members: Vec<String> = row.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    members.join(",")
}
