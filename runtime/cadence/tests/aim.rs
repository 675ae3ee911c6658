//! The comparison over other people than those of `cellar bench cadence`.

use runtime_cadence::judge::Score;
use runtime_cadence::{App, Line, Sample, compare, table};
use runtime_simulator::Phone;

/// Ten people for twenty days have about 700 trips: one trip more or less must not decide. So where the reference is
/// right about nearly all of them, ours may be wrong about two; otherwise it may miss or split half as many and one.
const SPARE: usize = 1;
const SPARE_WHERE_ALL_IS_WELL: usize = 2;

fn sample() -> Sample {
    Sample { seeds: (101..=110).collect(), days: 20 }
}

#[test]
fn at_every_cadence_of_another_app_ours_misses_and_splits_at_most_half_as_many_trips() {
    let lines: Vec<Line> = App::all().into_iter().map(|app| compare(app, &sample())).collect();
    let shown = table(&lines).join("\n");
    println!("seeds {:?}\n{shown}", sample().seeds);
    for line in &lines {
        let (ours, reference) = (line.ours.missed_or_split(), line.reference.missed_or_split());
        let allowed = (reference / 2 + SPARE).max(SPARE_WHERE_ALL_IS_WELL);
        let own = line.app.starts_with("e-mission");
        assert!(
            own || ours <= allowed,
            "seeds {:?}, {}: {ours}, {reference}\n{shown}",
            sample().seeds,
            line.app
        );
        assert!(line.ours.truth > 200, "{shown}");
    }
}

/// Files name no method, so that the reference would take them for the points of an Android phone.
#[test]
fn histories_in_files_have_no_fewer_of_their_trips_at_any_cadence_than_as_points_of_a_phone() {
    for app in App::in_files() {
        let line = compare(app, &sample());
        let wrong = |score: &Score| score.wrong() + score.invented;
        let (ours, unnamed) = (wrong(&line.ours), wrong(&line.unnamed));
        println!("seeds {:?}, {}: {ours} wrong by ours, {unnamed} by time", sample().seeds, line.app);
        assert!(ours <= unnamed + SPARE, "seeds {:?}, {}", sample().seeds, line.app);
    }
}

#[test]
fn at_the_cadences_of_e_mission_both_are_equal() {
    for phone in [Phone::Android, Phone::Ios] {
        let line = compare(App::Emission(phone), &sample());
        assert_eq!(line.ours, line.reference, "seeds {:?}", sample().seeds);
    }
}
