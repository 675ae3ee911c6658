//! What a cell from elsewhere tries with the grant that it has.

use cells_model::rows::{Row, Rows};
use runtime_consent::{Narrowing, Place, Pseudonyms, Time};
use runtime_sandbox::CellHost;
use runtime_types::Order;

use super::super::lock;
use super::*;

const HOME: [f64; 2] = [47.376_912_3, 8.541_734_5];

fn denied<T: std::fmt::Debug>(answer: Result<T, Failure>) {
    assert!(matches!(answer, Err(Failure::Denied(_))), "{answer:?}");
}

/// A day of locations, one an hour, half past.
fn day() -> Vec<Entry> {
    (0..24).map(|hour| location(hour + 1, MIDNIGHT + (f64::from(hour) + 0.5) * HOUR, HOME)).collect()
}

/// Ids of two trips, as they are shown.
fn shown_ids() -> [EntryId; 2] {
    [80, 81].map(|id| Pseudonyms::new(&SECRET).shown(EntryId([id; 12])))
}

fn row<'r>(id: EntryId, name: &'r str, data: &'r str) -> Row<'r> {
    Row { id, key: name, metadata: r#"{"key":"study/modes","write_ts":1699920000.5}"#, data, extra: "" }
}

fn packed(all: &[Row<'_>]) -> Vec<u8> {
    let mut rows = Rows::new();
    all.iter().for_each(|row| rows.push(*row));
    rows.as_bytes().to_vec()
}

#[test]
fn attack_120_no_query_form_reads_beyond_the_window() {
    let lab = Lab::new();
    let mut entries = day();
    // Written much later than it is about, and the reverse.
    entries[2].write_ts = MIDNIGHT + 12.0 * HOUR;
    entries[12].write_ts = MIDNIGHT + 2.0 * HOUR;
    lab.put(&entries);
    let (from, until) = (MIDNIGHT + 8.0 * HOUR, MIDNIGHT + 16.0 * HOUR);
    let narrowing = Narrowing { from: Some(from), until: Some(until), ..Narrowing::default() };
    let mut host = lab.host(&[narrowing], f64::INFINITY);
    let stored: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    for order in [Order::Ascending, Order::Descending] {
        for field in FIELDS {
            for keys in [&[][..], &[LOCATION]] {
                let all = Query { order, ..query(keys, field, f64::NEG_INFINITY, f64::INFINITY) };
                let found = read(&find(&mut host, &all).expect("granted"));
                let has_it = matches!(field, TimeField::WriteTs | TimeField::DataTs | TimeField::Position);
                let want = if has_it { 8 } else { 0 };
                assert_eq!(found.len(), want, "{field:?}");
                assert_eq!(host.count(all.clone()).expect("granted"), want as u64);
                assert_eq!(find_locations(&mut host, &all).expect("granted").len(), want);
                let inside = |entry: &Read| {
                    let data: serde_json::Value = serde_json::from_str(&entry.data).expect("JSON");
                    (from..=until).contains(&data["ts"].as_f64().expect("a time"))
                };
                assert!(found.iter().all(inside));
            }
        }
    }
    assert_eq!(read(&find_ids(&mut host, &[], &stored).expect("granted")).len(), 8);
    assert_eq!(read(&find_ids(&mut host, &[LOCATION], &stored).expect("granted")).len(), 8);
}

#[test]
fn attack_121_no_query_form_shows_a_place_more_finely_than_its_cell() {
    let lab = Lab::new();
    let mut entries = day();
    entries.push(Entry {
        id: EntryId([99; 12]),
        key: TRIP,
        write_ts: MIDNIGHT + 3.0 * HOUR,
        times: vec![MIDNIGHT + HOUR, MIDNIGHT + 2.0 * HOUR],
        places: vec![HOME, HOME],
        distance: 1_234.567,
    });
    lab.put(&entries);
    let whole = entries[0].texts();
    let data = format!(
        r#"{{"start_ts":{0},"end_ts":{0},"locations":[{{"_id":{{"$oid":"{1}"}},"metadata":{2},"data":{3}}}],"sections":[],
        "start_confirmed_place":{{"_id":{{"$oid":"{1}"}},"metadata":{2},"data":{3}}},"odd":{3}}}"#,
        MIDNIGHT + HOUR,
        EntryId([1; 12]),
        whole.0,
        whole.1
    );
    lab.put_texts(EntryId([98; 12]), "analysis/composite_trip", &whole.0, &data);
    for place in &Place::ALL[1..] {
        let coarse = Narrowing { place: Some(*place), ..Narrowing::default() };
        let mut host = lab.host(&[coarse], f64::INFINITY);
        let keys = [LOCATION, TRIP, "analysis/composite_trip"];
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).chain([EntryId([98; 12])]).collect();
        let mut shown = find(&mut host, &everything(&keys)).expect("granted");
        shown.extend(find(&mut host, &everything(&[])).expect("granted"));
        shown.extend(find_ids(&mut host, &keys, &ids).expect("granted"));
        let all = read(&shown);
        assert_eq!(all.len(), 3 * 26);
        for entry in &all {
            for digits in ["47.3769", "8.5417", "447.37", "1234.5"] {
                assert!(!entry.text.contains(digits), "{place}: {digits} in an entry of {}", entry.key);
            }
        }
        let rows = find_locations(&mut host, &everything(&[LOCATION])).expect("granted");
        let centre = runtime_consent::centre_of(*place, HOME[0], HOME[1]);
        assert!(rows.latitude.iter().all(|latitude| *latitude == centre.0));
        assert!(rows.longitude.iter().all(|longitude| *longitude == centre.1));
        let rows =
            find_locations(&mut host, &query(&[LOCATION], TimeField::WriteTs, 0.0, 1e10)).expect("granted");
        assert!(rows.len() == 24 && rows.latitude.iter().all(|latitude| *latitude == centre.0));
    }
}

#[test]
fn attack_122_fine_bounds_and_counts_tell_no_more_than_the_grain() {
    let lab = Lab::new();
    let moment = MIDNIGHT + 10.0 * HOUR + 1_234.5;
    lab.put(&[location(1, moment, HOME)]);
    let hour = Narrowing { time: Some(Time::Hour), ..Narrowing::default() };
    let mut host = lab.host(&[hour], MIDNIGHT + 24.0 * HOUR);
    let start = MIDNIGHT + 10.0 * HOUR;
    for step in 0..=72 {
        let edge = MIDNIGHT + 9.0 * HOUR + f64::from(step) * 150.0;
        for field in [TimeField::WriteTs, TimeField::DataTs, TimeField::Position] {
            for (low, high, want) in [
                (f64::NEG_INFINITY, edge, u64::from(start <= edge)),
                (edge, f64::INFINITY, u64::from(edge <= start)),
            ] {
                let asked = query(&[LOCATION], field, low, high);
                assert_eq!(host.count(asked.clone()).expect("granted"), want, "{field:?} {low} {high}");
                let found = read(&find(&mut host, &asked).expect("granted"));
                assert_eq!(found.len() as u64, want);
                assert!(found.iter().all(|entry| entry.time == start && entry.write_ts == start));
                assert_eq!(find_locations(&mut host, &asked).expect("granted").len() as u64, want);
            }
        }
    }
    let found = read(&find(&mut host, &everything(&[LOCATION])).expect("granted"));
    for digits in ["1234", "1239", "Zurich", "20:34"] {
        assert!(!found[0].text.contains(digits), "{digits} in {}", found[0].text);
    }
}

#[test]
fn attack_124_no_document_and_no_other_area_is_read_or_written() {
    let lab = Lab::new();
    let mut batch = Batch::new();
    for name in ["profile", "grant/p/modes", "pipeline/state", "budget", "study/s"] {
        batch.put_document(name, b"secret".to_vec());
    }
    let entry = || NewEntry {
        id: Some(EntryId([5; 12])),
        key: key(LOCATION),
        metadata: r#"{"key":"background/location","write_ts":1699920001.0}"#,
        data: r#"{"ts":1699920000.0}"#,
        extra: "",
    };
    batch.insert(Area::Errors, entry());
    batch.put_usercache(entry(), key(LOCATION));
    lab.store.commit(batch).expect("stored");
    let mut host = lab.host(&[], f64::INFINITY);
    for name in ["profile", "grant/p/modes", "pipeline/state", "budget", "study/s", "none"] {
        denied(host.document_get(name));
        denied(host.document_put(name, b"mine"));
    }
    for area in [Area::Usercache, Area::Errors, Area::Audit] {
        for keys in [Vec::new(), vec![key(LOCATION)]] {
            let asked = Query { keys, ..Query::everything(area) };
            denied(host.find(asked.clone()));
            denied(host.count(asked.clone()));
            denied(host.find_locations(asked));
        }
    }
    let given = packed(&[row(EntryId([5; 12]), LOCATION, "{}")]);
    denied(host.put(&given));
    denied(host.set_aside(&given));
    denied(host.take_in(&packed(&[row(EntryId([5; 12]), OWN, "{}")])));
    assert!(lock(&host.effects()).batch.is_empty(), "nothing of it is kept");
}

#[test]
fn attack_125_the_accounts_id_is_in_nothing_that_a_cell_is_shown() {
    let lab = Lab::new();
    let (metadata, data) = day()[0].texts();
    let nested = format!(
        r#"{{"start_ts":{MIDNIGHT},"end_ts":{MIDNIGHT},"additions":[{{"_id":{{"$oid":"{}"}},
            "user_id":{{"$uuid":"{ACCOUNT}"}},"metadata":{metadata},"data":{data}}}],"by":"{}"}}"#,
        EntryId([1; 12]),
        ACCOUNT.dashed()
    );
    lab.put(&day());
    lab.put_texts(EntryId([98; 12]), TRIP, &metadata, &nested);
    let precise = Narrowing::default();
    let coarse = Narrowing { place: Some(Place::Hundred), ..Narrowing::default() };
    for narrowing in [precise, coarse] {
        let mut host = lab.host(&[narrowing], f64::INFINITY);
        let mut shown = find(&mut host, &everything(&[])).expect("granted");
        shown.extend(find_ids(&mut host, &[], &[EntryId([98; 12])]).expect("granted"));
        let all = read(&shown);
        assert_eq!(all.len(), 26);
        for entry in &all {
            assert!(!entry.text.contains(&ACCOUNT.to_string()) && !entry.text.contains(&ACCOUNT.dashed()));
            let whole: serde_json::Value = serde_json::from_str(&entry.text).expect("JSON");
            assert_eq!(whole["user_id"]["$uuid"], UserId(PSEUDONYM).to_string());
        }
    }
}

#[test]
fn attack_126_no_device_app_or_note_of_the_runtime_is_shown() {
    let lab = Lab::new();
    let (_, data) = day()[0].texts();
    let metadata = r#"{"key":"background/location","write_ts":1699920001.0,"platform":"android",
        "device":"token-0011223344556677","app_version":"marker-9.9","remote_addr":"192.0.2.77"}"#;
    lab.put_texts(EntryId([97; 12]), LOCATION, metadata, &data);
    lab.put(&[Entry {
        key: TRIP,
        times: vec![MIDNIGHT, MIDNIGHT + 1.0],
        places: vec![HOME, HOME],
        ..day()[1].clone()
    }]);
    for narrowing in [Narrowing::default(), Narrowing { place: Some(Place::Hundred), ..Narrowing::default() }]
    {
        let mut host = lab.host(&[narrowing], f64::INFINITY);
        let all = read(&find(&mut host, &everything(&[])).expect("granted"));
        assert_eq!(all.len(), 2);
        for entry in &all {
            for word in ["token-00", "marker-9.9", "192.0.2.77", "secret-extra", "\"device\""] {
                assert!(!entry.text.contains(word), "{word} in {}", entry.text);
            }
        }
        for field in [TimeField::Position, TimeField::WriteTs] {
            let asked = query(&[LOCATION], field, f64::NEG_INFINITY, f64::INFINITY);
            assert_eq!(find_locations(&mut host, &asked).expect("granted").len(), 1);
        }
    }
}

#[test]
fn attack_127_a_cell_changes_no_entry_of_others_and_learns_of_none_by_trying() {
    let lab = Lab::new();
    lab.put(&day());
    lab.put_texts(EntryId([60; 12]), OWN, r#"{"write_ts":1699920001.0}"#, r#"{"ts":1699920000.0}"#);
    let mut host = lab.host(&[], f64::INFINITY);
    let (others, nobodys, own) = (EntryId([1; 12]), EntryId([200; 12]), EntryId([60; 12]));
    let mut answers = Vec::new();
    for id in [others, nobodys] {
        let mut said = vec![
            format!("{:?}", host.delete(&id.0)),
            format!("{:?}", host.mark_invalid(&id.0)),
            format!("{:?}", host.replace(&packed(&[row(id, OWN, r#"{"ts":1.0}"#)]))),
        ];
        said.push(format!("{:?}", lock(&host.effects()).batch.is_empty()));
        answers.push(said);
    }
    assert_eq!(answers[0], answers[1], "an entry of others and one that does not exist answer alike");
    assert_eq!(answers[0][3], "true", "nothing is to be changed");
    denied(host.insert(&packed(&[row(EntryId::NONE, LOCATION, r#"{"ts":1.0}"#)])));
    denied(host.replace(&packed(&[row(others, LOCATION, r#"{"ts":1.0}"#)])));
    // Its own it may change: stored ones, and those of this run.
    let made = host.insert(&packed(&[row(EntryId::NONE, OWN, r#"{"ts":2.0}"#)])).expect("its own");
    host.delete(&made).expect("of this run");
    host.replace(&packed(&[row(own, OWN, r#"{"ts":3.0}"#)])).expect("its own");
    let batch = std::mem::take(&mut lock(&host.effects()).batch);
    lab.store.commit(batch).expect("stored");
    let mut host = lab.host(&[], f64::INFINITY);
    let all = read(&find(&mut host, &everything(&[OWN])).expect("granted"));
    assert_eq!(
        all.iter().map(|entry| (entry.id, entry.data.as_str())).collect::<Vec<_>>(),
        [(own, r#"{"ts":3.0}"#)]
    );
    assert_eq!(host.count(everything(&[LOCATION])).expect("granted"), 24);
}

#[test]
fn attack_127_under_a_coarse_time_stored_ids_change_nothing_and_shown_ones_only_what_may_be_changed() {
    let lab = Lab::new();
    let battery = r#"{"battery_level_pct":50,"battery_status":2,"ts":1699920000.0}"#;
    let metadata = r#"{"key":"background/battery","write_ts":1699920001.0}"#;
    lab.put(&day());
    lab.put_texts(EntryId([61; 12]), "background/battery", metadata, battery);
    let hour = Narrowing { time: Some(Time::Hour), ..Narrowing::default() };
    let mut host = lab.host(&[hour], MIDNIGHT + 1e6);
    let shown = read(&find(&mut host, &everything(&["background/battery", LOCATION])).expect("granted"));
    let of = |name: &str| shown.iter().find(|entry| entry.key == name).expect("shown").id;
    for id in [EntryId([61; 12]), EntryId([1; 12]), of(LOCATION)] {
        host.delete(&id.0).expect("passed over");
        assert!(lock(&host.effects()).batch.is_empty(), "{id}");
    }
    host.delete(&of("background/battery").0).expect("it may write this stream");
    let batch = std::mem::take(&mut lock(&host.effects()).batch);
    lab.store.commit(batch).expect("stored");
    let left = lab.store.snapshot();
    assert_eq!(left.count(&everything(&["background/battery"])).expect("readable"), 0);
    assert_eq!(left.count(&everything(&[LOCATION])).expect("readable"), 24);
}

#[test]
fn attack_128_a_manifest_that_asks_for_more_than_the_owner_granted_gets_no_more() {
    let lab = Lab::new();
    lab.put(&day());
    lab.put_texts(EntryId([97; 12]), "manual/incident", "{}", r#"{"ts":1699920000.0,"stress":90}"#);
    let narrowing = Narrowing { only: Some(vec![LOCATION.to_owned()]), ..Narrowing::default() };
    let mut host = lab.host(&[narrowing], f64::INFINITY);
    for keys in [&["manual/incident"][..], &[LOCATION, "manual/incident"], &[OWN], &["audit/run"]] {
        denied(host.find(everything(keys)));
        denied(host.count(everything(keys)));
        denied(host.find_locations(everything(keys)));
        denied(host.find_ids(keys.iter().map(|text| key(text)).collect(), &EntryId([97; 12]).0));
    }
    let all = read(&find(&mut host, &everything(&[])).expect("granted"));
    assert!(all.len() == 24 && all.iter().all(|entry| entry.key == LOCATION));
    assert_eq!(host.count(everything(&[])).expect("granted"), 24);
    assert_eq!(read(&find_ids(&mut host, &[], &[EntryId([97; 12])]).expect("granted")), []);
    let told = format!("{:?}", lock(&host.effects()).reads);
    assert!(told.contains("denied: true") && told.contains("manual/incident"), "the audit has the attempts");
    let mut host = lab.host(&[Narrowing { only: Some(Vec::new()), ..Narrowing::default() }], f64::INFINITY);
    denied(host.find(everything(&[])));
}

#[test]
fn attack_128_a_stream_without_a_schema_is_denied_to_a_coarse_grant_unless_it_is_the_cells_own() {
    let lab = Lab::new();
    let hidden = r#"{"ts":1699920000.0,"where":[8.5417345,47.3769123]}"#;
    lab.put_texts(EntryId([97; 12]), "study/other", r#"{"write_ts":1699920001.0}"#, hidden);
    lab.put_texts(EntryId([98; 12]), OWN, r#"{"write_ts":1699920001.0}"#, hidden);
    let mut host = lab.host(&[], f64::INFINITY);
    assert_eq!(read(&find(&mut host, &everything(&["study/other"])).expect("granted")).len(), 1);
    for narrowing in [
        Narrowing { place: Some(Place::TenKilometres), ..Narrowing::default() },
        Narrowing { time: Some(Time::Day), ..Narrowing::default() },
    ] {
        let mut host = lab.host(&[narrowing], MIDNIGHT + 1e6);
        denied(host.find(everything(&["study/other"])));
        let own = read(&find(&mut host, &everything(&[])).expect("granted"));
        assert_eq!(
            own.iter().map(|entry| (entry.id, entry.data.as_str())).collect::<Vec<_>>(),
            [(EntryId([98; 12]), hidden)]
        );
        assert_eq!(read(&find_ids(&mut host, &[], &[EntryId([98; 12])]).expect("granted")).len(), 1);
    }
}

#[test]
fn attack_129_who_asks_again_and_again_sees_a_grain_only_once_it_has_passed() {
    let lab = Lab::new();
    lab.put(&day());
    let hour = Narrowing { time: Some(Time::Hour), ..Narrowing::default() };
    for minute in 0..=180 {
        let now = MIDNIGHT + 9.0 * HOUR + f64::from(minute) * 60.0;
        let mut host = lab.host(std::slice::from_ref(&hour), now);
        let whole = 9 + u64::from(minute as u32 / 60);
        assert_eq!(host.count(everything(&[LOCATION])).expect("granted"), whole, "minute {minute}");
        assert_eq!(read(&find(&mut host, &everything(&[])).expect("granted")).len() as u64, whole);
        let asked = query(&[LOCATION], TimeField::WriteTs, f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(host.count(asked).expect("granted"), whole);
    }
    // A trip whose end, or whose writing, is in a grain that has not passed would tell by its appearing when it was.
    let (start, end) = (MIDNIGHT + 9.9 * HOUR, MIDNIGHT + 10.2 * HOUR);
    let trip = Entry { key: TRIP, times: vec![start, end], places: vec![HOME, HOME], ..day()[0].clone() };
    lab.put(&[
        Entry { id: EntryId([80; 12]), write_ts: start, ..trip.clone() },
        Entry { id: EntryId([81; 12]), write_ts: MIDNIGHT + 11.5 * HOUR, ..trip },
    ]);
    for (now, want) in [(10.5, 0), (11.0, 1), (11.6, 1), (12.0, 2)] {
        let mut host = lab.host(std::slice::from_ref(&hour), MIDNIGHT + now * HOUR);
        assert_eq!(host.count(everything(&[TRIP])).expect("granted"), want, "at {now}");
        assert_eq!(read(&find(&mut host, &everything(&[TRIP])).expect("granted")).len() as u64, want);
        assert_eq!(read(&find_ids(&mut host, &[TRIP], &shown_ids()).expect("granted")).len() as u64, want);
    }
    // Without a clock, or with one that is none, nothing is shown.
    for now in [f64::NEG_INFINITY, f64::NAN] {
        let mut host = lab.host(std::slice::from_ref(&hour), now);
        assert_eq!(host.count(everything(&[LOCATION])).expect("granted"), 0);
        assert_eq!(find(&mut host, &everything(&[LOCATION])).expect("granted").len(), 0);
    }
}

#[test]
fn a_grant_that_leaves_all_as_it_is_shows_data_byte_by_byte() {
    let lab = Lab::new();
    let odd = r#"{"ts": 1699920000.50, "b":1e2, "latitude" : 47.37691230000, "longitude":8.5}"#;
    lab.put_texts(EntryId([97; 12]), LOCATION, r#"{"key":"background/location","write_ts":1.5}"#, odd);
    let mut host = lab.host(&[], f64::INFINITY);
    let all = read(&find(&mut host, &everything(&[])).expect("granted"));
    assert_eq!(all[0].data, odd);
    assert!(!host.grant.expired(1e12));
    assert_eq!(host.grant.window(1.5, 2.5), Some((1.5, 2.5)));
}

#[test]
fn the_audit_tells_the_span_that_was_read_and_how_many_entries() {
    let lab = Lab::new();
    lab.put(&day());
    let (from, until) = (MIDNIGHT + 8.0 * HOUR, MIDNIGHT + 16.0 * HOUR);
    let narrowing = Narrowing { from: Some(from), until: Some(until), ..Narrowing::default() };
    let mut host = lab.host(&[narrowing], f64::INFINITY);
    find(&mut host, &everything(&[])).expect("granted");
    let effects = host.effects();
    let effects = lock(&effects);
    let told = format!("{:?}", effects.reads);
    assert!(told.contains(&format!("from: Some({from:?}), to: Some({until:?})")), "{told}");
    assert!(told.contains("entries: 8") && effects.entries_read == 8, "{told}");
}

#[test]
fn an_owner_is_told_how_many_entries_a_grant_shows_now() {
    let lab = Lab::new();
    lab.put(&day());
    let (from, now) = (MIDNIGHT + 8.0 * HOUR, MIDNIGHT + 10.5 * HOUR);
    let hour = Narrowing { from: Some(from), time: Some(Time::Hour), ..Narrowing::default() };
    for (narrowings, want) in [(vec![], 24), (vec![hour], 2)] {
        let host = lab.host(&narrowings, now);
        let streams = host.grant.consent().expect("consented").streams.clone();
        let shown = super::super::consented::shown_now(&host.grant, &host.snapshot, &streams[0], now);
        assert_eq!(shown.expect("readable"), want);
    }
}
