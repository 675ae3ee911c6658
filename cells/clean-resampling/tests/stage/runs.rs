//! The state that one run leaves to the next.

use cells_clean_resampling::{Share, run, run_over};
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, Run};
use serde_json::{Value, json};

use crate::diary::*;

#[test]
fn the_next_run_continues_from_the_open_place() {
    let whole = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(30.0, &[WALK], 0.0).trip(0.0, &[DRIVE], 0.0);
    let (whole, _) = whole.cleaned();
    // The same diary, cleaned up to each of its arrivals.
    let mut pieces = Memory::new();
    for entry in whole.memory.entries(Area::Timeseries) {
        if !MADE.contains(&entry.key.as_str()) {
            let text = json!([{ "_id": { "$oid": entry.id.to_string() }, "metadata": entry.metadata(), "data": entry.data() }]);
            pieces = pieces.with_entries(Area::Timeseries, &text.to_string());
        }
    }
    let mut outcome = Outcome::default();
    for now in [DAY + 805.0, DAY + 1605.0, NOW] {
        outcome = pieces.run_stage(run, now, outcome).expect("the stage works");
    }
    assert_eq!(outcome.processed_through, Some(whole.ts));
    let pieces = Diary { memory: pieces, ..Diary::new() };
    assert_linked(&pieces);
    for key in MADE {
        assert_eq!(without_links(&pieces, key), without_links(&whole, key), "{key}");
    }
}

fn without_links(diary: &Diary, key: &str) -> Vec<Value> {
    let mut made = diary.made(key);
    for data in &mut made {
        let members = data.as_object_mut().expect("an object");
        members.retain(|_, value| value.get("$oid").is_none());
    }
    made
}

#[test]
fn a_run_without_new_entries_writes_nothing_and_keeps_the_mark() {
    let (mut diary, outcome) = Diary::new().trip(0.0, &[DRIVE], 0.0).cleaned();
    let count = diary.memory.entries(Area::Timeseries).len();
    let again = diary.memory.run_stage(run, NOW + 10.0, outcome.clone()).expect("the stage works");
    assert_eq!(again.processed_through, outcome.processed_through);
    assert_eq!(diary.memory.entries(Area::Timeseries).len(), count);
    assert_eq!(Memory::new().run_stage(run, NOW, Outcome::default()), Ok(Outcome::default()));
}

// Row: "A back-log is one window"
#[test]
fn a_long_backlog_is_cut_into_runs_that_give_the_same_result() {
    // 8 trips of 33 hours make some 4,000 points each: more than one run processes.
    let long = |diary: Diary| diary.trip(0.0, &[(6001, 20.0, 0)], 0.0);
    let mut diary = (0..6).fold(Diary::new(), |diary, _| long(diary));
    diary.raw_place(None, (0.0, 0.0));
    let (outcome, runs) =
        diary.memory.run_counted(run, diary.ts + 100.0, Outcome::default()).expect("the stage works");
    assert_eq!(runs, 2, "36,006 points");
    assert_linked(&diary);
    assert_eq!(diary.made(TRIP).len(), 6);
    assert_eq!(outcome.processed_through, Some(diary.ts));
    assert!(!outcome.more);
    assert_eq!(diary.made(POINT).len(), 6 * 4001);
}

// Row: "A back-log is one window"
#[test]
fn a_backlog_with_many_readings_is_cut_into_runs_that_give_the_same_result() {
    let days = || (0..8).fold(Diary::new(), |diary, _| diary.trip(0.0, &[WALK, DRIVE], 0.0).rest(40));
    let (whole, in_one) = days().cleaned();
    for (rows_max, runs_min) in [(1, 8), (50, 8), (150, 4), (400, 2)] {
        let mut parts = days().closed();
        let share = Share { points_max: 20_000.0, rows_max };
        let over = |memory: &mut Memory, window: &Run| run_over(memory, window, share);
        let (in_parts, runs) =
            parts.memory.run_counted(over, NOW, Outcome::default()).expect("the stage works");
        assert!(runs >= runs_min, "{runs} runs of {rows_max} readings");
        assert_linked(&parts);
        for key in MADE {
            assert!(without_links(&parts, key) == without_links(&whole, key), "{key}: {rows_max} readings");
        }
        assert_eq!(in_parts, in_one);
    }
}

#[test]
fn readings_of_a_rest_that_has_more_of_them_than_a_run_takes_are_not_read() {
    let days = || {
        let mut diary = Diary::new().trip(0.0, &[WALK], 0.0);
        for _ in 0..300 {
            // Without a place, each that is read is counted.
            diary.ts += 100.0;
            let (number, at) = (diary.next_id(), diary.at("", diary.ts));
            diary.entry(number, "background/filtered_location", &at);
        }
        diary.trip(0.0, &[WALK], 0.0).closed()
    };
    let mut made = Vec::new();
    // Those of the last hour may belong to the trip.
    for (rows_max, read) in [(10_000, 300), (100, 31)] {
        let mut diary = days();
        let share = Share { points_max: 20_000.0, rows_max };
        let over = |memory: &mut Memory, window: &Run| run_over(memory, window, share);
        diary.memory.run_stage(over, NOW, Outcome::default()).expect("the stage works");
        let told: String = diary.memory.log_lines().iter().map(|line| line.1.clone()).collect();
        let want = format!("{read} points have no time or no place: passed over");
        assert_eq!(told, want, "{rows_max} readings a run");
        made.push(MADE.map(|key| without_links(&diary, key)));
    }
    assert!(made[0] == made[1]);
}

/// A raw span without readings that leads back in time, as an old fix leaves it.
fn back(mut diary: Diary, seconds: f64) -> Diary {
    let start = (diary.ts + 5.0, diary.metres);
    let (number, end) = (diary.next_id(), (diary.ts - seconds, diary.metres + 5_000.0));
    diary = diary.journey("segmentation/raw_untracked", number, start, end);
    (diary.ts, diary.metres) = end;
    diary
}

// Row: "The mark is the arrival at the last raw place"
#[test]
fn a_window_that_ends_before_it_begins_is_not_cleaned_twice() {
    for seconds in [3_000.0, 30_000.0, 3e7] {
        let (mut diary, outcome) = back(Diary::new().trip(0.0, &[(20, 30.0, 7)], 0.0), seconds).cleaned();
        assert!(outcome.processed_through.expect("a mark") > DAY, "{seconds} s");
        let made = |diary: &Diary| MADE.map(|key| diary.made(key).len());
        let before = made(&diary);
        diary.memory.run_stage(run, NOW, outcome).expect("the stage works");
        assert_eq!(made(&diary), before, "{seconds} s");
    }
}

// Row: "Raw trips that begin before the mark"
#[test]
fn trips_that_begin_before_the_mark_are_reported_to_the_owner() {
    let (mut diary, outcome) = Diary::new().trip(0.0, &[(20, 30.0, 7)], 0.0).cleaned();
    let trip = diary.memory.of_key("segmentation/raw_trip")[0].clone();
    let mut data = trip.data();
    data["start_ts"] = (DAY + 1.0).into();
    let entry = json!([{ "_id": id(999), "metadata": { "key": "segmentation/raw_trip", "write_ts": NOW + 500.0 }, "data": data }]);
    diary.memory = std::mem::take(&mut diary.memory).with_entries(Area::Timeseries, &entry.to_string());
    let outcome = diary.memory.run_stage(run, NOW + 500.0, outcome).expect("the stage works");
    diary.memory.run_stage(run, NOW + 900.0, outcome).expect("the stage works");
    let told: Vec<_> = diary.memory.log_lines().iter().map(|line| line.1.as_str()).collect();
    let want = "1 trips or spans begin before the mark of earlier runs: they are left out of the diary";
    assert_eq!(told, [want]);
}

// Row: "An untracked span that leads back"
#[test]
fn a_span_that_goes_back_in_time_is_stored_between_the_places_that_name_it() {
    let there = Diary::new().trip(0.0, &[(20, 30.0, 7)], 0.0);
    let mut there = back(there, 90_000.0);
    // The next trip begins when the phone is found again, long after the fix from which the span leads there.
    there.ts += 100_000.0;
    let (diary, _) = there.trip(0.0, &[(20, 30.0, 7)], 0.0).cleaned();
    let (spans, places) = (diary.made(UNTRACKED), diary.made(PLACE));
    assert_eq!(spans.len(), 1);
    for (end, link) in [("start_place", "starting_trip"), ("end_place", "ending_trip")] {
        let place = places.iter().find(|place| place["_id"] == spans[0][end]).expect("a known place");
        assert_eq!(place[link], spans[0]["_id"], "{link}");
    }
}
