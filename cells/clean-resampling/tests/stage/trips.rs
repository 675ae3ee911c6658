//! Trips with their sections and stops.

use serde_json::{Value, json};

use crate::diary::*;

#[test]
fn a_trip_is_cleaned_with_its_sections_its_stops_and_points_at_even_times() {
    let (diary, outcome) = Diary::new().trip(0.0, &[WALK, DRIVE, WALK], 10.0).cleaned();
    assert_eq!(outcome.processed_through, Some(diary.ts));
    assert_linked(&diary);
    let (trips, sections, stops) = (diary.made(TRIP), diary.made(SECTION), diary.made(STOP));
    assert_eq!((trips.len(), sections.len(), stops.len()), (1, 3, 2));
    let total: f64 = sections.iter().chain(&stops).map(|part| number(part, "distance")).sum();
    assert!((number(&trips[0], "distance") - total).abs() < 1e-6 && (total - 2500.0).abs() < 1.0, "{total}");
    assert_eq!(sections[1]["start_stop"], stops[0]["_id"]);
    assert_eq!(sections[1]["end_stop"], stops[1]["_id"]);
    assert_eq!(stops[0]["ending_section"], sections[0]["_id"]);
    assert_eq!(stops[1]["starting_section"], sections[2]["_id"]);
    let points = diary.made(POINT);
    let of_drive: Vec<f64> = points
        .iter()
        .filter(|point| point["section"] == sections[1]["_id"])
        .map(|point| number(point, "ts"))
        .collect();
    let start = number(&sections[1], "start_ts");
    let wanted = [0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 200.0].map(|seconds| start + seconds);
    assert_eq!(of_drive, wanted);
    assert_eq!(number(&sections[1], "duration"), 200.0);
    assert_eq!(points[0]["local_dt"]["timezone"], "Europe/Zurich");
}

#[test]
fn a_trip_of_less_than_100_m_joins_the_places_around_it() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .cleaned();
    assert_linked(&diary);
    assert_eq!((diary.made(TRIP).len(), diary.made(SECTION).len()), (2, 2));
    let place = diary.made(PLACE).remove(1);
    // The place itself, the one before the short trip, and the one after it.
    assert_eq!(place["raw_places"].as_array().expect("a list").len(), 3);
}

// Row: "A trip that is moved to its place begins 30 s earlier"
#[test]
fn a_trip_that_begins_a_little_off_its_place_is_moved_there() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .cleaned();
    let (trip, section) = (diary.made(TRIP).remove(1), diary.made(SECTION).remove(1));
    let place = diary.made(PLACE).remove(1);
    assert_eq!(trip["start_loc"], place["location"]);
    assert_eq!((&section["start_ts"], &section["start_loc"]), (&trip["start_ts"], &trip["start_loc"]));
    let points: Vec<Value> =
        diary.made(POINT).into_iter().filter(|point| point["section"] == section["_id"]).collect();
    assert_eq!(
        (&points[0]["ts"], &points[0]["idx"], &points[0]["filter"]),
        (&trip["start_ts"], &Value::Null, &json!("time"))
    );
    assert_eq!(number(&points[1], "ts") - number(&points[0], "ts"), 30.0);
    assert!((number(&points[1], "distance") - 40.0).abs() < 1e-3, "{}", points[1]);
    assert_eq!(number(&points[1], "speed") * 30.0, number(&points[1], "distance"));
    assert_eq!(section["distances"][1], points[1]["distance"]);
    let along: f64 = points.iter().map(|point| number(point, "distance")).sum();
    assert!((along - number(&section, "distance")).abs() < 1e-6);
}

// Row: "A trip that is moved to its place begins 30 s earlier"
#[test]
fn the_new_point_of_a_trip_that_is_moved_has_the_corrected_mode_and_the_others_have_the_phones() {
    // 1 km in 20 s is no drive.
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[(11, 1000.0, 0)], 0.0)
        .cleaned();
    let section = diary.made(SECTION).remove(1);
    let of_section = diary.made(POINT).into_iter().filter(|point| point["section"] == section["_id"]);
    let modes: Vec<Value> = of_section.map(|point| point["mode"].clone()).collect();
    assert_eq!((&section["sensed_mode"], &modes[0]), (&json!(11), &json!(11)));
    assert!(modes.len() > 2 && modes[1..].iter().all(|mode| *mode == 0), "{modes:?}");
}

// Row: "After a moved start it checks lengths and speeds"
#[test]
fn a_trip_that_is_moved_may_begin_with_a_section_that_took_a_stop_over() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE], 0.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE, WALK], 300.0)
        .cleaned();
    assert_linked(&diary);
    let (trip, section, stop) =
        (diary.made(TRIP).remove(1), diary.made(SECTION).remove(1), diary.made(STOP).remove(0));
    assert_eq!(
        (&trip["start_loc"], &section["start_loc"]),
        (&diary.made(PLACE)[1]["location"], &trip["start_loc"])
    );
    assert_eq!((number(&stop, "distance"), &section["end_ts"]), (0.0, &stop["exit_ts"]));
    assert!(number(&section, "distance") > 2300.0, "{section}");
}

// Row: "A stop that a section takes over"
#[test]
fn a_stop_of_more_than_150_m_goes_to_the_section_with_an_engine() {
    let (diary, _) = Diary::new().trip(0.0, &[WALK, DRIVE], 300.0).cleaned();
    let (sections, stop) = (diary.made(SECTION), diary.made(STOP).remove(0));
    assert_eq!((number(&stop, "distance"), number(&stop, "duration")), (0.0, 0.0));
    assert_eq!(sections[1]["start_ts"], stop["enter_ts"]);
    assert_eq!(sections[0]["end_ts"], stop["exit_ts"]);
    // The section that takes over the stop gets its length, and its time with the wrong sign.
    assert_eq!(number(&sections[1], "duration"), 200.0 - 60.0);
    assert!((number(&sections[1], "distance") - 2300.0).abs() < 0.1);
    let speeds = sections[1]["speeds"].as_array().expect("a list");
    assert!((speeds[speeds.len() - 1].as_f64().expect("a number") + 5.0).abs() < 1e-3);
    // Neither its points nor the trip change.
    let points = diary.made(POINT);
    let first = points.iter().find(|point| point["section"] == sections[1]["_id"]).expect("a point");
    assert_eq!(number(first, "ts"), number(&sections[1], "start_ts") + 60.0);
    assert_eq!(number(&diary.made(TRIP)[0], "duration"), 200.0 + 60.0 + 200.0);
}

// Row: "Where the first stop is left no later"
#[test]
fn a_first_section_that_is_left_when_it_begins_is_lost_and_its_points_are_not() {
    // The drive takes over the way, so the stop after the only point of the walk is left at the moment of that point.
    let (diary, _) = Diary::new().trip(0.0, &[(1, 0.0, 2), DRIVE], 300.0).cleaned();
    let (sections, stops, points) = (diary.made(SECTION), diary.made(STOP), diary.made(POINT));
    assert_eq!((sections.len(), stops.len()), (1, 1));
    assert_eq!(stops[0]["starting_section"], sections[0]["_id"]);
    let lost = &stops[0]["ending_section"];
    assert!(lost["$oid"].is_string() && sections.iter().all(|section| section["_id"] != *lost));
    assert_eq!(points.iter().filter(|point| point["section"] == *lost).count(), 1);
}

// Row: "A trip may begin any time before its first point"
#[test]
fn a_trip_that_lasts_a_month_is_left_out() {
    let slow = Diary { step_s: 300_000.0, ..Diary::new() }.trip(0.0, &[DRIVE], 0.0);
    let (diary, _) = Diary { step_s: 20.0, ..slow }.trip(0.0, &[DRIVE], 0.0).cleaned();
    assert_eq!(diary.made(TRIP).len(), 1);
    assert!(diary.memory.log_lines()[0].1.starts_with("1 trips last longer than three weeks"));
}
