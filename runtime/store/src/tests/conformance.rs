//! Tests that every engine must pass.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use runtime_types::{Area, EntryId, Order, Query, Stream, StreamKey, TimeField, UserId};

use super::lab::{Lab, LabEngine, entry, key, location};
use super::model::{Model, batch_of, read_all, read_page};
use super::random::{Random, rounds};
use super::{rotation, scenes};
use crate::{
    Batch, CheckedEntry, CommitError, Committed, KeyError, KeyProvider, NewEntry, OpenError, ReadError, Row,
    Shredded, Snapshot, Store, Unattended,
};

macro_rules! conformance {
    ($name:ident, $engine:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn whatever_is_done_reading_gives_what_a_model_gives() {
                model($engine);
            }
            // Row: "An entry with the (type, key, write_ts)"
            // Row: "A resend of what was taken in"
            // Row: "A different reading whose identity has been taken in"
            #[test]
            fn a_resend_is_harmless_and_nothing_is_lost() {
                dedupe($engine);
            }
            #[test]
            fn puts_of_two_devices_are_both_kept_unless_they_are_the_same() {
                two_devices($engine);
            }
            #[test]
            fn a_resend_is_known_in_the_store_that_entries_were_carried_to() {
                carried_origins($engine);
            }
            #[test]
            fn an_id_that_an_import_brought_is_not_given_out_again() {
                ids_brought($engine);
            }
            #[test]
            fn what_waits_is_told_by_no_head_and_is_on_disk_with_the_next_commit() {
                waiting($engine);
            }
            #[test]
            fn a_snapshot_stays_as_it_was_while_others_commit() {
                snapshots($engine);
            }
            #[test]
            fn blocks_are_deleted_only_when_no_snapshot_reads_them() {
                deferred_deletion($engine);
            }
            #[test]
            fn ids_rise_and_an_import_does_not_move_them() {
                ids($engine);
            }
            // Row: "An entry that the bulk insert refuses"
            #[test]
            fn a_batch_that_cannot_be_done_leaves_no_trace() {
                refusals($engine);
            }
            #[test]
            fn a_shredded_month_is_gone_and_the_others_stand() {
                shredding($engine);
            }
            #[test]
            fn what_is_written_after_a_rotation_has_other_keys_and_what_was_there_is_read() {
                rotation::rotating($engine);
            }
            #[test]
            fn a_head_is_the_same_after_opening_and_another_after_every_commit() {
                rotation::heads($engine);
            }
            #[test]
            fn blocks_that_overlap_by_the_hundred_come_out_in_order() {
                crowds($engine);
            }
            #[test]
            fn a_token_works_for_its_own_query_alone() {
                tokens($engine);
            }
        }
    };
}

conformance!(memory, LabEngine::Memory);
conformance!(redb, LabEngine::Redb);
#[cfg(feature = "sled")]
conformance!(sled, LabEngine::Sled);

fn model(engine: LabEngine) {
    let seeds = match engine {
        LabEngine::Memory => rounds(60, 2_000),
        _ => rounds(6, 200),
    };
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let lab = Lab::new(engine);
        let (mut store, mut model) = (lab.create(), Model::default());
        let mut on_disk = Model::default();
        for step in 0..12 {
            let what = format!("seed {seed}, step {step}");
            let deeds = scenes::deeds(&mut random, &model, &mut || store.allocate(1)[0]);
            let mut waits = random.chance(40);
            let commit = if waits { Store::commit_ahead } else { Store::commit };
            commit(&store, batch_of(&deeds)).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            model.apply(&deeds);
            if random.chance(25) {
                store.settle().unwrap();
                waits = false;
            }
            if random.chance(15) {
                while store.scrub().unwrap().more {}
                assert_eq!(store.scrub().unwrap().rows, 0, "{what}: no dead row is left");
                waits = false;
            }
            if random.chance(15) {
                store.compact().unwrap();
                waits = false;
            }
            if random.chance(15) {
                lab.rotate(&store).unwrap();
                waits = false;
            }
            if random.chance(15) {
                store.commit(Batch::new()).unwrap();
                waits = false;
            }
            if !waits {
                on_disk = model.clone();
            }
            if random.chance(25) {
                // Waiting commits are lost with the store.
                drop(store);
                model = on_disk.clone();
                store = lab.open().unwrap_or_else(|error| panic!("{what}: {error:?}"));
            }
            check(&store.snapshot_ahead(), &model, &mut random, &format!("{what}, ahead"));
            check(&store.snapshot(), &on_disk, &mut random, &what);
        }
    }
}

fn check(snapshot: &Snapshot, model: &Model, random: &mut Random, what: &str) {
    for _ in 0..4 {
        let query = scenes::query(random);
        let page = [1, 7, 100, 10_000][random.below(4)];
        model.check(snapshot, &query, page.max(model.find(&query).len() / 40), random.chance(30), what);
    }
    let mut in_all = 0;
    for area in Area::ALL {
        in_all += snapshot.count(&Query::everything(area)).unwrap();
        for id in model.ids(area).into_iter().take(3) {
            let row = snapshot.find_id(area, id).unwrap();
            let found = row.as_ref().map(|row| &row.data);
            assert_eq!(found, model.thing(area, id).map(|thing| &thing.data), "{what}");
            let key = row.as_ref().map(|row| row.key.clone()).unwrap();
            let elsewhere: StreamKey = "no/such_stream".parse().unwrap();
            assert_eq!(
                snapshot.find_id_of(area, std::slice::from_ref(&elsewhere), id).unwrap(),
                None,
                "{what}"
            );
            let here = snapshot.find_id_of(area, &[elsewhere, key], id).unwrap();
            // A row without a time has a NaN, which equals nothing.
            assert_eq!(format!("{here:?}"), format!("{row:?}"), "{what}");
            assert!(snapshot.has_id(area, id).unwrap(), "{what}");
        }
        let there: HashSet<EntryId> = model.ids(area).into_iter().collect();
        let asked: Vec<EntryId> = there.iter().copied().chain([EntryId([9; 12])]).collect();
        assert_eq!(snapshot.known_ids(area, &asked).unwrap(), there, "{what}");
        assert_eq!(snapshot.find_id(area, EntryId([9; 12])).unwrap(), None, "{what}");
    }
    assert_eq!(snapshot.streams().iter().map(|(_, rows)| rows).sum::<u64>(), in_all, "{what}");
    assert_eq!(Model::names(snapshot), model.documents.keys().cloned().collect::<Vec<_>>(), "{what}");
    for (name, content) in &model.documents {
        assert_eq!(snapshot.document(name).unwrap().as_deref(), Some(content.as_slice()), "{what}: {name}");
    }
    assert_eq!(snapshot.document("absent").unwrap(), None);
}

fn put(store: &Store, texts: &(String, String)) -> Committed {
    let mut batch = Batch::new();
    batch.put_usercache(entry("background/location", texts), key("background/location"));
    store.commit(batch).unwrap()
}

fn ids_in(store: &Store, area: Area) -> Vec<EntryId> {
    let rows = read_all(&store.snapshot(), &Query::everything(area), 1000, false);
    rows.into_iter().map(|(_, row)| row.id).collect()
}

fn dedupe(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let (metadata, data) = location(1000.5);
    let first = (metadata.clone(), data.clone());
    let changed = (metadata.clone(), data.replace("distance", "time"));
    let other_type = (metadata.replace("sensor-data", "message"), data.clone());
    put(&store, &first);
    let old = ids_in(&store, Area::Usercache);
    // In the usercache: overwritten, whether it is the same or not; the new entry has another id.
    assert_eq!(put(&store, &first).overwritten, 1);
    assert_eq!(put(&store, &changed).overwritten, 1);
    assert_eq!(put(&store, &other_type).overwritten, 0);
    let now = ids_in(&store, Area::Usercache);
    assert_eq!(now.len(), 2);
    assert!(now.iter().all(|id| !old.contains(id)));
    // Accepted under another form: an identical resend is ignored, another is kept.
    let mut batch = Batch::new();
    let taken = (metadata.clone(), r#"{"ts":1000.5,"formatted":true}"#.to_owned());
    batch.take_in(now[0], entry("background/location", &taken));
    batch.set_aside(now[1], entry("background/location", &taken));
    batch.take_in(EntryId([1; 12]), entry("background/location", &taken));
    assert_eq!(store.commit(batch).unwrap().skipped, 1);
    let before = store.snapshot().head();
    assert_eq!(put(&store, &changed).ignored, 1);
    assert_eq!(put(&store, &other_type).ignored, 1);
    assert_eq!(store.snapshot().head(), before, "ignoring changes nothing");
    assert_eq!(put(&store, &first), Committed { commit: before.commit + 1, stored: 1, ..Default::default() });
    // Also after settling and opening again.
    store.settle().unwrap();
    drop(store);
    let store = lab.open().unwrap();
    assert_eq!(put(&store, &other_type).ignored, 1);
    // Accepted entries are checked first: a resend of one replaces no waiting entry.
    let waiting = ids_in(&store, Area::Usercache);
    assert_eq!(
        put(&store, &changed),
        Committed { commit: before.commit + 1, ignored: 1, ..Default::default() }
    );
    assert_eq!(ids_in(&store, Area::Usercache), waiting);
    let third = (metadata.clone(), data.replace("distance", "third"));
    assert_eq!(put(&store, &third).overwritten, 1);
    // Within one batch the last one counts.
    let mut batch = Batch::new();
    for text in ["1", "2", "3"] {
        let texts = (location(2000.0).0, text.to_owned());
        batch.put_usercache(entry("a/b", &texts), key("a/b"));
    }
    let committed = store.commit(batch).unwrap();
    assert_eq!((committed.stored, committed.overwritten), (1, 2));
    let query = Query { keys: vec![key("a/b")], ..Query::everything(Area::Usercache) };
    assert_eq!(read_all(&store.snapshot(), &query, 10, false)[0].1.data, "3");
    // Imports are never compared with existing entries.
    let mut batch = Batch::new();
    (0..3).for_each(|_| batch.insert(Area::Timeseries, entry("a/b", &first)));
    assert_eq!(store.commit(batch).unwrap().stored, 3);
}

fn two_devices(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let (metadata, data) = location(1000.5);
    let put = |data: &str, extra: &str| {
        let mut batch = Batch::new();
        let texts = (metadata.clone(), data.to_owned());
        let entry = NewEntry { extra, ..entry("background/location", &texts) };
        batch.put_usercache(entry, key("background/location"));
        store.commit(batch).unwrap()
    };
    let [a, b] = [r#""device":"a""#, r#""device":"b""#];
    let other = data.replace("distance", "other");
    assert_eq!(put(&data, a).stored, 1);
    assert_eq!(put(&data, b).ignored, 1, "the very same, through another device");
    let of_b = put(&other, b);
    assert_eq!((of_b.stored, of_b.overwritten), (1, 0), "another entry of the same identity");
    assert_eq!(put(&data.replace("distance", "third"), b).overwritten, 1, "each device replaces its own");
    assert_eq!(ids_in(&store, Area::Usercache).len(), 2);
    // A resend is recognised without its device.
    let waiting = read_all(&store.snapshot(), &Query::everything(Area::Usercache), 10, false);
    let (_, row) = waiting.iter().find(|(_, row)| row.extra == a).unwrap();
    let mut batch = Batch::new();
    batch.take_in(row.id, entry("background/location", &(metadata.clone(), data.clone())));
    store.commit(batch).unwrap();
    for device in [a, b, ""] {
        assert_eq!(put(&data, device).ignored, 1, "{device}");
    }
}

fn ids_brought(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let next = store.allocate(1)[0].next();
    let texts = location(1000.5);
    let mut batch = Batch::new();
    batch.insert(Area::Timeseries, NewEntry { id: Some(next), ..entry("background/location", &texts) });
    batch.insert(
        Area::Timeseries,
        NewEntry { id: Some(EntryId([0xff; 12])), ..entry("background/location", &texts) },
    );
    store.commit(batch).unwrap();
    assert!(store.allocate(1)[0] > next, "what an import brought is not given out again");
    put(&store, &location(1001.0));
    drop(store);
    let last = lab.open().unwrap().allocate(1)[0];
    assert!(last > next && last < EntryId([0xff; 12]), "{last:?}");
}

fn carried_origins(engine: LabEngine) {
    let (lab, elsewhere) = (Lab::new(engine), Lab::new(engine));
    let (store, other) = (lab.create(), elsewhere.create());
    let texts = location(1000.5);
    put(&store, &texts);
    let mut batch = Batch::new();
    let taken = (texts.0.clone(), r#"{"ts":1000.5,"formatted":true}"#.to_owned());
    batch.take_in(ids_in(&store, Area::Usercache)[0], entry("background/location", &taken));
    store.commit(batch).unwrap();
    other.adopt_origins_key(store.origins_key()).unwrap();
    let mut batch = Batch::new();
    let mut cursor = store.snapshot().find(&Query::everything(Area::Timeseries)).unwrap();
    let mut carry = |row: &Row<'_>| {
        assert_ne!(row.origin, 0);
        let entry = NewEntry { id: Some(row.id), ..entry("background/location", &taken) };
        batch.insert(Area::Timeseries, CheckedEntry::from(entry).with_origin(row.origin));
        ControlFlow::Continue(())
    };
    cursor.visit(&mut carry).unwrap();
    other.commit(batch).unwrap();
    assert!(matches!(other.adopt_origins_key([1; 32]), Err(CommitError::NotEmpty)));
    drop(other);
    let other = elsewhere.open().unwrap();
    assert_eq!((put(&other, &texts).ignored, put(&other, &location(1001.0)).ignored), (1, 0));
}

fn waiting(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let insert = |at: u32| {
        let mut batch = Batch::new();
        batch.insert(Area::Timeseries, entry("a/b", &location(f64::from(at))));
        batch.put_document("last", at.to_le_bytes().to_vec());
        batch
    };
    store.commit(insert(0)).unwrap();
    let (head, bytes) = (store.head(), store.waiting_bytes());
    assert_eq!(bytes, 0);
    for at in 1..4 {
        store.commit_ahead(insert(at)).unwrap();
        let counts = [store.snapshot(), store.snapshot_ahead()]
            .map(|snapshot| snapshot.count(&Query::everything(Area::Timeseries)).unwrap());
        assert_eq!((counts, store.head()), ([1, 1 + u64::from(at)], head));
    }
    // Each joined the tail of the one before: one block, its descriptor and a document wait.
    assert!((1..4_000).contains(&store.waiting_bytes()), "{} bytes wait", store.waiting_bytes());
    // A commit that changes nothing itself also puts waiting commits on disk.
    store.commit(Batch::new()).unwrap();
    assert!(store.waiting_bytes() == 0 && store.head().commit > head.commit);
    let head = store.head();
    drop(store);
    let store = lab.open().unwrap();
    assert_eq!((store.head(), ids_in(&store, Area::Timeseries).len()), (head, 4));
    assert_eq!(store.snapshot().document("last").unwrap().as_deref(), Some(&3_u32.to_le_bytes()[..]));
}

fn snapshots(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let commit = |round: u64| {
        let mut batch = Batch::new();
        for at in 0..40 {
            let texts = (location((round * 40 + at) as f64).0, format!(r#"{{"ts":{at},"round":{round}}}"#));
            batch.insert(Area::Timeseries, entry("a/b", &texts));
        }
        if round > 0 {
            ids_in(&store, Area::Timeseries).into_iter().take(10).for_each(|id| batch.delete(id));
        }
        // Larger than the documents that stay in memory.
        batch.put_document("round", round.to_le_bytes().repeat(1_000));
        store.commit(batch).unwrap();
        store.settle().unwrap();
    };
    commit(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let mut looks = 0;
                    while !done.load(Ordering::Relaxed) || looks == 0 {
                        let snapshot = store.snapshot();
                        let document = snapshot.document("round").unwrap().unwrap();
                        let round = u64::from_le_bytes(document[..8].try_into().unwrap());
                        let rows = read_all(&snapshot, &Query::everything(Area::Timeseries), 50, reader == 1);
                        assert_eq!(rows.len() as u64, 40 + round * 30, "reader {reader}");
                        let again = snapshot.document("round").unwrap().unwrap();
                        assert_eq!(document, again);
                        looks += 1;
                    }
                })
            })
            .collect();
        (1..15).for_each(commit);
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

fn deferred_deletion(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let mut batch = Batch::new();
    (0..600).for_each(|at| batch.insert(Area::Timeseries, entry("a/b", &location(f64::from(at)))));
    store.commit(batch).unwrap();
    let query = Query::everything(Area::Timeseries);
    let expected = read_all(&store.snapshot(), &query, 1000, false);
    let old = store.snapshot();
    let mut cursor = old.find(&query).unwrap();
    let mut read = Vec::new();
    read_page(&mut cursor, 5, &mut read);
    drop(old);
    for _ in 0..3 {
        let mut batch = Batch::new();
        ids_in(&store, Area::Timeseries).into_iter().for_each(|id| batch.delete(id));
        batch.insert(Area::Timeseries, entry("a/b", &location(9.0)));
        store.commit(batch).unwrap();
        store.settle().unwrap();
    }
    read_page(&mut cursor, 1000, &mut read);
    assert_eq!(read.len(), 600);
    assert_eq!(format!("{read:?}"), format!("{expected:?}"));
    drop(cursor);
    store.settle().unwrap();
    if let Some(parts) = &lab.parts {
        let crate::testing::TestEngine::Memory(disk) = &parts.engine else { unreachable!() };
        assert!(disk.bytes() < 2_000, "{} bytes are left of one entry", disk.bytes());
    }
    // Blocks that a snapshot kept from deletion are removed after the next opening.
    let mut batch = Batch::new();
    (0..600).for_each(|at| batch.insert(Area::Timeseries, entry("a/c", &location(f64::from(at)))));
    store.commit(batch).unwrap();
    let held = store.snapshot();
    let mut batch = Batch::new();
    ids_in(&store, Area::Timeseries).into_iter().for_each(|id| batch.delete(id));
    store.commit(batch).unwrap();
    drop((held, store));
    let store = lab.open().unwrap();
    store.settle().unwrap();
    if let Some(parts) = &lab.parts {
        let crate::testing::TestEngine::Memory(disk) = &parts.engine else { unreachable!() };
        assert!(disk.bytes() < 400, "{} bytes are left of nothing", disk.bytes());
    }
}

fn ids(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let first = store.allocate(2);
    assert_eq!(first[0], EntryId::first_of_second(1_700_000_000));
    assert_eq!(first[1], first[0].next());
    *lab.clock.0.lock().unwrap() = 1_600_000_000.0;
    assert_eq!(store.allocate(1)[0], first[1].next(), "a clock set back does not set ids back");
    let texts = location(1.0);
    let mut batch = Batch::new();
    let imported = EntryId([200; 12]);
    batch.insert(Area::Timeseries, NewEntry { id: Some(imported), ..entry("a/b", &texts) });
    batch.insert(Area::Timeseries, entry("a/b", &texts));
    store.commit(batch).unwrap();
    assert_eq!(ids_in(&store, Area::Timeseries), [first[1].next().next(), imported]);
    drop(store);
    let store = lab.open().unwrap();
    assert_eq!(store.allocate(1)[0], first[1].next().next().next());
    *lab.clock.0.lock().unwrap() = 1_800_000_000.0;
    assert_eq!(store.allocate(1)[0], EntryId::first_of_second(1_800_000_000));
}

fn refusals(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let texts = location(1.0);
    let mut batch = Batch::new();
    let id = store.allocate(1)[0];
    batch.insert(Area::Timeseries, NewEntry { id: Some(id), ..entry("a/b", &texts) });
    store.commit(batch).unwrap();
    let before = store.snapshot().head();

    let mut batch = Batch::new();
    batch.insert(Area::Timeseries, entry("a/b", &texts));
    batch.insert(Area::Timeseries, NewEntry { id: Some(id), ..entry("a/c", &texts) });
    assert!(matches!(store.commit(batch), Err(CommitError::IdTaken { id: taken }) if taken == id));
    let mut batch = Batch::new();
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(crate::ENTRY_BYTES_MAX));
    batch.insert(Area::Timeseries, NewEntry { data: &huge, ..entry("a/b", &texts) });
    assert!(matches!(store.commit(batch), Err(CommitError::EntryTooLarge { .. })));
    let mut batch = Batch::new();
    batch.put_document("a", vec![0; crate::DOCUMENT_BYTES_MAX + 1]);
    assert!(matches!(store.commit(batch), Err(CommitError::DocumentTooLarge { .. })));
    assert_eq!(
        store.commit(Batch::new()).unwrap(),
        Committed { commit: before.commit, ..Default::default() }
    );
    let query = Query { start: f64::NAN, ..Query::everything(Area::Timeseries) };
    assert!(matches!(store.snapshot().find(&query), Err(ReadError::Query(_))));
    assert_eq!(store.snapshot().head(), before);

    // One entry may fill a block alone.
    let mut batch = Batch::new();
    let large = format!("{{\"ts\":5,\"a\":\"{}\"}}", "x".repeat(crate::ENTRY_BYTES_MAX - 1_000));
    batch.insert(Area::Timeseries, NewEntry { data: &large, ..entry("a/b", &texts) });
    batch.put_document("a", vec![1; crate::DOCUMENT_BYTES_MAX]);
    store.commit(batch).unwrap();
    let rows = read_all(&store.snapshot(), &Query::everything(Area::Timeseries), 1, false);
    assert_eq!(rows[1].1.data, large);
    assert_eq!(store.snapshot().document("a").unwrap().unwrap().len(), crate::DOCUMENT_BYTES_MAX);
    assert!(store.snapshot().head().commit > before.commit);
}

fn shredding(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let (november, december) = (1_700_000_000.0, 1_702_000_000.0);
    let mut batch = Batch::new();
    for at in [november, december] {
        batch.insert(Area::Timeseries, entry("a/b", &location(at)));
        batch.insert(Area::Timeseries, entry("a/c", &location(at)));
    }
    store.commit(batch).unwrap();
    let months = 2023 * 12 + 10..=2023 * 12 + 10;
    let stream = Stream { area: Area::Timeseries, key: key("a/b") };
    assert_eq!(store.shred(&[stream], months.clone()).unwrap(), Shredded { keys: 1, blocks: 1 });
    let left = |store: &Store| -> Vec<(String, f64)> {
        let rows = read_all(&store.snapshot(), &Query::everything(Area::Timeseries), 9, false);
        rows.iter().map(|(time, row)| (row.key.to_string(), *time)).collect()
    };
    let sorted = |mut rows: Vec<(String, f64)>| {
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    };
    let expected = [("a/b".to_owned(), december), ("a/c".to_owned(), november), ("a/c".to_owned(), december)];
    assert_eq!(sorted(left(&store)), expected);
    drop(store);
    let store = lab.open().unwrap();
    assert_eq!(sorted(left(&store)), expected);
    assert_eq!(store.shred(&[], months).unwrap(), Shredded { keys: 1, blocks: 1 });
    // A shredded month takes new entries, under a new key.
    let mut batch = Batch::new();
    batch.insert(Area::Timeseries, entry("a/b", &location(november)));
    store.commit(batch).unwrap();
    assert_eq!(left(&store).len(), 3);
}

fn crowds(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let mut random = Random::new(7);
    let mut expected = Model::default();
    // Different streams do not merge, so each commit leaves blocks that overlap all others.
    for round in 0..40 {
        let deeds: Vec<_> = (0..30)
            .map(|_| {
                let thing = scenes::thing(&mut random, store.allocate(1)[0]);
                let key = key(&format!("crowd/{round}"));
                super::model::Deed::Insert(Area::Timeseries, super::model::Thing { key, ..thing })
            })
            .collect();
        store.commit(batch_of(&deeds)).unwrap();
        expected.apply(&deeds);
    }
    let snapshot = store.snapshot();
    for field in [TimeField::Position, TimeField::WriteTs, TimeField::EndTs] {
        for order in [Order::Ascending, Order::Descending] {
            let query = Query { field, order, ..Query::everything(Area::Timeseries) };
            for (page, tokens) in [(10_000, false), (113, true), (17, false)] {
                expected.check(&snapshot, &query, page, tokens, "crowds");
            }
        }
    }
}

fn tokens(engine: LabEngine) {
    let lab = Lab::new(engine);
    let store = lab.create();
    let mut batch = Batch::new();
    (0..10).for_each(|at| batch.insert(Area::Timeseries, entry("a/b", &location(f64::from(at)))));
    store.commit(batch).unwrap();
    let query = Query::everything(Area::Timeseries);
    let snapshot = store.snapshot();
    let mut cursor = snapshot.find(&query).unwrap();
    let mut rows = Vec::new();
    let start = cursor.token();
    read_page(&mut cursor, 4, &mut rows);
    let token = cursor.token();
    let mut again = Vec::new();
    read_page(&mut snapshot.resume(&query, &start).unwrap(), 4, &mut again);
    assert_eq!(format!("{rows:?}"), format!("{again:?}"));
    // A later snapshot finds later entries behind the row where the cursor stood.
    let mut batch = Batch::new();
    batch.insert(Area::Timeseries, entry("a/b", &location(3.5)));
    batch.insert(Area::Timeseries, entry("a/b", &location(2.5)));
    store.commit(batch).unwrap();
    let mut cursor = store.snapshot().resume(&query, &token).unwrap();
    let mut rest = Vec::new();
    read_page(&mut cursor, 100, &mut rest);
    let times: Vec<_> = rest.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    for other in [
        Query { end: 8.0, ..query.clone() },
        Query { order: Order::Descending, ..query.clone() },
        Query { keys: vec![key("a/b")], ..query.clone() },
    ] {
        assert!(matches!(snapshot.resume(&other, &token), Err(ReadError::Token)), "{other:?}");
    }
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(matches!(snapshot.resume(&query, &changed), Err(ReadError::Token)), "digit {at}");
    }
    for bad in ["", "0", "zz", "ü0", &"0".repeat(1000)] {
        assert!(matches!(snapshot.resume(&query, bad), Err(ReadError::Token)), "{bad:?}");
    }
}

#[test]
fn a_store_opens_for_its_owner_and_key_alone() {
    let lab = Lab::new(LabEngine::Redb);
    let keys = Unattended::open_or_create(&lab.path.with_file_name("host-key")).unwrap();
    let create = || Store::create(&lab.path, super::lab::USER, &keys, &lab.options).map(drop);
    let open = |user, keys: &dyn KeyProvider| Store::open(&lab.path, user, keys, &lab.options).map(drop);
    create().unwrap();
    assert!(open(super::lab::USER, &keys).is_ok());
    let stranger = UserId([6; 16]);
    assert!(matches!(open(stranger, &keys), Err(OpenError::Key(_))));
    let other = Unattended::open_or_create(&lab.path.with_file_name("other-key")).unwrap();
    assert!(matches!(open(super::lab::USER, &other), Err(OpenError::Key(_))));
    assert!(matches!(create(), Err(OpenError::Exists { .. })));
    // The key from the slot opens it too, if a caller has it from elsewhere.
    let held = keys.unlock(&lab.path, super::lab::USER).unwrap();
    assert!(open(super::lab::USER, &held).is_ok());
    assert!(matches!(open(stranger, &held), Err(OpenError::Key(KeyError::WrongKeyring { .. }))));
}

#[test]
fn an_erased_store_leaves_nothing_but_a_receipt() {
    let lab = Lab::new(LabEngine::Redb);
    assert!(matches!(lab.open(), Err(OpenError::Absent { .. })));
    drop(lab.create());
    let beside =
        [("slots.json", "{}"), ("slot-unattended", "wrapped"), ("slots.json.new", "half"), ("zone", "x")];
    for (name, content) in beside {
        std::fs::write(lab.path.join(name), content).unwrap();
    }
    let keyring = std::fs::read(lab.path.join("keyring")).unwrap();
    let data = std::fs::metadata(lab.path.join("data.redb")).unwrap().len();
    let erased = Store::erase(&lab.path).unwrap();
    assert!(!lab.path.exists());
    assert_eq!((erased.slots, erased.keyring), (3, true));
    assert_eq!(erased.bytes, data + keyring.len() as u64 + 2 + 7 + 4 + 1);
    let mut destroyed = Vec::new();
    let in_order: [(&str, &[u8]); 4] = [
        ("keyring", &keyring),
        ("slot-unattended", b"wrapped"),
        ("slots.json", b"{}"),
        ("slots.json.new", b"half"),
    ];
    for part in in_order.iter().flat_map(|(name, content)| [name.as_bytes(), content]) {
        destroyed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        destroyed.extend_from_slice(part);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &destroyed);
    assert_eq!(digest.as_ref(), erased.destroyed_sha256);
    assert!(matches!(Store::erase(&lab.path), Err(OpenError::Absent { .. })));
    // The place can be used again, also over the remains of a crash during an earlier try.
    std::fs::create_dir(lab.path.with_file_name("store.new")).unwrap();
    std::fs::write(lab.path.with_file_name("store.new").join("data.redb"), "half").unwrap();
    drop(lab.create());
    assert!(lab.open().is_ok());
}

#[test]
fn a_store_is_open_once_at_a_time() {
    let lab = Lab::new(LabEngine::Redb);
    let store = lab.create();
    assert!(matches!(lab.open(), Err(OpenError::Engine(_))));
    drop(store);
    assert!(lab.open().is_ok());
}

#[test]
fn settling_rows_that_fill_blocks_by_few_comes_to_an_end() {
    let lab = Lab::new(LabEngine::Redb);
    let store = lab.create();
    let month_s = 31.0 * 86_400.0;
    for at in 0..80 {
        let text = "x".repeat(if at % 3 == 0 { 400_000 } else { 90_000 });
        let row = |data| (r#"{"key":"a/b","write_ts":1}"#.to_owned(), data);
        let mut batch = Batch::new();
        batch.insert(Area::Timeseries, entry("a/b", &row(format!(r#"{{"ts":{at},"text":"{text}"}}"#))));
        if at == 40 {
            batch.insert(Area::Timeseries, entry("a/b", &row(format!(r#"{{"ts":{month_s}}}"#))));
        }
        store.commit(batch).unwrap();
    }
    let calls = (1..).find(|_| !store.settle().unwrap().more).unwrap();
    assert!(calls < 80, "{calls} calls");
    assert!(!store.settle().unwrap().more, "what is settled stays");
    assert_eq!(store.snapshot().count(&Query::everything(Area::Timeseries)).unwrap(), 81);
}
