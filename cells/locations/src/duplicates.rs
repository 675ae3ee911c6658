//! Exact duplicates, which the reference drops whenever it reads a stream as a table.
//!
//! Two entries are the same reading where all numbers and truth values that the reference knows of a location are
//! equal, and `metadata.write_ts` too; texts do not count. The same fix written at two moments is kept twice, and so is
//! one from two devices.

use std::collections::{BTreeMap, HashSet};

use cells_sdk::model::EntryId;
use cells_sdk::{Query, ReadEntries, RunError, TimeField, for_each_entry};
use serde::Deserialize;
use serde_json::Value;

use crate::Locations;

/// The numbers of the columns, as bits, and the number of the device.
type Numbers = [u64; 6];

/// The members that are compared besides the columns.
const OTHERS: [&str; 10] = [
    "altitude",
    "sensed_speed",
    "speed",
    "distance",
    "heading",
    "vaccuracy",
    "floor",
    "mode",
    "section",
    "idx",
];

/// Drops what repeats an earlier row; `query` is the one that `locations` came from, by [`TimeField::WriteTs`] or
/// [`TimeField::DataTs`].
///
/// Rows that are equal in their columns are rare, and only their entries are read in full.
pub fn without_exact_duplicates<R: ReadEntries>(
    runtime: &mut R,
    query: &Query,
    mut locations: Locations,
) -> Result<Locations, RunError> {
    let by_ts = query.field == TimeField::DataTs;
    let suspects = suspects(&locations, by_ts);
    let (Some(first), Some(last)) = (suspects.values().min(), suspects.values().max()) else {
        return Ok(locations);
    };
    let times = order(&locations, by_ts);
    let narrow = query.clone().between(Some(times[*first]), Some(times[*last]));
    let mut seen = HashSet::new();
    let mut repeated = HashSet::new();
    for_each_entry(runtime, &narrow, |_, entry| {
        if let Some(row) = suspects.get(&entry.id)
            && !seen.insert((numbers(&locations, *row), others(entry.data)))
        {
            repeated.insert(*row);
        }
        Ok(())
    })?;
    locations.retain(|row| !repeated.contains(&row));
    Ok(locations)
}

/// Rows whose columns equal those of another row. Such rows have the same times, so in the order of the query
/// they lie within one run of equal times.
fn suspects(locations: &Locations, by_ts: bool) -> BTreeMap<EntryId, usize> {
    let mut suspects = BTreeMap::new();
    let mut start = 0;
    for run in order(locations, by_ts).chunk_by(|a, b| a == b) {
        let end = start + run.len();
        if run.len() > 1 {
            let mut first_with = BTreeMap::new();
            for row in start..end {
                if let Some(first) = first_with.insert(numbers(locations, row), row) {
                    suspects.extend([first, row].map(|row| (locations.columns().ids[row], row)));
                }
            }
        }
        start = end;
    }
    suspects
}

/// The column that rows are ordered by.
fn order(locations: &Locations, by_ts: bool) -> &[f64] {
    let columns = locations.columns();
    if by_ts { &columns.ts } else { &columns.write_ts }
}

fn numbers(locations: &Locations, row: usize) -> Numbers {
    let rows = locations.columns();
    let device = rows.device.get(row).copied().unwrap_or(0);
    let [ts, write_ts, latitude, longitude, accuracy] =
        [&rows.ts, &rows.write_ts, &rows.latitude, &rows.longitude, &rows.accuracy]
            .map(|column| bits(column[row]));
    [ts, write_ts, latitude, longitude, accuracy, u64::from(device)]
}

/// Equal bits for numbers that compare equal; absent numbers are equal to one another.
fn bits(number: f64) -> u64 {
    if number.is_nan() { f64::NAN.to_bits() } else { (number + 0.0).to_bits() }
}

/// Everything that is compared of an entry besides its write time.
pub(crate) type Compared = ([u64; 4], [u64; OTHERS.len()]);

/// What is compared of an entry, from its data alone.
pub(crate) fn compared(data: &str) -> Compared {
    let members = serde_json::from_str(data).map(|Members(members)| members).unwrap_or_default();
    let of = |name: &str| bits(members.get(name).and_then(number).unwrap_or(f64::NAN));
    (["ts", "latitude", "longitude", "accuracy"].map(of), OTHERS.map(of))
}

/// The other members that are compared, absent ones as NaN.
fn others(data: &str) -> [u64; OTHERS.len()] {
    let members = serde_json::from_str(data).map(|Members(members)| members).unwrap_or_default();
    OTHERS.map(|name| bits(members.get(name).and_then(number).unwrap_or(f64::NAN)))
}

#[derive(Deserialize)]
struct Members(BTreeMap<String, Value>);

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(|truth| f64::from(u8::from(truth))))
}

#[cfg(test)]
mod tests {
    use cells_sdk::Area;
    use cells_sdk::testing::Memory;

    use super::*;
    use crate::read;

    const KEY: &str = "background/location";

    fn runtime(entries: &[(f64, &str)]) -> Memory {
        entries.iter().fold(Memory::new(), |memory, (write_ts, others)| {
            let metadata = format!(r#"{{"key":"{KEY}","write_ts":{write_ts}}}"#);
            let data = format!(r#"{{"ts":1.5,"latitude":2,"longitude":3,"accuracy":4,{others}}}"#);
            memory.with_entry(Area::Timeseries, &metadata, &data)
        })
    }

    fn kept(entries: &[(f64, &str)]) -> Vec<u8> {
        let mut runtime = runtime(entries);
        let [by_write_ts, by_ts] = [TimeField::WriteTs, TimeField::DataTs].map(|field| {
            let query = Query::of(&[KEY], field);
            let all = read(&mut runtime, &query).expect("readable");
            let kept = without_exact_duplicates(&mut runtime, &query, all).expect("readable");
            kept.columns().ids.iter().map(|id| id.0[11]).collect::<Vec<_>>()
        });
        assert_eq!(by_write_ts, by_ts);
        by_ts
    }

    // Row: "Rows for analysis drop exact duplicates"
    #[test]
    fn a_reading_that_repeats_another_in_every_number_is_dropped() {
        let same = r#""altitude":10,"floor":0"#;
        assert_eq!(
            kept(&[(7.0, same), (7.0, r#""floor":0.0,"altitude":10.0"#), (7.0, same), (8.0, same)]),
            [1, 4]
        );
    }

    #[test]
    fn a_reading_that_differs_only_in_its_altitude_stays() {
        assert_eq!(kept(&[(7.0, r#""altitude":10"#), (7.0, r#""altitude":11"#)]), [1, 2]);
    }

    // Row: "Rows for analysis drop exact duplicates"
    #[test]
    fn the_same_fix_written_at_another_moment_stays() {
        assert_eq!(kept(&[(7.0, r#""altitude":10"#), (7.5, r#""altitude":10"#)]), [1, 2]);
    }

    #[test]
    fn two_devices_that_made_the_same_reading_keep_one_each() {
        let of = |device: &str| format!(r#"{{"key":"{KEY}","write_ts":7.0,"device":"{device}"}}"#);
        let data = r#"{"ts":1.5,"latitude":2,"longitude":3,"accuracy":4}"#;
        let runtime = ["a", "b", "a"]
            .iter()
            .fold(Memory::new(), |memory, device| memory.with_entry(Area::Timeseries, &of(device), data));
        let (mut runtime, query) = (runtime, Query::of(&[KEY], TimeField::DataTs));
        let all = read(&mut runtime, &query).expect("readable");
        let kept = without_exact_duplicates(&mut runtime, &query, all).expect("readable");
        assert_eq!((0..kept.len()).map(|row| kept.device(row)).collect::<Vec<_>>(), [Some("a"), Some("b")]);
        let mut of_b = kept.clone();
        of_b.retain_device(Some("b"));
        assert_eq!(of_b.columns().ids, [kept.columns().ids[1]]);
        for none in [Some("c"), None] {
            let mut of_none = kept.clone();
            of_none.retain_device(none);
            assert!(of_none.is_empty(), "{none:?}");
        }
    }

    #[test]
    fn readings_that_differ_only_in_texts_are_duplicates() {
        assert_eq!(kept(&[(7.0, r#""fmt_time":"a""#), (7.0, r#""fmt_time":"b""#)]), [1]);
    }
}
