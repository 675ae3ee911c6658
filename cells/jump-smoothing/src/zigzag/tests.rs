use cells_geometry::Position;
use proptest::prelude::*;

use super::*;
use crate::boxplot::fence;

/// Points a minute apart, so many metres north of the equator.
fn track(metres: &[f64]) -> Points {
    let mut points = Points::default();
    for (row, metres) in metres.iter().enumerate() {
        let north = metres / (cells_geometry::EARTH_RADIUS_M.to_radians());
        points.push(row as f64 * 60.0, Position { latitude: north, longitude: 0.0 }, Some(row));
    }
    points
}

/// The points that are thrown out where a step of over 600 m in its minute is a jump.
fn thrown_out(metres: &[f64], by_distance: bool) -> Result<Vec<usize>, Misfit> {
    let points = track(metres);
    let steps = Steps::over(&points, |_| true);
    let kept = zigzag(&points, &steps, 10.0, by_distance)?;
    Ok((0..points.len()).filter(|index| !kept[*index]).collect())
}

#[test]
fn a_track_without_jumps_keeps_every_point() {
    assert_eq!(thrown_out(&[0.0, 300.0, 600.0, 900.0], false), Ok(vec![]));
    assert_eq!(thrown_out(&[0.0], false), Ok(vec![]));
}

#[test]
fn a_stay_at_a_far_place_between_two_stretches_of_the_way_is_thrown_out() {
    let metres = [0.0, 300.0, 600.0, 9000.0, 9010.0, 900.0, 1200.0, 1500.0];
    assert_eq!(thrown_out(&metres, false), Ok(vec![3, 4]));
}

#[test]
fn pieces_alternate_from_the_shortest_one_that_moves_on() {
    // Good is the second piece, 200 m long; clusters on both sides of it are bad, and the piece behind the next is good.
    let metres = [0.0, 10.0, 5000.0, 5200.0, 0.0, 10.0, 5400.0, 5700.0, 6000.0];
    assert_eq!(thrown_out(&metres, false), Ok(vec![0, 1, 4, 5]));
}

#[test]
fn if_all_pieces_are_clusters_the_shortest_is_bad_and_the_one_before_it_is_good() {
    assert_eq!(thrown_out(&[0.0, 50.0, 5000.0, 0.0, 50.0], false), Ok(vec![2]));
    // The first piece has none before it.
    assert_eq!(thrown_out(&[0.0, 5000.0, 5050.0], false), Ok(vec![0]));
}

#[test]
fn a_following_piece_that_moves_on_is_bad_up_to_its_first_long_step() {
    // The rest of it is good, so the next piece is expected to be bad, and is a cluster.
    let metres = [0.0, 200.0, 5000.0, 5010.0, 5300.0, 5600.0, 0.0, 10.0];
    assert_eq!(thrown_out(&metres, false), Ok(vec![2, 3, 6, 7]));
}

#[test]
fn a_preceding_piece_that_moves_on_is_bad_from_its_last_long_step() {
    let metres = [0.0, 300.0, 600.0, 610.0, 5000.0, 5200.0];
    assert_eq!(thrown_out(&metres, false), Ok(vec![2, 3]));
}

// Row: "A section whose pieces do not fit"
#[test]
fn a_piece_that_moves_on_in_small_steps_is_an_error() {
    let metres = [0.0, 110.0, 5000.0, 5090.0, 5180.0];
    assert_eq!(thrown_out(&metres, false), Err(Misfit::Steady));
}

// Row: "A section whose pieces do not fit"
#[test]
fn a_piece_whose_part_before_the_long_step_moves_on_too_is_an_error() {
    let metres = [0.0, 110.0, 5000.0, 5090.0, 5180.0, 5400.0];
    assert_eq!(thrown_out(&metres, false), Err(Misfit::NoCluster));
}

#[test]
fn by_distance_a_jump_begins_at_the_long_step_before_it() {
    // Out of a silence by a slow step of 500 m, back by a fast one.
    let metres = [0.0, 50.0, 100.0, 600.0, 610.0, 1300.0, 1350.0, 1450.0];
    assert_eq!(thrown_out(&metres, true), Ok(vec![3, 4]));
}

// Row: "A section whose pieces do not fit"
#[test]
fn by_distance_a_jump_without_a_long_step_before_it_is_an_error() {
    assert_eq!(thrown_out(&[0.0, 50.0, 900.0, 950.0], true), Err(Misfit::NoJumpBefore));
}

// Row: "A section whose pieces do not fit"
#[test]
fn by_distance_two_jumps_in_a_row_are_an_error() {
    assert_eq!(thrown_out(&[0.0, 300.0, 1000.0, 2000.0, 2010.0], true), Err(Misfit::Touching));
}

proptest! {
    #[test]
    fn the_good_piece_is_kept_whatever_the_track(
        metres in prop::collection::vec(prop_oneof![0.0..200.0, 0.0..5000.0], 0..40),
        times in prop::collection::vec(0.0..3000.0, 40),
        by_distance in any::<bool>(),
    ) {
        let mut points = track(&metres);
        points.ts.copy_from_slice(&times[..metres.len()]);
        let steps = Steps::over(&points, |_| true);
        if let Ok(kept) = zigzag(&points, &steps, fence(&steps.speed), by_distance) {
            prop_assert_eq!(kept.len(), metres.len());
            prop_assert!(metres.is_empty() || kept.contains(&true));
        }
    }
}
