//! A stage that misbehaves in ways that a pipeline must survive, for people with an entry of [`MISDEEDS`] that says so.
//!
//! It writes before it misbehaves, so that a test can see that nothing of a failed run is kept.

use std::hint::black_box;

use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::{EntryId, page::Page};
use cells_sdk::{EntrySource, Outcome, Query, ReadEntries, Run, TimeField, WriteEntries};

/// The stream whose latest entry says what to do: `data.deed`.
pub const MISDEEDS: &str = "test/misdeed";
/// The stream that it writes to.
pub const TRACES: &str = "test/traces";

const PAGE_BYTES: u32 = 64 << 10;

/// One run: a trace, then the misdeed, if there is one.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    let deed = latest(runtime)?;
    let metadata = format!(r#"{{"key":"{TRACES}","platform":"server","write_ts":{:?}}}"#, run.now);
    let data = format!(r#"{{"ts":{:?}}}"#, run.now);
    let mut rows = Rows::new();
    rows.push(Row { id: EntryId([0; 12]), key: TRACES, metadata: &metadata, data: &data, extra: "" });
    runtime.insert(&rows).map_err(|failure| failure.to_string())?;
    match deed.as_deref() {
        Some("trap") => panic!("as asked"),
        Some("give-up") => return Err("I give up".to_owned()),
        Some("endless-loop") => endless_loop(),
        Some("memory-bomb") => memory_bomb(),
        _ => {}
    }
    Ok(Outcome { processed_through: Some(run.now), state: Vec::new(), more: false })
}

fn latest<R: ReadEntries>(runtime: &mut R) -> Result<Option<String>, String> {
    let mut cursor =
        runtime.find(&Query::of(&[MISDEEDS], TimeField::WriteTs)).map_err(|failure| failure.to_string())?;
    let mut deed = None;
    loop {
        let bytes = cursor.next_page(PAGE_BYTES).map_err(|failure| failure.to_string())?;
        if bytes.is_empty() {
            return Ok(deed);
        }
        let page = Page::read(&bytes).map_err(|bad| bad.to_string())?;
        for entry in page.entries() {
            let member = cells_sdk::model::text::member(entry.data, "deed");
            deed = member.and_then(|member| cells_sdk::model::text::string(member.value)).map(Into::into);
        }
    }
}

fn endless_loop() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn memory_bomb() {
    let mut held = Vec::new();
    loop {
        // Written to, so that it costs pages and not only addresses.
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

cells_sdk::export_stage!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use cells_sdk::testing::Memory;

    fn at(now: f64) -> Run {
        Run { now, start: None, end: now - 5.0, seed: 0, state: Vec::new() }
    }

    #[test]
    fn it_does_no_harm_without_an_entry_that_asks_for_it() {
        let mut runtime = Memory::default();
        assert_eq!(run(&mut runtime, &at(10.0)).expect("runs").processed_through, Some(10.0));
    }
}
