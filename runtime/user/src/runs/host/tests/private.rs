//! The private state of a cell from elsewhere, and what it is told of its grant.

use runtime_consent::{Place, Time};

use super::*;
use crate::runs::host::lock;
use crate::runs::host::private::{STATE_KEYS_MAX, documents_of};

/// The run succeeds: what it buffered is stored.
fn commit(lab: &Lab, host: &mut RunHost) {
    let effects = host.effects();
    let batch = std::mem::take(&mut lock(&effects).batch);
    lab.store.commit(batch).expect("stored");
}

#[test]
fn a_state_is_read_scanned_and_removed_by_its_cell_alone_and_committed_with_the_run() {
    let lab = Lab::new();
    let mut first = lab.host(&[], MIDNIGHT);
    for (key, value) in [("b/2", "two"), ("a/1", "one"), ("b/1", "three"), ("c", "four")] {
        first.state_put(key, value.as_bytes()).expect("put");
    }
    first.state_delete("c").expect("deleted");
    assert_eq!(
        first.state_get("a/1").expect("read").as_deref(),
        Some(&b"one"[..]),
        "its own writes are seen"
    );
    assert_eq!(first.state_get("c").expect("read"), None);
    let mut beside = lab.host(&[], MIDNIGHT);
    assert_eq!(
        beside.state_scan("", None, 10).expect("read"),
        [],
        "nothing is stored before the run succeeds"
    );
    commit(&lab, &mut first);

    let mut second = lab.host(&[], MIDNIGHT);
    let keys = |rows: StateRows| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(second.state_scan("", None, 10).expect("read")), ["a/1", "b/1", "b/2"]);
    assert_eq!(keys(second.state_scan("b/", None, 1).expect("read")), ["b/1"]);
    assert_eq!(keys(second.state_scan("b/", Some("b/1"), 10).expect("read")), ["b/2"]);
    assert_eq!(keys(second.state_scan("b/", Some("b/2"), 10).expect("read")), Vec::<String>::new());
    // Another cell has another one.
    let mut consent = consent(&[]);
    consent.cell = "p/others".to_owned();
    assert_eq!(lab.host_of(consent, MIDNIGHT).state_scan("", None, 10).expect("read"), []);
    assert!(lab.store.snapshot().documents().iter().all(|name| name.starts_with(&documents_of("p/modes"))));
}

#[test]
fn a_state_has_no_more_keys_than_the_limit() {
    let lab = Lab::new();
    let mut host = lab.host(&[], MIDNIGHT);
    for number in 0..STATE_KEYS_MAX {
        host.state_put(&number.to_string(), b"").expect("put");
    }
    assert!(matches!(host.state_put("one more", b""), Err(Failure::OverBudget(_))));
    host.state_put("7", b"again").expect("a key that is there");
    host.state_delete("8").expect("deleted");
    host.state_put("one more", b"").expect("there is room again");
}

#[test]
fn a_cell_is_told_of_its_grant_as_its_owner_narrowed_it() {
    let lab = Lab::new();
    let narrowing = Narrowing {
        only: Some(vec![LOCATION.to_owned()]),
        from: Some(5.0),
        place: Some(Place::Kilometre),
        time: Some(Time::Hour),
        without: vec!["accuracy".to_owned()],
        ..Narrowing::default()
    };
    let terms = lab.host(&[narrowing], MIDNIGHT).terms();
    let [line] = &terms.reads[..] else { panic!("{terms:?}") };
    assert_eq!(
        (terms.purpose.as_str(), line.streams.as_str(), line.area),
        ("modes", LOCATION, Area::Timeseries)
    );
    assert_eq!((line.since, line.until), (Some(5.0), None));
    assert_eq!((line.place_precision_m, line.time_precision_s), (1_000.0, 3_600.0));
    assert_eq!(line.left_out, ["accuracy"]);
}
