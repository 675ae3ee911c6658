//! Misdeeds that ask the runtime for too much.

use cells_sdk::model::{
    EntryId,
    rows::{Row, Rows},
};
use cells_sdk::{
    Documents, EntrySource, Exchange, Failure, Level, Log, Query, ReadEntries, TimeField, WriteEntries,
};

/// How often a misdeed repeats before it concludes that nothing stops it.
const TIMES: u32 = 100_000;
const HUGE_BYTES: usize = 16 << 20;

fn everything() -> Query {
    Query::of(&[], TimeField::Position)
}

fn words(done: u32, what: &str, failure: &Failure) -> String {
    format!("after {done} {what}: {failure}")
}

/// Opens cursors and closes none, until one is refused.
pub(crate) fn cursors_never_closed<R: ReadEntries>(runtime: &mut R) -> Result<(), String> {
    for open in 0..TIMES {
        let cursor = runtime.find(&everything()).map_err(|failure| words(open, "cursors", &failure))?;
        std::mem::forget(cursor);
    }
    Ok(())
}

/// The same, deaf to refusals.
pub(crate) fn cursors_for_ever<R: ReadEntries>(runtime: &mut R) {
    loop {
        std::mem::forget(runtime.find(&everything()));
    }
}

/// Logs a text of 16 MiB, over and over; the interface cannot refuse in words.
pub(crate) fn huge_string<R: Log>(runtime: &mut R) {
    let text = "x".repeat(HUGE_BYTES);
    for _ in 0..TIMES {
        runtime.log(Level::Info, &text);
    }
}

/// Asks for a document whose name has 16 MiB, over and over.
pub(crate) fn huge_name<R: Documents>(runtime: &mut R) -> Result<(), String> {
    let name = "x".repeat(HUGE_BYTES);
    for asked in 0..TIMES {
        runtime.document(&name).map_err(|failure| words(asked, "huge names", &failure))?;
    }
    Ok(())
}

/// Begins an answer and never ends it.
pub(crate) fn endless_answer<R: Exchange>(runtime: &mut R) -> Result<(), String> {
    runtime.begin(200, "text/plain").map_err(|failure| failure.to_string())?;
    let piece = vec![b'x'; 1 << 20];
    for sent in 0.. {
        runtime.write(&piece).map_err(|failure| words(sent, "pieces of 1 MiB", &failure))?;
    }
    Ok(())
}

/// Reads everything again and again.
pub(crate) fn endless_reads<R: ReadEntries>(runtime: &mut R) -> Result<(), String> {
    for read in 0.. {
        let refused = |failure: Failure| words(read, "scans", &failure);
        let mut cursor = runtime.find(&everything()).map_err(refused)?;
        while !cursor.next_page(1 << 20).map_err(refused)?.is_empty() {}
    }
    Ok(())
}

/// Reads a page, says so, and traps: its owner must find both in the audit.
pub(crate) fn read_and_trap<R: ReadEntries + Log>(runtime: &mut R) -> Result<(), String> {
    let mut cursor = runtime.find(&everything()).map_err(|failure| failure.to_string())?;
    cursor.next_page(4 << 10).map_err(|failure| failure.to_string())?;
    runtime.log(Level::Info, "I have read a page");
    std::process::abort()
}

/// Asks for a document that it was not granted.
pub(crate) fn forbidden_document<R: Documents>(runtime: &mut R) -> Result<(), String> {
    runtime.document("profile").map(drop).map_err(|failure| failure.to_string())
}

/// Writes rows of 1 MiB for ever.
pub(crate) fn deep_write<R: WriteEntries>(runtime: &mut R) -> Result<(), String> {
    let data = format!(r#"{{"ts":1,"x":"{}"}}"#, "y".repeat(1 << 20));
    let metadata = r#"{"key":"test/hostile","write_ts":1}"#;
    let mut rows = Rows::new();
    rows.push(Row { id: EntryId::NONE, key: "test/hostile", metadata, data: &data, extra: "" });
    for written in 0.. {
        runtime.insert(&rows).map_err(|failure| words(written, "rows of 1 MiB", &failure))?;
    }
    Ok(())
}
