//! What is true of every simulated entry, for any person and any day.

use crate::common::{MONDAY, distance_m, parsed};
use runtime_simulator::{
    DayPlan, Faults, Leg, Mode, Person, Phone, Place, SimulatedDay, Span, Spot, Straight, Town, batches,
    put_body, simulate_day, simulate_days,
};
use std::collections::HashSet;
use std::sync::Arc;

const PHONES: [Phone; 2] = [Phone::Android, Phone::Ios];

fn weeks() -> impl Iterator<Item = (u64, Phone, SimulatedDay)> {
    (0..12).flat_map(|seed| {
        let phone = PHONES[seed as usize % 2];
        let days: Vec<_> = simulate_days(&Person::invent(seed, phone), MONDAY, 7).collect();
        days.into_iter().map(move |day| (seed, phone, day))
    })
}

/// 64-bit FNV-1a, since the standard hasher may change between compilers.
fn digest(texts: &[String]) -> u64 {
    texts
        .iter()
        .flat_map(|text| text.bytes().chain([b'\n']))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_seed_gives_the_same_bytes_on_every_machine() {
    let digests =
        PHONES.map(|phone| digest(&simulate_day(&Person::invent(1, phone).plan(MONDAY), 1).entries));
    assert_eq!(digests, [11_359_906_714_277_033_718, 15_197_921_513_727_517_653]);
}

#[test]
fn a_day_is_the_same_alone_and_in_a_row() {
    let person = Person::invent(5, Phone::Android);
    let row: Vec<_> = simulate_days(&person, MONDAY, 3).collect();
    assert_eq!(simulate_days(&person, MONDAY + 2, 1).next().as_ref(), row.last());
    assert_ne!(row[0], row[1]);
}

#[test]
fn no_two_entries_share_type_key_and_write_ts_and_all_are_in_order() {
    for (seed, _, day) in weeks() {
        let entries = parsed(&day.entries);
        assert!(entries.is_sorted_by_key(|entry| entry.write_ts), "seed {seed}");
        let mut seen = HashSet::new();
        for entry in &entries {
            let identity = (entry.kind.clone(), entry.key.clone(), entry.write_ts.to_bits());
            assert!(seen.insert(identity), "seed {seed}: {} at {}", entry.key, entry.write_ts);
        }
    }
}

#[test]
fn an_entry_is_written_down_soon_after_its_reading_and_readings_are_in_order() {
    for (seed, _, day) in weeks() {
        let entries = parsed(&day.entries);
        for key in ["background/location", "background/filtered_location", "background/battery"] {
            let mut last = f64::NEG_INFINITY;
            for entry in entries.iter().filter(|entry| entry.key == key) {
                let (ts, lag) = (entry.number("ts"), entry.write_ts - entry.number("ts"));
                assert!((0.0..30.0).contains(&lag), "seed {seed}: {key} lags {lag} s");
                assert!(ts > last, "seed {seed}: {key} at {ts} after {last}");
                last = ts;
            }
        }
    }
}

#[test]
fn numbers_read_back_and_print_as_they_were_sent() {
    for (seed, _, day) in weeks().step_by(5) {
        for text in &day.entries {
            let entry: serde_json::Value = serde_json::from_str(text).unwrap();
            let mut members = 0;
            for (name, value) in entry["data"].as_object().unwrap() {
                if value.is_number() {
                    assert!(text.contains(&format!("\"{name}\":{value}")), "seed {seed}: {name} in {text}");
                    members += 1;
                }
            }
            assert!(members > 0, "seed {seed}: {text}");
        }
    }
}

#[test]
fn filtered_locations_are_the_accurate_ones_and_most_fixes_are_close_to_the_truth() {
    let mut accuracies = Vec::new();
    for (_, phone, day) in weeks() {
        for entry in parsed(&day.entries).iter().filter(|entry| entry.key == "background/filtered_location") {
            assert_eq!(entry.data["filter"], if phone == Phone::Android { "time" } else { "distance" });
            accuracies.push(entry.number("accuracy"));
        }
    }
    accuracies.sort_by(f64::total_cmp);
    let at = |share: f64| accuracies[((accuracies.len() - 1) as f64 * share) as usize];
    eprintln!("accuracy: median {}, 95th percentile {}, largest {}", at(0.5), at(0.95), at(1.0));
    assert!(at(0.5) > 4.0 && at(0.5) < 15.0 && at(0.95) < 70.0 && at(1.0) < 200.0);
}

/// A plan of one trip in a straight line, 5 km to the north.
fn one_trip(mode: Mode, phone: Phone, faults: Faults) -> DayPlan {
    DayPlan {
        town: Town { routes: Arc::new(Straight), ..Town::invented() },
        phone,
        midnight_ts: i64::from(MONDAY) * 86_400 - 19_800,
        places: vec![
            Place::new("home", Spot::new(3000.0, 1000.0)),
            Place::new("work", Spot::new(3000.0, 6000.0)),
        ],
        start: 0,
        legs: vec![Leg { depart_s: 30_000.0, to: 1, mode }],
        faults,
    }
}

#[test]
fn fixes_lie_within_a_few_accuracies_of_the_way() {
    for seed in 0..20 {
        let day = simulate_day(&one_trip(Mode::Car, Phone::Android, Faults::none()), seed);
        let fixes: Vec<_> =
            parsed(&day.entries).into_iter().filter(|entry| entry.key == "background/location").collect();
        let longitude = 68.0 + 3000.0 / (111_194.926_644 * 12.5_f64.to_radians().cos());
        for fix in &fixes {
            let off_m = (fix.number("longitude") - longitude).abs() * 108_600.0;
            assert!(off_m < 60.0, "seed {seed}: {off_m} m off the way");
        }
    }
}

#[test]
fn a_town_on_the_180th_meridian_has_longitudes_on_both_sides_of_it() {
    let day_at = |longitude_deg: f64| {
        let mut plan = one_trip(Mode::Car, Phone::Android, Faults::none());
        plan.town.longitude_deg = longitude_deg;
        let entries = parsed(&simulate_day(&plan, 1).entries);
        let fixes = entries.into_iter().filter(|entry| entry.key == "background/location");
        fixes.map(|fix| fix.number("longitude")).collect::<Vec<f64>>()
    };
    let (here, there) = (day_at(68.0), day_at(179.972_3));
    assert!(
        there.iter().any(|longitude| *longitude < -179.0) && there.iter().any(|longitude| *longitude > 179.0)
    );
    for (here, there) in here.iter().zip(&there) {
        let east = if *there < 0.0 { there + 360.0 } else { *there };
        assert!((east - here - 111.972_3).abs() < 3e-7 && there.abs() <= 180.0, "{here} {there}");
    }
}

#[test]
fn the_speed_between_fixes_is_that_of_the_mode() {
    let expected =
        [(Mode::Walk, 0.9, 1.6), (Mode::Bicycle, 3.0, 6.0), (Mode::Car, 5.0, 14.0), (Mode::Train, 4.0, 20.0)];
    for (mode, slow, fast) in expected {
        for phone in PHONES {
            for seed in 0..20 {
                let day = simulate_day(&one_trip(mode, phone, Faults::none()), seed);
                let ride = day.truth[0].sections.iter().find(|section| section.mode == mode).unwrap();
                let mut fixes = parsed(&day.entries);
                fixes.retain(|entry| entry.key == "background/filtered_location");
                fixes.retain(|entry| (ride.start_ts..ride.end_ts).contains(&entry.number("ts")));
                let (first, last) = (fixes.first().unwrap(), fixes.last().unwrap());
                let speed = distance_m(first, last) / (last.number("ts") - first.number("ts"));
                assert!(speed > slow && speed < fast, "seed {seed}, {phone:?} {mode:?}: {speed} m/s");
            }
        }
    }
}

#[test]
fn the_truth_tells_the_trip_as_planned() {
    for mode in Mode::ALL {
        let day = simulate_day(&one_trip(mode, Phone::Android, Faults::none()), 3);
        let [trip] = &day.truth[..] else { panic!("{mode:?}: {:?}", day.truth) };
        assert_eq!((trip.mode, trip.from.as_str(), trip.to.as_str()), (mode, "home", "work"));
        assert!((trip.distance_m - 5000.0).abs() < 0.1, "{mode:?}: {}", trip.distance_m);
        assert_eq!(trip.start_ts, f64::from(MONDAY) * 86_400.0 - 19_800.0 + 30_000.0);
        assert_eq!(trip.sections.len(), if matches!(mode, Mode::Bus | Mode::Train) { 3 } else { 1 });
        assert!(trip.sections.windows(2).all(|pair| pair[0].end_ts == pair[1].start_ts), "{mode:?}");
    }
}

#[test]
fn a_phone_that_is_off_records_nothing_and_says_that_it_booted() {
    let off = Span { from_s: 30_100.0, to_s: 40_000.0 };
    let faults = Faults { off: vec![off], ..Faults::none() };
    let plan = one_trip(Mode::Walk, Phone::Android, faults);
    let entries = parsed(&simulate_day(&plan, 1).entries);
    let midnight = plan.midnight_ts as f64;
    let within = |ts: f64| ts >= midnight + off.from_s && ts < midnight + off.to_s;
    assert!(entries.iter().all(|entry| !within(entry.number("ts"))));
    assert!(entries.iter().any(|entry| entry.data["transition"] == "booted"));
}

#[test]
fn a_person_is_home_before_the_day_is_over() {
    for seed in 0..40 {
        let person = Person::invent(seed, Phone::Android);
        for day in MONDAY..MONDAY + 14 {
            let simulated = simulate_day(&person.plan(day), seed);
            let midnight = person.plan(day).midnight_ts as f64;
            if let Some(last) = simulated.truth.last() {
                assert_eq!(last.to, "home", "seed {seed}, day {day}");
                assert!(
                    last.end_ts - midnight < 23.5 * 3600.0,
                    "seed {seed}, day {day}: {}",
                    last.end_ts - midnight
                );
            }
            let last = parsed(&simulated.entries).last().map_or(0.0, |entry| entry.write_ts);
            assert!(last < midnight + 86_400.0, "seed {seed}, day {day}");
        }
    }
}

#[test]
fn batches_hold_every_entry_once_and_end_with_a_trip() {
    for phone in PHONES {
        let day = simulate_day(&Person::invent(2, phone).plan(MONDAY), 2);
        for max in [1, 50, 10_000] {
            let cut = batches(&day.entries, max);
            assert_eq!(cut.concat(), day.entries);
            assert!(cut.iter().all(|batch| batch.len() <= max));
        }
        let whole = batches(&day.entries, 10_000);
        assert_eq!(whole.len(), day.truth.len() + 1, "{phone:?}: one a trip and the rest of the day");
        let body: serde_json::Value = serde_json::from_str(&put_body("token", whole[0])).unwrap();
        assert_eq!(body["phone_to_server"].as_array().unwrap().len(), whole[0].len());
    }
}
