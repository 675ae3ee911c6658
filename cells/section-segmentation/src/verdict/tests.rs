use MotionType::{Bicycling, InVehicle, Walking};

use super::*;
use crate::travels::{Travel, side_by_side};

fn of(parts: &[(MotionType, f64, i64)], streak: (usize, usize), travel: &Travel) -> Verdict {
    let changes = side_by_side(parts);
    verdict(&changes, Streak { first: streak.0, last: streak.1 }, &travel.track())
}

fn walk() -> Travel {
    Travel::new().goes(3000.0, 1.2)
}

#[test]
fn a_streak_that_is_the_whole_trip_stays() {
    assert_eq!(of(&[(InVehicle, 100.0, 1)], (0, 0), &walk()), Verdict::Leave);
    assert_eq!(of(&[(InVehicle, 100.0, 1), (Walking, 200.0, 1)], (0, 1), &walk()), Verdict::Leave);
}

#[test]
fn a_streak_at_the_start_of_a_trip_can_only_go_backward_and_at_the_end_only_forward() {
    let start = [(InVehicle, 100.0, 1), (Walking, 900.0, 9)];
    assert_eq!(of(&start, (0, 0), &walk()), Verdict::Backward);
    let end = [(Walking, 900.0, 9), (InVehicle, 1000.0, 1)];
    assert_eq!(of(&end, (1, 1), &walk()), Verdict::Forward);
}

#[test]
fn a_streak_between_two_sections_of_one_kind_goes_forward() {
    let parts = [(Walking, 900.0, 9), (Bicycling, 930.0, 1), (Walking, 2000.0, 9)];
    assert_eq!(of(&parts, (1, 1), &walk()), Verdict::Forward);
}

#[test]
fn a_walk_with_points_stays_and_one_without_goes_to_the_kind_of_its_speed() {
    let parts = [(InVehicle, 900.0, 9), (Walking, 930.0, 1), (Bicycling, 2000.0, 9)];
    let travel = Travel::new().goes(900.0, 15.0).goes(1100.0, 5.0);
    assert_eq!(of(&parts, (1, 1), &travel), Verdict::Leave);
    // Without points of its own, the way from the last point before to the first behind counts.
    let without = |speed: f64| {
        let mut travel = Travel::new().goes(900.0, 15.0).goes(40.0, speed).goes(1060.0, 5.0);
        for gone in [93, 92, 91, 90] {
            travel.ts.remove(gone);
            travel.positions.remove(gone);
        }
        travel
    };
    assert_eq!(of(&parts, (1, 1), &without(15.0)), Verdict::Forward);
    assert_eq!(of(&parts, (1, 1), &without(5.0)), Verdict::Backward);
}

#[test]
fn a_streak_too_fast_for_a_walk_goes_to_the_other_side() {
    let travel = Travel::new().goes(900.0, 1.2).goes(30.0, 4.0).goes(1000.0, 15.0);
    let onto = [(Walking, 900.0, 9), (Bicycling, 930.0, 1), (InVehicle, 1900.0, 9)];
    assert_eq!(of(&onto, (1, 1), &travel), Verdict::Backward);
    let travel = Travel::new().goes(900.0, 15.0).goes(30.0, 4.0).goes(1000.0, 1.2);
    let off = [(InVehicle, 900.0, 9), (Bicycling, 930.0, 1), (Walking, 1900.0, 9)];
    assert_eq!(of(&off, (1, 1), &travel), Verdict::Forward);
}

#[test]
fn a_vehicle_right_after_a_bicycle_is_the_bicycle_ridden_fast() {
    let parts = [(Walking, 900.0, 9), (Bicycling, 930.0, 0), (InVehicle, 960.0, 2), (Walking, 2000.0, 9)];
    assert_eq!(of(&parts, (1, 1), &walk()), Verdict::BackwardKeepingKind);
    let long = [(Walking, 900.0, 9), (Bicycling, 930.0, 0), (InVehicle, 960.0, 3), (Walking, 2000.0, 9)];
    assert_ne!(of(&long, (1, 1), &walk()), Verdict::BackwardKeepingKind);
}

#[test]
fn a_streak_of_five_is_a_new_ride_and_one_of_four_stays_if_all_fit_their_kind() {
    let flicker = |count: usize, kind: MotionType| {
        let mut parts = vec![(Walking, 500.0, 9)];
        for number in 0..count {
            let kind = if number % 2 == 0 { Bicycling } else { kind };
            parts.push((kind, 500.0 + 70.0 * (number + 1) as f64, 1));
        }
        parts.push((InVehicle, 2900.0, 9));
        parts
    };
    assert_eq!(of(&flicker(5, Walking), (1, 5), &walk()), Verdict::NewRide);
    assert_eq!(of(&flicker(4, Walking), (1, 4), &walk()), Verdict::Leave);
    assert_ne!(of(&flicker(4, InVehicle), (1, 4), &walk()), Verdict::Leave);
}

#[test]
fn an_empty_streak_stays() {
    let parts = [(Walking, 900.0, 9), (InVehicle, 1900.0, 9), (Walking, 1910.0, 1)];
    assert_eq!(of(&parts, (2, 1), &walk()), Verdict::Leave);
}
