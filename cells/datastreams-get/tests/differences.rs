//! Rows of docs/reference-differences.md about queries that no other test holds.

use cells_datastreams_get::handle;
use cells_sdk::Area;
use cells_sdk::testing::Memory;

fn answer(memory: &mut Memory, request: &str) -> String {
    let response = memory.call(handle, "local_date", 0.0, request).expect("the runtime does not fail");
    assert_eq!(response.status, 200, "{request}");
    String::from_utf8(response.body).expect("UTF-8")
}

// Row: "Components of local dates"
#[test]
fn two_local_dates_may_name_their_parts_in_different_orders() {
    let entry = r#"{"key":"a/b","write_ts":1,"write_local_dt":{"year":2016,"month":6,"day":9}}"#;
    let mut memory = Memory::new().with_entry(Area::Timeseries, entry, "{}");
    for (to, found) in
        [(r#"{"day":9,"month":7,"year":2016}"#, true), (r#"{"day":9,"month":5,"year":2016}"#, false)]
    {
        let request =
            format!(r#"{{"from_local_date":{{"year":2016,"month":4,"day":1}},"to_local_date":{to}}}"#);
        assert_eq!(answer(&mut memory, &request).contains("a/b"), found, "{to}");
    }
}

// Row: "At most 250,000 entries of a collection"
#[test]
fn more_than_250_000_entries_are_all_returned() {
    const COUNT: usize = 250_001;
    let entry = |number: usize| {
        format!(
            r#"{{"_id":{{"$oid":"{number:024x}"}},"metadata":{{"key":"a/b","write_ts":{number}}},"data":{{}}}}"#
        )
    };
    let dump = (1..=COUNT).map(entry).collect::<Vec<_>>().join(",");
    let mut memory = Memory::new().with_entries(Area::Timeseries, &format!("[{dump}]"));
    let answer = answer(&mut memory, r#"{"key_list":["a/b"]}"#);
    assert_eq!(answer.matches(r#""key":"a/b""#).count(), COUNT);
    assert!(memory.begun().is_some(), "in pieces");
}
