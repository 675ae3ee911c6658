//! What readings become in the store.

use std::collections::HashSet;

use cells_model::EntryId;
use cells_model::background::{Battery, Location, MotionActivity};
use cells_model::time::Zone;
use proptest::prelude::*;
use runtime_import::{Entries, Fix, Format, Reading, Texts};

use crate::bounds::samples;
use crate::support::{fix, of};

fn texts(format: Format, reading: &Reading, raw: &str) -> Vec<(EntryId, &'static str, String)> {
    let mut entries = Entries::new(Zone::find("Europe/Zurich").expect("a zone"));
    let mut found = Vec::new();
    let each = |Texts { id, key, metadata, data, extra }: Texts<'_>| {
        let comma = if extra.is_empty() { "" } else { "," };
        found.push((id, key, format!(r#"{{"metadata":{metadata},"data":{data}{comma}{extra}}}"#)));
    };
    entries.each(format, reading, raw, each).expect("a moment");
    found
}

#[test]
fn every_entry_has_the_form_that_the_data_model_describes() {
    for (format, bytes) in samples() {
        for reading in of(format, &bytes).0.readings {
            for (_, key, text) in texts(format, &reading, r#"{"a":1}"#) {
                let entry: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let data = entry["data"].to_string();
                let done = match key {
                    "background/location" | "background/filtered_location" => {
                        serde_json::from_str::<Location>(&data).map(drop)
                    }
                    "background/motion_activity" => serde_json::from_str::<MotionActivity>(&data).map(drop),
                    _ => serde_json::from_str::<Battery>(&data).map(drop),
                };
                done.unwrap_or_else(|error| panic!("{format} {key}: {error} in {data}"));
                assert_eq!(entry["metadata"]["write_ts"], entry["data"]["ts"]);
                assert_eq!(entry["metadata"]["time_zone"], "Europe/Zurich");
            }
        }
    }
}

#[test]
fn a_fix_that_is_too_vague_for_trips_is_kept_and_not_filtered_in() {
    let keys = |accuracy: Option<f64>| {
        let reading = Reading::Fix(Fix { accuracy, ..fix(1e9, 47.0, 8.0) });
        texts(Format::Gpx, &reading, "").into_iter().map(|(_, key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(Some(199.0)), ["background/location", "background/filtered_location"]);
    assert_eq!(keys(None), ["background/location", "background/filtered_location"]);
    assert_eq!(keys(Some(200.0)), ["background/location"]);
}

#[test]
fn trips_of_imported_fixes_are_found_at_any_cadence() {
    for (_, key, text) in texts(Format::Gpx, &Reading::Fix(fix(1e9, 47.0, 8.0)), "") {
        let entry: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(entry["data"]["filter"], "app", "{key}");
    }
}

#[test]
fn the_record_that_says_more_is_kept_once() {
    let found = texts(Format::Traccar, &Reading::Fix(fix(1e9, 47.0, 8.0)), r#"{"more":1}"#);
    assert!(
        found[0].2.ends_with(r#","imported":{"format":"traccar","record":{"more":1}}}"#),
        "{}",
        found[0].2
    );
    assert!(!found[1].2.contains("more"));
}

#[test]
fn the_same_fix_has_the_same_id_from_every_format_that_keeps_its_place() {
    let id = |format: Format, bytes: &[u8]| {
        let (found, done) = of(format, bytes);
        done.expect("sound");
        texts(format, &found.readings[0], "")[0].0
    };
    let gpx = id(
        Format::Gpx,
        br#"<gpx><trkpt lat="47.5000000" lon="8.25"><time>2024-03-05T08:00:00Z</time></trkpt></gpx>"#,
    );
    let records = id(
        Format::GoogleRecords,
        br#"{"locations":[{"latitudeE7":475000000,"longitudeE7":82500000,"timestampMs":"1709625600000"}]}"#,
    );
    assert_eq!(gpx, records);
    assert_eq!(
        gpx.0[..4],
        1_709_625_600_u32.to_be_bytes(),
        "ids begin with the second, as those of the store"
    );
}

proptest! {
    #[test]
    fn ids_differ_where_a_place_or_a_moment_differs(
        ts in 1_000_000_000_u32..2_000_000_000, e7 in -900_000_000_i32..900_000_000, milli in 1_u32..999,
    ) {
        let place = f64::from(e7) / 1e7;
        let base = fix(f64::from(ts), place, place);
        let others = [
            base,
            Fix { ts: base.ts + f64::from(milli) / 1e3, ..base },
            Fix { latitude: (f64::from(e7) + 1.0) / 1e7, ..base },
            Fix { longitude: (f64::from(e7) + 1.0) / 1e7, ..base },
        ];
        let ids = others.map(|fix| texts(Format::Gpx, &Reading::Fix(fix), "").into_iter().map(|(id, ..)| id));
        let ids: Vec<_> = ids.into_iter().flatten().collect();
        let different: HashSet<_> = ids.iter().collect();
        prop_assert_eq!(different.len(), ids.len());
    }
}
