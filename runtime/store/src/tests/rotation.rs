//! Replacing the data key, heads, and stores in memory.

use runtime_types::{Area, Query, Stream};

use super::lab::{Lab, LabEngine, USER, entry, held, key, location};
use super::model::read_all;
use super::random::Random;
use crate::engine::{Key, Kind};
use crate::keys::{About, Opener, generation_in};
use crate::testing::{Parts, SimDisk};
use crate::{
    Batch, CommitError, DataKey, Held, KeyError, OpenError, Options, ReadError, Shredded, Snapshot, Store,
};

const NOVEMBER: f64 = 1_700_000_000.0;
const DECEMBER: f64 = 1_702_000_000.0;

fn insert(store: &Store, stream: &str, start: f64, rows: u32) {
    let mut batch = Batch::new();
    for at in 0..rows {
        batch.insert(Area::Timeseries, entry(stream, &location(start + f64::from(at))));
    }
    store.commit(batch).unwrap();
}

fn put_documents(store: &Store, byte: u8) {
    let mut batch = Batch::new();
    batch.put_document("small", vec![byte; 10]);
    batch.put_document("large", vec![byte; 9_000]);
    store.commit(batch).unwrap();
}

/// All rows and documents, as text.
fn content(snapshot: &Snapshot) -> String {
    let mut text = format!("{:?}", read_all(snapshot, &Query::everything(Area::Timeseries), 50, false));
    for name in snapshot.documents() {
        text += &format!("{name} {:?}", snapshot.document(&name).unwrap());
    }
    text
}

/// Numbers of the keys that blocks were sealed with.
fn block_keys(store: &Store) -> Vec<u32> {
    let mut keys: Vec<u32> = store.index().blocks().map(|info| info.body.key_number).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

pub fn rotating(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    insert(&store, "a/b", NOVEMBER, 600);
    insert(&store, "a/c", DECEMBER, 5);
    store.settle().unwrap();
    put_documents(&store, 1);
    let (before, expected) = (store.snapshot(), content(&store.snapshot()));
    let mut cursor = before.find(&Query::everything(Area::Timeseries)).unwrap();
    let mut first = Vec::new();
    super::model::read_page(&mut cursor, 10, &mut first);

    for given in [0, 1, 3, u32::MAX] {
        let refused = store.rotate_data_key(held(given).key, given);
        assert!(matches!(refused, Err(CommitError::Generation { current: 1, given: told }) if told == given));
    }
    let old_keys = block_keys(&store);
    lab.rotate(&store).unwrap();
    assert_eq!(content(&store.snapshot()), expected);
    assert_eq!(content(&before), expected, "a snapshot from before reads on");
    super::model::read_page(&mut cursor, 10_000, &mut first);
    assert_eq!(first.len(), 605, "a cursor too");
    assert_eq!(block_keys(&store), old_keys, "blocks stand as they were");
    assert_eq!(store.head().commit, before.head().commit + 1);

    // New entries, in an existing month and in a new one, have new keys.
    drop((before, cursor));
    insert(&store, "a/b", NOVEMBER + 9e3, 600);
    insert(&store, "a/b", DECEMBER, 3);
    put_documents(&store, 2);
    let new_keys: Vec<u32> =
        block_keys(&store).into_iter().filter(|number| !old_keys.contains(number)).collect();
    assert_eq!(new_keys.len(), 2);
    let expected = content(&store.snapshot());

    // It opens only with the new key.
    drop(store);
    lab.generation.store(1, std::sync::atomic::Ordering::Relaxed);
    let refused = lab.open().map(drop);
    let in_folder = |error: &KeyError| matches!(error, KeyError::OtherGeneration { keyring: 2, held: 1 });
    let on_disk = |error: &KeyError| matches!(error, KeyError::WrongKeyring { .. });
    let wanted = |error| if lab.parts.is_some() { on_disk(error) } else { in_folder(error) };
    assert!(matches!(&refused, Err(OpenError::Key(error)) if wanted(error)), "{refused:?}");
    lab.generation.store(2, std::sync::atomic::Ordering::Relaxed);
    let store = lab.open().unwrap();
    assert_eq!(content(&store.snapshot()), expected);

    // Rewriting moves entries to the current keys, and the next rotation drops keys without blocks.
    let moved = store.index().blocks().filter(|info| info.body.stream.key == key("a/b")).count();
    let mut batch = Batch::new();
    let rows = read_all(&store.snapshot(), &Query::everything(Area::Timeseries), 10_000, false);
    rows.iter().step_by(2).for_each(|(_, row)| batch.delete(row.id));
    store.commit(batch).unwrap();
    while store.scrub().unwrap().more {}
    assert!(moved > 0 && block_keys(&store).iter().all(|number| !old_keys.contains(number)));
    store.settle().unwrap();
    let expected = content(&store.snapshot());
    lab.rotate(&store).unwrap();
    assert_eq!(content(&store.snapshot()), expected);
    // Shredding destroys the keys of every generation.
    insert(&store, "a/b", NOVEMBER + 20e3, 700);
    let months = 2023 * 12 + 10..=2023 * 12 + 10;
    let stream = Stream { area: Area::Timeseries, key: key("a/b") };
    let shredded = store.shred(&[stream], months).unwrap();
    assert_eq!(shredded.keys, 2, "the first was of blocks that are gone");
    assert!(shredded.blocks >= 2);
    lab.rotate(&store).unwrap();
    let expected = content(&store.snapshot());
    drop(store);
    assert_eq!(content(&lab.open().unwrap().snapshot()), expected);
}

pub fn heads(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    assert_eq!(store.head(), crate::Head { commit: 0, hash: [0; 32] });
    let mut seen = vec![store.head()];
    for round in 0..6 {
        match round {
            0 => insert(&store, "a/b", NOVEMBER, 600),
            1 => put_documents(&store, 1),
            // The same content again is another commit.
            2 => put_documents(&store, 1),
            3 => drop(store.settle().unwrap()),
            4 => lab.rotate(&store).unwrap(),
            _ => drop(store.shred(&[], 2023 * 12 + 10..=2023 * 12 + 10).unwrap()),
        }
        let head = store.head();
        assert_eq!(head, store.snapshot().head());
        assert_eq!(head.commit, seen[seen.len() - 1].commit + 1, "round {round}");
        assert!(seen.iter().all(|old| old.hash != head.hash), "round {round}");
        seen.push(head);
        assert_eq!(
            store.commit(Batch::new()).unwrap(),
            crate::Committed { commit: head.commit, ..Default::default() }
        );
        assert_eq!(store.head(), head, "nothing was done, so nothing changes");
    }
    let head = store.head();
    drop(store);
    assert_eq!(lab.open().unwrap().head(), head);
}

#[test]
fn a_store_that_was_put_back_has_an_earlier_head_and_goes_on_to_another() {
    let disk = SimDisk::default();
    let parts = Parts::redb(&disk);
    let store = Store::create_on(parts.clone(), &Options::default()).unwrap();
    insert(&store, "a/b", NOVEMBER, 3);
    drop(store);
    let old = ["data.redb", "keyring"].map(|name| (name, disk.content(name)));
    let store = Store::open_on(parts.clone(), &Options::default()).unwrap();
    insert(&store, "a/b", NOVEMBER, 3);
    let seen = store.head();
    drop(store);
    old.into_iter().for_each(|(name, content)| disk.set_content(name, content));
    let store = Store::open_on(parts, &Options::default()).unwrap();
    assert!(store.head().commit < seen.commit);
    // Once it has caught up, its head differs, even if the same is done again.
    insert(&store, "a/b", NOVEMBER, 3);
    assert_eq!(store.head().commit, seen.commit);
    assert_ne!(store.head().hash, seen.hash);
}

#[test]
fn a_keyring_tells_without_a_key_which_one_opens_it() {
    let lab = Lab::new(LabEngine::Redb);
    assert_eq!(Store::key_generation(&lab.path).unwrap(), None);
    let absent = Store::opens_with(&lab.path, USER, &held(1).key);
    assert!(matches!(absent, Err(OpenError::Absent { .. })));
    let store = lab.create();
    let opens = |generation: u32| Store::opens_with(&lab.path, USER, &held(generation).key).unwrap();
    assert_eq!(Store::key_generation(&lab.path).unwrap(), Some(1));
    assert_eq!([1, 2].map(opens), [true, false]);
    lab.rotate(&store).unwrap();
    assert_eq!(Store::key_generation(&lab.path).unwrap(), Some(2));
    assert_eq!([1, 2].map(opens), [false, true]);
    assert!(!Store::opens_with(&lab.path, runtime_types::UserId([9; 16]), &held(2).key).unwrap());
    drop(store);
    // A changed generation is reported, and opens nothing.
    let path = lab.path.join("keyring");
    let sound = std::fs::read(&path).unwrap();
    for bit in 0..64 {
        let mut changed = sound.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &changed).unwrap();
        let refused = lab.open().map(drop);
        let named = Store::key_generation(&lab.path);
        if bit < 32 || bit == 33 {
            // Another magic, or the generation 0.
            assert!(
                matches!(refused, Err(OpenError::Key(KeyError::Unsound { .. }))),
                "bit {bit}: {refused:?}"
            );
            assert!(named.is_err(), "bit {bit}");
            continue;
        }
        let other = matches!(refused, Err(OpenError::Key(KeyError::OtherGeneration { held: 2, .. })));
        assert!(other, "bit {bit}: {refused:?}");
        let named = named.unwrap().unwrap();
        let believing = Held { generation: named, ..lab.keys() };
        let refused = Store::open(&lab.path, USER, &believing, &lab.options).map(drop);
        let wrong = matches!(refused, Err(OpenError::Key(KeyError::WrongKeyring { .. })));
        assert!(wrong, "bit {bit}: {refused:?}");
        assert!(!opens(2), "bit {bit}");
    }
    std::fs::write(&path, sound).unwrap();
    assert!(lab.open().is_ok());
}

#[test]
fn a_store_can_begin_with_any_generation_but_none() {
    let lab = Lab::new(LabEngine::Redb);
    lab.generation.store(0, std::sync::atomic::Ordering::Relaxed);
    let refused = Store::create(&lab.path, USER, &lab.keys(), &lab.options);
    assert!(matches!(refused, Err(OpenError::Key(KeyError::OtherGeneration { .. }))));
    lab.generation.store(7, std::sync::atomic::Ordering::Relaxed);
    let store = lab.create();
    lab.rotate(&store).unwrap();
    assert_eq!(Store::key_generation(&lab.path).unwrap(), Some(8));
}

/// A store refuses engine data from before a rotation, even if it is brought back.
#[test]
fn an_engine_from_before_a_rotation_is_refused_under_the_keyring_from_after() {
    let disk = SimDisk::default();
    let parts = Parts::redb(&disk);
    let store = Store::create_on(parts.clone(), &Options::default()).unwrap();
    insert(&store, "a/b", NOVEMBER, 3);
    drop(store);
    let before = disk.content("data.redb");
    let store = Store::open_on(parts.clone(), &Options::default()).unwrap();
    store.rotate_data_key(held(2).key, 2).unwrap();
    drop(store);
    disk.set_content("data.redb", before);
    let parts = Parts { data_key: *held(2).key.expose(), ..parts };
    let opened = Store::open_on(parts, &Options::default()).map(drop);
    assert!(matches!(opened, Err(OpenError::Damaged(ReadError::Sealed { .. }))), "{opened:?}");
}

/// Rotates on a disk that dies on the way; returns the result of the rotation, and the keyring's generation afterwards.
fn rotate_and_die(point: u64, fate: u64) -> (Result<(), CommitError>, u32) {
    let what = format!("point {point}, fate {fate}");
    let disk = SimDisk::default();
    let parts = Parts::redb(&disk);
    let store = Store::create_on(parts.clone(), &Options::default()).unwrap();
    insert(&store, "a/b", NOVEMBER, 40);
    insert(&store, "a/b", DECEMBER, 40);
    put_documents(&store, 1);
    let expected = content(&store.snapshot());
    disk.die_at(disk.points() + point);
    let rotated = store.rotate_data_key(held(2).key, 2);
    if rotated.is_err() {
        assert!(matches!(store.commit(Batch::new()), Err(CommitError::Poisoned)), "{what}");
    }
    drop(store);
    disk.revive(fate);
    let named = generation_in(&disk.file("keyring")).unwrap().unwrap();
    let parts = Parts { data_key: *held(named).key.expose(), ..parts };
    let store = Store::open_on(parts.clone(), &Options::default());
    let store = store.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(content(&store.snapshot()), expected, "{what}");
    let keyring = store.vault.keyring();
    assert!(keyring.with_meta_before().is_none() && keyring.meta.generation == named, "{what}");
    // And it can be rotated again.
    store.rotate_data_key(held(named + 1).key, named + 1).unwrap();
    drop(store);
    let parts = Parts { data_key: *held(named + 1).key.expose(), ..parts };
    assert_eq!(content(&Store::open_on(parts, &Options::default()).unwrap().snapshot()), expected);
    (rotated, named)
}

#[test]
fn a_rotation_that_a_crash_cut_short_is_finished_at_the_next_opening() {
    let (mut old, mut new, mut point, mut done) = (0, 0, 0, false);
    while !done {
        for fate in 0..5 {
            let (rotated, named) = rotate_and_die(point, fate);
            assert!(rotated.is_err() || named == 2, "point {point}, fate {fate}");
            *(if named == 1 { &mut old } else { &mut new }) += 1;
            done |= rotated.is_ok();
        }
        point += 1;
    }
    assert!(old > 0 && new > 20, "{old} times before the rotation, {new} after");
}

/// The same for the completion itself.
#[test]
fn finishing_a_rotation_may_be_cut_short_too() {
    let mut random = Random::new(3);
    for _ in 0..60 {
        let disk = SimDisk::default();
        let parts = Parts::redb(&disk);
        let store = Store::create_on(parts.clone(), &Options::default()).unwrap();
        insert(&store, "a/b", NOVEMBER, 40);
        put_documents(&store, 1);
        let expected = content(&store.snapshot());
        disk.die_at(disk.points() + random.below(6) as u64);
        let _ = store.rotate_data_key(held(2).key, 2);
        drop(store);
        for _ in 0..3 {
            disk.revive(random.next());
            let named = generation_in(&disk.file("keyring")).unwrap().unwrap();
            let parts = Parts { data_key: *held(named).key.expose(), ..parts.clone() };
            disk.die_at(disk.points() + random.below(12) as u64);
            if let Ok(store) = Store::open_on(parts, &Options::default()) {
                assert_eq!(content(&store.snapshot()), expected);
            }
        }
        disk.revive(random.next());
        let named = generation_in(&disk.file("keyring")).unwrap().unwrap();
        let parts = Parts { data_key: *held(named).key.expose(), ..parts };
        assert_eq!(content(&Store::open_on(parts, &Options::default()).unwrap().snapshot()), expected);
    }
}

#[test]
fn nothing_stays_sealed_with_the_meta_key_from_before() {
    let lab = Lab::new(LabEngine::Memory);
    let store = lab.create();
    insert(&store, "a/b", NOVEMBER, 40);
    put_documents(&store, 1);
    let old = store.vault.keyring();
    lab.rotate(&store).unwrap();
    let opener = Opener::new(USER);
    let mut seen = 0;
    for kind in [Kind::Superblock, Kind::Descriptor, Kind::Document, Kind::DocumentName] {
        let visit = &mut |key: Key, sealed: &[u8]| {
            let about = About { key: key.bytes(), context: b"" };
            assert_eq!(opener.open(&old.meta, &about, &mut sealed.to_vec()), None);
            assert!(opener.open(&store.vault.keyring().meta, &about, &mut sealed.to_vec()).is_some());
            seen += 1;
        };
        store.vault.engine.scan(kind, visit).unwrap();
    }
    assert_eq!(seen, 1 + 1 + 2 + 2);
}

#[test]
fn a_store_in_memory_does_what_others_do_and_is_gone() {
    let options = Options::default();
    let store = Store::in_memory(USER, &options).unwrap();
    assert_eq!(store.head().commit, 0);
    insert(&store, "a/b", NOVEMBER, 600);
    put_documents(&store, 1);
    store.settle().unwrap();
    let expected = content(&store.snapshot());
    store.rotate_data_key(DataKey::random().unwrap(), 2).unwrap();
    assert_eq!(content(&store.snapshot()), expected);
    assert_eq!(store.shred(&[], i32::MIN..=i32::MAX).unwrap(), Shredded { keys: 1, blocks: 1 });
    let mut batch = Batch::new();
    batch.put_usercache(entry("a/b", &location(NOVEMBER)), key("a/b"));
    batch.put_usercache(entry("a/b", &location(NOVEMBER)), key("a/b"));
    assert_eq!(store.commit(batch).unwrap().overwritten, 1);
    // Another one has other keys and no content of the first.
    let other = Store::in_memory(USER, &options).unwrap();
    assert_eq!(other.snapshot().streams(), []);
    assert_ne!(other.origins_key(), store.origins_key());
}

#[test]
fn a_closed_store_keeps_no_block_in_memory() {
    let lab = Lab::new(LabEngine::Memory);
    let store = lab.create();
    insert(&store, "a/b", NOVEMBER, 5);
    let body = std::sync::Arc::clone(&store.index().blocks().next().unwrap().body);
    let cached = std::sync::Arc::downgrade(&store.vault.block(&body).unwrap());
    assert!(cached.upgrade().is_some());
    let vault = std::sync::Arc::downgrade(&store.vault);
    let snapshot = store.snapshot();
    drop(store);
    assert!(vault.upgrade().is_some(), "whoever reads keeps it open");
    drop(snapshot);
    assert!(vault.upgrade().is_none() && cached.upgrade().is_none());
}
