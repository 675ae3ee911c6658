//! One changed bit, anywhere: a clear error or the right data, never other data, never a panic.

use runtime_types::{Area, Query};

use super::lab::{entry, location};
use super::random::rounds;
use crate::testing::{MemoryDisk, Parts, SimDisk, TestEngine};
use crate::{Batch, OwnedRow, ReadError, Snapshot, Store};

/// A store with fresh and settled blocks, dead and invalid rows, documents and something in the graveyard.
pub(super) fn fill(parts: &Parts, rows: u32) {
    let options = crate::Options::default();
    let store = Store::create_on(parts.clone(), &options).unwrap();
    let mut batch = Batch::new();
    let ids = store.allocate(rows as usize);
    for (at, id) in (0..).zip(&ids) {
        let texts = location(f64::from(at));
        batch.insert(Area::Timeseries, crate::NewEntry { id: Some(*id), ..entry("a/b", &texts) });
    }
    store.commit(batch).unwrap();
    store.settle().unwrap();
    let mut batch = Batch::new();
    for at in 0..30 {
        batch.put_usercache(entry("a/c", &location(f64::from(at))), super::lab::key("a/c"));
    }
    batch.delete(ids[3]);
    batch.mark_invalid(ids[4]);
    batch.put_document("profile", b"{\"mode\":\"x\"}".repeat(20));
    batch.put_document("large", vec![3; 6_000]);
    store.commit(batch).unwrap();
}

#[derive(Debug, PartialEq)]
pub(super) struct Everything {
    rows: Vec<String>,
    documents: Vec<(String, Vec<u8>)>,
}

pub(super) fn read(snapshot: &Snapshot) -> Result<Everything, ReadError> {
    let mut rows = Vec::new();
    for area in Area::ALL {
        snapshot.find(&Query::everything(area))?.visit(&mut |row| {
            let owned = OwnedRow {
                id: row.id,
                key: row.key.clone(),
                invalid: row.invalid,
                write_ts: row.write_ts,
                metadata: row.metadata.to_owned(),
                data: row.data.to_owned(),
                extra: row.extra.to_owned(),
            };
            rows.push(format!("{area:?} {owned:?}"));
            std::ops::ControlFlow::Continue(())
        })?;
        let mut cursor = snapshot.find_locations(&Query::everything(area))?;
        let mut columns = crate::LocationRows::default();
        while cursor.next(1000, &mut columns)? > 0 {}
        rows.push(format!("{columns:?}"));
    }
    let mut documents = Vec::new();
    for name in snapshot.documents() {
        let content = snapshot.document(&name)?.expect("it was listed").to_vec();
        documents.push((name, content));
    }
    Ok(Everything { rows, documents })
}

/// Returns whether the flip was noticed.
fn look(parts: &Parts, expected: &Everything, what: &str) -> bool {
    let options = crate::Options::default();
    let Ok(store) = Store::open_on(parts.clone(), &options) else { return true };
    let first = read(&store.snapshot());
    if let Ok(found) = &first {
        assert_eq!(found, expected, "{what}");
    }
    // Writing on top of it must not make damage look valid either.
    let mut batch = Batch::new();
    batch.put_document("profile", b"new".to_vec());
    let committed = store.commit(batch).is_ok();
    drop(store);
    let Ok(store) = Store::open_on(parts.clone(), &options) else { return true };
    match read(&store.snapshot()) {
        Err(_) => true,
        Ok(mut found) => {
            let at = found.documents.iter().position(|(name, _)| name == "profile").expect("it is there");
            let new = found.documents[at].1 == b"new";
            assert!(new || !committed, "{what}: an acknowledged commit is gone");
            found.documents[at].1.clone_from(&expected.documents[at].1);
            assert_eq!(&found, expected, "{what}, after a commit");
            first.is_err()
        }
    }
}

#[test]
fn every_changed_bit_of_a_sealed_value_is_noticed() {
    let memory = MemoryDisk::default();
    let engine = TestEngine::Memory(memory.clone());
    let parts = Parts { engine, ..Parts::redb(&SimDisk::default()) };
    fill(&parts, 20);
    let options = crate::Options::default();
    let expected = read(&Store::open_on(parts.clone(), &options).unwrap().snapshot()).unwrap();
    let bits = memory.bytes() * 8;
    let step = if rounds(0, 1) == 1 { 1 } else { 37 };
    let mut silent = 0;
    for bit in (0..bits).step_by(step) {
        assert!(memory.flip(bit));
        let store = Store::open_on(parts.clone(), &options);
        let found = store.and_then(|store| read(&store.snapshot()).map_err(crate::OpenError::Damaged));
        // A block in the graveyard is never read again.
        if let Ok(found) = found {
            assert_eq!(found, expected, "bit {bit}");
            silent += 1;
        }
        assert!(memory.flip(bit));
    }
    eprintln!("{} bits of {bits} changed, {silent} in blocks that nobody reads", bits.div_ceil(step));
    assert!(silent < bits.div_ceil(step) / 2);
    assert_eq!(read(&Store::open_on(parts, &options).unwrap().snapshot()).unwrap(), expected);
}

#[test]
fn every_changed_bit_of_a_redb_file_gives_an_error_or_the_right_data() {
    let disk = SimDisk::default();
    let parts = Parts::redb(&disk);
    fill(&parts, 60);
    let options = crate::Options::default();
    let expected = read(&Store::open_on(parts.clone(), &options).unwrap().snapshot()).unwrap();
    let (data, keyring) = (disk.content("data.redb"), disk.content("keyring"));
    let mut flips: Vec<usize> = (0..4096 * 8).step_by(rounds(61, 1).max(1) as usize).collect();
    flips.extend((4096 * 8..data.len() * 8).step_by(if rounds(0, 1) == 1 { 11 } else { 2_003 }));
    let mut noticed = 0;
    for bit in &flips {
        let mut changed = data.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        disk.set_content("data.redb", changed);
        disk.set_content("keyring", keyring.clone());
        noticed += u32::from(look(&parts, &expected, &format!("bit {bit}")));
    }
    eprintln!("{} bits of a file of {} bytes changed, {noticed} noticed", flips.len(), data.len());
    assert!(noticed > 0);
}

#[test]
fn a_truncated_or_foreign_file_gives_an_error() {
    let disk = SimDisk::default();
    let parts = Parts::redb(&disk);
    fill(&parts, 60);
    let data = disk.content("data.redb");
    let other = SimDisk::default();
    fill(&Parts::redb(&other), 60);
    let options = crate::Options::default();
    for cut in (0..data.len()).step_by(data.len() / 29) {
        disk.set_content("data.redb", data[..cut].to_vec());
        let store = Store::open_on(parts.clone(), &options);
        let found = store.and_then(|store| read(&store.snapshot()).map_err(crate::OpenError::Damaged));
        assert!(found.is_err(), "cut at {cut}");
    }
    disk.set_content("data.redb", other.content("data.redb"));
    assert!(Store::open_on(parts.clone(), &options).is_err(), "another store's file");
    disk.set_content("data.redb", vec![7; 100_000]);
    assert!(Store::open_on(parts, &options).is_err(), "not a file of the engine");
}
