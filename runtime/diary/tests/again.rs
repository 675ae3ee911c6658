//! Exports that come back: what is written in each form is read again with the same places and times, as far as the form
//! can carry them.

#[path = "support/days.rs"]
mod days;
mod support;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use cells_sdk::Area;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use runtime_diary::{Format, write};
use runtime_import::{Format as Of, Item, Reading, detect, read};
use serde_json::Value;
use support::InMemory;

/// Every form, and as what it is read.
const FORMS: [(Format, Of); 5] = [
    (Format::Geojson, Of::Geojson),
    (Format::Timeline, Of::Geojson),
    (Format::Gpx, Of::Gpx),
    (Format::Kml, Of::Kml),
    (Format::Csv, Of::Csv),
];

/// A place at a moment: ms, and ten millionths of a degree.
type Place = (i64, i64, i64);

/// The last longitude that all forms have, ten millionths of a degree.
const EDGE: i64 = 1_799_999_999;

fn whole(number: f64, parts: f64) -> i64 {
    (number * parts).round() as i64
}

fn place(ts: f64, [longitude, latitude]: [f64; 2]) -> Place {
    // GPX has no longitude of 180, and its eastern edge is a hundredth of a second before it.
    let longitude = whole(longitude, 1e7).clamp(-EDGE, EDGE);
    // Files have milliseconds, cut and not rounded.
    ((ts * 1e3 + 1e-3).floor() as i64, whole(latitude, 1e7), longitude)
}

/// The place at its moment, and a millisecond before and after it: forms round moments differently.
fn about(&(ms, latitude, longitude): &Place) -> impl Iterator<Item = Place> {
    (ms - 1..=ms + 1).map(move |ms| (ms, latitude, longitude))
}

/// What a diary's file gives when it is read again.
#[derive(Debug, Default)]
struct Again {
    places: BTreeSet<Place>,
    /// The same with altitudes, mm.
    high: BTreeSet<(Place, i64)>,
    refused: Vec<&'static str>,
}

impl Again {
    fn of(memory: &Memory, format: Format) -> Self {
        let (_, of) = FORMS.into_iter().find(|(form, _)| *form == format).expect("one of them");
        let mut found = Self::default();
        let done = read(of, &mut written(memory, format).as_slice(), &mut |item| {
            match item {
                Item::Reading { reading: Reading::Fix(fix), .. } => {
                    let place = place(fix.ts, [fix.longitude, fix.latitude]);
                    found.places.insert(place);
                    found.high.extend(fix.altitude.map(|metres| (place, whole(metres, 1e3))));
                }
                Item::Refused(refused) => found.refused.push(refused.why),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        done.expect("what was written reads");
        found
    }

    /// The places of the diary's entries themselves.
    fn recorded(memory: &Memory) -> Self {
        const ENDS: [(&str, &[&str]); 5] = [
            ("ts", &["loc"]),
            ("start_ts", &["start_loc"]),
            ("end_ts", &["end_loc"]),
            ("enter_ts", &["location", "enter_loc"]),
            ("exit_ts", &["location", "exit_loc"]),
        ];
        let mut found = Self::default();
        for entry in memory.entries(Area::Timeseries) {
            let data: Value = serde_json::from_str(&entry.data).expect("JSON");
            for (ts, names) in ENDS {
                let at = names.iter().find_map(|name| data[name]["coordinates"].as_array());
                if let (Some(ts), Some([longitude, latitude])) = (data[ts].as_f64(), at.map(Vec::as_slice)) {
                    let degrees = [longitude, latitude].map(|degrees| degrees.as_f64().expect("a number"));
                    found.places.insert(place(ts, degrees));
                }
            }
        }
        found
    }

    /// The places of another file that this one does not have.
    fn lacks(&self, other: &BTreeSet<Place>) -> Vec<Place> {
        other.iter().filter(|place| !about(place).any(|same| self.places.contains(&same))).copied().collect()
    }

    /// The same of places with altitudes.
    fn lacks_high(&self, other: &BTreeSet<(Place, i64)>) -> Vec<(Place, i64)> {
        let has = |(place, mm): &(Place, i64)| about(place).any(|same| self.high.contains(&(same, *mm)));
        other.iter().filter(|high| !has(high)).copied().collect()
    }

    /// Reasons besides the one that a diary itself may cause: that it has a place at 0° north, 0° east.
    fn unexpected(&self) -> Vec<&'static str> {
        self.refused.iter().copied().filter(|why| !why.starts_with("its place is 0")).collect()
    }
}

fn written(memory: &Memory, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut InMemory(memory), format, f64::NEG_INFINITY, f64::INFINITY, &mut out).expect("written");
    out
}

fn cases() -> u32 {
    if std::env::var_os("CELLAR_LONG").is_some() { 5_000 } else { 64 }
}

/// The same place on the 180th meridian, seen from its other side.
fn other_side(&(ms, latitude, longitude): &Place) -> Option<Place> {
    (longitude.abs() == EDGE).then_some((ms, latitude, -longitude))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn gpx_and_kml_give_back_the_same_places_and_times(trips in days::trips()) {
        let memory = days::memory(&trips);
        let (gpx, kml) = (Again::of(&memory, Format::Gpx), Again::of(&memory, Format::Kml));
        prop_assert_eq!(gpx.places, kml.places);
        // Only whole tracks have altitudes.
        prop_assert!(kml.high.is_subset(&gpx.high), "{:?}", kml.high.difference(&gpx.high));
    }

    #[test]
    fn geojson_gives_back_what_tracks_have_and_its_places_and_stops(trips in days::trips()) {
        let memory = days::memory(&trips);
        let (gpx, recorded) = (Again::of(&memory, Format::Gpx), Again::recorded(&memory));
        for format in [Format::Geojson, Format::Timeline] {
            let found = Again::of(&memory, format);
            prop_assert_eq!(found.unexpected(), Vec::<&str>::new());
            // Where a trip without a line is cut, GPX has two points that nobody recorded.
            let mut lost = found.lacks(&gpx.places);
            lost.retain(|place| {
                let Some(other) = other_side(place) else { return true };
                let both = BTreeSet::from([*place, other]);
                found.lacks(&both).len() == 2 && recorded.lacks(&both).len() < 2
            });
            prop_assert!(lost.is_empty(), "{format:?} lost {lost:?}");
            // Only whole sections have altitudes, and none is made up.
            let made_up = gpx.lacks_high(&found.high);
            prop_assert!(made_up.is_empty(), "{format:?}: {made_up:?}");
        }
    }

    #[test]
    fn a_table_of_trips_gives_back_both_ends_of_each(trips in days::trips()) {
        let memory = days::memory(&trips);
        let (table, whole) = (Again::of(&memory, Format::Csv), Again::of(&memory, Format::Geojson));
        prop_assert_eq!(table.unexpected(), Vec::<&str>::new());
        let made_up = whole.lacks(&table.places);
        prop_assert!(made_up.is_empty(), "{made_up:?}");
        prop_assert!(table.places.len() + table.refused.len() <= 2 * trips.len());
        prop_assert_eq!(table.places.is_empty() && table.refused.is_empty(), trips.is_empty());
    }
}

#[test]
fn every_form_of_a_diary_is_known_by_its_first_bytes() {
    let mut runner = TestRunner::deterministic();
    let days = std::iter::repeat_with(|| days::trips().new_tree(&mut runner).expect("a diary").current());
    let trips = days.take(100).find(|trips| !trips.is_empty()).expect("one with trips");
    let memory = days::memory(&trips);
    for (format, of) in FORMS {
        assert_eq!(detect(&written(&memory, format)), Some(of), "{format:?}");
    }
}
