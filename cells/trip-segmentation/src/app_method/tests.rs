use cells_geometry::Position;
use cells_locations::Sampling;
use cells_sdk::model::EntryId;
use proptest::prelude::*;

use super::*;

const DEGREE_M: f64 = 111_194.926_644_558_74;

/// Points by their time in s, metres north of home, and accuracy in m.
fn points(way: &[(f64, f64, f64)]) -> Points {
    let mut points = Points::default();
    for (ts, north_m, accuracy_m) in way {
        points.ids.push(EntryId([7; 12]));
        points.ts.push(*ts);
        points.write_ts.push(*ts + 0.25);
        points.positions.push(Position { latitude: 47.0 + north_m / DEGREE_M, longitude: 8.5 });
        points.accuracy_m.push(*accuracy_m);
        points.sampling.push(Some(Sampling::App));
    }
    points
}

/// To the second.
fn trips(way: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let way: Vec<(f64, f64, f64)> = way.iter().map(|(ts, north_m)| (*ts, *north_m, 8.0)).collect();
    times(&points(&way)).iter().map(|(start, end)| (start.round(), end.round())).collect()
}

fn times(points: &Points) -> Vec<(f64, f64)> {
    let found = segment(points, 0..points.len());
    found.trips.iter().map(|trip| found.times(points, *trip)).collect()
}

/// A point every so many s from a time to another, which moves evenly between two distances.
fn leg(every_s: f64, from: (f64, f64), to: (f64, f64)) -> Vec<(f64, f64)> {
    let count = ((to.0 - from.0) / every_s) as u32;
    let share = |number: u32| f64::from(number) * every_s / (to.0 - from.0);
    (0..count)
        .map(|number| (from.0 + f64::from(number) * every_s, from.1 + (to.1 - from.1) * share(number)))
        .collect()
}

/// An hour at home, a ride of ten minutes over 6 km, and an hour there.
fn ride(every_s: f64) -> Vec<(f64, f64)> {
    [
        leg(every_s, (0.0, 0.0), (3_600.0, 0.0)),
        leg(every_s, (3_600.0, 0.0), (4_200.0, 6_000.0)),
        leg(every_s, (4_200.0, 6_000.0), (7_800.0, 6_000.0)),
    ]
    .concat()
}

#[test]
fn a_ride_is_one_trip_at_every_cadence() {
    for every_s in [1.0, 10.0, 30.0, 60.0, 120.0, 150.0] {
        let found = trips(&ride(every_s));
        let [(start, end)] = found[..] else { panic!("{every_s} s: {found:?}") };
        // At 10 m/s the circle of a place is crossed in 20 s.
        let within_s = every_s + 20.0;
        assert!(
            (start - 3_600.0).abs() <= within_s && (end - 4_200.0).abs() <= within_s,
            "{every_s} s: {found:?}"
        );
    }
}

#[test]
fn a_silence_with_time_to_rest_is_a_stay_and_one_without_is_not() {
    let out = leg(60.0, (0.0, 0.0), (600.0, 5_000.0));
    let back = |from_s: f64| leg(60.0, (from_s, 4_400.0), (from_s + 600.0, 0.0));
    let home = |from_s: f64| leg(300.0, (from_s, 0.0), (from_s + 1_800.0, 0.0));
    let rested = [out.clone(), back(5_000.0), home(5_600.0)].concat();
    // The first report on the way back is 100 m from the last one before the rest.
    assert_eq!(trips(&rested), [(0.0, 540.0), (4_986.0, 5_600.0)]);
    // Fifteen minutes for the next 9 km are a tunnel or a phone without a network.
    let onwards = [
        out,
        leg(60.0, (1_440.0, 13_500.0), (1_980.0, 18_000.0)),
        leg(60.0, (1_980.0, 18_000.0), (3_000.0, 18_000.0)),
    ];
    assert_eq!(trips(&onwards.concat()).len(), 1);
}

/// Two reports at home, none for an hour, a ride at 5 m/s from 500 m on, and an hour there.
fn ride_from_500_m(first_ts: f64) -> Vec<(f64, f64)> {
    let home = vec![(0.0, 0.0), (60.0, 0.0)];
    let rides = leg(60.0, (first_ts, 500.0), (first_ts + 600.0, 3_500.0));
    [home, rides, leg(60.0, (first_ts + 600.0, 3_500.0), (first_ts + 4_200.0, 3_500.0))].concat()
}

#[test]
fn who_left_before_the_first_report_left_at_the_pace_of_the_way_behind_it() {
    assert_eq!(trips(&ride_from_500_m(4_000.0)), [(3_900.0, 4_600.0)]);
    // Not before the last report at the place, and the minute that shows a stay.
    let mut slow = ride_from_500_m(300.0);
    slow.iter_mut().skip(2).for_each(|point| point.0 = 300.0 + (point.0 - 300.0) * 4.0);
    assert_eq!(trips(&slow)[0].0, 120.0);
}

#[test]
fn who_went_far_in_a_silence_with_time_to_rest_begins_with_the_first_report() {
    let far = |first_ts: f64| -> Vec<(f64, f64)> {
        let ride = ride_from_500_m(first_ts).into_iter().enumerate();
        ride.map(|(row, (ts, north_m))| (ts, north_m + if row > 1 { 2_500.0 } else { 0.0 })).collect()
    };
    assert_eq!(trips(&far(4_000.0))[0].0, 4_000.0);
    assert_eq!(trips(&far(640.0))[0].0, 120.0, "there was no time to rest");
}

#[test]
fn who_arrived_in_a_silence_arrived_at_the_pace_of_the_way_before_it() {
    let way = [
        leg(60.0, (0.0, 0.0), (1_200.0, 0.0)),
        leg(60.0, (1_200.0, 0.0), (1_800.0, 3_000.0)),
        leg(60.0, (2_700.0, 3_600.0), (5_400.0, 3_600.0)),
    ];
    let found = trips(&way.concat());
    // The last report on the way is at 1,740 s and 2,700 m.
    assert_eq!(found.len(), 1);
    assert!((found[0].1 - 1_920.0).abs() < 1.0, "{found:?}");
    // One report after a silence may be on the way, and somebody may rest behind it.
    let once = [&way.concat()[..31], &[(12_000.0, 3_000.0), (12_100.0, 3_000.0)]].concat();
    assert_eq!(trips(&once).last().map(|trip| trip.1), Some(2_700.0));
}

#[test]
fn one_report_between_two_silences_is_a_trip() {
    let changes = [(0.0, 0.0), (4_000.0, 700.0), (12_000.0, 0.0), (13_000.0, 10.0), (14_000.0, 0.0)];
    assert_eq!(trips(&changes), [(3_650.0, 4_000.0), (11_650.0, 12_000.0)]);
}

#[test]
fn a_bad_fix_a_walk_around_the_house_and_a_wait_at_a_stop_are_neither_trips_nor_places() {
    let mut at_home = leg(30.0, (0.0, 0.0), (3_600.0, 0.0));
    at_home[40].1 = 1_200.0;
    at_home[60..70].iter_mut().for_each(|point| point.1 = 150.0);
    assert_eq!(trips(&at_home), []);
    let waits = [
        leg(30.0, (0.0, 0.0), (1_800.0, 0.0)),
        leg(30.0, (1_800.0, 0.0), (2_100.0, 400.0)),
        leg(30.0, (2_100.0, 400.0), (2_300.0, 400.0)),
        leg(30.0, (2_300.0, 400.0), (2_900.0, 5_000.0)),
        leg(30.0, (2_900.0, 5_000.0), (4_000.0, 5_000.0)),
    ];
    assert_eq!(trips(&waits.concat()).len(), 1);
}

#[test]
fn who_waits_at_the_rim_of_a_place_has_left_it() {
    let way = |waits_s: f64| -> Vec<(f64, f64)> {
        let rides_s = 1_860.0 + waits_s;
        let legs = [
            leg(10.0, (0.0, 0.0), (1_800.0, 0.0)),
            leg(10.0, (1_800.0, 0.0), (1_860.0, 90.0)),
            leg(10.0, (1_860.0, 90.0), (rides_s, 90.0)),
            leg(10.0, (rides_s, 90.0), (rides_s + 600.0, 5_000.0)),
            leg(10.0, (rides_s + 600.0, 5_000.0), (rides_s + 2_000.0, 5_000.0)),
        ];
        legs.concat()
    };
    let start = |waits_s: f64| trips(&way(waits_s))[0].0;
    for waits_s in [0.0, 300.0, 500.0] {
        assert!(
            (start(waits_s) - 1_830.0).abs() <= 10.0,
            "half way to the rim, {waits_s} s: {}",
            start(waits_s)
        );
    }
    assert_eq!(start(1_200.0), 3_060.0, "who stays there for twenty minutes is at the place");
}

#[test]
fn a_bad_fix_before_a_walk_around_the_house_makes_no_trip_of_it() {
    let mut way = leg(60.0, (0.0, 0.0), (6_000.0, 0.0));
    way[80].1 = 3_000.0;
    way[81..83].iter_mut().for_each(|point| point.1 = 70.0);
    way[83..92].iter_mut().for_each(|point| point.1 = 150.0);
    assert_eq!(trips(&way), []);
}

#[test]
fn a_bad_fix_says_nothing_about_the_pace() {
    let mut way = [vec![(0.0, 0.0), (60.0, 0.0)], leg(10.0, (4_000.0, 400.0), (4_800.0, 1_200.0))].concat();
    way.extend(leg(10.0, (4_800.0, 1_200.0), (6_000.0, 1_200.0)));
    let sound = trips(&way);
    assert_eq!(sound[0].0, 3_600.0, "400 m at 1 m/s");
    way[12].1 = 3_000.0;
    assert_eq!(trips(&way), sound);
}

#[test]
fn the_circle_of_a_place_grows_with_the_accuracy_of_points() {
    let wander = |accuracy_m: f64| -> Vec<(f64, f64, f64)> {
        (0..40).map(|at| (f64::from(at) * 500.0, if at % 4 < 2 { 0.0 } else { 210.0 }, accuracy_m)).collect()
    };
    assert_eq!(times(&points(&wander(150.0))), []);
    assert!(!times(&points(&wander(10.0))).is_empty(), "places 210 m apart are two");
    assert_eq!(times(&points(&wander(f64::NAN))), times(&points(&wander(10.0))), "unknown counts as good");
}

#[test]
fn a_long_stay_need_not_be_read_again() {
    let home =
        points(&leg(60.0, (0.0, 0.0), (100_000.0, 0.0)).iter().map(|p| (p.0, p.1, 8.0)).collect::<Vec<_>>());
    let found = segment(&home, 0..home.len());
    assert_eq!(found.trips, []);
    assert!(found.done_through.is_some_and(|through| through > 100_000.0 - SETTLED_S - 120.0));
}

#[test]
fn a_track_without_points_or_with_one_has_no_trips() {
    assert_eq!(segment(&points(&[]), 0..0), Segments::default());
    assert_eq!(segment(&points(&[(0.0, 0.0, 5.0)]), 0..1), Segments::default());
}

/// Trips of runs that each see the points up to a cut, and begin where the mark of the run before says.
fn in_runs(way: &[(f64, f64, f64)], cuts: &[usize]) -> Vec<(f64, f64)> {
    let (mut found, mut start_ts) = (Vec::new(), f64::NEG_INFINITY);
    for cut in cuts.iter().copied().chain([way.len()]) {
        let window: Vec<_> = way[..cut].iter().copied().filter(|point| point.0 + 0.25 >= start_ts).collect();
        let window = points(&window);
        found.extend(times(&window));
        if let Some(mark) = segment(&window, 0..window.len()).done_through {
            start_ts = mark + cells_sdk::WINDOW_GAP_S;
        }
    }
    found
}

/// Days of stays and moves with any spacing and any noise.
fn any_way() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    let leg = (1_u32..40, prop_oneof![1.0..90.0_f64, 200.0..2_000.0], -15.0..15.0_f64, any::<bool>());
    let noise = prop::collection::vec((-60.0..60.0_f64, 5.0..150.0_f64), 400);
    (prop::collection::vec(leg, 1..12), noise).prop_map(|(legs, noise)| {
        let (mut ts, mut north_m) = (0.0, 0.0);
        let mut way = Vec::new();
        for (count, every_s, speed_m_s, stays) in legs {
            for _ in 0..count {
                ts += every_s;
                north_m += if stays { 0.0 } else { speed_m_s * every_s };
                let (error_m, accuracy_m) = noise[way.len() % noise.len()];
                way.push((ts, north_m + error_m, accuracy_m));
            }
        }
        way
    })
}

proptest! {
    #[test]
    fn trips_do_not_depend_on_where_points_are_cut_into_runs(
        way in any_way(),
        shares in prop::collection::vec(0.0..1.0_f64, 0..6),
    ) {
        let whole = times(&points(&way));
        let mut cuts: Vec<usize> = shares.iter().map(|share| (share * way.len() as f64) as usize).collect();
        cuts.sort_unstable();
        prop_assert_eq!(in_runs(&way, &cuts), whole);
    }

    #[test]
    fn trips_follow_one_another(way in any_way()) {
        let found = times(&points(&way));
        prop_assert!(found.iter().all(|(start, end)| start <= end), "{:?}", found);
        prop_assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", found);
    }
}
