use super::*;
use crate::{Person, Phone, simulate_day};

const SEED: u64 = 7;

fn days(cadence: Cadence) -> Vec<ReportedDay> {
    let person = Person::invent(SEED, Phone::Android);
    (20_000..20_005).map(|day| report_day(&person.plan(day), SEED, cadence)).collect()
}

#[test]
fn every_cadence_reports_the_movement_that_the_phone_of_the_same_seed_makes() {
    let person = Person::invent(SEED, Phone::Android);
    let plan = person.plan(20_001);
    let simulated = simulate_day(&plan, SEED);
    assert!(!simulated.truth.is_empty());
    for cadence in Cadence::ALL {
        let day = report_day(&plan, SEED, cadence);
        assert_eq!(day.truth, simulated.truth, "{}", cadence.name());
        assert_eq!(day, report_day(&plan, SEED, cadence), "the same seed gives the same reports");
        assert!(
            day.reports.is_sorted_by(|a, b| a.ts < b.ts && a.write_ts < b.write_ts),
            "{}",
            cadence.name()
        );
    }
}

#[test]
fn each_app_has_its_own_number_of_reports_a_day() {
    for (cadence, low, high) in [
        (Cadence::OwnTracksSignificant, 2, 60),
        (Cadence::OwnTracksMove, 250, 900),
        (Cadence::OwnTracksInterval, 2_500, 2_900),
        (Cadence::Overland, 1_000, 30_000),
        (Cadence::Traccar, 20, 900),
        (Cadence::GpsLogger, 1_200, 1_445),
    ] {
        let days = days(cadence);
        let mean = days.iter().map(|day| day.reports.len()).sum::<usize>() / days.len();
        assert!((low..high).contains(&mean), "seed {SEED}, {}: {mean} reports a day", cadence.name());
    }
}

#[test]
fn an_app_that_pauses_is_silent_while_nobody_moves() {
    for day in days(Cadence::Overland) {
        for pair in day.truth.windows(2) {
            let rest = pair[0].end_ts + 900.0..pair[1].start_ts;
            assert!(!day.reports.iter().any(|report| rest.contains(&report.ts)), "seed {SEED}");
        }
    }
}
