//! Disks that refuse for a while: full, read-only, failing or slow. Acknowledged data stays, reads go on, no batch
//! appears in part, and the same store stores the first commit after the disk has recovered.

use std::io::ErrorKind;
use std::sync::Arc;

use runtime_types::{Area, Query};

use super::lab::{entry, location};
use super::model::{Model, batch_of, read_all};
use super::power::{Act, Script, dump, dump_model, dump_snapshot};
use super::random::{Random, rounds};
use crate::engine::Key;
use crate::engine::redb::Redb;
use crate::index::BlockInfo;
use crate::testing::{Parts, SimDisk, TestEngine};
use crate::{Batch, CommitError, DiskTrouble, NewEntry, Options, ReadError, Store};

const KINDS: [(ErrorKind, DiskTrouble); 3] = [
    (ErrorKind::StorageFull, DiskTrouble::Full),
    (ErrorKind::ReadOnlyFilesystem, DiskTrouble::ReadOnly),
    (ErrorKind::Other, DiskTrouble::Failing),
];

fn parts(disk: &SimDisk, quick_repair: bool) -> Parts {
    Parts { engine: TestEngine::Redb { quick_repair }, ..Parts::redb(disk) }
}

fn created(parts: &Parts) -> Store {
    Store::create_on(parts.clone(), &Options::default()).expect("created")
}

fn opened(parts: &Parts, what: &str) -> Store {
    Store::open_on(parts.clone(), &Options::default()).unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

fn marker() -> Batch {
    let mut batch = Batch::new();
    batch.put_document("afterwards", vec![7; 100]);
    batch
}

fn locations(key: &str, times: impl IntoIterator<Item = f64>) -> Batch {
    let mut batch = Batch::new();
    times.into_iter().for_each(|at| batch.insert(Area::Timeseries, entry(key, &location(at))));
    batch
}

fn times(store: &Store) -> Vec<f64> {
    let all = read_all(&store.snapshot(), &Query::everything(Area::Timeseries), 9, false);
    all.into_iter().map(|(time, _)| time).collect()
}

/// The models with the marker.
fn marked(models: &[Model]) -> Vec<String> {
    let with_marker = |model: &Model| {
        let mut model = model.clone();
        model.documents.insert("afterwards".to_owned(), vec![7; 100]);
        dump_model(&model)
    };
    models.iter().map(with_marker).collect()
}

/// Runs until an act fails; returns how many were done, and the error.
fn run(store: &Store, script: &Script) -> (usize, Option<CommitError>) {
    for (done, act) in script.acts.iter().enumerate() {
        let answer = match act {
            Act::Commit(deeds) => store.commit(batch_of(deeds)).map(drop),
            Act::Ahead(deeds) => store.commit_ahead(batch_of(deeds)).map(drop),
            Act::Settle => store.settle().map(drop),
            Act::Rotate | Act::Reopen => unreachable!("a script on one opening has none"),
        };
        if let Err(error) = answer {
            return (done, Some(error));
        }
    }
    (script.acts.len(), None)
}

/// One script on a disk that begins to refuse at one point; returns whether it did before the script ended.
fn refuse_at(script: &Script, point: u64, quick_repair: bool, what: &str) -> bool {
    let (kind, trouble) = KINDS[point as usize % KINDS.len()];
    let disk = SimDisk::default();
    let parts = parts(&disk, quick_repair);
    let store = created(&parts);
    let before = store.snapshot();
    disk.refuse_from(disk.points() + point, kind);
    let (done, error) = run(&store, script);
    let Some(error) = error else { return false };
    assert_eq!(DiskTrouble::of(&error), Some(trouble), "{what}: {error:?}");
    for _ in 0..3 {
        assert_eq!(dump(&store), dump_model(&script.on_disk[done]), "{what}: reads while it refuses");
        let error = store.commit(marker()).expect_err("the disk refuses");
        assert_eq!(DiskTrouble::of(&error), Some(trouble), "{what}: {error:?}");
        // A commit for later may wait, or is refused.
        let _ = store.commit_ahead(marker());
    }
    let while_it_refused = store.snapshot();
    disk.heal();
    store.commit(marker()).unwrap_or_else(|error| panic!("{what}: room again: {error:?}"));
    let found = dump(&store);
    let expected = marked(&script.states[done..done + 2]);
    assert!(
        expected.contains(&found),
        "{what}: after {done} acts neither without the failed one nor with it:\n{found}"
    );
    // Snapshots from before are unchanged.
    while store.scrub().expect("scrubbed").more {}
    assert_eq!(dump_snapshot(&while_it_refused), dump_model(&script.on_disk[done]), "{what}");
    assert_eq!(dump_snapshot(&before), dump_model(&Model::default()), "{what}");
    drop((store, before, while_it_refused));
    disk.revive(point);
    assert_eq!(dump(&opened(&parts, what)), found, "{what}: after a power cut");
    true
}

#[test]
fn a_disk_that_refuses_at_any_point_costs_the_commits_meanwhile_and_nothing_else() {
    let mut points = 0;
    for seed in 0..rounds(4, 80) {
        let script = Script::on_one_opening(seed ^ 0xf011, 9);
        let mut point = 0;
        while refuse_at(&script, point, seed % 2 == 0, &format!("seed {seed}, point {point}")) {
            point += 1;
        }
        points += point;
    }
    assert!(points > 40, "only {points} points");
    eprintln!("{points} points at which a disk began to refuse");
}

#[test]
fn a_disk_that_refuses_again_and_again_loses_nothing_and_doubles_nothing() {
    for seed in 0..rounds(20, 400) {
        let (mut random, disk) = (Random::new(seed), SimDisk::default());
        let parts = parts(&disk, seed % 2 == 0);
        let store = created(&parts);
        let mut expected = Vec::new();
        for at in 0..30_u32 {
            let time = 1_700_000_000.0 + f64::from(at) * 900_000.0;
            let taken_in_as = super::lab::key("background/location");
            disk.refuse_from(disk.points() + random.below(12) as u64, KINDS[at as usize % 3].0);
            let put = || {
                let mut batch = Batch::new();
                let (metadata, data) = location(time);
                let key = taken_in_as.clone();
                let entry = NewEntry { id: None, key, metadata: &metadata, data: &data, extra: "" };
                batch.put_usercache(entry, taken_in_as.clone());
                store.commit(batch)
            };
            // A phone repeats its upload until it is acknowledged.
            if put().is_err() {
                disk.heal();
                put().unwrap_or_else(|error| panic!("seed {seed}, {at}: {error:?}"));
            }
            disk.heal();
            expected.push(time);
        }
        let all = |store: &Store| {
            let all = read_all(&store.snapshot(), &Query::everything(Area::Usercache), 9, false);
            all.into_iter().map(|(time, _)| time).collect::<Vec<_>>()
        };
        assert_eq!(all(&store), expected, "seed {seed}");
        drop(store);
        disk.revive(seed);
        assert_eq!(all(&opened(&parts, "reopened")), expected, "seed {seed}");
    }
}

#[test]
fn keys_that_were_to_be_destroyed_when_the_disk_refused_seal_nothing_that_is_lost() {
    let month = 2023 * 12 + 10;
    for point in 0..40 {
        let disk = SimDisk::default();
        let parts = parts(&disk, false);
        let store = created(&parts);
        store.commit(locations("a/b", [1_700_000_000.0])).expect("stored");
        disk.refuse_from(disk.points() + point, ErrorKind::StorageFull);
        let shredded = store.shred(&[], month..=month);
        disk.heal();
        if shredded.is_err() {
            store.shred(&[], month..=month).unwrap_or_else(|error| panic!("point {point}: {error:?}"));
        }
        store.commit(locations("a/b", [1_700_000_100.0])).expect("stored");
        assert_eq!(times(&store), [1_700_000_100.0], "point {point}");
        drop(store);
        disk.revive(point);
        assert_eq!(times(&opened(&parts, "reopened")), [1_700_000_100.0], "point {point}");
    }
}

#[test]
fn a_put_after_a_shredding_that_failed_is_not_lost_with_the_keys() {
    let month = 2023 * 12 + 10;
    for point in 0..40 {
        let disk = SimDisk::default();
        let parts = parts(&disk, false);
        let store = created(&parts);
        store.commit(locations("a/b", [1_700_000_000.0])).expect("stored");
        disk.refuse_from(disk.points() + point, ErrorKind::StorageFull);
        if store.shred(&[], month..=month).is_ok() {
            break;
        }
        disk.heal();
        // It is not repeated.
        store.commit(locations("a/b", [1_700_000_100.0])).expect("stored");
        drop(store);
        disk.revive(point);
        let store = opened(&parts, "reopened");
        assert!(times(&store).contains(&1_700_000_100.0), "point {point}: {:?}", times(&store));
    }
}

#[test]
fn a_store_opens_for_reading_on_a_disk_that_refuses_and_for_writing_once_it_is_well() {
    for crashed in [false, true] {
        for quick_repair in [false, true] {
            let disk = SimDisk::default();
            let parts = parts(&disk, quick_repair);
            let store = created(&parts);
            store.commit(locations("a/b", [1_700_000_000.0])).expect("stored");
            if crashed {
                disk.die_at(disk.points());
            }
            drop(store);
            disk.revive(3);
            disk.refuse_from(disk.points(), ErrorKind::ReadOnlyFilesystem);
            let store = opened(&parts, "on a disk that refuses");
            assert_eq!(times(&store), [1_700_000_000.0]);
            let error = store.commit(locations("a/b", [1_700_000_100.0])).expect_err("it refuses");
            assert_eq!(DiskTrouble::of(&error), Some(DiskTrouble::ReadOnly));
            disk.heal();
            store.commit(locations("a/b", [1_700_000_200.0])).expect("stored");
            assert_eq!(times(&store), [1_700_000_000.0, 1_700_000_200.0]);
        }
    }
}

#[test]
fn a_place_that_cannot_be_read_costs_the_queries_that_need_it() {
    let disk = SimDisk::default();
    let file = disk.file("data.redb");
    // Nothing that was read at opening is kept in memory.
    let engine = move || {
        let file = file.clone();
        Redb::on_backend(move || Box::new(file.clone()), 0, false).map(|engine| Box::new(engine) as _)
    };
    let parts = Parts { engine: TestEngine::Made(Arc::new(engine)), ..Parts::redb(&disk) };
    let store = created(&parts);
    let many = |from: f64| (0..900).map(move |at| from + f64::from(at) * 7.3);
    store.commit(locations("a/b", many(1_700_000_000.0))).expect("stored");
    store.commit(locations("c/d", many(1_700_000_000.0))).expect("stored");
    // The block of the first stream, found by its bytes on disk.
    let of_first = |info: &&Arc<BlockInfo>| info.body.stream.key.as_str() == "a/b";
    let number = store.index().blocks().find(of_first).expect("a block").body.number;
    let sealed = store.vault.engine.get(Key::block(number)).expect("read").expect("there");
    let content = disk.content("data.redb");
    let piece = &sealed[sealed.len() / 2..][..64];
    let at = content.windows(piece.len()).position(|window| window == piece).expect("on disk");
    drop(store);
    let store = opened(&parts, "closed in good order");
    disk.damage("data.redb", at..at + 1);
    let read = |key: &str| {
        let query = Query { keys: vec![super::lab::key(key)], ..Query::everything(Area::Timeseries) };
        let mut rows = 0;
        let snapshot = store.snapshot();
        let mut cursor = snapshot.find(&query)?;
        cursor.visit(&mut |_| {
            rows += 1;
            std::ops::ControlFlow::Continue(())
        })?;
        Ok::<_, ReadError>(rows)
    };
    for _ in 0..3 {
        let error = read("a/b").expect_err("its place cannot be read");
        assert_eq!(DiskTrouble::of(&error), Some(DiskTrouble::Failing), "{error:?}");
        assert_eq!(read("c/d").expect("another place"), 900);
    }
    store.commit(locations("e/f", [1_700_000_000.0])).expect("a write that needs another place");
    disk.heal();
    assert_eq!(read("a/b").expect("well again"), 900);
}

#[test]
fn nobody_waits_for_a_slow_disk_but_who_writes_to_it() {
    let (slow, other) = (SimDisk::default(), SimDisk::default());
    let store = Arc::new(created(&parts(&slow, false)));
    store.commit(locations("a/b", [1_700_000_000.0])).expect("stored");
    slow.hold_syncs();
    let writer = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || store.commit(locations("a/b", [1_700_000_100.0])).map(drop))
    };
    slow.await_held_sync();
    assert_eq!(times(&store), [1_700_000_000.0], "a reader sees what is on disk, at once");
    let theirs = created(&parts(&other, false));
    theirs.commit(locations("a/b", [1_700_000_000.0])).expect("another disk");
    slow.release_syncs();
    writer.join().expect("no panic").expect("stored");
    assert_eq!(times(&store), [1_700_000_000.0, 1_700_000_100.0]);
}

#[test]
fn a_rotation_that_a_full_disk_stops_leaves_a_store_that_goes_on_with_one_of_the_two_keys() {
    for point in 0..60 {
        let disk = SimDisk::default();
        let parts = parts(&disk, false);
        let store = created(&parts);
        store.commit(locations("a/b", [1_700_000_000.0])).expect("stored");
        disk.refuse_from(disk.points() + point, ErrorKind::StorageFull);
        let rotated = store.rotate_data_key(super::lab::held(2).key, 2);
        disk.heal();
        let named = crate::keys::generation_in(&disk.file("keyring")).expect("read").expect("a keyring");
        assert!(rotated.is_err() || named == 2, "point {point}");
        let more = store.commit(locations("a/b", [1_700_000_100.0]));
        assert_eq!(more.is_ok(), rotated.is_ok() || named == 1, "point {point}: {more:?}");
        assert_eq!(store.is_poisoned(), more.is_err(), "point {point}");
        assert_eq!(times(&store)[0], 1_700_000_000.0, "point {point}: reads go on");
        drop(store);
        let parts = Parts { data_key: *super::lab::held(named).key.expose(), ..parts };
        let store = opened(&parts, &format!("point {point}"));
        assert_eq!(times(&store).len(), 1 + usize::from(more.is_ok()), "point {point}");
        if rotated.is_ok() {
            break;
        }
    }
}
