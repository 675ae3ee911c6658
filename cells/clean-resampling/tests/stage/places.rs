//! Places, and spans without readings between them.

use cells_sdk::TimeField;
use serde_json::{Value, json};

use crate::diary::*;

// Row: "A place names its raw place again"
#[test]
fn a_place_names_its_raw_place_and_names_it_again_when_it_is_left() {
    let (diary, _) = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(0.0, &[DRIVE], 0.0).cleaned();
    let counts: Vec<usize> = diary
        .made(PLACE)
        .iter()
        .map(|place| {
            let raw = place["raw_places"].as_array().expect("a list");
            assert!(raw.iter().all(|id| *id == raw[0]), "{place}");
            raw.len()
        })
        .collect();
    assert_eq!(counts, [2, 2, 1], "the last one is still open");
}

// Row: "Places are named by Nominatim"
#[test]
fn places_have_no_names() {
    let (diary, _) = Diary::new().trip(0.0, &[DRIVE], 0.0).trip(0.0, &[DRIVE], 0.0).cleaned();
    for place in diary.made(PLACE) {
        let odd = place.as_object().expect("an object").keys().find(|name| {
            !name.starts_with("enter_")
                && !name.starts_with("exit_")
                && !["_id", "source", "location", "raw_places", "ending_trip", "starting_trip", "duration"]
                    .contains(&name.as_str())
        });
        assert_eq!(odd, None);
    }
}

// Row: "The point of a place must still be there"
#[test]
fn where_the_point_of_an_arrival_is_gone_the_next_trip_begins_at_the_place_itself() {
    let diary = Diary::new().trip(0.0, &[DRIVE], 0.0);
    let arrival = diary.ts;
    let gone = changed(diary.trip(500.0, &[DRIVE], 0.0), |entry| {
        let is_it = entry.key == "background/filtered_location" && entry.time(TimeField::DataTs) == arrival;
        is_it.then_some(Value::Null)
    });
    let (diary, _) = gone.cleaned();
    assert_linked(&diary);
    let (trips, place) = (diary.made(TRIP), diary.made(PLACE).remove(1));
    assert_eq!((&trips[0]["end_ts"], &trips[0]["end_loc"]), (&json!(arrival), &place["location"]));
    assert_eq!(trips[1]["start_loc"], place["location"]);
}

// Row: "A point of a place that lacks"
#[test]
fn where_the_point_of_a_place_has_no_altitude_the_trip_from_there_begins_without_one() {
    let diary = Diary::new().trip(0.0, &[DRIVE], 0.0);
    let arrival = diary.ts;
    let (diary, _) = without(diary.trip(500.0, &[DRIVE], 0.0), "altitude", |ts| ts == arrival).cleaned();
    let section = diary.made(SECTION).remove(1);
    let points: Vec<Value> =
        diary.made(POINT).into_iter().filter(|point| point["section"] == section["_id"]).collect();
    assert_eq!(points[0]["loc"], section["start_loc"]);
    assert_eq!((points[0].get("altitude"), number(&points[points.len() - 1], "altitude")), (None, 400.0));
}

// Row: "A last span without readings"
#[test]
fn a_span_without_readings_that_returns_to_its_place_counts_as_time_there() {
    let near = Diary::new().trip(0.0, &[DRIVE], 0.0).silence(50.0).trip(0.0, &[DRIVE], 0.0).cleaned().0;
    assert_linked(&near);
    assert_eq!((near.made(TRIP).len(), near.made(UNTRACKED).len()), (2, 0));
    let far = Diary::new().trip(0.0, &[DRIVE], 0.0).silence(5000.0).trip(0.0, &[DRIVE], 0.0).cleaned().0;
    assert_linked(&far);
    assert_eq!((far.made(TRIP).len(), far.made(UNTRACKED).len()), (2, 1));
    assert_eq!(number(&far.made(UNTRACKED)[0], "distance"), 5000.0);
    // The last span may still lead somewhere: no later run will check it.
    let last = Diary::new().trip(0.0, &[DRIVE], 0.0).silence(5000.0).cleaned().0;
    assert_eq!(last.made(UNTRACKED).len(), 0);
}
