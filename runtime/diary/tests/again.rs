//! Exports that come back: what is written as GPX and as KML is read again with the same places and times.

#[path = "support/days.rs"]
mod days;
mod support;

use std::ops::ControlFlow;

use cells_sdk::testing::Memory;
use proptest::prelude::*;
use runtime_diary::{Format, write};
use runtime_import::{Format as Of, Item, Reading, read};
use support::InMemory;

/// A place at a moment: ms, and ten millionths of a degree.
type Place = (i64, i64, i64);

fn places(memory: &Memory, format: Format, of: Of) -> Vec<Place> {
    let mut out = Vec::new();
    write(&mut InMemory(memory), format, f64::NEG_INFINITY, f64::INFINITY, &mut out).expect("written");
    let mut places = Vec::new();
    let done = read(of, &mut out.as_slice(), &mut |item| {
        if let Item::Reading { reading: Reading::Fix(fix), .. } = item {
            let whole = |number: f64, parts: f64| (number * parts).round() as i64;
            // GPX has no longitude of 180, and its eastern edge is a hundredth of a second before it.
            let longitude = whole(fix.longitude, 1e7).clamp(-1_799_999_999, 1_799_999_999);
            // Files have milliseconds, cut and not rounded.
            places.push(((fix.ts * 1e3 + 1e-3).floor() as i64, whole(fix.latitude, 1e7), longitude));
        }
        ControlFlow::Continue(())
    });
    done.expect("what was written reads");
    places.sort_unstable();
    places.dedup();
    places
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gpx_and_kml_give_back_the_same_places_and_times(trips in days::trips()) {
        let memory = days::memory(&trips);
        prop_assert_eq!(places(&memory, Format::Gpx, Of::Gpx), places(&memory, Format::Kml, Of::Kml));
    }
}
