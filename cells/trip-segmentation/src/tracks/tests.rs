use proptest::prelude::*;

use super::*;

const DEGREE_M: f64 = 111_194.926_644_558_74;

/// A point this many metres north of home.
fn point(ts: f64, north_m: f64) -> Point {
    let position = Position { latitude: 47.0 + north_m / DEGREE_M, longitude: 8.5 };
    Point { ts, write_ts: ts + 0.5, position }
}

/// A walk away from home, a point every 30 s, at 1.4 m/s.
fn walk(points: u32) -> Vec<Point> {
    (0..points).map(|number| point(f64::from(number) * 30.0, f64::from(number) * 42.0)).collect()
}

fn in_order(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.ts.total_cmp(&b.ts));
    points
}

/// A device that reports at regular times that it is at a place.
fn stays(north_m: f64, every_s: f64, until: f64) -> Vec<Point> {
    let times = (0..).map(|number| 5.0 + f64::from(number) * every_s).take_while(|ts| *ts < until);
    times.map(|ts| point(ts, north_m)).collect()
}

/// The tracks of the points far from home: those of the walk and those of the other device.
fn whose(points: &[Point], tracks: &Tracks, is_walk: impl Fn(&Point) -> bool) -> [Vec<usize>; 2] {
    let mut whose = [Vec::new(), Vec::new()];
    for (point, track) in points.iter().zip(&tracks.track_of) {
        let of_walk = &mut whose[usize::from(!is_walk(point))];
        if !of_walk.contains(track) {
            of_walk.push(*track);
        }
    }
    whose
}

// Row: "Two devices of one kind"
#[test]
fn a_device_that_stays_where_the_walk_began_is_found_and_its_points_are_its_own() {
    for every_s in [60.0, 170.0, 300.0, 600.0] {
        let points = in_order([walk(80), stays(0.0, every_s, 2_400.0)].concat());
        let tracks = split(&points, &[]);
        assert_eq!((tracks.stays, tracks.found.len()), (1, 1), "every {every_s} s");
        let far: Vec<Point> = points.iter().copied().filter(|point| point.ts > 600.0).collect();
        let late = Tracks { track_of: tracks.track_of[points.len() - far.len()..].to_vec(), ..tracks };
        let of_walk = |point: &Point| point.ts % 30.0 == 0.0;
        assert_eq!(whose(&far, &late, of_walk), [vec![0], vec![1]], "every {every_s} s");
    }
}

#[test]
fn the_carried_device_keeps_its_points_where_it_leaves_and_where_it_comes_back() {
    let out = walk(60);
    let back =
        (1..60).map(|number| point(1_770.0 + f64::from(number) * 30.0, 2_478.0 - f64::from(number) * 42.0));
    let standing = (1..12).map(|number| point(3_540.0 + f64::from(number) * 30.0, 0.0));
    let walked: Vec<Point> = out.into_iter().chain(back).chain(standing).collect();
    let points = in_order([walked.clone(), stays(0.0, 600.0, 12_000.0)].concat());
    let tracks = split(&points, &[]);
    let of_walk = |point: &Point| point.ts % 30.0 == 0.0;
    let lost = points.iter().zip(&tracks.track_of).filter(|(point, track)| of_walk(point) && **track != 0);
    assert_eq!(lost.count(), 0);
    let taken = points.iter().zip(&tracks.track_of).filter(|(point, track)| !of_walk(point) && **track == 0);
    assert!(taken.count() <= 2, "what comes in the rhythm of the walk may be taken for it");
}

#[test]
fn a_known_device_is_separated_in_a_window_without_any_detour() {
    let known = split(&in_order([walk(80), stays(0.0, 300.0, 2_400.0)].concat()), &[]).found;
    let at_home = stays(10.0, 300.0, 14_400.0);
    assert_eq!(split(&at_home, &[]).track_of, vec![0; at_home.len()]);
    assert_eq!(split(&at_home, &known).track_of, vec![1; at_home.len()]);
}

// Row: "Two devices of one kind"
#[test]
fn two_jumps_to_one_place_or_many_to_different_ones_are_bad_fixes() {
    let mut twice = walk(80);
    twice[20] = point(twice[20].ts, 30_000.0);
    twice[50] = point(twice[50].ts, 30_000.0);
    assert_eq!(split(&twice, &[]).track_of, vec![0; 80]);
    let mut many = walk(80);
    for (number, row) in [10, 25, 33, 41, 57, 66].into_iter().enumerate() {
        many[row] = point(many[row].ts, 20_000.0 + 9_000.0 * (number as f64));
    }
    assert_eq!(split(&many, &[]).track_of, vec![0; 80]);
    // Nor where the phone itself stays.
    let mut here = stays(0.0, 30.0, 2_400.0);
    for (number, row) in [10, 25, 33, 41, 57, 66].into_iter().enumerate() {
        here[row] = point(here[row].ts, 20_000.0 + 9_000.0 * (number as f64));
    }
    assert_eq!(split(&here, &[]).track_of, vec![0; here.len()]);
}

#[test]
fn a_plane_and_a_fast_train_are_one_device() {
    for (speed_m_s, every_s) in [(85.0, 30.0), (250.0, 30.0), (250.0, 120.0), (70.0, 5.0)] {
        let there =
            (0..100).map(|number| (f64::from(number) * every_s, f64::from(number) * every_s * speed_m_s));
        let end = 100.0 * every_s;
        let back = (1..100).map(|number| {
            let seconds = f64::from(number) * every_s;
            (end + 3_600.0 + seconds, (end - seconds) * speed_m_s)
        });
        let points: Vec<Point> = there.chain(back).map(|(ts, north_m)| point(ts, north_m)).collect();
        assert_eq!(split(&points, &[]), Tracks { track_of: vec![0; points.len()], ..Tracks::default() });
    }
}

#[test]
fn two_devices_that_are_both_carried_have_a_track_each() {
    let other =
        (0..60).map(|number| point(f64::from(number) * 40.0 + 11.0, -3_000.0 - f64::from(number) * 50.0));
    let points = in_order(
        walk(80)
            .into_iter()
            .map(|point| Point {
                position: Position { latitude: point.position.latitude + 0.01, ..point.position },
                ..point
            })
            .chain(other)
            .collect(),
    );
    let tracks = split(&points, &[]);
    let of_walk = |point: &Point| point.position.latitude > 47.0;
    let [own, others] = whose(&points, &tracks, of_walk);
    assert_eq!((own.len(), others.len()), (1, 1), "{own:?} {others:?}");
    assert_ne!(own, others);
    assert_eq!(tracks.stays, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_points_are_separated_without_a_panic_and_each_belongs_to_a_track(
        raw in prop::collection::vec((0.0..20_000.0_f64, -90.0..90.0_f64, -180.0..180.0_f64, 0..4_u8), 0..200),
    ) {
        let points = in_order(raw.into_iter().map(|(ts, latitude, longitude, kind)| {
            let position = match kind {
                0 => Position { latitude, longitude },
                1 => Position { latitude: 47.0, longitude: 8.5 },
                _ => Position { latitude: 47.0 + latitude / 900.0, longitude: 8.5 },
            };
            Point { ts, write_ts: ts, position }
        }).collect());
        let tracks = split(&points, &[]);
        prop_assert_eq!(tracks.track_of.len(), points.len());
        prop_assert!(tracks.track_of.iter().all(|track| *track <= tracks.stays + 1));
        prop_assert_eq!(split(&points, &[]), tracks, "the same again");
    }
}
