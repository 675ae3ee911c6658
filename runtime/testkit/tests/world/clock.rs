//! Clocks that are wrong. Once the host's is right again, the diary is that of a host whose clock always was; and what
//! lasts a while lasts as long, whatever the clock is set to meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_store::{Batch, NewEntry};
use runtime_testkit::World;
use runtime_user::{Area, HostClock, Rhythm, StreamKey, UserId, WaitReason};
use serde_json::Value;

/// 2024-03-04.
const FIRST_DAY: u32 = 19_786;
const DAY_S: f64 = 86_400.0;
const YEAR_S: f64 = 365.0 * DAY_S;

/// A small generator, so that a seed tells the whole story.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("CELLAR_LONG").is_some() { 0..40 } else { 0..4 }
}

fn day(seed: u64, number: u32) -> Vec<String> {
    let phone = if seed.is_multiple_of(2) { Phone::Android } else { Phone::Ios };
    simulate_day(&Person::invent(seed, phone).plan(FIRST_DAY + number), seed).entries
}

/// Noon after so many days, s: the right time of a run.
fn noon_after(days: u32) -> f64 {
    f64::from(FIRST_DAY + days) * DAY_S + 43_200.0
}

fn assert_same(world: &World, got: UserId, want: UserId, what: &str) {
    assert_same_of(&world.canonical(got), &world.canonical(want), what);
}

fn assert_same_of(got: &[String], want: &[String], what: &str) {
    assert!(want.iter().any(|entry| entry.contains("raw_trip")), "{what}: no trips show nothing");
    let surplus: Vec<_> = got.iter().filter(|entry| !want.contains(entry)).take(2).collect();
    let missing: Vec<_> = want.iter().filter(|entry| !got.contains(entry)).take(2).collect();
    assert!(got == want, "{what}: {} of {}; surplus {surplus:?}; missing {missing:?}", got.len(), want.len());
}

/// What stages have made of a person's readings.
fn diary(world: &World, user: UserId) -> Vec<String> {
    let made = ["\"segmentation/", "\"analysis/", "\"inference/"];
    let mut entries = world.canonical(user);
    entries.retain(|entry| made.iter().any(|family| entry.contains(&format!("\"metadata\":{family}"))));
    entries
}

#[test]
fn runs_with_a_wrong_clock_leave_the_diary_as_it_would_be_had_the_clock_always_been_right() {
    let world = World::start();
    for seed in seeds() {
        let mut random = Random(seed);
        let (calm, wild) = (world.person("calm"), world.person("wild"));
        let days = if seed.is_multiple_of(2) { [0, 1, 2] } else { [1, 0, 2] };
        for number in days {
            let right = noon_after(4) + 3_600.0 * f64::from(number);
            let entries = day(seed, number);
            world.put(calm, &entries, right);
            world.pipeline(calm, right);
            // While the clock is behind, a run may come at any moment of the upload; ahead, once it is all there.
            let (some, more) = entries.split_at(random.below(entries.len()));
            let behind = [0.0, 300.0, right - YEAR_S, noon_after(0) - 2.0 * DAY_S];
            for part in [some, more] {
                world.put(wild, part, behind[random.below(4)]);
                world.pipeline(wild, behind[random.below(4)]);
            }
            if random.below(2) == 0 {
                world.pipeline(wild, right + [60.0, DAY_S, YEAR_S, 30.0 * YEAR_S][random.below(4)]);
                world.pipeline(wild, behind[random.below(4)]);
            }
            world.pipeline(wild, right);
        }
        assert_same(&world, wild, calm, &format!("seed {seed}"));
        let status = world.runtime.pipelines().status(wild).expect("a status");
        assert_eq!((status.rewind, status.waiting), (None, Vec::new()), "seed {seed}");
    }
}

/// An entry with another clock: the phone's, which is wrong by so much.
fn shifted(entry: &str, by_s: f64) -> String {
    let mut entry: Value = serde_json::from_str(entry).expect("JSON");
    for pointer in ["/metadata/write_ts", "/data/ts", "/data/start_ts", "/data/end_ts"] {
        if let Some(time) = entry.pointer_mut(pointer)
            && let Some(seconds) = time.as_f64()
        {
            *time = (seconds + by_s).into();
        }
    }
    entry.to_string()
}

#[test]
fn a_phone_whose_clock_is_wrong_or_jumps_gives_the_same_diary_on_a_host_whose_clock_was_wrong_too() {
    let world = World::start();
    for seed in seeds() {
        let mut random = Random(seed);
        let wrong = [3.0 * 3_600.0, -DAY_S, 20.0 * YEAR_S, -3_600.0, 0.0];
        let mut entries = Vec::new();
        for number in 0..3 {
            // The phone's clock jumps at some moment of the day.
            let all = day(seed, number);
            let jump = random.below(all.len());
            let (before, after) = (wrong[random.below(5)], wrong[random.below(5)]);
            entries.extend(
                all.iter()
                    .enumerate()
                    .map(|(at, entry)| shifted(entry, if at < jump { before } else { after })),
            );
        }
        let right = noon_after(5);
        let (calm, wild) = (world.person("calm"), world.person("wild"));
        world.put(calm, &entries, right);
        world.pipeline(calm, right);
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let (some, more) = rest.split_at((1 + random.below(1_500)).min(rest.len()));
            let now = [0.0, noon_after(1), right, right + DAY_S, right + 30.0 * YEAR_S][random.below(5)];
            world.put(wild, some, now);
            world.pipeline(wild, now);
            rest = more;
        }
        // Where a load ended, and where entries dated far ahead were taken in, the diary is made anew for both.
        for user in [calm, wild] {
            world.runtime.pipelines().rewind(user, 0.0).expect("asked for");
            world.pipeline(user, right);
        }
        assert_same_of(&diary(&world, wild), &diary(&world, calm), &format!("seed {seed}"));
    }
}

#[test]
fn later_data_is_read_after_a_run_whose_clock_was_years_ahead() {
    let world = World::start();
    for seed in 0..2 {
        let (calm, wild) = (world.person("calm"), world.person("wild"));
        let (right, next) = (noon_after(1), noon_after(2));
        for (user, first_run) in [(calm, right), (wild, right + 10.0 * YEAR_S)] {
            world.put(user, &day(seed, 0), right);
            world.pipeline(user, first_run);
            world.put(user, &day(seed, 1), next);
            world.pipeline(user, next);
        }
        assert_same(&world, wild, calm, &format!("seed {seed}"));
    }
}

// Row: "An entry that is dated ahead"
#[test]
fn entries_dated_ahead_wait_are_counted_and_are_taken_in_when_their_time_has_come() {
    let world = World::start();
    let user = world.person("somebody");
    let now = noon_after(1);
    let mut entries = day(0, 0);
    let far: Vec<_> = entries.drain(..10).map(|entry| shifted(&entry, 20.0 * YEAR_S)).collect();
    world.put(user, &entries, now);
    world.put(user, &far, now);
    let waiting = |now| world.runtime.person(user).expect("open").waiting_entries(now).expect("counted");
    let count = |now, reason| -> u64 {
        waiting(now).iter().filter(|waiting| waiting.reason == reason).map(|waiting| waiting.count).sum()
    };
    assert_eq!(count(now, WaitReason::NextRun), entries.len() as u64);
    world.pipeline(user, now);
    assert_eq!((count(now, WaitReason::NextRun), count(now, WaitReason::DatedAhead)), (0, 10));
    let ahead = waiting(now);
    assert!(ahead.iter().all(|waiting| waiting.first_ts > now + 19.0 * YEAR_S), "{ahead:?}");
    assert!(ahead[0].reason.words().contains("clock"));
    assert!(world.runtime.timetable().pending(user).is_some(), "they are come back to");
    world.pipeline(user, now + 21.0 * YEAR_S);
    assert_eq!(waiting(now), []);
    assert!(!world.canonical(user).iter().any(|entry| entry.contains("\"Errors\"")));
}

#[test]
fn what_an_earlier_version_set_aside_because_of_the_hosts_clock_is_taken_in_after_all() {
    let world = World::start();
    let (user, calm) = (world.person("somebody"), world.person("calm"));
    let entries = day(0, 0);
    world.put(calm, &entries, noon_after(1));
    world.pipeline(calm, noon_after(1));
    let key = StreamKey::parse("stats/client_time").expect("a key");
    let mut batch = Batch::new();
    let reason = "the phone's clock was wrong: it was written more than a day in the future";
    for entry in &entries {
        let entry: Value = serde_json::from_str(entry).expect("JSON");
        let (metadata, data) = (entry["metadata"].to_string(), entry["data"].to_string());
        let key = StreamKey::parse(entry["metadata"]["key"].as_str().expect("a key")).expect("a key");
        let extra = format!(r#""error":{{"reason":"{reason}","at":300.0}}"#);
        batch.insert(
            Area::Errors,
            NewEntry { id: None, key, metadata: &metadata, data: &data, extra: &extra },
        );
    }
    let extra = r#""error":{"reason":"it names no time zone","at":300.0}"#;
    batch
        .insert(Area::Errors, NewEntry { id: None, key, metadata: r#"{"write_ts":1.0}"#, data: "{}", extra });
    world.runtime.person(user).expect("awake").store.commit(batch).expect("stored");

    // The host's clock is wrong still, and then right.
    world.pipeline(user, 300.0);
    assert_eq!(
        world
            .runtime
            .person(user)
            .expect("open")
            .waiting_entries(300.0)
            .expect("counted")
            .iter()
            .map(|w| w.count)
            .sum::<u64>(),
        entries.len() as u64
    );
    world.put(user, &entries, noon_after(1));
    world.pipeline(user, noon_after(1));
    let mut got = world.canonical(user);
    let aside = got.iter().position(|entry| entry.contains("no time zone")).expect("another reason stays");
    got.remove(aside);
    assert_same_of(&got, &world.canonical(calm), "put back");
    assert!(!got.iter().any(|entry| entry.contains("\"Errors\"")));
}

/// Clocks that a test sets, ms.
#[derive(Debug)]
struct Set {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Set {
    fn at(wall_s: f64) -> Arc<Self> {
        let wall = AtomicI64::new((wall_s * 1_000.0) as i64);
        Arc::new(Self { wall, steady: AtomicI64::new(1_000_000) })
    }

    /// Time passes.
    fn pass(&self, seconds: f64) {
        self.jump(seconds);
        self.steady.fetch_add((seconds * 1_000.0) as i64, Ordering::SeqCst);
    }

    /// Somebody sets the clock.
    fn jump(&self, seconds: f64) {
        self.wall.fetch_add((seconds * 1_000.0) as i64, Ordering::SeqCst);
    }
}

impl HostClock for Set {
    fn wall_s(&self) -> f64 {
        self.wall.load(Ordering::SeqCst) as f64 / 1_000.0
    }

    fn steady_s(&self) -> f64 {
        self.steady.load(Ordering::SeqCst) as f64 / 1_000.0
    }
}

fn world_with(clock: &Arc<Set>, rhythm: Rhythm) -> World {
    World::with(|settings| {
        settings.clock = Arc::clone(clock) as Arc<dyn HostClock>;
        settings.rhythm = rhythm;
        settings.built_s = noon_after(0) - YEAR_S;
    })
}

// Row: "A clock that is set back"
#[test]
fn runs_wait_while_the_clock_is_not_believed_and_go_on_by_themselves() {
    let at_once = Rhythm { quiet_s: 0.0, wait_max_s: 0.0, every_s: 1e6 };
    for (jump_s, then_right) in [(-30.0 * YEAR_S, true), (10.0 * YEAR_S, true), (10.0 * DAY_S, false)] {
        let clock = Set::at(noon_after(1));
        let world = world_with(&clock, at_once);
        let user = world.person("somebody");
        assert_eq!(world.runtime.clocks().doubt(), None);
        clock.jump(jump_s);
        let runtime = &world.runtime;
        let doubt = runtime.clocks().doubt().expect("a jump is noticed");
        assert!(doubt.contains("clock"), "{doubt}");
        world.put(user, &day(0, 0), clock.wall_s());
        let status = runtime.pipelines().status(user).expect("a status");
        assert_eq!(status.clock_doubt, Some(doubt));
        world.block_on(async {
            let (shared, times) = (Arc::clone(runtime), Arc::clone(&clock));
            let keeper = tokio::spawn(async move { shared.keep_schedule(move || times.wall_s()).await });
            while runtime.timetable().pending(user).and_then(|pending| pending.due).is_none() {
                tokio::task::yield_now().await;
            }
            (0..1_000).for_each(|_| runtime.clocks().keep());
            let pending = runtime.timetable().pending(user).expect("it waits");
            assert!(!pending.running, "{jump_s}: no run is begun");
            if then_right {
                clock.jump(-jump_s)
            } else {
                clock.pass(120.0)
            }
            runtime.clocks().keep();
            assert_eq!(runtime.clocks().doubt(), None, "{jump_s}");
            let done = async {
                while runtime.timetable().pending(user).is_some() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), done).await.expect("the run follows by itself");
            keeper.abort();
        });
        assert!(!world.entries(user, &["segmentation/raw_trip"]).is_empty(), "{jump_s}");
    }
}

#[test]
fn a_run_by_hand_does_not_wait_and_says_that_the_clock_is_not_believed() {
    let clock = Set::at(noon_after(1));
    let world = world_with(&clock, Rhythm::default());
    let user = world.person("somebody");
    world.put(user, &day(0, 0), clock.wall_s());
    clock.jump(-40.0 * YEAR_S);
    let report = world.pipeline(user, clock.wall_s());
    assert!(
        report
            .clock_doubt
            .is_some_and(|doubt| doubt.contains("before the time at which this program was built"))
    );
    clock.jump(40.0 * YEAR_S);
    assert_eq!(world.pipeline(user, clock.wall_s()).clock_doubt, None);
}

#[test]
fn a_clock_that_is_set_neither_delays_nor_hastens_what_is_due() {
    let rhythm = Rhythm { quiet_s: 60.0, wait_max_s: 900.0, every_s: DAY_S };
    for jump_s in [-10.0 * YEAR_S, 10.0 * YEAR_S] {
        let clock = Set::at(noon_after(1));
        let world = world_with(&clock, rhythm);
        let user = world.person("somebody");
        world.put(user, &day(0, 0), clock.wall_s());
        let keeper = {
            let runtime = Arc::clone(&world.runtime);
            world.spawn(async move { runtime.keep_schedule(|| 0.0).await })
        };
        let due_in_s = || {
            let pending = world.runtime.timetable().pending(user)?;
            Some(pending.due? - clock.wall_s())
        };
        while due_in_s().is_none() {
            std::thread::yield_now();
        }
        assert!((due_in_s().expect("due") - 60.0).abs() < 0.01);
        clock.pass(20.0);
        clock.jump(jump_s);
        assert!((due_in_s().expect("due") - 40.0).abs() < 0.01, "{jump_s}: {:?}", due_in_s());
        keeper.abort();
        // What failed is tried again after its pause, whatever the clock said when it failed.
        let lasting_ms = world.runtime.clocks().lasting_ms();
        clock.jump(-jump_s);
        assert_eq!(world.runtime.clocks().lasting_ms(), lasting_ms);
        clock.pass(1.0);
        assert_eq!(world.runtime.clocks().lasting_ms(), lasting_ms + 1_000);
        let shown = world.runtime.clocks().shown_ms(lasting_ms + 61_000) as f64 / 1_000.0;
        assert!((shown - clock.wall_s() - 60.0).abs() < 0.01, "{shown}");
    }
}
