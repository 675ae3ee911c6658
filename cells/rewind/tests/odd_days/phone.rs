//! What phones put, made up: days of trips between stays, in loads, with the oddities that phones have.

use cells_sdk::Area;
use cells_sdk::model::time::local;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};

const DAY: f64 = 1_700_000_000.0;
const ZONE: &str = "Europe/Zurich";
/// About 200 m to the north.
const STEP_DEGREES: f64 = 0.0018;
/// Between two points of a trip, s.
const STEP_S: f64 = 30.0;
const HOUR_S: f64 = 3_600.0;

/// Which phone a person carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Points every so many metres: none while it rests.
    IPhone,
    /// Points every so many seconds, also while it rests.
    Android,
}

/// A trip and the stay before it.
#[derive(Debug, Clone)]
pub struct Trip {
    /// How long the stay before it is, s.
    pub rest_s: f64,
    /// How many points it has.
    pub points: usize,
    /// Whether it leads to the south.
    pub back: bool,
    /// What motion activities say of it, if anything.
    pub motion: Option<u8>,
}

/// What a phone sends at once.
#[derive(Debug, Clone)]
pub struct Load {
    /// In order.
    pub trips: Vec<Trip>,
    /// An old fix that comes before everything else: how old it is, s.
    pub stale_s: Option<f64>,
    /// Trips of a second phone that travels elsewhere at the same time.
    pub second: Vec<Trip>,
    /// Whether the load comes twice.
    pub doubled: bool,
    /// Whether the phone says at the end that it has stopped.
    pub stopped: bool,
}

fn trip() -> impl Strategy<Value = Trip> {
    let motion = prop::option::of(prop::sample::select(vec![0_u8, 1, 7]));
    (900.0..30_000.0_f64, 2..12_usize, any::<bool>(), motion)
        .prop_map(|(rest_s, points, back, motion)| Trip { rest_s, points, back, motion })
}

/// One to four loads with everything that has been seen to leave trips of odd times.
pub fn loads() -> impl Strategy<Value = Vec<Load>> {
    let stale = prop::option::weighted(0.6, prop_oneof![60.0..2_000.0_f64, 2_000.0..400_000.0]);
    let second = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(trip(), 1..4)];
    let load = (prop::collection::vec(trip(), 0..5), stale, second, any::<bool>(), any::<bool>());
    let load = load.prop_map(|(trips, stale_s, second, doubled, stopped)| Load {
        trips,
        stale_s,
        second,
        doubled,
        stopped,
    });
    prop::collection::vec(load, 1..5)
}

/// A person's phones on their way through the days.
pub struct Phones {
    kind: Kind,
    clock: f64,
    latitude: f64,
    ids: u64,
}

/// A store whose stages draw ids behind all that phones have.
pub fn store() -> Memory {
    let last = r#"[{"_id":{"$oid":"ffffffff0000000000000000"},"metadata":{"key":"a/b"},"data":{}}]"#;
    Memory::new().with_entries(Area::Timeseries, last)
}

/// An entry, by when it was written.
type Entry = (f64, Value);

impl Phones {
    pub fn new(kind: Kind) -> Self {
        Self { kind, clock: DAY, latitude: 47.0, ids: 0 }
    }

    /// Puts a load; returns the moment behind it, s.
    pub fn put(&mut self, memory: Memory, load: &Load) -> (Memory, f64) {
        let begin = self.clock;
        let mut entries = self.travel(&load.trips, [self.latitude, 8.5], self.kind);
        let latitude = self.latitude;
        let end = self.clock;
        self.clock = begin + 60.0;
        let other = if self.kind == Kind::IPhone { Kind::Android } else { Kind::IPhone };
        entries.extend(self.travel(&load.second, [47.3, 8.9], other));
        self.clock = end.max(self.clock);
        self.latitude = latitude;
        if let Some(age_s) = load.stale_s {
            let first = entries.iter().map(|(write_ts, _)| *write_ts).fold(self.clock, f64::min);
            entries.push(self.point(first - age_s, first - 0.5, [latitude + 0.05, 8.5], self.kind));
        }
        if load.stopped {
            self.clock += 2.0;
            let data = json!({"curr_state": 1, "transition": 2, "ts": self.clock});
            entries.push(self.entry("statemachine/transition", self.clock, data));
        }
        let times = if load.doubled { 2 } else { 1 };
        let mut dump = Vec::new();
        for _ in 0..times {
            for (_, entry) in &entries {
                self.ids += 1;
                let mut entry = entry.clone();
                entry["_id"] = json!({"$oid": format!("{:024x}", self.ids)});
                dump.push(entry);
            }
        }
        self.clock += 60.0;
        (memory.with_entries(Area::Timeseries, &Value::from(dump).to_string()), self.clock + HOUR_S)
    }

    fn travel(&mut self, trips: &[Trip], [mut latitude, longitude]: [f64; 2], kind: Kind) -> Vec<Entry> {
        let mut entries = Vec::new();
        for trip in trips {
            let begin = self.clock;
            self.clock += trip.rest_s;
            if kind == Kind::Android {
                for rest in 1..30 {
                    let ts = begin + f64::from(rest) * STEP_S;
                    entries.push(self.point(ts, ts + 1.0, [latitude, longitude], kind));
                }
            }
            if let Some(motion) = trip.motion {
                let data = json!({"type": motion, "confidence": 100, "ts": self.clock - 5.0});
                entries.push(self.entry("background/motion_activity", self.clock - 4.0, data));
            }
            for _ in 0..trip.points {
                self.clock += STEP_S;
                latitude += if trip.back { -STEP_DEGREES } else { STEP_DEGREES };
                entries.push(self.point(self.clock, self.clock + 1.0, [latitude, longitude], kind));
            }
        }
        self.latitude = latitude;
        entries
    }

    fn point(&self, ts: f64, write_ts: f64, [latitude, longitude]: [f64; 2], kind: Kind) -> Entry {
        let (local_dt, fmt_time) = local(ts, ZONE).expect("a moment of our days");
        let filter = if kind == Kind::IPhone { "distance" } else { "time" };
        let data = json!({
            "latitude": latitude, "longitude": longitude,
            "loc": {"type": "Point", "coordinates": [longitude, latitude]},
            "ts": ts, "local_dt": local_dt, "fmt_time": fmt_time, "accuracy": 10, "altitude": 400.0,
            "sensed_speed": 6.0, "heading": 0.0, "filter": filter,
        });
        self.entry("background/filtered_location", write_ts, data)
    }

    fn entry(&self, key: &str, write_ts: f64, data: Value) -> Entry {
        let metadata = json!({"key": key, "write_ts": write_ts, "time_zone": ZONE, "platform": "ios"});
        (write_ts, json!({"metadata": metadata, "data": data}))
    }
}
