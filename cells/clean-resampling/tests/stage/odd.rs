//! Entries that cannot be read.

use cells_clean_resampling::run;
use cells_sdk::Outcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::diary::*;

// Row: "No altitude in the window, or an entry that cannot be read"
#[test]
fn an_entry_that_cannot_be_read_costs_its_own_trip_only() {
    let mut diary = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(0.0, &[DRIVE], 0.0);
    let odd = json!({ "start_ts": DAY + 10.0, "trip_id": 7 });
    let numbers = [diary.next_id(), diary.next_id(), diary.next_id()];
    diary.entry(numbers[0], "segmentation/raw_section", &odd);
    diary.entry(numbers[1], "segmentation/raw_trip", &odd);
    diary.entry(numbers[2], "background/filtered_location", &json!({ "ts": DAY + 610.0, "latitude": "47" }));
    let (diary, _) = diary.cleaned();
    assert_eq!(diary.made(TRIP).len(), 2);
    let said: Vec<&str> = diary.memory.log_lines().iter().map(|line| line.1.as_str()).collect();
    assert!(said.iter().any(|line| line.starts_with("2 entries of the raw diary")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("1 points have no time")), "{said:?}");
}

/// A value for a member of an entry, valid or not.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (0.0..3000.0).prop_map(|seconds| json!(DAY + seconds)),
        1 => Just(Value::Null),
        1 => Just(json!("47")),
        1 => Just(json!(-1e308)),
        1 => Just(json!([])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_run_never_panics_whatever_the_entries(
        points in prop::collection::vec((odd(), -95.0..95.0, -200.0..200.0, odd()), 0..30),
        times in prop::collection::vec((odd(), odd(), 0_usize..12), 0..8),
    ) {
        let mut diary = Diary::new().trip(0.0, &[WALK, DRIVE], 40.0).trip(30.0, &[(2, 200.0, 2)], 0.0);
        for (ts, latitude, longitude, altitude) in points {
            let number = diary.next_id();
            let data = json!({ "ts": ts, "latitude": latitude, "longitude": longitude, "altitude": altitude });
            diary.entry(number, "background/filtered_location", &data);
        }
        for (start, end, which) in times {
            // Sections of the first trip with other times, and results of smoothing that delete points.
            let number = diary.next_id();
            let span = json!({ "start_ts": start, "end_ts": end, "trip_id": id(2), "sensed_mode": which,
                "source": "s", "duration": 1.0, "start_loc": Diary::loc(0.0), "end_loc": Diary::loc(9.0) });
            let times = diary.span(["start_", "end_"], (DAY, 0.0), (DAY + 1.0, 1.0));
            diary.entry(number, "segmentation/raw_section", &merged([times, span]));
            let gone: Vec<Value> = diary.points.iter().skip(which).map(|point| json!({ "$oid": point })).collect();
            let data = json!({ "section": id(number), "deleted_points": gone });
            let number = diary.next_id();
            diary.entry(number, "analysis/smoothing", &data);
        }
        diary.raw_place(None, (0.0, 0.0));
        // An error is a result; a panic is not.
        if diary.memory.run_stage(run, NOW, Outcome::default()).is_ok() {
            assert_linked(&diary);
        }
    }
}
