//! Reads and writes of cells from elsewhere, through a real store.

mod attacks;
mod lives;
mod private;
mod reference;

use std::sync::Arc;

use cells_model::page::Page;
use runtime_consent::{Asking, Consent, Leaves, Narrowing, StreamName, Wants};
use runtime_sandbox::{CellHost, Failure, StateRows};
use runtime_store::{Batch, LocationRows, NewEntry, Options, Store, Unattended};
use runtime_types::{Area, EntryId, Query, StreamKey, TimeField, UserId};
use tempfile::TempDir;

use super::RunHost;
use crate::cells::grant::Grant;
use crate::cells::manifest::Manifest;
use crate::cells::types::Types;

/// A midnight of UTC, s.
const MIDNIGHT: f64 = 1_699_920_000.0;
const HOUR: f64 = 3_600.0;
const LOCATION: &str = "background/location";
const TRIP: &str = "analysis/cleaned_trip";
const OWN: &str = "study/modes";
const ACCOUNT: UserId = UserId([0xa1; 16]);
const PSEUDONYM: [u8; 16] = [0xb2; 16];
const SECRET: [u8; 32] = [7; 32];

const MANIFEST: &str = r#"
    name = "modes"
    version = 1
    world = "stage"
    interfaces = ["timeseries-read", "timeseries-write", "usercache", "documents"]
    pipeline-stage = "MODES"
    [[reads]]
    area = "timeseries"
    keys = ["*/*"]
    [[reads]]
    area = "usercache"
    keys = ["*/*"]
    [[reads]]
    area = "errors"
    keys = ["*/*"]
    [[writes]]
    area = "timeseries"
    keys = ["study/modes", "background/battery"]
    [[writes]]
    area = "usercache"
    keys = ["*/*"]
    [[writes]]
    area = "errors"
    keys = ["*/*"]
    [documents]
    read = ["*"]
    write = ["*"]
"#;

/// A person's store on disk.
struct Lab {
    _folder: TempDir,
    store: Arc<Store>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Unattended::open_or_create(&folder.path().join("host.key")).expect("a key");
        let store = Store::create(&folder.path().join("store"), ACCOUNT, &keys, &Options::default());
        Self { _folder: folder, store: Arc::new(store.expect("a store")) }
    }

    /// Puts entries; the account's own metadata is added to each.
    fn put(&self, entries: &[Entry]) {
        let mut batch = Batch::new();
        for entry in entries {
            let (metadata, data) = entry.texts();
            let key = key(entry.key);
            let entry = NewEntry { id: Some(entry.id), key, metadata: &metadata, data: &data, extra: "" };
            batch.insert(Area::Timeseries, entry);
        }
        self.store.commit(batch).expect("stored");
    }

    fn put_texts(&self, id: EntryId, name: &str, metadata: &str, data: &str) {
        let mut batch = Batch::new();
        batch.insert(
            Area::Timeseries,
            NewEntry { id: Some(id), key: key(name), metadata, data, extra: "\"note\":\"secret-extra\"" },
        );
        self.store.commit(batch).expect("stored");
    }

    /// The host of a run at `now` of a cell that asked for all, as its owner narrowed it.
    fn host(&self, narrowings: &[Narrowing], now: f64) -> RunHost {
        self.host_of(consent(narrowings), now)
    }

    fn host_of(&self, consent: Consent, now: f64) -> RunHost {
        let manifest = Arc::new(Manifest::parse(MANIFEST).expect("sound"));
        let grant = Grant::consented(manifest, Arc::new(types()), Arc::new(consent), PSEUDONYM, SECRET);
        RunHost::new(ACCOUNT, Arc::clone(&self.store), self.store.snapshot(), Arc::new(grant)).at(now)
    }
}

fn consent(narrowings: &[Narrowing]) -> Consent {
    let asking = Asking {
        cell: "p/modes".to_owned(),
        name: "Modes".to_owned(),
        publisher: "p".to_owned(),
        digest: "00".repeat(32),
        cell_version: 1,
        chain: 1,
        wants: Wants {
            purpose: "modes".to_owned(),
            streams: vec![StreamName::of("*/*")],
            leaves: Leaves::None,
        },
    };
    let mut consent = Consent::asked(asking, MIDNIGHT).expect("sound");
    narrowings.iter().for_each(|narrowing| consent.narrow(narrowing).expect("narrower"));
    consent
}

fn types() -> Types {
    let mut types = Types::default();
    let trip = include_str!("../../../../../../cells/clean-resampling/schemas/cleaned_trip.json");
    let composite = include_str!("../../../../../../cells/composite-trips/schemas/composite_trip.json");
    types.bring("clean-resampling", TRIP, trip).expect("sound");
    types.bring("composite-trips", "analysis/composite_trip", composite).expect("sound");
    types
}

fn key(text: &str) -> StreamKey {
    StreamKey::parse(text).expect("a key")
}

/// An entry by its fields.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    id: EntryId,
    key: &'static str,
    write_ts: f64,
    /// A trip has two.
    times: Vec<f64>,
    /// Latitude and longitude.
    places: Vec<[f64; 2]>,
    distance: f64,
}

fn location(id: u8, ts: f64, place: [f64; 2]) -> Entry {
    let (times, places) = (vec![ts], vec![place]);
    Entry { id: EntryId([id; 12]), key: LOCATION, write_ts: ts + 5.0, times, places, distance: 0.0 }
}

impl Entry {
    fn texts(&self) -> (String, String) {
        use serde_json::json;
        let metadata = json!({ "key": self.key, "platform": "ios", "write_ts": self.write_ts, "type": "sensor-data",
            "time_zone": "Europe/Zurich", "device": "token-0011223344556677", "read_ts": self.write_ts });
        let local = |moment: f64| cells_model::time::local(moment, "Europe/Zurich").expect("sound");
        let point = |at: [f64; 2]| json!({ "type": "Point", "coordinates": [at[1], at[0]] });
        let (parts, text) = local(self.times[0]);
        let [latitude, longitude] = self.places[0];
        let data = if self.key == TRIP {
            let (end_parts, end_text) = local(self.times[1]);
            json!({ "start_ts": self.times[0], "end_ts": self.times[1], "start_local_dt": parts,
                "start_fmt_time": text, "end_local_dt": end_parts, "end_fmt_time": end_text,
                "start_loc": point(self.places[0]), "end_loc": point(self.places[1]),
                "start_place": self.id, "end_place": self.id, "raw_trip": EntryId([2; 12]),
                "duration": self.times[1] - self.times[0], "distance": self.distance, "source": "smoothing",
                "device": "token-0011223344556677/ios" })
        } else {
            json!({ "latitude": latitude, "longitude": longitude, "loc": point(self.places[0]), "ts": self.times[0],
                "local_dt": parts, "fmt_time": text, "accuracy": 12.5, "altitude": 400.0 + latitude,
                "heading": longitude, "sensed_speed": latitude, "filter": "distance" })
        };
        (metadata.to_string(), data.to_string())
    }

    fn time(&self, field: TimeField) -> Option<f64> {
        let is_trip = self.key == TRIP;
        match field {
            TimeField::WriteTs => Some(self.write_ts),
            TimeField::Position => Some(self.times[0]),
            TimeField::DataTs => (!is_trip).then(|| self.times[0]),
            TimeField::StartTs => is_trip.then(|| self.times[0]),
            TimeField::EndTs => is_trip.then(|| self.times[1]),
            TimeField::EnterTs | TimeField::ExitTs => None,
        }
    }
}

/// The times of which a query can name one.
const FIELDS: [TimeField; 7] = [
    TimeField::WriteTs,
    TimeField::DataTs,
    TimeField::StartTs,
    TimeField::EndTs,
    TimeField::EnterTs,
    TimeField::ExitTs,
    TimeField::Position,
];

/// Streams of which a query can name some.
const KEYS: [&[&str]; 4] = [&[], &[LOCATION], &[TRIP], &[LOCATION, TRIP]];

fn query(keys: &[&str], field: TimeField, start: f64, end: f64) -> Query {
    let keys = keys.iter().map(|text| key(text)).collect();
    Query { keys, field, start, end, ..Query::everything(Area::Timeseries) }
}

fn everything(keys: &[&str]) -> Query {
    query(keys, TimeField::Position, f64::NEG_INFINITY, f64::INFINITY)
}

/// The pages of a cursor, with a small page size so that there are several.
fn pages(host: &mut RunHost, cursor: u32) -> Result<Vec<Vec<u8>>, Failure> {
    let mut pages = Vec::new();
    loop {
        let page = host.next_page(cursor, 4 << 10)?;
        if page.is_empty() {
            host.drop_cursor(cursor);
            return Ok(pages);
        }
        pages.push(page);
    }
}

fn find(host: &mut RunHost, query: &Query) -> Result<Vec<Vec<u8>>, Failure> {
    let cursor = host.find(query.clone())?;
    pages(host, cursor)
}

fn find_ids(host: &mut RunHost, keys: &[&str], ids: &[EntryId]) -> Result<Vec<Vec<u8>>, Failure> {
    let cursor = host.find_ids(keys.iter().map(|text| key(text)).collect(), &EntryId::pack(ids))?;
    pages(host, cursor)
}

fn find_locations(host: &mut RunHost, query: &Query) -> Result<LocationRows, Failure> {
    let cursor = host.find_locations(query.clone())?;
    let mut all = LocationRows::default();
    loop {
        let rows = host.next_rows(cursor, 7)?;
        if rows.is_empty() {
            host.drop_cursor(cursor);
            return Ok(all);
        }
        assert!(rows.device.is_empty() && rows.devices.is_empty(), "no device is named");
        all.ids.extend(rows.ids);
        all.filter.extend(rows.filter);
        for (all, rows) in [
            (&mut all.ts, rows.ts),
            (&mut all.write_ts, rows.write_ts),
            (&mut all.latitude, rows.latitude),
            (&mut all.longitude, rows.longitude),
            (&mut all.accuracy, rows.accuracy),
        ] {
            all.extend(rows);
        }
    }
}

/// One entry of a page, as a cell has it.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    id: EntryId,
    key: String,
    write_ts: f64,
    time: f64,
    metadata: String,
    data: String,
    text: String,
}

fn read(pages: &[Vec<u8>]) -> Vec<Read> {
    let mut all = Vec::new();
    for page in pages {
        let page = Page::read(page).expect("a sound page");
        all.extend(page.entries().map(|entry| Read {
            id: entry.id,
            key: entry.key.to_owned(),
            write_ts: entry.write_ts,
            time: entry.time,
            metadata: entry.metadata.to_owned(),
            data: entry.data.to_owned(),
            text: entry.text.to_owned(),
        }));
    }
    all
}
