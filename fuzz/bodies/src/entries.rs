//! What a phone may send, through the cells that it reaches.

use cells_sdk::testing::{Head, Memory};
use cells_sdk::{Area, Outcome, Response};

const NOW: f64 = 1_600_000_000.0;

/// Puts bytes as a phone would, then takes in what was accepted. A batch is accepted or refused with a reason,
/// never an error of the cell; a refused one leaves nothing; an accepted entry is found afterwards in the
/// timeseries or set aside, and none waits for ever.
///
/// The first byte chooses what the rest is: a whole body, a list of entries, or the data of a sound entry.
pub fn put_and_take_in(bytes: &[u8]) {
    let Some((form, rest)) = bytes.split_first() else { return };
    let body = match form % 4 {
        0 => rest.to_vec(),
        1 => [br#"{"phone_to_server":["#, rest, b"]}"].concat(),
        2 => of_data(rest, "ios"),
        _ => of_data(rest, "android"),
    };
    let mut memory = Memory::new();
    let answer = memory.call(cells_usercache_put::handle, "", NOW, body).expect("any body has an answer");
    assert!(is_refusal_or_success(&answer), "{answer:?}");
    let waiting = memory.entries(Area::Usercache).len() + memory.entries(Area::Errors).len();
    if answer.status >= 400 {
        assert_eq!(waiting, 0, "a refused batch leaves nothing");
        return;
    }
    // A run handles what was written before its end; clocks of phones may be ahead for years.
    let late = f64::MAX;
    memory
        .run_stage(cells_usercache_to_timeseries::run, late, Outcome::default())
        .expect("whatever was accepted can be taken in");
    assert!(memory.entries(Area::Usercache).is_empty(), "an entry waits for ever");
}

/// Sends bytes as a tracker would, and takes in what was accepted. Whatever the bytes, the answer is success or the
/// refusal of an encrypted record; a refused request leaves nothing; sent again, it makes the same entries.
///
/// The first byte chooses the app, and whether the rest is a body or a query.
pub fn receivers(bytes: &[u8]) {
    let Some((form, rest)) = bytes.split_first() else { return };
    let app = cells_receivers::App::ALL[usize::from(form % 4)].name();
    let text = String::from_utf8_lossy(rest);
    let (query, body) = if form & 4 == 0 { ("zone=", rest) } else { (&*text, &b""[..]) };
    let sent = || {
        let head = Head { query: query.to_owned(), ..Head::default() };
        let mut memory = Memory::new().with_head(head);
        let answer = memory.call(cells_receivers::handle, app, NOW, body).expect("any request has an answer");
        assert!(matches!(answer.status, 200 | 422), "{answer:?}");
        (memory, answer.status)
    };
    let ((mut memory, status), (again, _)) = (sent(), sent());
    let kept = |memory: &Memory| {
        let areas = [Area::Usercache, Area::Errors].into_iter();
        let entries = areas.flat_map(|area| memory.entries(area));
        entries.map(|entry| (entry.metadata.clone(), entry.data.clone())).collect::<Vec<_>>()
    };
    assert_eq!(kept(&memory), kept(&again), "the same request makes the same entries");
    assert!(status == 200 || kept(&memory).is_empty(), "a refused request leaves nothing");
    for (metadata, data) in kept(&memory) {
        let sound = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert!(sound(&metadata) && sound(&data), "{metadata} {data}");
    }
    memory
        .run_stage(cells_usercache_to_timeseries::run, f64::MAX, Outcome::default())
        .expect("whatever was accepted can be taken in");
    assert!(memory.entries(Area::Usercache).is_empty(), "an entry waits for ever");
}

fn of_data(data: &[u8], platform: &str) -> Vec<u8> {
    let metadata = format!(
        r#"{{"key":"background/location","type":"sensor-data","write_ts":1599999000.5,"platform":"{platform}","time_zone":"Europe/Berlin"}}"#
    );
    [br#"{"the_entry":{"metadata":"#, metadata.as_bytes(), br#","data":"#, data, b"}}"].concat()
}

/// Asks for entries with bytes as the body: an answer or a refusal, never an error of the cell.
pub fn request_for_entries(bytes: &[u8]) {
    let metadata = r#"{"key":"background/location","type":"sensor-data","write_ts":1599999000.5}"#;
    let mut memory = Memory::new();
    for ts in 0..3 {
        memory = memory.with_entry(Area::Timeseries, metadata, &format!(r#"{{"ts":{ts}.25}}"#));
    }
    let answer =
        memory.call(cells_datastreams_get::handle, "timestamp", NOW, bytes).expect("any body has an answer");
    assert!(is_refusal_or_success(&answer), "{answer:?}");
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok(), "{answer:?}");
}

fn is_refusal_or_success(answer: &Response) -> bool {
    answer.status == 200 || (400..500).contains(&answer.status)
}
