//! Attacks with access to the disk but without a key: moving values, and restoring old copies. The numbers are those of
//! the handshake's list of attacks.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use runtime_types::{Area, UserId};

use super::flips::{fill, read};
use super::lab::{Lab, LabEngine, entry, location};
use crate::engine::{Engine, Key, Kind, Op};
use crate::keys::{SealId, header_id};
use crate::testing::{MemoryDisk, Parts, SimDisk, TestEngine};
use crate::{Batch, KeyError, OpenError, Options, Store, engine};

const KINDS: [Kind; 5] =
    [Kind::Superblock, Kind::Block, Kind::Descriptor, Kind::Document, Kind::DocumentName];

fn values(engine: &dyn Engine) -> BTreeMap<Key, Vec<u8>> {
    let mut values = BTreeMap::new();
    for kind in KINDS {
        let keep = &mut |key, value: &[u8]| {
            values.insert(key, value.to_vec());
        };
        engine.scan(kind, keep).unwrap();
    }
    values
}

fn put(engine: &dyn Engine, key: Key, value: &[u8]) {
    engine.commit(&[&Op::Delete(key)]).unwrap();
    engine.commit(&[&Op::Put(key, value.to_vec())]).unwrap();
}

fn person(user: UserId) -> (Parts, MemoryDisk) {
    let memory = MemoryDisk::default();
    let engine = TestEngine::Memory(memory.clone());
    let parts = Parts { user, engine, ..Parts::redb(&SimDisk::default()) };
    fill(&parts, 20);
    (parts, memory)
}

#[test]
fn attack_75_a_record_moved_to_another_key_or_stream_or_person() {
    let ((ada, adas), (_, bobs)) = (person(UserId([5; 16])), person(UserId([8; 16])));
    let options = Options::default();
    let open = || Store::open_on(ada.clone(), &options);
    let expected = read(&open().unwrap().snapshot()).unwrap();
    let engine = adas.engine();
    let own = values(&*engine);
    let others = values(&*bobs.engine());
    assert!(own.len() > 8 && KINDS.iter().all(|kind| own.keys().any(|key| key.kind() == *kind)));
    let moved = own.iter().chain(&others);
    let (mut tried, mut silent) = (0, HashSet::new());
    for (from, value) in moved {
        for (to, before) in own.iter().filter(|(_, before)| *before != value) {
            put(&*engine, *to, value);
            let found = open().and_then(|store| read(&store.snapshot()).map_err(OpenError::Damaged));
            if let Ok(found) = found {
                assert_eq!(found, expected, "{from:?} in place of {to:?}");
                silent.insert(*to);
            }
            put(&*engine, *to, before);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    // Values that are no longer read may be replaced by anything.
    assert!(silent.iter().all(|key| key.kind() == Kind::Block) && silent.len() < own.len() / 4, "{silent:?}");
    assert_eq!(read(&open().unwrap().snapshot()).unwrap(), expected);

    // A whole store does not open under another person's name either, even with the right key.
    let other = Parts { user: UserId([8; 16]), ..ada };
    let refused = Store::open_on(other, &options).map(drop);
    assert!(matches!(refused, Err(OpenError::Key(KeyError::WrongKeyring { .. }))), "{refused:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn write(store: &Store) {
    let mut batch = Batch::new();
    for at in 0..50 {
        batch.insert(Area::Timeseries, entry("a/b", &location(1_700_000_000.0 + f64::from(at))));
    }
    batch.put_document("profile", b"same".to_vec());
    store.commit(batch).unwrap();
}

#[test]
fn attack_78_no_nonce_is_used_twice_after_a_crash_or_a_snapshot_brought_back() {
    let lab = Lab::new(LabEngine::Redb);
    let store = lab.create();
    write(&store);
    drop(store);
    let folder = lab.path.parent().unwrap();
    let sealed_in = |path: &Path| {
        let engine = engine::open(path, &lab.options).unwrap().unwrap();
        let ids = |value: Vec<u8>| header_id(&value).unwrap();
        values(&*engine).into_values().map(ids).collect::<HashSet<SealId>>()
    };
    let before = sealed_in(&lab.path);
    // One moment of the disk, restored again and again; each time the same is written at the same time of day.
    let copies = [1, 2, 3].map(|number| folder.join(format!("copy-{number}")));
    copies.iter().for_each(|path| copy(&lab.path, path));
    let mut all = HashSet::new();
    for path in copies.iter().chain([&lab.path]) {
        let store = Store::open(path, super::lab::USER, &lab.keys(), &lab.options).unwrap();
        write(&store);
        drop(store);
        let fresh = sealed_in(path).difference(&before).copied().collect::<Vec<_>>();
        assert!(fresh.len() >= 4, "a block, its descriptor, a document, a superblock");
        let boots = fresh.iter().map(|id| id[..16].to_vec()).collect::<HashSet<_>>();
        assert_eq!(boots.len(), 1, "one opening is one boot");
        for id in fresh {
            assert!(all.insert(id), "{path:?} sealed with a nonce of another copy");
        }
    }
    let boots = all.iter().map(|id| id[..16].to_vec()).collect::<HashSet<_>>();
    assert_eq!(boots.len(), 4, "each opening has a boot of its own");
    assert!(boots.iter().all(|boot| !before.iter().any(|id| id[..16] == boot[..])));

    // A crash: nothing is closed, and the disk is opened while the clock stands still.
    let crashed = folder.join("crashed");
    let running = Store::open(&lab.path, super::lab::USER, &lab.keys(), &lab.options).unwrap();
    write(&running);
    copy(&lab.path, &crashed);
    let again = Store::open(&crashed, super::lab::USER, &lab.keys(), &lab.options).unwrap();
    write(&again);
    write(&running);
    drop((again, running));
    let (here, there) = (sealed_in(&lab.path), sealed_in(&crashed));
    let known = |ids: &HashSet<SealId>| ids.difference(&here).count();
    assert!(known(&there) >= 4);
    let boot_of = |ids: HashSet<SealId>, other: &HashSet<SealId>| {
        ids.difference(other).map(|id| id[..16].to_vec()).collect::<HashSet<_>>()
    };
    assert!(boot_of(here.clone(), &there).is_disjoint(&boot_of(there, &here)));
}
