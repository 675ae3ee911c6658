//! Power loss at every point: after opening, the store has all acknowledged commits, and at most the commit in flight
//! besides.

use runtime_types::{Area, EntryId, Query};

use super::lab::held;
use super::model::{Deed, Model, batch_of, read_all};
use super::random::{Random, rounds};
use super::scenes;
use crate::keys::generation_in;
use crate::testing::{MemoryDisk, Parts, SimDisk, TestEngine};
use crate::{KeyError, OpenError, Options, Snapshot, Store};

pub(super) enum Act {
    Commit(Vec<Deed>),
    Ahead(Vec<Deed>),
    Settle,
    Rotate,
    Reopen,
}

/// A sequence of acts; the state of the store after each act, and the part of it that is on disk.
pub(super) struct Script {
    pub acts: Vec<Act>,
    pub states: Vec<Model>,
    pub on_disk: Vec<Model>,
}

impl Script {
    pub fn new(seed: u64, length: usize) -> Self {
        Self::of(seed, length, false)
    }

    /// The same with one opening and one key.
    pub fn on_one_opening(seed: u64, length: usize) -> Self {
        Self::of(seed, length, true)
    }

    fn of(seed: u64, length: usize, one_opening: bool) -> Self {
        let mut random = Random::new(seed);
        let (mut acts, mut states) = (Vec::new(), vec![Model::default()]);
        let mut on_disk = states.clone();
        let mut last = EntryId::first_of_second(1);
        for _ in 0..length {
            let mut model = states[states.len() - 1].clone();
            let act = match random.below(10) {
                0 => Act::Settle,
                1 | 2 if one_opening => Act::Settle,
                1 => Act::Reopen,
                2 => Act::Rotate,
                kind => {
                    let deeds = scenes::deeds(&mut random, &model, &mut || {
                        last = last.next();
                        last
                    });
                    model.apply(&deeds);
                    if kind < 6 { Act::Ahead(deeds) } else { Act::Commit(deeds) }
                }
            };
            let last = on_disk[on_disk.len() - 1].clone();
            match act {
                Act::Ahead(_) => on_disk.push(last),
                // Waiting commits are lost with the store.
                Act::Reopen => {
                    model.clone_from(&last);
                    on_disk.push(last);
                }
                Act::Commit(_) | Act::Settle | Act::Rotate => on_disk.push(model.clone()),
            }
            acts.push(act);
            states.push(model);
        }
        Self { acts, states, on_disk }
    }

    /// Runs until the power fails; returns how many acts were done.
    fn run(&self, parts: &Parts) -> usize {
        let Ok(mut store) = Store::open_on(parts.clone(), &Options::default()) else { return 0 };
        let mut generation = 1;
        for (done, act) in self.acts.iter().enumerate() {
            let answer = match act {
                Act::Commit(deeds) => store.commit(batch_of(deeds)).map(drop),
                Act::Ahead(deeds) => store.commit_ahead(batch_of(deeds)).map(drop),
                Act::Settle => store.settle().map(drop),
                Act::Rotate => {
                    generation += 1;
                    store.rotate_data_key(held(generation).key, generation)
                }
                Act::Reopen => {
                    drop(store);
                    match Store::open_on(under(parts, generation), &Options::default()) {
                        Ok(again) => store = again,
                        Err(_) => return done,
                    }
                    Ok(())
                }
            };
            if answer.is_err() {
                let mut more = crate::Batch::new();
                more.put_document("late", vec![1]);
                assert!(store.commit(more).is_err(), "a store whose write failed takes no more");
                return done;
            }
        }
        self.acts.len()
    }
}

fn under(parts: &Parts, generation: u32) -> Parts {
    Parts { data_key: *held(generation).key.expose(), ..parts.clone() }
}

/// The parts with the data key that the keyring names; no other key opens it.
fn as_named(parts: &Parts, what: &str) -> (Parts, u32) {
    let named = generation_in(&parts.disk.file("keyring")).unwrap().unwrap();
    for other in [named - 1, named + 1] {
        let store = Store::open_on(under(parts, other), &Options::default());
        assert!(matches!(store, Err(OpenError::Key(KeyError::WrongKeyring { .. }))), "{what}: {other}");
    }
    (under(parts, named), named)
}

/// The whole content of a store, as text.
pub(super) fn dump(store: &Store) -> String {
    dump_snapshot(&store.snapshot())
}

pub(super) fn dump_snapshot(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for area in Area::ALL {
        text += &format!("{:?}\n", read_all(snapshot, &Query::everything(area), 10_000, false));
    }
    for name in Model::names(snapshot) {
        text += &format!("{name}: {:?}\n", snapshot.document(&name).unwrap());
    }
    text
}

pub(super) fn dump_model(model: &Model) -> String {
    let mut text = String::new();
    for area in Area::ALL {
        text += &format!("{:?}\n", model.find(&Query::everything(area)));
    }
    for (name, content) in &model.documents {
        text += &format!("{name}: {:?}\n", Some(content));
    }
    text
}

/// After the power is back: opens, compares, and continues writing.
fn check(script: &Script, done: usize, parts: &Parts, what: &str) {
    let (parts, generation) = as_named(parts, what);
    let rotations = |acts: &[Act]| acts.iter().filter(|act| matches!(act, Act::Rotate)).count() as u32;
    let acknowledged = 1 + rotations(&script.acts[..done]);
    let in_flight = rotations(&script.acts[done..script.acts.len().min(done + 1)]);
    assert!((acknowledged..=acknowledged + in_flight).contains(&generation), "{what}: data key {generation}");
    let store = Store::open_on(parts.clone(), &Options::default());
    let store = store.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let found = dump(&store);
    let states = &script.on_disk[done..script.on_disk.len().min(done + 2)];
    assert!(
        states.iter().any(|state| dump_model(state) == found),
        "{what}: after {done} acts there is neither what was acknowledged nor that and the next:\n{found}"
    );
    let mut batch = crate::Batch::new();
    batch.put_document("afterwards", vec![7; 100]);
    store.commit(batch).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let now = dump(&store);
    drop(store);
    let again = Store::open_on(parts.clone(), &Options::default());
    assert_eq!(dump(&again.unwrap_or_else(|error| panic!("{what}: {error:?}"))), now, "{what}");
}

#[test]
fn no_acknowledged_commit_is_lost_wherever_power_goes_in_memory() {
    for seed in 0..rounds(6, 200) {
        let script = Script::new(seed, 18);
        let mut point = 0;
        loop {
            let memory = MemoryDisk::default();
            let engine = TestEngine::Memory(memory.clone());
            let parts = Parts { engine, ..Parts::redb(&SimDisk::default()) };
            drop(Store::create_on(parts.clone(), &Options::default()).unwrap());
            memory.die_at(memory.points() + point);
            let done = script.run(&parts);
            memory.revive();
            check(&script, done, &parts, &format!("seed {seed}, point {point}"));
            if done == script.acts.len() {
                break;
            }
            point += 1;
        }
        assert!(point > 8, "seed {seed} has only {point} points");
    }
}

#[test]
fn no_acknowledged_commit_is_lost_wherever_power_goes_under_redb() {
    let mut points = 0;
    for seed in 0..rounds(4, 80) {
        let engine = TestEngine::Redb { quick_repair: seed.is_multiple_of(2) };
        let script = Script::new(seed ^ 0x5eed, 7);
        let mut point = 0;
        loop {
            let fate = seed * 1_000 + point;
            let disk = SimDisk::default();
            let parts = Parts { engine: engine.clone(), ..Parts::redb(&disk) };
            drop(Store::create_on(parts.clone(), &Options::default()).unwrap());
            disk.die_at(disk.points() + point);
            let done = script.run(&parts);
            disk.revive(fate);
            check(&script, done, &parts, &format!("seed {seed}, point {point}, fate {fate}"));
            if done == script.acts.len() {
                break;
            }
            point += 1;
        }
        points += point;
    }
    eprintln!("{points} points of power loss under redb");
}

#[test]
fn a_disk_that_forgets_its_syncs_is_caught_by_these_tests() {
    // The test of the test: a store on a disk whose syncs do nothing loses what it acknowledged.
    let mut lost = false;
    for fate in 0..20 {
        let disk = SimDisk::default();
        let parts = Parts::redb(&disk);
        drop(Store::create_on(parts.clone(), &Options::default()).unwrap());
        disk.ignore_syncs();
        let script = Script::new(3, 6);
        script.run(&parts);
        disk.revive(fate);
        let store = Store::open_on(parts, &Options::default());
        lost |= store.map_or(true, |store| {
            let all = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dump(&store)));
            all.map_or(true, |found| found != dump_model(&script.states[script.states.len() - 1]))
        });
    }
    assert!(lost);
}

#[test]
fn a_commit_to_a_small_redb_file_takes_one_sync() {
    let disk = SimDisk::default();
    let store = Store::create_on(Parts::redb(&disk), &Options::default()).unwrap();
    let mut commits = (0..4).map(|at| {
        let mut batch = crate::Batch::new();
        batch.insert(Area::Timeseries, super::lab::entry("a/b", &super::lab::location(f64::from(at))));
        let before = disk.syncs();
        store.commit(batch).unwrap();
        disk.syncs() - before
    });
    // The first one also adds the key of the month to the keyring.
    assert_eq!(commits.next(), Some(2));
    assert_eq!(commits.collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_keyring_of_another_time_is_refused_and_not_taken_for_a_shredded_month() {
    let disk = SimDisk::default();
    let parts = Parts::redb(&disk);
    drop(Store::create_on(parts.clone(), &Options::default()).unwrap());
    let old = disk.content("keyring");
    let store = Store::open_on(parts.clone(), &Options::default()).unwrap();
    let thing = scenes::thing(&mut Random::new(1), store.allocate(1)[0]);
    store.commit(batch_of(&[Deed::Insert(Area::Timeseries, thing)])).unwrap();
    drop(store);
    let new = disk.content("keyring");
    disk.set_content("keyring", old);
    assert!(matches!(Store::open_on(parts.clone(), &Options::default()), Err(OpenError::Damaged(_))));
    disk.set_content("keyring", new);
    assert!(Store::open_on(parts, &Options::default()).is_ok());
}

#[test]
fn shredding_that_a_crash_cut_short_is_finished_at_the_next_opening() {
    for point in 0..60 {
        let disk = SimDisk::default();
        let parts = Parts::redb(&disk);
        let store = Store::create_on(parts.clone(), &Options::default()).unwrap();
        let mut batch = crate::Batch::new();
        for at in [1_700_000_000.0, 1_702_000_000.0] {
            batch.insert(Area::Timeseries, super::lab::entry("a/b", &super::lab::location(at)));
        }
        store.commit(batch).unwrap();
        disk.die_at(disk.points() + point);
        let shredded = store.shred(&[], 2023 * 12 + 10..=2023 * 12 + 10);
        drop(store);
        disk.revive(point);
        let store = Store::open_on(parts.clone(), &Options::default()).unwrap();
        let times: Vec<f64> = read_all(&store.snapshot(), &Query::everything(Area::Timeseries), 9, false)
            .into_iter()
            .map(|(time, _)| time)
            .collect();
        let both = times == [1_700_000_000.0, 1_702_000_000.0];
        assert!(times == [1_702_000_000.0] || (both && shredded.is_err()), "point {point}: {times:?}");
    }
}
