use cells_model::page::Page;

use super::*;
use crate::{
    Documents, EntrySource, Exchange, LocationSource, ReadEntries, RunError, State, Terms, TimeField,
    Usercache, WriteEntries,
};

fn put_row(write_ts: f64, data: &str) -> Rows {
    let mut rows = Rows::new();
    let metadata = format!(r#"{{"key":"a/b","type":"message","write_ts":{write_ts}}}"#);
    rows.push(Row { id: EntryId::NONE, key: "a/b", metadata: &metadata, data, extra: "" });
    rows
}

fn moved(memory: &Memory, data: &str) -> Rows {
    let first = memory.entries(Area::Usercache)[0];
    let mut rows = Rows::new();
    rows.push(Row { id: first.id, key: "c/d", metadata: &first.metadata, data, extra: "" });
    rows
}

fn texts(memory: &mut Memory, query: &Query) -> Vec<String> {
    let mut cursor = memory.find(query).unwrap();
    let mut texts = Vec::new();
    loop {
        let page = cursor.next_page(0).unwrap();
        if page.is_empty() {
            return texts;
        }
        texts.extend(Page::read(&page).unwrap().entries().map(|entry| entry.data.to_owned()));
    }
}

fn day() -> Memory {
    let entry = |id: u8, ts: f64, more: &str| {
        format!(
            r#"{{"_id":{{"$oid":"{}"}},"user_id":{{"$uuid":"x"}},"metadata":{{"key": "a/b","write_ts":9.5}},"data":{{"ts": {ts}}}{more}}}"#,
            EntryId([id; 12])
        )
    };
    let dump = [entry(3, 2.5, ""), entry(1, 2.5, ""), entry(2, 1.0, ""), entry(4, 7.0, r#","invalid":true"#)];
    Memory::new().with_entries(Area::Timeseries, &format!("[{}]", dump.join(",")))
}

#[test]
fn an_answer_is_ordered_by_time_then_id_and_bounds_are_closed() {
    let query = Query::of(&["a/b"], TimeField::DataTs).between(Some(2.5), Some(7.0));
    let mut memory = day();
    let mut cursor = memory.find(&query).unwrap();
    let page = cursor.next_page(4_096).unwrap();
    let ids: Vec<_> = Page::read(&page).unwrap().entries().map(|entry| entry.id.0[0]).collect();
    assert_eq!(ids, [1, 3]);
    assert_eq!(cursor.next_page(4_096).unwrap(), Vec::<u8>::new());
    assert_eq!(memory.count(&Query { with_invalid: true, ..query }), Ok(3));
}

#[test]
fn pages_hold_whole_entries_and_give_them_all() {
    let large = format!(r#"{{"ts":1,"x":"{}"}}"#, "y".repeat(3_000));
    let metadata = r#"{"key":"a/b","write_ts":1}"#;
    let mut memory = Memory::new();
    for _ in 0..5 {
        memory = memory.with_entry(Area::Timeseries, metadata, &large);
    }
    assert_eq!(texts(&mut memory, &Query::of(&[], TimeField::Position)), vec![large; 5]);
}

#[test]
fn a_run_does_not_see_its_own_writes_until_they_are_committed() {
    let mut memory = Memory::new();
    let ids = memory.insert(&put_row(1.0, r#"{"ts":1}"#)).unwrap();
    memory
        .replace(&{
            let mut rows = Rows::new();
            rows.push(Row { id: ids[0], key: "a/b", metadata: "{}", data: r#"{"ts":2}"#, extra: "" });
            rows
        })
        .unwrap();
    let all = Query::of(&[], TimeField::Position);
    assert_eq!(memory.count(&all), Ok(0));
    memory.commit();
    assert_eq!(texts(&mut memory, &all), [r#"{"ts":2}"#]);
    memory.mark_invalid(&ids).unwrap();
    memory.commit();
    assert_eq!(memory.count(&all), Ok(0));
    memory.delete(&ids).unwrap();
    memory.commit();
    assert!(memory.entries(Area::Timeseries).is_empty());
    assert_eq!(memory.delete(&ids), Err(Failure::Invalid(format!("unknown id {}", ids[0]))));
}

#[test]
fn a_resent_entry_overwrites_a_waiting_one_and_is_ignored_after_import_unless_it_differs() {
    let mut memory = Memory::new();
    memory.put(&put_row(1.0, r#"{"v":1}"#)).unwrap();
    assert_eq!(memory.commit().stored, 1);
    memory.put(&put_row(1.0, r#"{"v":2}"#)).unwrap();
    assert_eq!(memory.commit(), Committed { stored: 1, ignored: 0, overwritten: 1 });
    let taken = memory.entries(Area::Usercache)[0].id;
    memory.take_in(&moved(&memory, r#"{"v":"two"}"#)).unwrap();
    memory.commit();
    assert_eq!(memory.of_key("c/d")[0].id, taken);
    memory.put(&put_row(1.0, r#"{"v":2}"#)).unwrap();
    assert_eq!(memory.commit(), Committed { stored: 0, ignored: 1, overwritten: 0 });
    memory.put(&put_row(1.0, r#"{"v":3}"#)).unwrap();
    assert_eq!(memory.commit(), Committed { stored: 1, ignored: 0, overwritten: 0 });
}

#[test]
fn a_row_set_aside_leaves_the_usercache_with_its_reason() {
    let mut memory = Memory::new();
    memory.put(&put_row(1.0, "{}")).unwrap();
    memory.commit();
    let first = memory.entries(Area::Usercache)[0].clone();
    let mut rows = Rows::new();
    let extra = r#""error":{"reason":"why","at":3}"#;
    rows.push(Row { id: first.id, key: "a/b", metadata: &first.metadata, data: "\"not JSON\"", extra });
    rows.push(Row { id: EntryId::NONE, key: "a/b", metadata: "{}", data: "{}", extra });
    memory.set_aside(&rows).unwrap();
    memory.commit();
    assert!(memory.entries(Area::Usercache).is_empty());
    let reasons: Vec<_> =
        memory.entries(Area::Errors).iter().map(|entry| entry.extra()["error"]["reason"].clone()).collect();
    assert_eq!(reasons, ["why", "why"]);
}

#[test]
fn one_cursor_over_sixteen_is_over_budget_until_one_is_dropped() {
    let mut memory = day();
    let query = Query::of(&[], TimeField::Position);
    let mut open: Vec<_> = (0..16).map(|_| memory.find(&query).unwrap()).collect();
    assert!(matches!(memory.find(&query), Err(Failure::OverBudget(_))));
    open.pop();
    assert!(memory.find_locations(&query).unwrap().next_rows(1).unwrap().accuracy[0].is_nan());
}

#[test]
fn an_answer_in_pieces_is_refused_after_a_write() {
    let mut memory = Memory::new();
    let pieces = |memory: &mut Memory, request: &Request| {
        assert_eq!(memory.read(2).unwrap(), b"ab");
        assert_eq!(memory.read(9).unwrap(), b"c");
        assert_eq!(memory.read(9).unwrap(), b"");
        memory.begin(200, "text/plain")?;
        memory.write(b"one,")?;
        Ok::<_, RunError>(Response::json(500, request.rest.clone()))
    };
    let answer = memory.call(pieces, "rest", 1.0, "abc").unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"one,rest"[..]));
    memory.put_document("profile", b"{}").unwrap();
    assert!(memory.call(pieces, "rest", 1.0, "abc").is_err());
    assert_eq!(memory.document("profile"), Ok(None));
}

#[test]
fn a_stage_runs_again_while_it_asks_for_more() {
    let mut starts = Vec::new();
    let mut memory = Memory::new();
    let outcome = memory.run_stage(
        |memory, run| {
            starts.push(run.start);
            memory.insert(&put_row(run.now, "{}"))?;
            let state = [&run.state[..], b"x"].concat();
            Ok::<_, RunError>(Outcome { processed_through: Some(run.end), more: state.len() < 2, state })
        },
        100.0,
        Outcome::default(),
    );
    assert_eq!(outcome, Ok(Outcome { processed_through: Some(95.0), state: b"xx".to_vec(), more: false }));
    assert_eq!(starts, [None, Some(100.0)]);
    assert_eq!(memory.of_key("a/b").len(), 2);
}

#[test]
fn a_private_state_is_read_with_the_runs_own_writes_and_committed_with_it() {
    let mut memory = Memory::new().with_value("a/1", "one").with_value("a/2", "two").with_value("b", "three");
    memory.put_value("a/3", b"four").unwrap();
    memory.delete_value("a/1").unwrap();
    assert_eq!((memory.value("a/1"), memory.value("a/3")), (Ok(None), Ok(Some(b"four".to_vec()))));
    let keys = |rows: Vec<(String, Vec<u8>)>| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(memory.scan("a/", None, 9).unwrap()), ["a/2", "a/3"]);
    assert_eq!(keys(memory.scan("a/", Some("a/2"), 9).unwrap()), ["a/3"]);
    assert_eq!(keys(memory.scan("", None, 0).unwrap()), ["a/2"]);
    assert!(memory.put_value("", b"x").is_err());
    memory.roll_back();
    assert_eq!(memory.committed_state().len(), 3);
    memory.delete_value("b").unwrap();
    memory.commit();
    assert_eq!(memory.committed_state().keys().collect::<Vec<_>>(), ["a/1", "a/2"]);
}

#[test]
fn a_contribution_sees_its_window_and_what_was_agreed_to() {
    let mut memory = Memory::new().with_terms("a study", Vec::new());
    let numbers = memory.contribute(
        |runtime: &mut Memory, run: &Run| {
            assert_eq!((runtime.purpose().as_str(), runtime.grant().len()), ("a study", 0));
            Ok::<_, String>(vec![run.start.unwrap_or_default(), run.end])
        },
        9.0,
        (Some(1.0), 5.0),
    );
    assert_eq!(numbers, Ok(vec![1.0, 5.0]));
}
