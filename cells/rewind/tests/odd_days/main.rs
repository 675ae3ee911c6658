//! The stages together, on days whose times do not rise: an old fix before a load, two phones of one person at once, a
//! load that comes twice. In every case, each trip is confirmed once or reported to the owner, the chains are linked in
//! both directions, and no stage reports that it is done while entries remain in its next window.

#[path = "../stages/mod.rs"]
#[allow(dead_code)]
mod stages;

mod check;
mod phone;

use cells_recorded::Canonical;
use cells_sdk::testing::Memory;
use phone::{Kind, Load, Phones, Trip, loads, store};
use proptest::prelude::*;
use stages::Stages;

fn trip(rest_s: f64, points: usize, back: bool) -> Trip {
    Trip { rest_s, points, back, motion: Some(7) }
}

fn plain(trips: Vec<Trip>) -> Load {
    Load { trips, stale_s: None, second: Vec::new(), doubled: false, stopped: true }
}

/// Runs the stages after each load, and twice more; returns what is wrong.
fn diary(kind: Kind, loads: &[Load]) -> (Memory, Stages, f64, Vec<String>) {
    let (mut memory, mut stages, mut phones) = (store(), Stages::default(), Phones::new(kind));
    let mut now = 0.0;
    for load in loads {
        (memory, now) = phones.put(memory, load);
        stages.run(&mut memory, now);
    }
    for _ in 0..2 {
        now += 600.0;
        stages.run(&mut memory, now);
    }
    let faults = check::faults(&mut memory, &stages, now);
    (memory, stages, now, faults)
}

#[test]
fn one_old_fix_before_an_upload_costs_no_later_trip() {
    for age_s in [100.0, 1_000.0, 10_000.0, 14_000.0, 100_000.0, 1e7] {
        for kind in [Kind::IPhone, Kind::Android] {
            let mut loads = vec![plain(vec![trip(9_000.0, 9, false), trip(9_000.0, 9, true)])];
            let days = (0..4).map(|_| plain(vec![trip(9_000.0, 9, false), trip(20_000.0, 9, true)]));
            loads.extend(days);
            loads[1].stale_s = Some(age_s);
            let (memory, _, _, faults) = diary(kind, &loads);
            assert_eq!(faults, Vec::<String>::new(), "{kind:?}, {age_s} s");
            loads[1].stale_s = None;
            let (without, ..) = diary(kind, &loads);
            let [trips, all] =
                [&memory, &without].map(|memory| memory.of_key("analysis/confirmed_trip").len());
            assert!(trips + 1 >= all, "{kind:?}, {age_s} s: {trips} of {all} trips are confirmed");
        }
    }
}

#[test]
fn an_upload_of_only_an_old_fix_and_a_short_trip_creates_nothing_twice() {
    for age_s in [500.0, 5_000.0, 50_000.0] {
        let mut loads = vec![plain(vec![trip(9_000.0, 9, false), trip(9_000.0, 9, true)])];
        loads.push(Load { stale_s: Some(age_s), stopped: false, ..plain(vec![trip(9_000.0, 2, false)]) });
        loads.push(plain(vec![trip(9_000.0, 9, true)]));
        let (_, _, _, faults) = diary(Kind::IPhone, &loads);
        assert_eq!(faults, Vec::<String>::new(), "{age_s} s");
    }
}

/// Removes the results from a part of the days on and runs the stages again; returns what is wrong.
fn taken_back(kind: Kind, loads: &[Load], part: f64) -> Vec<String> {
    let (mut memory, mut stages, mut now, _) = diary(kind, loads);
    let moment = now - part * (now - 1_700_000_000.0);
    stages.rewind(&mut memory, moment, now);
    for _ in 0..2 {
        now += 600.0;
        stages.run(&mut memory, now);
    }
    // Reports from before the moment are repeated where results are recomputed.
    let faults = check::faults(&mut memory, &stages, now);
    faults.into_iter().filter(|fault| !fault.contains("the owner was told")).collect()
}

/// The span from the one phone's last point back to the other's first begins while the other's trip lasts, so that it
/// lies behind that trip in the cleaned chain and before it in the raw one.
#[test]
fn a_rewind_after_a_span_that_goes_back_into_another_trip_leaves_complete_chains() {
    let quiet = |rest_s, motion| Trip { rest_s, points: 2, back: false, motion };
    let trips = vec![
        quiet(10_517.465708497219, None),
        quiet(6_801.405277298189, Some(0)),
        quiet(18_985.610883294594, None),
        quiet(8_606.652118582275, None),
    ];
    let second = vec![quiet(14_632.392265776329, None), quiet(18_356.43316852296, None)];
    let load = Load { second, stopped: false, ..plain(trips) };
    assert_eq!(taken_back(Kind::IPhone, &[load], 0.2745077081851509), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // Row: "What cannot be reached"
    #[test]
    fn every_trip_is_confirmed_once_or_reported_and_no_stage_leaves_anything_in_its_window(
        loads in loads(),
        iphone in any::<bool>(),
    ) {
        let kind = if iphone { Kind::IPhone } else { Kind::Android };
        let (mut memory, mut stages, now, faults) = diary(kind, &loads);
        prop_assert_eq!(faults, Vec::<String>::new());
        let before = Canonical::of(&memory);
        stages.run(&mut memory, now + 600.0);
        let after = Canonical::of(&memory);
        for key in stages::MADE {
            prop_assert_eq!(before.entries(key), after.entries(key), "{}", key);
        }
    }

    #[test]
    fn a_rewind_leaves_complete_chains(loads in loads(), iphone in any::<bool>(), part in 0.0..1.0_f64) {
        let kind = if iphone { Kind::IPhone } else { Kind::Android };
        prop_assert_eq!(taken_back(kind, &loads, part), Vec::<String>::new());
    }
}
