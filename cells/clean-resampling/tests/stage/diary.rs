//! A made-up raw diary, the run of the stage over it, and the checks of every result.

use cells_clean_resampling::run;
use cells_sdk::model::time::local;
use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome, TimeField};
use serde_json::{Value, json};

pub const NOW: f64 = 1_700_100_000.0;
pub const DAY: f64 = 1_700_000_000.0;
/// A degree of latitude, m.
pub const DEGREE_M: f64 = 111_194.926_644_558_73;

pub const TRIP: &str = "analysis/cleaned_trip";
pub const UNTRACKED: &str = "analysis/cleaned_untracked";
pub const PLACE: &str = "analysis/cleaned_place";
pub const SECTION: &str = "analysis/cleaned_section";
pub const STOP: &str = "analysis/cleaned_stop";
pub const POINT: &str = "analysis/recreated_location";
pub const MADE: [&str; 6] = [TRIP, UNTRACKED, PLACE, SECTION, STOP, POINT];

/// A raw diary: a person who goes north and comes back.
pub struct Diary {
    pub memory: Memory,
    pub ts: f64,
    /// The position, north of a corner.
    pub metres: f64,
    /// Between points, s.
    pub step_s: f64,
    pub zone: &'static str,
    /// The id of the next place, and of the journey that led there.
    pub place: u64,
    pub arrival: Option<(f64, f64, String)>,
    pub ids: u64,
    pub points: Vec<String>,
}

pub fn id(number: u64) -> Value {
    json!({ "$oid": format!("{number:024x}") })
}

impl Diary {
    pub fn new() -> Self {
        let (memory, zone, points) = (Memory::new(), "Europe/Zurich", Vec::new());
        Self { memory, ts: DAY, metres: 0.0, step_s: 20.0, zone, place: 1, arrival: None, ids: 1, points }
    }

    pub fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn entry(&mut self, number: u64, key: &str, data: &Value) {
        let entry = json!([{ "_id": id(number), "metadata": { "key": key, "write_ts": NOW - 1000.0 }, "data": data }]);
        let memory = std::mem::take(&mut self.memory);
        self.memory = memory.with_entries(Area::Timeseries, &entry.to_string());
    }

    pub fn at(&self, prefix: &str, ts: f64) -> Value {
        let (local_dt, fmt_time) = local(ts, self.zone).expect("sound");
        json!({ format!("{prefix}ts"): ts, format!("{prefix}local_dt"): local_dt, format!("{prefix}fmt_time"): fmt_time })
    }

    pub fn loc(metres: f64) -> Value {
        json!({ "type": "Point", "coordinates": [8.5, 47.0 + metres / DEGREE_M] })
    }

    pub fn point(&mut self) {
        let number = self.next_id();
        let latitude = 47.0 + self.metres / DEGREE_M;
        let place = json!({ "latitude": latitude, "longitude": 8.5, "loc": Self::loc(self.metres),
            "altitude": 400.0, "accuracy": 5.0, "heading": 1.0, "filter": "time" });
        let data = merged([place, self.at("", self.ts)]);
        self.points.push(format!("{number:024x}"));
        self.entry(number, "background/filtered_location", &data);
    }

    /// A trip of sections, each with a count of points, the metres between them, and a mode; points are 20 s apart; 60
    /// s and `gap` metres are between sections. It begins `off` metres from the place, ten minutes after the arrival.
    pub fn trip(mut self, off: f64, sections: &[(u32, f64, u8)], gap: f64) -> Self {
        self.ts += 600.0;
        self.metres += off;
        let trip = self.next_id();
        let start = (self.ts, self.metres);
        let stops: Vec<u64> = sections.iter().skip(1).map(|_| self.next_id()).collect();
        let mut spans: Vec<(u64, [(f64, f64); 2])> = Vec::new();
        for (number, (count, step, mode)) in sections.iter().enumerate() {
            if number > 0 {
                self.ts += 60.0;
                self.metres += gap;
            }
            let (section, from) = (self.next_id(), (self.ts, self.metres));
            for point in 0..*count {
                if point > 0 {
                    self.ts += self.step_s;
                    self.metres += step;
                }
                self.point();
            }
            let to = (self.ts, self.metres);
            let mut data = merged([
                json!({ "trip_id": id(trip), "sensed_mode": mode, "ble_sensed_mode": null, "source": "s",
                    "duration": to.0 - from.0 }),
                self.span(["start_", "end_"], from, to),
            ]);
            if let Some(before) = number.checked_sub(1) {
                data["start_stop"] = id(stops[before]);
            }
            if let Some(stop) = stops.get(number) {
                data["end_stop"] = id(*stop);
            }
            self.entry(section, "segmentation/raw_section", &data);
            spans.push((section, [from, to]));
        }
        for (stop, pair) in stops.iter().zip(spans.windows(2)) {
            let (enter, exit) = (pair[0].1[1], pair[1].1[0]);
            let data = merged([
                json!({ "trip_id": id(trip), "ending_section": id(pair[0].0), "starting_section": id(pair[1].0),
                    "duration": exit.0 - enter.0, "distance": 1.0, "source": "s" }),
                self.span(["enter_", "exit_"], enter, exit),
            ]);
            self.entry(*stop, "segmentation/raw_stop", &data);
        }
        let end = (self.ts, self.metres);
        self.journey("segmentation/raw_trip", trip, start, end)
    }

    /// Points of a tracker that goes on while its owner rests, 10 s apart.
    pub fn rest(mut self, count: u32) -> Self {
        for _ in 0..count {
            self.ts += 10.0;
            self.point();
        }
        self
    }

    /// A span without readings, which ends `metres` away.
    pub fn silence(mut self, metres: f64) -> Self {
        let start = (self.ts + 5.0, self.metres);
        self.ts += 7200.0;
        self.metres += metres;
        let (number, end) = (self.next_id(), (self.ts, self.metres));
        self.journey("segmentation/raw_untracked", number, start, end)
    }

    pub fn span(&self, [from, to]: [&str; 2], start: (f64, f64), end: (f64, f64)) -> Value {
        let places =
            json!({ format!("{from}loc"): Self::loc(start.1), format!("{to}loc"): Self::loc(end.1) });
        merged([self.at(from, start.0), self.at(to, end.0), places])
    }

    pub fn journey(mut self, key: &str, number: u64, start: (f64, f64), end: (f64, f64)) -> Self {
        let next = self.next_id();
        let data = merged([
            json!({ "start_place": id(self.place), "end_place": id(next), "duration": end.0 - start.0,
                "distance": (end.1 - start.1).abs(), "source": "s" }),
            self.span(["start_", "end_"], start, end),
        ]);
        self.entry(number, key, &data);
        let exit = json!({ "starting_trip": id(number) });
        self.raw_place(Some(merged([self.at("exit_", start.0), exit])), start);
        self.place = next;
        let arrival = json!({ "ending_trip": id(number) });
        self.arrival = Some((end.0, end.1, merged([self.at("enter_", end.0), arrival]).to_string()));
        self
    }

    pub fn raw_place(&mut self, exit: Option<Value>, start: (f64, f64)) {
        let (metres, arrival) = match &self.arrival {
            Some((_, metres, arrival)) => (*metres, serde_json::from_str(arrival).expect("JSON")),
            None => (start.1, json!({})),
        };
        let mut data = merged([json!({ "location": Self::loc(metres), "source": "s" }), arrival]);
        if let Some(exit) = exit {
            data = merged([data, exit]);
            if let Some((enter_ts, ..)) = &self.arrival {
                data["duration"] = json!(start.0 - enter_ts);
            }
        }
        self.entry(self.place, "segmentation/raw_place", &data);
    }

    /// The diary up to here, with its last place still open.
    pub fn cleaned(self) -> (Self, Outcome) {
        self.closed().run()
    }

    pub fn closed(mut self) -> Self {
        self.raw_place(None, (0.0, 0.0));
        self
    }

    /// The same diary with the data of its entries changed.
    pub fn changed(mut self, mut change: impl FnMut(&mut Value)) -> Self {
        let entries = self.memory.entries(Area::Timeseries).into_iter().map(|entry| {
            let mut data = entry.data();
            change(&mut data);
            json!({ "_id": { "$oid": entry.id.to_string() }, "metadata": entry.metadata(), "data": data })
        });
        let entries: Vec<Value> = entries.collect();
        self.memory = Memory::new().with_entries(Area::Timeseries, &json!(entries).to_string());
        self
    }

    pub fn run(mut self) -> (Self, Outcome) {
        let now = NOW.max(self.ts + 100.0);
        let outcome = self.memory.run_stage(run, now, Outcome::default()).expect("the stage works");
        (self, outcome)
    }

    /// Results in the order of their beginnings.
    pub fn made(&self, key: &str) -> Vec<Value> {
        let mut entries: Vec<&Stored> = self.memory.of_key(key);
        entries.sort_by(|a, b| a.time(TimeField::Position).total_cmp(&b.time(TimeField::Position)));
        let with_id =
            |entry: &&Stored| merged([entry.data(), json!({ "_id": { "$oid": entry.id.to_string() } })]);
        entries.iter().map(with_id).collect()
    }
}

pub fn merged<const N: usize>(parts: [Value; N]) -> Value {
    let members = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten();
    Value::Object(members.collect())
}

pub fn number(data: &Value, name: &str) -> f64 {
    data[name].as_f64().unwrap_or_else(|| panic!("no {name} in {data}"))
}

/// Two kilometres by car, and a walk.
pub const DRIVE: (u32, f64, u8) = (11, 200.0, 0);
pub const WALK: (u32, f64, u8) = (11, 24.0, 2);

/// The same diary with other data for entries for which `change` returns some; without the entry where it returns
/// `null`.
pub fn changed(mut diary: Diary, change: impl Fn(&Stored) -> Option<Value>) -> Diary {
    let entry = |entry: &Stored, data: Value| json!({ "_id": { "$oid": entry.id.to_string() }, "metadata": entry.metadata(), "data": data });
    let entries = diary.memory.entries(Area::Timeseries).into_iter();
    let entries = entries.map(|stored| entry(stored, change(stored).unwrap_or_else(|| stored.data())));
    let entries: Vec<Value> = entries.filter(|entry| !entry["data"].is_null()).collect();
    diary.memory = Memory::new().with_entries(Area::Timeseries, &Value::from(entries).to_string());
    diary
}

/// The same diary without a member of the selected points.
pub fn without(diary: Diary, member: &str, points: impl Fn(f64) -> bool) -> Diary {
    changed(diary, |entry| {
        let mut data = entry.data();
        let is_one = entry.key == "background/filtered_location" && points(number(&data, "ts"));
        data.as_object_mut().expect("an object").remove(member).filter(|_| is_one).map(|_| data)
    })
}

pub fn assert_linked(diary: &Diary) {
    let places = diary.made(PLACE);
    let trips = [diary.made(TRIP), diary.made(UNTRACKED)].concat();
    assert_eq!(places.len(), trips.len() + 1);
    let place = |id: &Value| places.iter().find(|place| place["_id"] == *id).expect("a known place");
    for trip in &trips {
        let (from, to) = (place(&trip["start_place"]), place(&trip["end_place"]));
        assert_eq!((&from["starting_trip"], &to["ending_trip"]), (&trip["_id"], &trip["_id"]));
        assert_eq!(from["exit_ts"], trip["start_ts"]);
        assert_eq!(from["exit_fmt_time"], trip["start_fmt_time"]);
    }
}

/// Three trips that show every effect of cleaning: a start that is moved, a stop that a section takes over, a silence.
pub fn eventful() -> Diary {
    Diary::new()
        .trip(0.0, &[WALK, DRIVE, WALK], 300.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .silence(5000.0)
        .trip(0.0, &[DRIVE, (1, 0.0, 2), WALK], 10.0)
        .closed()
}

/// Distances, durations and counts: values that must not depend on the position on a parallel.
pub fn measures(diary: &Diary) -> Vec<f64> {
    let mut measures = Vec::new();
    for key in MADE {
        for data in diary.made(key) {
            for name in ["distance", "duration", "speed", "ts", "start_ts", "end_ts", "sensed_mode", "idx"] {
                measures.push(data[name].as_f64().unwrap_or(-1.0));
            }
            for list in ["distances", "speeds"] {
                measures.extend(data[list].as_array().into_iter().flatten().filter_map(Value::as_f64));
            }
        }
    }
    measures
}
