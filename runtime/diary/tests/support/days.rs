//! Random diaries: near the 180th meridian and the poles, with stays without length, silences, odd labels, and moments
//! before and after a change to summer time.

use cells_geometry::wrapped;
use cells_model::time::local;
use cells_sdk::Area;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};

/// An hour before summer time ends in Europe, s.
const CLOCKS_GO_BACK: f64 = 1_761_436_800.0;

/// The parameters of a trip.
#[derive(Debug, Clone)]
pub struct Trip {
    /// Time after the end of the trip before, s.
    pause_s: f64,
    zone: &'static str,
    /// Longitude and latitude of its start.
    from: [f64; 2],
    sections: Vec<Section>,
    labels: [Option<String>; 4],
}

#[derive(Debug, Clone)]
struct Section {
    mode: u8,
    /// Seconds, degrees east, degrees north, altitude.
    steps: Vec<(f64, f64, f64, Option<f64>)>,
}

/// The trips of a diary, in their order.
pub fn trips() -> impl Strategy<Value = Vec<Trip>> {
    prop::collection::vec(trip(), 0..5)
}

fn trip() -> impl Strategy<Value = Trip> {
    let pause_s = prop_oneof![Just(600.0), Just(3_600.5), 0.0..40_000.0];
    let zone =
        prop::sample::select(vec!["Europe/Zurich", "Pacific/Fiji", "America/New_York", "No/Where", "UTC"]);
    let longitude =
        prop_oneof![179.5..=180.0, -180.0..=-179.5, -180.0..=180.0, Just(180.0), Just(-180.0), Just(0.0)];
    let latitude = prop_oneof![-60.0..60.0, 89.5..=90.0, -90.0..=-89.5];
    let from = (longitude, latitude).prop_map(|(longitude, latitude)| [longitude, latitude]);
    let labels = [label(), label(), label(), label()];
    let parts = (pause_s, zone, from, prop::collection::vec(section(), 0..4), labels);
    parts.prop_map(|(pause_s, zone, from, sections, labels)| Trip { pause_s, zone, from, sections, labels })
}

fn section() -> impl Strategy<Value = Section> {
    let degrees = || prop_oneof![Just(0.0), Just(0.5), Just(-0.5), -0.4..0.4];
    let seconds = prop_oneof![Just(30.0), 0.0..60.0];
    let step = (seconds, degrees(), degrees(), prop::option::of(-50.0..4_000.0));
    let steps = prop_oneof![4 => prop::collection::vec(step.clone(), 0..12), 1 => still(step)];
    (prop::sample::select(vec![0_u8, 1, 2, 7]), steps).prop_map(|(mode, steps)| Section { mode, steps })
}

/// A person who does not move.
fn still(
    step: impl Strategy<Value = (f64, f64, f64, Option<f64>)>,
) -> impl Strategy<Value = Vec<(f64, f64, f64, Option<f64>)>> {
    prop::collection::vec(step, 1..5).prop_map(|steps| {
        steps.into_iter().map(|(seconds, _, _, altitude)| (seconds, 0.0, 0.0, altitude)).collect()
    })
}

fn label() -> impl Strategy<Value = Option<String>> {
    let odd = prop::sample::select(vec![
        "=HYPERLINK(\"http://x.example/\"&A1)",
        "+1",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "＝1",
        "]]><&\"'",
        "two\nlines, \"quoted\"",
        "nul\u{0}\u{b}\u{ffff}",
        "drove_alone",
        "",
    ]);
    prop::option::of(prop_oneof![odd.prop_map(str::to_owned), any::<String>(), "[ -~]{0,12}"])
}

fn id(number: usize) -> Value {
    json!({"$oid": format!("{number:024x}")})
}

fn point([longitude, latitude]: [f64; 2]) -> Value {
    json!({"type": "Point", "coordinates": [longitude, latitude]})
}

/// Entries that are being added to a person's memory.
struct Entries {
    dump: Vec<Value>,
}

impl Entries {
    fn next_id(&self) -> usize {
        self.dump.len() + 1
    }

    fn add(&mut self, key: &str, data: Value) -> usize {
        let number = self.next_id();
        self.dump.push(json!({"_id": id(number), "metadata": {"key": key, "write_ts": 1.5}, "data": data}));
        number
    }
}

/// A person with that diary.
pub fn memory(trips: &[Trip]) -> Memory {
    let mut entries = Entries { dump: Vec::new() };
    let mut ts = CLOCKS_GO_BACK;
    for trip in trips {
        ts = add_trip(&mut entries, trip, ts + trip.pause_s);
    }
    Memory::new().with_entries(Area::Timeseries, &Value::from(entries.dump).to_string())
}

/// Returns the end of the trip.
fn add_trip(entries: &mut Entries, trip: &Trip, start: f64) -> f64 {
    let cleaned = entries.add("test/cleaned_trip", json!({}));
    let (mut ts, mut at) = (start, trip.from);
    let mut last_end: Option<(f64, [f64; 2])> = None;
    for section in &trip.sections {
        let (mut begun, mut metres) = (None, 0.0);
        for (seconds, east, north, altitude) in &section.steps {
            ts += seconds;
            at = [wrapped(at[0] + east), (at[1] + north).clamp(-90.0, 90.0)];
            metres += 1_000.0 * (east.abs() + north.abs());
            begun.get_or_insert((ts, at));
            let mut data = json!({"ts": ts, "loc": point(at)});
            if let Some(altitude) = altitude {
                data["altitude"] = json!(altitude);
            }
            entries.add("analysis/recreated_location", data);
        }
        let begun = begun.unwrap_or((ts, at));
        if let Some(end) = last_end {
            let stop = json!({
                "trip_id": id(cleaned), "enter_ts": end.0, "exit_ts": begun.0,
                "enter_loc": point(end.1), "exit_loc": point(begun.1),
            });
            entries.add("analysis/cleaned_stop", stop);
        }
        let data = json!({
            "trip_id": id(cleaned), "start_ts": begun.0, "end_ts": ts, "sensed_mode": section.mode,
            "start_loc": point(begun.1), "end_loc": point(at), "distance": metres,
        });
        entries.add("analysis/cleaned_section", data);
        last_end = Some((ts, at));
        ts += 1.0;
    }
    let end = ts + 30.0;
    let names = ["mode_confirm", "purpose_confirm", "replaced_mode", "trip_user_input"];
    let input: serde_json::Map<String, Value> = names
        .into_iter()
        .zip(&trip.labels)
        .filter_map(|(name, label)| {
            let label = label.as_ref()?;
            let form = name == "trip_user_input";
            Some((name.to_owned(), if form { json!({"data": {"label": label}}) } else { json!(label) }))
        })
        .collect();
    let place = |entries: &mut Entries, name: &str, ts: f64, at| {
        id(entries.add("analysis/confirmed_place", json!({name: ts, "location": point(at)})))
    };
    let start_place = place(entries, "exit_ts", start, trip.from);
    let end_place = place(entries, "enter_ts", end, at);
    let mut data = json!({
        "start_ts": start, "end_ts": end, "start_place": start_place, "end_place": end_place,
        "cleaned_trip": id(cleaned), "start_loc": point(trip.from), "end_loc": point(at), "distance": 1_500.5,
        "duration": end - start, "user_input": input,
    });
    for (name, ts) in [("start", start), ("end", end)] {
        let zone = local(ts, trip.zone).map_or("Europe/Zurich", |_| trip.zone);
        data[format!("{name}_fmt_time")] = local(ts, zone).expect("within the calendar").1.into();
        data[format!("{name}_local_dt")] = json!({"timezone": trip.zone});
    }
    entries.add("analysis/confirmed_trip", data);
    end
}
