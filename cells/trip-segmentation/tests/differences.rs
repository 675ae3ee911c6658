//! Rows of docs/reference-differences.md about trip segmentation that no other test covers.

use cells_geometry::{Position, column_distance, distance};
use cells_sdk::model::time::local;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome, WriteEntries as _};
use cells_trip_segmentation::points::{Behind, Segments, Track};
use cells_trip_segmentation::signals::{Moment, Signals};
use cells_trip_segmentation::{distance_method, run, time_method};
use serde_json::Value;

const NOW: f64 = 1_700_100_000.0;
const DAY: f64 = 1_700_000_000.0;
const ZONE: &str = "Europe/Zurich";
const LOCATION: &str = "background/filtered_location";
const TRIP: &str = "segmentation/raw_trip";
const UNTRACKED: &str = "segmentation/raw_untracked";
const STOP_TRACKING: u8 = 3;
const STOPPED_MOVING: u8 = 2;

/// Count of points, interval in s, and degrees north of the point before: 0.003 are about 330 m.
type Leg = (usize, f64, f64);
const OUT: Leg = (20, 29.0, 0.003);
const STAY: Leg = (15, 29.0, 0.0);

/// Time and latitude of the points of all legs.
fn points(legs: &[Leg]) -> Vec<(f64, f64)> {
    let (mut ts, mut latitude, mut points) = (DAY, 47.0, Vec::new());
    for (count, seconds, degrees) in legs {
        for _ in 0..*count {
            (ts, latitude) = (ts + seconds, latitude + degrees);
            points.push((ts, latitude));
        }
    }
    points
}

fn with(memory: Memory, key: &str, write_ts: f64, data: &str) -> Memory {
    let metadata = format!(r#"{{"key":"{key}","write_ts":{write_ts},"time_zone":"{ZONE}"}}"#);
    memory.with_entry(Area::Timeseries, &metadata, data)
}

fn with_points(memory: Memory, points: &[(f64, f64)], filter: &str) -> Memory {
    points.iter().fold(memory, |memory, (ts, latitude)| {
        let data = format!(r#"{{"latitude":{latitude},"longitude":8.5,"ts":{ts}{filter}}}"#);
        with(memory, LOCATION, ts + 1.0, &data)
    })
}

fn with_transition(memory: Memory, ts: f64, transition: u8) -> Memory {
    let data = format!(r#"{{"curr_state":2,"transition":{transition},"ts":{ts}}}"#);
    with(memory, "statemachine/transition", ts, &data)
}

/// The segments of the track, as if it was written at once.
fn segments(
    method: fn(Track<'_>, &Signals, Behind) -> Segments,
    points: &[(f64, f64)],
    signals: &Signals,
) -> Vec<(usize, usize)> {
    let ts: Vec<f64> = points.iter().map(|(ts, _)| *ts).collect();
    let positions: Vec<Position> =
        points.iter().map(|(_, latitude)| Position { latitude: *latitude, longitude: 8.5 }).collect();
    method(Track { ts: &ts, write_ts: &ts, positions: &positions }, signals, Behind::Nothing).trips
}

fn at(ts: f64) -> Vec<Moment> {
    vec![Moment { ts, write_ts: ts }]
}

fn made(memory: &Memory, key: &str) -> Vec<Value> {
    memory.of_key(key).iter().map(|entry| entry.data()).collect()
}

// Row: "No transition at all, or two points"
#[test]
fn two_points_of_one_moment_stop_neither_method() {
    let by_time = points(&[OUT, (1, 0.0, 0.003), STAY]);
    let by_distance = points(&[(10, 30.0, 0.001), (1, 0.0, 0.001), (5, 30.0, 0.001), (1, 700.0, 0.0)]);
    for (points, filter) in [(by_time, r#","filter":"time""#), (by_distance, r#","filter":"distance""#)] {
        let mut memory = with_points(Memory::new(), &points, filter);
        memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
        assert_eq!(made(&memory, TRIP).len(), 1, "{filter}");
    }
}

// Row: "Points without `filter` raise"
#[test]
fn a_point_without_a_known_filter_is_treated_like_its_neighbours() {
    let points = points(&[(10, 30.0, 0.001), (1, 700.0, 0.0)]);
    let trips = |odd: &str| {
        let known = r#","filter":"distance""#;
        let mut memory = with_points(Memory::new(), &points[..4], known);
        memory = with_points(memory, &points[4..6], odd);
        memory = with_points(memory, &points[6..], known);
        memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
        let spans = |trip: &Value| (trip["start_ts"].clone(), trip["end_ts"].clone(), trip["source"].clone());
        made(&memory, TRIP).iter().map(spans).collect::<Vec<_>>()
    };
    let want = trips(r#","filter":"distance""#);
    assert_eq!(want.len(), 1);
    for odd in ["", r#","filter":null"#, r#","filter":"tide""#] {
        assert_eq!(trips(odd), want, "{odd}");
    }
}

// Row: "The first point's window"
#[test]
fn the_first_point_ends_no_trip_whatever_happened_before_it() {
    let points = points(&[OUT]);
    let before = Signals { restarts: at(points[0].0), motion: at(points[0].0), stops: Vec::new() };
    assert_eq!(segments(time_method::segment, &points, &before), []);
    let stopped = Signals { stops: at(points[0].0 + 1.0), ..before };
    assert_eq!(segments(time_method::segment, &points[..1], &stopped), []);
}

// Row: "Distance filter: a last trip begins"
#[test]
fn by_distance_a_last_trip_without_a_previous_one_begins_at_the_first_point() {
    // A step of 50 m does not lead away from it either.
    let points = points(&[(5, 30.0, 0.0001)]);
    let stopped = Signals { stops: at(points[4].0 + 1.0), ..Signals::default() };
    assert_eq!(segments(distance_method::segment, &points, &stopped), [(0, 4)]);
}

// Row: "Restarts are looked for among the transitions"
#[test]
fn a_restart_that_an_earlier_run_has_read_makes_no_untracked_span() {
    let points = points(&[OUT, STAY, OUT, STAY]);
    let filter = r#","filter":"time""#;
    let first = with_points(Memory::new(), &points[..35], filter);
    let first = with_transition(first, points[24].0 + 2.0, STOP_TRACKING);

    let mut at_once = with_points(first, &points[35..], filter);
    at_once.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    assert_eq!((made(&at_once, TRIP).len(), made(&at_once, UNTRACKED).len()), (2, 1));

    let first = with_points(Memory::new(), &points[..35], filter);
    let mut in_two = with_transition(first, points[24].0 + 2.0, STOP_TRACKING);
    let outcome = in_two.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    let mut in_two = with_points(in_two, &points[35..], filter);
    in_two.run_stage(run, NOW, outcome).expect("the stage works");
    assert_eq!((made(&in_two, TRIP).len(), made(&in_two, UNTRACKED).len()), (2, 0));
}

// Row: "The last trip of a load ends"
#[test]
fn the_last_trip_of_an_upload_does_not_change_when_more_of_it_arrives() {
    let points = points(&[OUT, OUT, STAY, (1, 700.0, 0.0)]);
    for filter in [r#","filter":"time""#, r#","filter":"distance""#] {
        let first = with_points(Memory::new(), &points[..20], filter);
        let mut memory = with_transition(first, points[19].0 + 2.0, STOPPED_MOVING);
        let outcome = memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
        let of_first_load = made(&memory, TRIP);
        assert_eq!(of_first_load.len(), 1, "{filter}");
        let mut memory = with_points(memory, &points[20..], filter);
        memory.run_stage(run, NOW, outcome).expect("the stage works");
        let trips = made(&memory, TRIP);
        assert_eq!((trips.len(), &trips[0]), (2, &of_first_load[0]), "{filter}");

        let whole = with_points(Memory::new(), &points, filter);
        let mut whole = with_transition(whole, points[19].0 + 2.0, STOPPED_MOVING);
        whole.run_stage(run, NOW, Outcome::default()).expect("the stage works");
        assert_eq!(made(&whole, TRIP).len(), 1, "{filter}: read at once it is one trip");
    }
}

// Row: "`get_entry_at_ts` takes any match"
#[test]
fn the_point_of_an_arrival_counts_also_where_it_is_marked_invalid() {
    let enter_ts = DAY - 900_000.0;
    let (local_dt, fmt_time) = local(enter_ts, ZONE).expect("sound");
    let local_dt = serde_json::to_string(&local_dt).expect("plain");
    let place = format!(
        r#"{{"enter_ts":{enter_ts},"enter_local_dt":{local_dt},"enter_fmt_time":"{fmt_time}",
            "location":{{"type":"Point","coordinates":[8.5,46]}},"source":"DwellSegmentationTimeFilter"}}"#
    );
    // The point is not at the place, so that the span shows which of them was used.
    let mut memory = with_points(Memory::new(), &[(enter_ts, 45.0)], r#","filter":"time""#);
    let arrival = memory.of_key(LOCATION)[0].id;
    memory.mark_invalid(&[arrival]).expect("known");
    memory.commit();
    let memory = with(memory, "segmentation/raw_place", DAY - 1.0, &place);
    let mut memory = with_points(memory, &points(&[OUT, STAY]), r#","filter":"time""#);
    let last = Outcome { processed_through: Some(enter_ts + 1.0), ..Outcome::default() };
    memory.run_stage(run, NOW, last).expect("the stage works");
    assert_eq!(made(&memory, UNTRACKED)[0]["start_loc"]["coordinates"][1], 45.0);
}

// Row: "Windows use one form of the haversine"
#[test]
fn distances_between_places_use_the_haversine_for_single_pairs() {
    let mut memory = with_points(Memory::new(), &points(&[OUT, STAY]), r#","filter":"time""#);
    memory.run_stage(run, NOW, Outcome::default()).expect("the stage works");
    let trip = made(&memory, TRIP).remove(0);
    let [start, end] = ["start_loc", "end_loc"].map(|end| {
        let degrees = |number: usize| trip[end]["coordinates"][number].as_f64().expect("a number");
        Position { latitude: degrees(1), longitude: degrees(0) }
    });
    assert_ne!(distance(end, start), column_distance(end, start), "or this shows nothing");
    assert_eq!(trip["distance"].as_f64(), Some(distance(end, start)));
}
