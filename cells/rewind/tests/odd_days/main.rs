//! The stages together, on days whose times do not rise: an old fix before a load, two phones of one person at once, a
//! load that comes twice. Whatever comes, every trip is confirmed once or the owner is told, the chains are linked both
//! ways, and no stage says that it is done while something lies in its next window.

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

#[cfg(test)]
fn show(memory: &Memory) {
    for key in stages::MADE
        .iter()
        .filter(|key| key.contains("trip") || key.contains("place") || key.contains("untracked"))
    {
        for entry in memory.of_key(key) {
            let data = entry.data();
            let short = |name: &str| match data.get(name) {
                Some(value) if value.is_number() => format!(" {name}={:.1}", value.as_f64().unwrap() - 1.7e9),
                Some(value) if value["$oid"].is_string() => {
                    format!(" {name}={}", &value["$oid"].as_str().unwrap()[20..])
                }
                _ => String::new(),
            };
            let id = entry.id.to_string();
            eprintln!(
                "{key} {} {}",
                &id[20..],
                [
                    "start_ts",
                    "end_ts",
                    "enter_ts",
                    "exit_ts",
                    "start_place",
                    "end_place",
                    "starting_trip",
                    "ending_trip",
                    "cleaned_trip",
                    "cleaned_place"
                ]
                .map(short)
                .concat()
            );
        }
    }
    memory.log_lines().iter().for_each(|line| eprintln!("{}", line.1));
}

fn plain(trips: Vec<Trip>) -> Load {
    Load { trips, stale_s: None, second: Vec::new(), doubled: false, stopped: true }
}

/// Runs the stages after each load, and twice more; answers with what is wrong.
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
    if std::env::var_os("SHOW").is_some() {
        show(&memory);
    }
    (memory, stages, now, faults)
}

#[test]
fn one_old_fix_before_a_load_costs_no_later_trip() {
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
fn a_load_that_is_nothing_but_an_old_fix_and_a_short_trip_makes_nothing_twice() {
    for age_s in [500.0, 5_000.0, 50_000.0] {
        let mut loads = vec![plain(vec![trip(9_000.0, 9, false), trip(9_000.0, 9, true)])];
        loads.push(Load { stale_s: Some(age_s), stopped: false, ..plain(vec![trip(9_000.0, 2, false)]) });
        loads.push(plain(vec![trip(9_000.0, 9, true)]));
        let (_, _, _, faults) = diary(Kind::IPhone, &loads);
        assert_eq!(faults, Vec::<String>::new(), "{age_s} s");
    }
}

#[test]
fn dbg1() {
    let loads = vec![
        Load {
            trips: vec![Trip { rest_s: 900.0, points: 2, back: false, motion: None }],
            stale_s: None,
            second: vec![],
            doubled: false,
            stopped: true,
        },
        Load {
            trips: vec![],
            stale_s: None,
            second: vec![Trip { rest_s: 17672.677546683284, points: 2, back: false, motion: None }],
            doubled: false,
            stopped: false,
        },
        Load {
            trips: vec![],
            stale_s: Some(536.9187282357059),
            second: vec![],
            doubled: false,
            stopped: false,
        },
        Load {
            trips: vec![Trip { rest_s: 900.0, points: 2, back: false, motion: None }],
            stale_s: None,
            second: vec![],
            doubled: false,
            stopped: true,
        },
    ];
    eprintln!("{:?}", diary(Kind::IPhone, &loads).3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_trip_is_confirmed_once_or_told_and_no_stage_leaves_anything_in_its_window(
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
    fn taking_back_leaves_whole_chains(loads in loads(), iphone in any::<bool>(), part in 0.0..1.0_f64) {
        let kind = if iphone { Kind::IPhone } else { Kind::Android };
        let (mut memory, mut stages, mut now, _) = diary(kind, &loads);
        let moment = now - part * (now - 1_700_000_000.0);
        stages.rewind(&mut memory, moment, now);
        for _ in 0..2 {
            now += 600.0;
            stages.run(&mut memory, now);
        }
        // What was told before the moment is told again where it is made again.
        let faults = check::faults(&mut memory, &stages, now);
        let faults: Vec<_> = faults.into_iter().filter(|fault| !fault.contains("the owner was told")).collect();
        prop_assert_eq!(faults, Vec::<String>::new());
    }
}
