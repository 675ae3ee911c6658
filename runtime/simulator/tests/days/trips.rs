//! The real trips can be found again in the entries that the phone sent, by simple rules of dwell and gap.

use crate::common::{Entry, MONDAY, distance_m, parsed};
use runtime_simulator::{Faults, Person, Phone, TruthTrip, simulate_days};

/// First and last fix of each trip: a trip ends where five minutes of fixes, at least seven, are within 100 m of the
/// last of them; the next begins with the first fix that comes after a minute's pause or is 100 m away.
fn trips_by_dwell(fixes: &[Entry]) -> Vec<(usize, usize)> {
    let (mut trips, mut start) = (Vec::new(), 0);
    while start < fixes.len() {
        let ends = |&i: &usize| {
            let gap = fixes[i].number("ts") - fixes[i - 1].number("ts");
            let window: Vec<_> = (start..i)
                .rev()
                .take(9)
                .filter(|&j| fixes[i].number("ts") - fixes[j].number("ts") < 300.0)
                .collect();
            let spans = window.iter().any(|&j| fixes[i].number("ts") - fixes[j].number("ts") > 270.0);
            let dwells = window.len() >= 7
                && spans
                && window.iter().all(|&j| distance_m(&fixes[i], &fixes[j]) < 100.0);
            dwells || gap > 600.0
        };
        let Some(end) = (start + 1..fixes.len()).find(ends) else {
            trips.push((start, fixes.len() - 1));
            break;
        };
        trips.push((start, end));
        let moved = |&i: &usize| {
            fixes[i].number("ts") - fixes[i - 1].number("ts") > 60.0
                || distance_m(&fixes[i], &fixes[i - 1]) >= 100.0
        };
        start = (end + 1..fixes.len()).find(moved).unwrap_or(fixes.len());
    }
    trips
}

/// A trip ends before a pause of ten minutes with hardly any movement, and at the last fix.
fn trips_by_gap(fixes: &[Entry]) -> Vec<(usize, usize)> {
    let (mut trips, mut start) = (Vec::new(), 0);
    for i in 1..fixes.len() {
        let gap = fixes[i].number("ts") - fixes[i - 1].number("ts");
        if gap > 600.0 && distance_m(&fixes[i], &fixes[i - 1]) / gap < 1.0 / 3.0 {
            trips.push((start, i - 1));
            start = i;
        }
    }
    if start < fixes.len() {
        trips.push((start, fixes.len() - 1));
    }
    trips
}

/// Number of days on which exactly the real trips were found, each at about its real time; and number of all days.
fn check(phone: Phone, faults: Faults, find: fn(&[Entry]) -> Vec<(usize, usize)>) -> (usize, usize) {
    let (mut right, mut days) = (0, 0);
    for seed in 0..30 {
        let mut person = Person::invent(seed, phone);
        person.faults = faults.clone();
        for (day, simulated) in simulate_days(&person, MONDAY, 7).enumerate() {
            let mut fixes = parsed(&simulated.entries);
            fixes.retain(|entry| entry.key == "background/filtered_location");
            let found = find(&fixes);
            days += 1;
            let matches = |((first, last), truth): (&(usize, usize), &TruthTrip)| {
                let late_s = fixes[*first].number("ts") - truth.start_ts;
                let over_s = fixes[*last].number("ts") - truth.end_ts;
                (0.0..360.0).contains(&late_s) && (-130.0..450.0).contains(&over_s)
            };
            if found.len() == simulated.truth.len() && found.iter().zip(&simulated.truth).all(matches) {
                right += 1;
            } else {
                eprintln!(
                    "{phone:?}, seed {seed}, day {day}: {} found, {} true",
                    found.len(),
                    simulated.truth.len()
                );
            }
        }
    }
    (right, days)
}

#[test]
fn with_a_clean_receiver_every_trip_of_an_android_phone_is_found() {
    let (right, days) = check(Phone::Android, Faults::none(), trips_by_dwell);
    assert_eq!(right, days);
}

#[test]
fn with_a_clean_receiver_every_trip_of_an_iphone_is_found() {
    let (right, days) = check(Phone::Ios, Faults::none(), trips_by_gap);
    assert_eq!(right, days);
}

#[test]
fn with_the_usual_faults_nearly_every_day_has_its_trips() {
    for (phone, find) in [(Phone::Android, trips_by_dwell as fn(&[Entry]) -> _), (Phone::Ios, trips_by_gap)] {
        let (right, days) = check(phone, Faults::usual(), find);
        eprintln!("{phone:?}: {right} of {days} days have the trips that there were");
        assert!(right * 100 >= days * 95, "{phone:?}: {right} of {days}");
    }
}
