use MotionType::{Bicycling, InVehicle, Unknown, Walking};

use super::*;
use crate::travels::{Travel, side_by_side};

fn rows(parts: &[Part]) -> Vec<(usize, usize, MotionType)> {
    parts.iter().map(|part| (part.first, part.last, part.kind)).collect()
}

#[test]
fn a_section_has_the_points_from_start_to_end_of_its_change() {
    let travel = Travel::new().goes(1000.0, 1.2);
    let changes = side_by_side(&[(Walking, 495.0, 9), (Bicycling, 910.0, 9)]);
    let parts = Method::Time.sections(&travel.track(), &changes);
    assert_eq!(rows(&parts), [(0, 49, Walking), (50, 91, Bicycling)]);
}

#[test]
fn sampled_by_distance_the_changes_reach_to_the_ends_of_the_trip() {
    let travel = Travel::new().goes(1000.0, 1.2);
    let mut changes = side_by_side(&[(Walking, 495.0, 9), (Bicycling, 910.0, 9)]);
    changes[0].start.ts = 333.0;
    let parts = Method::Distance.sections(&travel.track(), &changes);
    assert_eq!(rows(&parts), [(0, 49, Walking), (50, 100, Bicycling)]);
}

#[test]
fn a_section_needs_a_point_and_two_where_they_are_sampled_by_distance() {
    let travel = Travel::new().goes(1000.0, 1.2);
    let changes = side_by_side(&[(Walking, 495.0, 9), (InVehicle, 501.0, 9), (Bicycling, 1000.0, 9)]);
    let parts = |method: Method| rows(&method.sections(&travel.track(), &changes)).len();
    assert_eq!((parts(Method::Time), parts(Method::Distance)), (3, 2));
}

#[test]
fn the_only_change_of_a_trip_is_the_whole_trip_even_without_points() {
    let travel = Travel::new().goes(1000.0, 1.2);
    let mut changes = side_by_side(&[(Walking, 8.0, 9)]);
    changes[0].start.ts = 2.0;
    assert_eq!(rows(&Method::Time.sections(&travel.track(), &changes)), [(0, 100, Walking)]);
    changes[0].end.kind = Bicycling;
    assert_eq!(Method::Time.sections(&travel.track(), &changes), []);
    assert_eq!(rows(&[unknown(&travel.track())]), [(0, 100, Unknown)]);
}

/// Points until second 500 and from `again` on, 40 m/s throughout; the change is at second 510.
fn with_gap(again: f64) -> Travel {
    let mut travel = Travel::new().goes(1000.0, 40.0);
    let keep: Vec<bool> = travel.ts.iter().map(|ts| *ts <= 500.0 || *ts >= again).collect();
    let mut number = 0..;
    travel.ts.retain(|_| keep[number.next().expect("endless")]);
    let mut number = 0..;
    travel.positions.retain(|_| keep[number.next().expect("endless")]);
    travel
}

#[test]
fn a_gap_sampled_by_distance_goes_to_the_section_that_is_farther_from_the_change() {
    let changes = side_by_side(&[(Walking, 510.0, 9), (InVehicle, 1000.0, 9)]);
    let ends = |again: f64, changes: &[Change]| {
        let travel = with_gap(again);
        let parts = Method::Distance.sections(&travel.track(), changes);
        [parts[0].last, parts[1].first].map(|row| travel.ts[row])
    };
    // 10 s before the change, 30 s behind it: the later section begins with the gap.
    assert_eq!(ends(540.0, &changes), [500.0, 500.0]);
    // 10 s on either side: neither section gets it.
    assert_eq!(ends(520.0, &changes), [500.0, 520.0]);
    // 35 s before it, 5 s behind it.
    let late = side_by_side(&[(Walking, 535.0, 9), (InVehicle, 1000.0, 9)]);
    assert_eq!(ends(540.0, &late), [540.0, 540.0]);
    // Right at the later section's first point.
    let latest = side_by_side(&[(Walking, 539.0, 9), (InVehicle, 1000.0, 9)]);
    assert_eq!(ends(539.0, &latest), [540.0, 540.0]);
}

// Row: "Flickers at the end"
#[test]
fn a_gap_after_a_change_without_a_section_is_measured_from_the_change_before() {
    // The ride is too short for a section, so the gap at 510 s is judged by the change at 5 s, and stays.
    let changes = side_by_side(&[(Bicycling, 5.0, 9), (Walking, 510.0, 9), (InVehicle, 1000.0, 9)]);
    let travel = with_gap(540.0);
    let parts = Method::Distance.sections(&travel.track(), &changes);
    let kinds: Vec<_> = parts.iter().map(|part| part.kind).collect();
    assert_eq!(kinds, [Walking, InVehicle]);
    assert_eq!([parts[0].last, parts[1].first].map(|row| travel.ts[row]), [500.0, 540.0]);
}

#[test]
fn a_gap_sampled_by_time_stays_between_its_sections() {
    let travel = with_gap(540.0);
    let changes = side_by_side(&[(Walking, 510.0, 9), (InVehicle, 1000.0, 9)]);
    let parts = Method::Time.sections(&travel.track(), &changes);
    assert_eq!([parts[0].last, parts[1].first].map(|row| travel.ts[row]), [500.0, 540.0]);
}

// Row: "A trip whose `source` is not one"
#[test]
fn a_trip_from_another_cell_is_treated_as_sampled_by_time() {
    assert_eq!(Method::of_trip("DwellSegmentationDistFilter"), Method::Distance);
    assert_eq!(Method::of_trip("DwellSegmentationTimeFilter"), Method::Time);
    assert_eq!(Method::of_trip("somebody's own"), Method::Time);
}
