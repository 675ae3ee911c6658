//! The host is killed at every commit of a person's life: whatever stages there are, the diary comes out as if nothing
//! had happened, with no entry twice and none missing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use runtime_simulator::{Person, Phone, batches, simulate_day};
use runtime_store::testing::{MemoryDisk, Parts, SimDisk, TestEngine};
use runtime_store::{Options, Store};
use runtime_testkit::{World, put_body};
use runtime_user::{TestStores, UserId};

/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
/// How long a host takes to come back, s.
const BACK_AFTER_S: f64 = 40.0;

/// Everybody's disk, by person.
#[derive(Clone, Default)]
struct Disks(Arc<Mutex<HashMap<UserId, (MemoryDisk, SimDisk)>>>);

impl Disks {
    fn of(&self, user: UserId) -> (MemoryDisk, SimDisk) {
        self.0.lock().expect("no test panicked here").entry(user).or_default().clone()
    }

    /// A world whose people's stores lie on these disks.
    fn world(&self, each_stage: bool) -> World {
        let disks = self.clone();
        World::with(move |settings| {
            if each_stage {
                settings.ahead_bytes_max = 0;
            }
            settings.stores = Some(TestStores(Arc::new(move |user| {
                let (memory, disk) = disks.of(user);
                let is_new = memory.bytes() == 0;
                let parts = Parts { user, data_key: [6; 32], disk, engine: TestEngine::Memory(memory) };
                let open = if is_new { Store::create_on } else { Store::open_on };
                open(parts, &Options::default())
            })));
        })
    }
}

/// One load: what a phone puts, and when the pipeline runs afterwards.
struct Load {
    entries: Vec<String>,
    now: f64,
}

/// Three days of one person, loaded in that order.
fn loads(phone: Phone, order: [u32; 3]) -> Vec<Load> {
    let person = Person::invent(11, phone);
    let midnight = f64::from(FIRST_DAY + 3) * 86_400.0;
    let day = |(at, day): (usize, &u32)| {
        let entries = simulate_day(&person.plan(FIRST_DAY + day), 11).entries;
        Load { entries, now: midnight + 43_200.0 + 3_600.0 * at as f64 }
    };
    order.iter().enumerate().map(day).collect()
}

/// Loads one after the other, power going at one point of the disk; answers whether it did.
fn live(world: &World, user: UserId, disk: &MemoryDisk, loads: &[Load], dies_at: Option<u64>) -> bool {
    if let Some(point) = dies_at {
        disk.die_at(point);
    }
    let mut died = false;
    let mut come_back = || {
        assert!(!died, "power goes once");
        died = true;
        disk.revive();
        // The thread that answered may hold the person for a moment longer.
        while !world.runtime.open_people().close(user) {
            std::thread::yield_now();
        }
    };
    for load in loads {
        for batch in batches(&load.entries, 400) {
            let body = put_body(batch);
            let put = || world.call(user, "usercache/put", "", body.as_bytes(), load.now);
            // A phone that got no answer sends the same again.
            let answered = put().or_else(|_| {
                come_back();
                put()
            });
            assert_eq!(answered.expect("an answer").status, 200);
        }
        let report = world.runtime.pipelines().run(user, load.now).or_else(|_| {
            come_back();
            world.runtime.pipelines().run(user, load.now + BACK_AFTER_S)
        });
        let report = report.expect("a run");
        assert!(report.succeeded(), "{report:?}");
    }
    died
}

fn marks(world: &World, user: UserId) -> Vec<(String, Option<f64>)> {
    let status = world.runtime.pipelines().status(user).expect("a status");
    assert_eq!((status.rewind, status.pending), (None, None), "nothing is left to do");
    status.stages.into_iter().map(|stage| (stage.stage, stage.state.last_processed_ts)).collect()
}

/// Kills at every point; answers how many there were. `each_stage`: every stage is put on disk on its own, as where a
/// run is large; else a run as a whole.
fn kill_everywhere(phone: Phone, order: [u32; 3], each_stage: bool) -> u64 {
    let (disks, loads) = (Disks::default(), loads(phone, order));
    let world = disks.world(each_stage);
    let calm = world.person("calm");
    let points = {
        let (disk, _) = disks.of(calm);
        world.runtime.person(calm).expect("wakes");
        let before = disk.points();
        live(&world, calm, &disk, &loads, None);
        before..disk.points()
    };
    let (want, want_marks) = (world.canonical(calm), marks(&world, calm));
    assert!(
        want.iter().any(|entry| entry.contains("segmentation/raw_trip")),
        "a diary without trips shows nothing"
    );
    let mut killed = 0;
    for point in points {
        let user = world.person("killed");
        let (disk, _) = disks.of(user);
        world.runtime.person(user).expect("wakes");
        killed += u64::from(live(&world, user, &disk, &loads, Some(point)));
        let got = world.canonical(user);
        let odd = got.iter().zip(&want).find(|(got, want)| got != want);
        assert!(
            got == want,
            "{phone:?}, killed at {point}: {} entries of {}; {odd:?}",
            got.len(),
            want.len()
        );
        assert_eq!(marks(&world, user), want_marks, "{phone:?}, killed at {point}");
        world.runtime.erase(user).expect("erased");
    }
    killed
}

// Row: "A run that was killed leaves `curr_run_ts`"
#[test]
fn a_host_killed_at_any_commit_of_three_loads_gives_the_same_diary() {
    let phones = if std::env::var_os("CELLAR_LONG").is_some() {
        &[Phone::Android, Phone::Ios][..]
    } else {
        &[Phone::Android]
    };
    for phone in phones.iter().copied() {
        for (each_stage, least) in [(true, 60), (false, 10)] {
            let killed = kill_everywhere(phone, [0, 1, 2], each_stage);
            assert!(killed > least, "{phone:?}, each stage {each_stage}: killed only {killed} times");
            println!("{phone:?}, each stage {each_stage}: killed at {killed} points");
        }
    }
}

#[test]
fn a_host_killed_while_it_makes_a_late_day_part_of_the_diary_gives_the_same_diary() {
    for (each_stage, least) in [(true, 60), (false, 10)] {
        let killed = kill_everywhere(Phone::Android, [0, 2, 1], each_stage);
        assert!(killed > least, "late day, each stage {each_stage}: killed only {killed} times");
        println!("late day, each stage {each_stage}: killed at {killed} points");
    }
}
