//! Another way to find trips, installed in the place of the host's own, and both held against what really happened.

use std::fmt;

use ring::rand::SystemRandom;
use runtime_package::{PublisherKey, pack};
use runtime_simulator::{Person, Phone, TruthTrip, simulate_day};
use runtime_testkit::World;
use runtime_user::UserId;

const CELL: &str = "dwell-stays";
/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
/// Days that are judged. A further one follows, whose first points show that the last trip has ended.
const DAYS: u32 = 3;
const PEOPLE: u64 = 6;

/// How trips that were found compare with the real ones.
#[derive(Debug, Default)]
struct Verdict {
    real: usize,
    /// By one trip that is about no other.
    found: usize,
    missed: usize,
    /// Into several.
    split: usize,
    /// With others.
    merged: usize,
    /// Trips that were found where nobody travelled.
    invented: usize,
    /// By how much beginnings and ends of those that were found differ, s.
    off_s: Vec<f64>,
}

impl Verdict {
    fn judge(&mut self, real: &[(f64, f64)], found: &[(f64, f64)]) {
        // They are about the same journey where they share half of the shorter one.
        let same = |a: (f64, f64), b: (f64, f64)| {
            let shared = a.1.min(b.1) - a.0.max(b.0);
            shared > 0.0 && shared >= (a.1 - a.0).min(b.1 - b.0) / 2.0
        };
        self.real += real.len();
        for trip in real {
            let about: Vec<_> = found.iter().filter(|one| same(**one, *trip)).collect();
            match about[..] {
                [] => self.missed += 1,
                [one] if real.iter().filter(|other| same(*one, **other)).count() > 1 => self.merged += 1,
                [one] => {
                    self.found += 1;
                    self.off_s.extend([(one.0 - trip.0).abs(), (one.1 - trip.1).abs()]);
                }
                _ => self.split += 1,
            }
        }
        self.invented += found.iter().filter(|one| !real.iter().any(|trip| same(**one, *trip))).count();
    }

    fn median_off_s(&mut self) -> f64 {
        self.off_s.sort_by(f64::total_cmp);
        self.off_s.get(self.off_s.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { real, found, missed, split, merged, invented, .. } = self;
        write!(
            f,
            "{found} of {real} trips found, {missed} missed, {split} split, {merged} merged, {invented} invented"
        )
    }
}

/// Trips that are there, first and last moment, up to the end of the days that are judged.
fn trips(world: &World, user: UserId) -> Vec<(f64, f64)> {
    let end = f64::from(FIRST_DAY + DAYS) * 86_400.0 + 8.0 * 3_600.0;
    let time = |entry: &serde_json::Value, name: &str| entry["data"][name].as_f64().expect("a time");
    let entries = world.entries(user, &["segmentation/raw_trip"]);
    let mut trips: Vec<_> =
        entries.iter().map(|entry| (time(entry, "start_ts"), time(entry, "end_ts"))).collect();
    trips.retain(|trip| trip.0 < end);
    trips.sort_by(|a, b| a.0.total_cmp(&b.0));
    trips
}

fn package() -> Vec<u8> {
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == CELL).expect("it is built");
    let package = pack(cell.component, cell.manifest, cell.schemas).expect("a package");
    let key = PublisherKey::generate(&SystemRandom::new()).expect("random bytes");
    key.sign(&package, &SystemRandom::new()).expect("signed")
}

/// Puts the days one after the other, with a run behind each, and judges the trips; the diary goes on behind them.
fn judged(world: &World, package: Option<&[u8]>) -> Verdict {
    let mut verdict = Verdict::default();
    for seed in 0..PEOPLE {
        let phone = if seed.is_multiple_of(2) { Phone::Android } else { Phone::Ios };
        let person = Person::invent(seed, phone);
        let user = world.person(&format!("{seed} {}", package.is_some()));
        if let Some(package) = package {
            let now = f64::from(FIRST_DAY) * 86_400.0;
            world.runtime.installed_cells().install(user, package, &[], now).expect("installed");
        }
        let mut real: Vec<TruthTrip> = Vec::new();
        for day in 0..=DAYS {
            let plan = person.plan(FIRST_DAY + day);
            let now = plan.midnight_ts as f64 + 100_000.0;
            let simulated = simulate_day(&plan, seed);
            world.put(user, &simulated.entries, now);
            let report = world.pipeline(user, now);
            assert!(report.succeeded(), "{report:?}");
            if day < DAYS {
                real.extend(simulated.truth);
            }
        }
        let real: Vec<_> = real.iter().map(|trip| (trip.start_ts, trip.end_ts)).collect();
        let last = real.iter().map(|trip| trip.1).fold(0.0, f64::max);
        let found: Vec<_> = trips(world, user).into_iter().filter(|trip| trip.0 < last).collect();
        verdict.judge(&real, &found);
        if package.is_some() {
            let made = world.entries(user, &["segmentation/raw_trip"]);
            assert!(
                made.iter().all(|trip| trip["data"]["source"] == "DwellStays"),
                "the host's own ran, too"
            );
        }
        let diary = world.entries(user, &["analysis/confirmed_trip"]).len();
        assert!(
            diary >= real.len() / 2,
            "{diary} trips in the diary of person {seed}, who made {}",
            real.len()
        );
    }
    verdict
}

#[test]
fn trips_between_stays_are_found_in_the_place_of_the_hosts_own() {
    let world = World::with(|settings| {
        settings.compiler = Some(env!("CARGO_BIN_EXE_testkit-cell-compiler").into());
    });
    let mut own = judged(&world, None);
    println!("the host's own: {own}; median {:.0} s off", own.median_off_s());
    let mut stays = judged(&world, Some(&package()));
    println!("{CELL}: {stays}; median {:.0} s off", stays.median_off_s());
    assert!(stays.real >= 40, "{stays}");
    assert!(stays.found * 100 >= stays.real * 95, "{stays}");
    for wrong in [stays.missed, stays.split, stays.merged, stays.invented] {
        assert!(wrong * 100 <= stays.real * 3, "{stays}");
    }
    assert!(stays.median_off_s() < 300.0, "{stays}");
}

#[test]
fn a_verdict_counts_what_is_found_missed_split_merged_and_invented() {
    let mut verdict = Verdict::default();
    let real = [(0.0, 100.0), (200.0, 300.0), (400.0, 500.0), (600.0, 700.0), (720.0, 800.0)];
    let found = [(10.0, 90.0), (200.0, 240.0), (250.0, 300.0), (590.0, 810.0), (900.0, 950.0)];
    verdict.judge(&real, &found);
    assert_eq!(
        (verdict.found, verdict.split, verdict.missed, verdict.merged, verdict.invented),
        (1, 1, 1, 2, 1),
        "{verdict}"
    );
    assert_eq!(verdict.off_s, [10.0, 10.0]);
}
