//! How fast are 100,000 entries read, from the store and out of a cell?
//!
//! * Work: a simulated person's locations, as the first stage stores them in the timeseries.
//! * Compared with: a copy of the same JSON bytes in memory, entry by entry.
//! * Estimate: a copy takes 100 ns for each entry; decoding lz4 adds one copy, returning it another; columns rebuild
//!   every text.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use runtime_store::LocationRows;
use runtime_types::{Area, Query, StreamKey};
use runtime_user::{Answer, Body, Call, Head, Person, Runtime, Settings, UserId};

use super::rounds::{compare, time};
use super::{Figures, sample};
use runtime_cells::BUILT_IN;

const ENTRIES: usize = 100_000;
const ROUNDS: usize = 9;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let (user, _) = runtime.people().add("bench", 0.0)?;
    let person = runtime.person(user)?;
    let samples = sample::taken_in(&sample::locations(ENTRIES))?;
    assert_eq!(samples.len(), ENTRIES, "every location is taken in");
    let texts: Vec<String> = samples.iter().map(sample::Sample::text).collect();
    sample::fill(&person.store, &samples).map_err(runtime_user::CallError::Commit)?;

    let mut figures = Vec::new();
    for (state, store_most, cell_most) in [("fresh", 3.0, 6.0), ("settled", 10.0, 13.0)] {
        if state == "settled" {
            while person.store.settle().map_err(runtime_user::CallError::Commit)?.more {}
        }
        let store = compare(ROUNDS, "ms", || scan_ms(&person), || copy_ms(&texts));
        figures.push(
            store.named(&format!("{state} blocks to JSON, in the store"), "memcpy").at_most(store_most),
        );
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let cell = compare(ROUNDS, "ms", || cell_ms(&tokio, &runtime, user), || copy_ms(&texts));
        figures.push(
            cell.named(&format!("{state} blocks to JSON, out of the cell"), "memcpy").at_most(cell_most),
        );
    }
    let columns = compare(ROUNDS, "ms", || columns_ms(&person), || copy_ms(&texts));
    figures.push(columns.named("settled blocks, three columns", "memcpy").at_most(1.5));
    runtime.shutdown();
    Ok(figures)
}

fn copy_ms(texts: &[String]) -> f64 {
    let mut page = Vec::with_capacity(1 << 20);
    let (took, ()) = time(|| {
        for text in texts {
            if page.len() + text.len() > 256 << 10 {
                black_box(&page);
                page.clear();
            }
            page.extend_from_slice(text.as_bytes());
        }
    });
    took.as_secs_f64() * 1e3
}

fn query() -> Query {
    let keys = vec![StreamKey::parse("background/filtered_location").expect("a plain key")];
    Query { keys, with_invalid: false, ..Query::everything(Area::Timeseries) }
}

fn scan_ms(person: &Person) -> f64 {
    let mut page: Vec<u8> = Vec::with_capacity(1 << 20);
    let (took, rows) = time(|| {
        let snapshot = person.store.snapshot();
        let mut rows = 0_usize;
        let mut cursor = snapshot.find(&query()).expect("the store reads");
        cursor
            .visit(&mut |row| {
                if page.len() > 255 << 10 {
                    black_box(&page);
                    page.clear();
                }
                page.extend_from_slice(b"{\"metadata\":");
                page.extend_from_slice(row.metadata.as_bytes());
                page.extend_from_slice(b",\"data\":");
                page.extend_from_slice(row.data.as_bytes());
                page.push(b'}');
                rows += 1;
                ControlFlow::Continue(())
            })
            .expect("the store reads");
        rows
    });
    assert_eq!(rows, ENTRIES, "a scan gives every entry");
    took.as_secs_f64() * 1e3
}

fn columns_ms(person: &Person) -> f64 {
    let (took, total) = time(|| {
        let snapshot = person.store.snapshot();
        let mut cursor = snapshot.find_locations(&query()).expect("the store reads");
        let (mut rows, mut total) = (LocationRows::default(), 0_usize);
        loop {
            rows.clear();
            let count = cursor.next(4_096, &mut rows).expect("the store reads");
            if count == 0 {
                return total;
            }
            black_box((&rows.ts, &rows.latitude, &rows.longitude));
            total += count;
        }
    });
    assert_eq!(total, ENTRIES, "a scan gives every entry");
    took.as_secs_f64() * 1e3
}

fn cell_ms(tokio: &tokio::runtime::Runtime, runtime: &Arc<Runtime>, user: UserId) -> f64 {
    let body = r#"{"key_list":["background/filtered_location"],"start_time":0,"end_time":9999999999,"key_time":"data.ts"}"#;
    let target = runtime.catalogue().target("datastreams/find_entries/timestamp").expect("a cell has it");
    let (took, bytes) = time(|| {
        tokio.block_on(async {
            let call = Call {
                target: target.clone(),
                now: 2e9,
                head: Head::default(),
                body: Body::from_chunks(vec![body.into()]),
                device: None,
            };
            match runtime.call(user, call).await.expect("the cell answers") {
                Answer::Whole { body, .. } => body.len(),
                Answer::Pieces { mut pieces, .. } => {
                    let mut bytes = 0;
                    while let Some(piece) = pieces.recv().await {
                        bytes += piece.expect("the answer is whole").len();
                    }
                    bytes
                }
            }
        })
    });
    assert!(bytes > ENTRIES * 300, "{bytes} bytes are no {ENTRIES} entries");
    took.as_secs_f64() * 1e3
}
