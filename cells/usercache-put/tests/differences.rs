//! Rows of docs/reference-differences.md about puts that no other test covers.

use cells_sdk::Area;
use cells_sdk::testing::{Memory, Stored};
use cells_usercache_put::handle;

/// The memory after a put of one entry, and its status.
fn after(entry: &str) -> (Memory, u16) {
    let mut memory = Memory::new();
    let body = format!(r#"{{"phone_to_server":[{entry}]}}"#);
    let response = memory.call(handle, "", 1.7e9, body).expect("the runtime does not fail");
    (memory, response.status)
}

fn only(memory: &Memory, area: Area) -> &Stored {
    let entries = memory.entries(area);
    assert_eq!(entries.len(), 1);
    entries[0]
}

// Row: "A `write_ts` or `data.ts` from 1e11 on"
#[test]
fn a_time_of_at_least_a_hundred_thousand_million_is_in_milliseconds() {
    for (sent, kept) in
        [("99999999999", 99_999_999_999.0), ("100000000000", 1e8), ("1600000000500", 1_600_000_000.5)]
    {
        let (memory, _) = after(&format!(
            r#"{{"metadata":{{"key":"a/b","type":"message","write_ts":{sent}}},"data":{{"ts":{sent}}}}}"#
        ));
        let stored = only(&memory, Area::Usercache);
        assert_eq!(
            (stored.metadata()["write_ts"].as_f64(), stored.data()["ts"].as_f64()),
            (Some(kept), Some(kept))
        );
    }
}

// Row: "A member of an entry besides `metadata` and `data`"
#[test]
fn a_member_besides_metadata_and_data_is_dropped() {
    let metadata = r#"{"key":"a/b","type":"message","write_ts":1}"#;
    let (memory, status) =
        after(&format!(r#"{{"_id":"x","metadata":{metadata},"more":{{"a":1}},"data":{{"b":2}}}}"#));
    let stored = only(&memory, Area::Usercache);
    assert_eq!((status, &*stored.metadata, &*stored.data), (200, metadata, r#"{"b":2}"#));
    assert!(stored.extra().as_object().is_none_or(serde_json::Map::is_empty), "{}", stored.extra());
}

// Row: "NaN, bad UTF-8"
#[test]
fn the_first_512_kib_of_unreadable_data_are_kept_as_a_string() {
    let data = format!(r#"{{"a":NaN,"b":"{}"}}"#, "é".repeat(300_000));
    let (memory, status) =
        after(&format!(r#"{{"metadata":{{"key":"a/b","type":"message","write_ts":1}},"data":{data}}}"#));
    assert_eq!(status, 200);
    let kept = only(&memory, Area::Errors).data();
    let kept = kept.as_str().expect("a text");
    assert!(data.starts_with(kept));
    assert!((512 * 1024 - 1..=512 * 1024).contains(&kept.len()), "{} bytes", kept.len());
}
