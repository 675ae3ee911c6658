use cells_locations::Sampling;
use cells_sdk::model::EntryId;
use proptest::prelude::*;

use super::*;

const DEGREE_M: f64 = 111_194.926_644_558_74;

/// Points of a device: time in s, and metres north of home.
fn points(way: &[(f64, f64)]) -> Points {
    let mut points = Points::default();
    for (ts, north_m) in way {
        points.ids.push(EntryId([7; 12]));
        points.ts.push(*ts);
        points.write_ts.push(*ts + 1.0);
        points.positions.push(Position { latitude: 47.0 + north_m / DEGREE_M, longitude: 8.5 });
        points.accuracy_m.push(10.0);
        points.sampling.push(Some(Sampling::Time));
    }
    points
}

/// A way of points 30 s apart.
fn way(start: f64, from_m: f64, to_m: f64) -> Vec<(f64, f64)> {
    let steps = ((to_m - from_m).abs() / 42.0).ceil().max(1.0);
    (0..=steps as u32)
        .map(|step| (start + f64::from(step) * 30.0, from_m + (to_m - from_m) * f64::from(step) / steps))
        .collect()
}

/// A stay of points 30 s apart, after the last of a way.
fn then_stays(mut way: Vec<(f64, f64)>, points: u32) -> Vec<(f64, f64)> {
    let (ts, north_m) = *way.last().expect("a way has points");
    way.extend((1..=points).map(|number| (ts + f64::from(number) * 30.0, north_m)));
    way
}

/// The result for devices with these points and trips between these rows.
fn followed(devices: &[(Points, Vec<(usize, usize)>)], before: Before) -> Followed {
    let found: Vec<Segments> = devices
        .iter()
        .map(|(points, trips)| Segments {
            trips: trips.clone(),
            done_through: trips.last().map(|(_, end)| points.write_ts[(end + 4).min(points.len() - 1)]),
            ..Segments::default()
        })
        .collect();
    let devices: Vec<Device<'_>> = devices
        .iter()
        .zip(&found)
        .map(|((points, _), found)| Device { points, found, silent: false })
        .collect();
    follow(&devices, before)
}

fn whose(followed: &Followed) -> Vec<(usize, usize, usize)> {
    followed.trips.iter().map(|trip| (trip.device, trip.start, trip.end)).collect()
}

#[test]
fn the_device_that_goes_furthest_is_followed_first_and_stays_followed() {
    let short = points(&then_stays(way(0.0, 0.0, 840.0), 12));
    let long = points(&then_stays(way(0.0, 0.0, 4_200.0), 12));
    let devices = [(short.clone(), vec![(0, 20)]), (long, vec![(0, 100)])];
    assert_eq!(whose(&followed(&devices, Before::default())), [(1, 0, 100)]);
    let before = Before { followed: Some(0), ..Before::default() };
    assert_eq!(whose(&followed(&devices, before))[0], (0, 0, 20));
    let nearly = points(&then_stays(way(0.0, 0.0, 900.0), 12));
    let devices = [(short, vec![(0, 20)]), (nearly, vec![(0, 22)])];
    assert_eq!(whose(&followed(&devices, Before::default())), [(0, 0, 20)], "of nearly equal ones the first");
}

#[test]
fn a_trip_that_does_not_leave_its_start_does_not_count() {
    let lies =
        points(&(0..60).map(|row| (f64::from(row) * 30.0, f64::from(row % 5) * 40.0)).collect::<Vec<_>>());
    assert_eq!(followed(&[(lies, vec![(0, 20), (30, 50)])], Before::default()), Followed::default());
}

#[test]
fn another_device_that_comes_later_to_the_same_place_adds_nothing() {
    let first = points(&then_stays(way(0.0, 0.0, 2_100.0), 12));
    let second = points(&then_stays(way(360.0, 0.0, 2_100.0), 12));
    let devices = [(first, vec![(0, 50)]), (second.clone(), vec![(0, 50)])];
    let found = followed(&devices, Before::default());
    assert_eq!(whose(&found), [(0, 0, 50)]);
    assert!(found.done_through >= Some(second.write_ts[50]), "the rest of the other trip is not read again");
}

#[test]
fn if_the_followed_device_falls_silent_during_a_trip_the_other_device_gives_the_whole_trip() {
    let off = points(&way(0.0, 0.0, 840.0));
    let on = points(&then_stays(way(7.0, 0.0, 4_200.0), 12));
    for before in [Before::default(), Before { followed: Some(0), ..Before::default() }] {
        let devices = [(off.clone(), vec![(0, 18)]), (on.clone(), vec![(0, 100)])];
        let mut silent: Vec<Device<'_>> = Vec::new();
        let found: Vec<Segments> = devices
            .iter()
            .map(|(points, trips)| Segments {
                trips: trips.clone(),
                done_through: points.write_ts.last().copied(),
                ..Segments::default()
            })
            .collect();
        for ((points, _), found) in devices.iter().zip(&found) {
            silent.push(Device { points, found, silent: true });
        }
        assert_eq!(whose(&follow(&silent, before)), [(1, 0, 100)]);
    }
}

#[test]
fn a_device_that_is_elsewhere_does_not_take_over() {
    let own = points(&then_stays(way(0.0, 0.0, 840.0), 12));
    let lent = points(&then_stays(way(0.0, -5_000.0, -9_000.0), 12));
    let before = Before { followed: Some(0), ..Before::default() };
    let devices = [(own, vec![(0, 20)]), (lent, vec![(0, 95)])];
    assert_eq!(whose(&followed(&devices, before)), [(0, 0, 20)]);
}

#[test]
fn a_trip_waits_while_another_device_is_still_moving() {
    let silent_end = points(&way(0.0, 0.0, 840.0));
    let under_way = points(&way(7.0, 0.0, 4_200.0));
    let devices = [(silent_end, vec![(0, 18)]), (under_way, Vec::new())];
    assert_eq!(followed(&devices, Before::default()), Followed::default());
    let before = Before { followed: Some(0), ..Before::default() };
    assert_eq!(followed(&devices, before), Followed::default());
}

#[test]
fn no_window_begins_after_the_start_of_a_movement_that_is_not_over() {
    let over = points(&then_stays(way(0.0, 0.0, 840.0), 12));
    let begun = points(&way(700.0, 840.0, 2_100.0));
    let devices = [(over, vec![(0, 20)]), (begun.clone(), Vec::new())];
    let found = followed(&devices, Before { followed: Some(0), ..Before::default() });
    assert_eq!(whose(&found), [(0, 0, 20)]);
    assert!(found.done_through.expect("a trip was chosen") + 5.0 <= begun.write_ts[0]);
}

#[test]
fn no_trip_begins_before_the_last_place_was_reached() {
    let phone = points(&then_stays(way(0.0, 0.0, 2_100.0), 12));
    let place = Position { latitude: 47.0 + 2_100.0 / DEGREE_M, longitude: 8.5 };
    let before = Before { arrived_ts: Some(1_500.0), location: Some(place), followed: Some(0) };
    assert_eq!(followed(&[(phone, vec![(10, 50)])], before), Followed::default());
}

proptest! {
    #[test]
    fn trips_never_overlap_whatever_the_devices_send(
        raw in prop::collection::vec(
            prop::collection::vec((1.0..900.0_f64, -3_000.0..3_000.0_f64), 2..60),
            1..5,
        ),
        cuts in prop::collection::vec(prop::collection::vec(0..60_usize, 0..8), 5),
        followed_first in prop::option::of(0..5_usize),
    ) {
        let devices: Vec<(Points, Vec<(usize, usize)>)> = raw
            .iter()
            .zip(&cuts)
            .map(|(steps, cuts)| {
                let mut ts = 0.0;
                let way: Vec<(f64, f64)> = steps.iter().map(|(gap, north)| { ts += gap; (ts, *north) }).collect();
                let mut rows: Vec<usize> = cuts.iter().copied().filter(|row| *row < way.len()).collect();
                rows.sort_unstable();
                rows.dedup();
                let trips = rows.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                (points(&way), trips)
            })
            .collect();
        let before = Before { followed: followed_first.filter(|device| *device < devices.len()), ..Before::default() };
        let found = followed(&devices, before);
        let span = |trip: &Chosen| {
            let points = &devices[trip.device].0;
            (points.ts[trip.start], points.ts[trip.end])
        };
        let spans: Vec<(f64, f64)> = found.trips.iter().map(span).collect();
        prop_assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", spans);
        prop_assert_eq!(found.trips.is_empty(), found.done_through.is_none());
    }
}
