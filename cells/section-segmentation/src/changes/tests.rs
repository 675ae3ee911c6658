use MotionType::{Bicycling, InVehicle, OnFoot, Running, Still, Walking};
use cells_geometry::Position;
use proptest::prelude::*;

use super::*;
use crate::travels::Travel;

/// Ten minutes at that pace, with a motion every two minutes from the first one on.
fn leg(travel: Travel, kind: MotionType, speed: f64) -> Travel {
    let start = travel.ts.last().copied().expect("one");
    let at: Vec<f64> = (0..5).map(|number| start + 60.0 + 120.0 * f64::from(number)).collect();
    travel.goes(600.0, speed).senses(kind, &at)
}

fn legs(legs: &[(MotionType, f64)]) -> Travel {
    legs.iter().fold(Travel::new(), |travel, (kind, speed)| leg(travel, *kind, *speed))
}

#[test]
fn a_trip_is_cut_where_the_kind_of_motion_changes() {
    // Off a vehicle when the walk is first seen; onto a bicycle when the walk was last seen.
    let travel = legs(&[(InVehicle, 15.0), (Walking, 1.2), (Bicycling, 5.0)]);
    assert_eq!(
        travel.changes(),
        [(60.0, 660.0, InVehicle), (660.0, 1140.0, Walking), (1140.0, 1740.0, Bicycling)]
    );
}

#[test]
fn a_vehicle_begins_when_the_walk_before_was_last_seen() {
    let travel = legs(&[(Walking, 1.2), (InVehicle, 15.0)]);
    assert_eq!(travel.changes(), [(60.0, 540.0, Walking), (540.0, 1140.0, InVehicle)]);
}

#[test]
fn a_walk_and_a_run_are_one_and_being_on_foot_is_another() {
    assert_eq!(legs(&[(Walking, 1.2), (Running, 1.6)]).changes(), [(60.0, 1140.0, Walking)]);
    let kinds: Vec<_> = legs(&[(Walking, 1.2), (OnFoot, 1.2)]).changes().iter().map(|one| one.2).collect();
    assert_eq!(kinds, [Walking, OnFoot]);
}

#[test]
fn uncertain_motions_and_motions_that_are_not_travel_do_not_count() {
    let mut travel = legs(&[(Walking, 1.2), (InVehicle, 15.0)]).senses(Still, &[2000.0]);
    for sensed in &mut travel.sensed[5..10] {
        sensed.confidence = 60.0;
    }
    assert_eq!(travel.changes(), [(60.0, 540.0, Walking)]);
    for sensed in &mut travel.sensed {
        sensed.confidence = f64::NAN;
    }
    assert_eq!(travel.changes(), []);
}

#[test]
fn a_moment_of_another_kind_within_a_walk_is_part_of_the_walk() {
    let mut travel = legs(&[(Walking, 1.2), (Walking, 1.2)]);
    travel.sensed[5].kind = InVehicle;
    assert_eq!(travel.changes(), [(60.0, 1140.0, Walking)]);
}

#[test]
fn the_last_of_several_motions_at_the_moment_of_a_start_gives_its_number() {
    let sensed: Vec<Sensed> = [(5.0, Walking), (5.0, Walking), (9.0, Walking)]
        .map(|(ts, kind)| Sensed { ts, kind, confidence: 100.0 })
        .to_vec();
    let (motions, pairs) = cut(&sensed, 60.0);
    let change = pairs[0].of(&motions);
    assert_eq!((change.start.index, change.end.index, change.motions()), (1, 2, 1));
}

#[test]
fn a_walk_between_two_vehicles_stays_even_if_it_is_short() {
    let mut travel = legs(&[(InVehicle, 15.0), (InVehicle, 1.0), (InVehicle, 15.0)]);
    travel.sensed[7].kind = Walking;
    let kinds: Vec<_> = travel.changes().iter().map(|one| one.2).collect();
    assert_eq!(kinds, [InVehicle, Walking, InVehicle]);
}

#[test]
fn kinds_that_alternate_for_long_are_a_ride_on_a_bicycle() {
    let mut travel = legs(&[(Walking, 1.2), (InVehicle, 4.0), (InVehicle, 4.0), (Walking, 1.2)]);
    for (number, sensed) in travel.sensed[5..15].iter_mut().enumerate() {
        sensed.kind = [InVehicle, Bicycling][number % 2];
    }
    let kinds: Vec<_> = travel.changes().iter().map(|one| one.2).collect();
    assert_eq!(kinds, [Walking, Bicycling, Walking]);
}

fn sensed() -> impl Strategy<Value = Vec<Sensed>> {
    let kind = prop::sample::select(MotionType::ALL);
    let ts = prop_oneof![3 => 0.0..3000.0, 1 => Just(0.0), 1 => (0_u32..300).prop_map(|step| f64::from(step) * 10.0)];
    let confidence = prop_oneof![4 => Just(100.0), 1 => 0.0..100.0, 1 => Just(f64::NAN)];
    prop::collection::vec((ts, kind, confidence), 0..60).prop_map(|mut all| {
        all.sort_by(|a: &(f64, _, _), b| a.0.total_cmp(&b.0));
        all.into_iter().map(|(ts, kind, confidence)| Sensed { ts, kind, confidence }).collect()
    })
}

fn tracks() -> impl Strategy<Value = (Vec<f64>, Vec<Position>)> {
    prop::collection::vec((0.0..3000.0, -0.05..0.05, -0.05..0.05), 1..60).prop_map(|mut points| {
        points.sort_by(|a: &(f64, f64, f64), b| a.0.total_cmp(&b.0));
        let at = |point: &(f64, f64, f64)| Position { latitude: 47.0 + point.1, longitude: 8.0 + point.2 };
        (points.iter().map(|point| point.0).collect(), points.iter().map(at).collect())
    })
}

proptest! {
    #[test]
    fn changes_follow_one_another_without_gaps_and_never_have_their_neighbours_kind(
        sensed in sensed(), (ts, positions) in tracks(),
    ) {
        let changes = changes(&sensed, 60.0, &Track::new(&ts, &positions));
        for pair in changes.windows(2) {
            prop_assert_eq!(pair[0].end.ts, pair[1].start.ts);
            prop_assert_ne!(pair[0].kind(), pair[1].kind());
        }
        prop_assert!(changes.iter().all(|change| change.start.ts <= change.end.ts && is_travel(change.kind())));
        let counts = |one: &&Sensed| one.confidence > 60.0 && is_travel(one.kind);
        let first = sensed.iter().find(counts).map(|one| one.ts);
        let last = sensed.iter().rfind(counts).map(|one| one.ts);
        prop_assert_eq!(changes.first().map(|change| change.start.ts), first);
        prop_assert_eq!(changes.last().map(|change| change.end.ts), last);
    }

    #[test]
    fn sections_are_parts_of_their_trip_in_its_order(sensed in sensed(), (ts, positions) in tracks()) {
        use crate::sections::Method;
        let track = Track::new(&ts, &positions);
        for method in [Method::Time, Method::Distance] {
            let changes = changes(&sensed, method.confidence_min(), &track);
            if changes.is_empty() {
                continue;
            }
            let parts = method.sections(&track, &changes);
            prop_assert!(parts.iter().all(|part| part.first <= part.last && part.last < ts.len()), "{parts:?}");
            prop_assert!(parts.windows(2).all(|pair| pair[0].first <= pair[1].first), "{parts:?}");
        }
    }
}
