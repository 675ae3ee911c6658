//! An invented person, the phones in their pocket, and the devices that they leave at home.

use cells_sdk::testing::{Memory, Stored};
use cells_sdk::{Area, Outcome, Run, TimeField};
use cells_trip_segmentation::{run, run_over};
use serde_json::Value;

const LOCATION: &str = "background/filtered_location";
const MOTION: &str = "background/motion_activity";
const TRANSITION: &str = "statemachine/transition";
const TRIP: &str = "segmentation/raw_trip";
const PLACE: &str = "segmentation/raw_place";
const UNTRACKED: &str = "segmentation/raw_untracked";
/// Midnight of the day, s.
const MORNING: f64 = 1_760_072_400.0;
const DEGREE_M: f64 = 111_194.926_644_558_74;
const HOME_DEGREES: (f64, f64) = (47.37, 8.54);
const WALK_M_S: f64 = 1.4;

/// A place, in metres north and east of home.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Places {
    north_m: f64,
    east_m: f64,
}

impl Places {
    pub const fn of(north_m: f64, east_m: f64) -> Self {
        Self { north_m, east_m }
    }

    fn metres_to(self, other: Self) -> f64 {
        (self.north_m - other.north_m).hypot(self.east_m - other.east_m)
    }

    fn degrees(self) -> (f64, f64) {
        let (latitude, longitude) = HOME_DEGREES;
        let east_m = DEGREE_M * latitude.to_radians().cos();
        (latitude + self.north_m / DEGREE_M, longitude + self.east_m / east_m)
    }
}

pub const HOME: Places = Places::of(0.0, 0.0);
pub const WORK: Places = Places::of(2_500.0, 1_500.0);
pub const SHOP: Places = Places::of(-900.0, 700.0);

/// An entry that is not uploaded yet.
#[derive(Debug, Clone)]
struct Sent {
    write_ts: f64,
    key: &'static str,
    data: String,
    stamped: bool,
}

/// A device that reports its location.
#[derive(Debug, Clone)]
pub struct Phone {
    ts: f64,
    at: Places,
    name: String,
    platform: String,
    sent: Vec<Sent>,
}

/// Pseudo-random numbers; the same for the same seed.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A normal number with that deviation, around 0.
    fn normal(&mut self, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        deviation * radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// A phone that goes to work, to the shop, and home.
pub fn carry(name: &str, platform: &str) -> Phone {
    let mut phone = Phone::new(MORNING, HOME, name, platform);
    phone.go(WORK);
    phone.wait(4.0 * 3_600.0);
    phone.go(SHOP);
    phone.wait(3_600.0);
    phone.go(HOME);
    phone
}

/// A device that stays somewhere all day, and reports it at regular times.
pub fn tablet(name: &str, platform: &str, at: Places, every_s: f64, jitter_m: f64, seed: u64) -> Phone {
    let mut random = Random(seed.wrapping_mul(977).wrapping_add(13));
    let mut phone = Phone::new(MORNING + 5.0, at, name, platform);
    while phone.ts < MORNING + 7.0 * 3_600.0 {
        phone.at = Places::of(at.north_m + random.normal(jitter_m), at.east_m + random.normal(jitter_m));
        phone.fix();
        phone.ts += every_s;
    }
    phone
}

impl Phone {
    pub fn new(ts: f64, at: Places, name: &str, platform: &str) -> Self {
        Self { ts, at, name: name.to_owned(), platform: platform.to_owned(), sent: Vec::new() }
    }

    pub fn name(&self) -> String {
        format!("{}/{}", self.name, self.platform)
    }

    pub fn start(&self) -> f64 {
        MORNING
    }

    /// The same device a little later.
    pub fn later(mut self, seconds: f64) -> Self {
        for sent in &mut self.sent {
            let mut data: Value = serde_json::from_str(&sent.data).expect("JSON");
            data["ts"] = (data["ts"].as_f64().expect("a time") + seconds).into();
            sent.data = data.to_string();
            sent.write_ts += seconds;
        }
        self
    }

    /// The device, switched off at a moment.
    pub fn until(mut self, ts: f64) -> Self {
        self.sent.retain(|sent| sent.write_ts < ts);
        self
    }

    /// The device, switched on at a moment.
    pub fn from(mut self, ts: f64) -> Self {
        self.sent.retain(|sent| sent.write_ts >= ts);
        self
    }

    pub fn forget_stamps_before(&mut self, ts: f64) {
        self.sent.iter_mut().filter(|sent| sent.write_ts < ts).for_each(|sent| sent.stamped = false);
    }

    pub fn wait(&mut self, seconds: f64) {
        self.ts += seconds;
    }

    fn every_s(&self) -> f64 {
        if self.platform == "android" { 29.0 } else { 40.0 }
    }

    fn say(&mut self, key: &'static str, data: String) {
        self.sent.push(Sent { write_ts: self.ts + 0.4, key, data, stamped: true });
    }

    fn fix(&mut self) {
        let (latitude, longitude) = self.at.degrees();
        let filter = if self.platform == "android" { "time" } else { "distance" };
        let ts = self.ts;
        self.say(
            LOCATION,
            format!(
                r#"{{"ts":{ts},"latitude":{latitude},"longitude":{longitude},"accuracy":12,"filter":"{filter}"}}"#
            ),
        );
    }

    /// `transition`: 2 for a stop, 1 for the way out of a geofence.
    fn transition(&mut self, transition: u8) {
        let ts = self.ts;
        self.say(TRANSITION, format!(r#"{{"ts":{ts},"curr_state":2,"transition":{transition}}}"#));
    }

    pub fn go(&mut self, to: Places) {
        self.travel(to, WALK_M_S, self.every_s());
    }

    pub fn fly(&mut self, to: Places, speed_m_s: f64) {
        self.travel(to, speed_m_s, 60.0);
    }

    fn travel(&mut self, to: Places, speed_m_s: f64, every_s: f64) {
        self.transition(1);
        let (from, metres, start) = (self.at, self.at.metres_to(to), self.ts);
        while (self.ts - start) * speed_m_s < metres {
            let part = (self.ts - start) * speed_m_s / metres;
            let between = |from: f64, to: f64| from + (to - from) * part;
            self.at = Places::of(between(from.north_m, to.north_m), between(from.east_m, to.east_m));
            self.fix();
            let ts = self.ts;
            self.say(MOTION, format!(r#"{{"ts":{ts},"type":7,"confidence":90}}"#));
            self.ts += every_s;
        }
        self.at = to;
        // Android notices a stay after five minutes; an iPhone falls silent.
        let standing = if self.platform == "android" { (330.0 / every_s) as usize + 1 } else { 1 };
        for _ in 0..standing {
            self.fix();
            self.ts += every_s;
        }
        if self.platform == "ios" {
            self.ts += 660.0;
        }
        self.transition(2);
        self.ts += 5.0;
    }

    /// One fix elsewhere, this long after the start.
    pub fn jump(&mut self, after_s: f64, to: Places) {
        let (ts, at) = (self.ts, self.at);
        (self.ts, self.at) = (MORNING + after_s + 3.0, to);
        self.fix();
        (self.ts, self.at) = (ts, at);
        self.sent.sort_by(|a, b| a.write_ts.total_cmp(&b.write_ts));
    }
}

/// The results of the stage for a day.
pub struct Day {
    pub memory: Memory,
    pub outcome: Outcome,
    pub now: f64,
}

impl Day {
    /// All entries are there before one run.
    pub fn of(phones: &[Phone]) -> Self {
        let now = MORNING + 86_400.0;
        let mut day = Self { memory: Memory::new(), outcome: Outcome::default(), now };
        day.upload(&in_order(phones), now);
        day.run(now);
        day
    }

    /// Everything is uploaded at once, and runs take so many rows of readings.
    pub fn in_parts(phones: &[Phone], rows_a_run: usize) -> Self {
        let now = MORNING + 86_400.0;
        let mut day = Self { memory: Memory::new(), outcome: Outcome::default(), now };
        day.upload(&in_order(phones), now);
        let over = |memory: &mut Memory, run: &Run| run_over(memory, run, rows_a_run);
        day.outcome = day.memory.run_stage(over, now, Outcome::default()).expect("the stage works");
        day
    }

    /// The phones upload at random moments, with a run after each.
    pub fn in_uploads(phones: &[Phone], seed: u64) -> Self {
        let mut random = Random(seed.wrapping_add(7));
        let now = MORNING + 86_400.0;
        let mut day = Self { memory: Memory::new(), outcome: Outcome::default(), now };
        let mut waiting = in_order(phones);
        let mut clock = MORNING;
        while !waiting.is_empty() {
            clock += 120.0 + random.unit() * 5_400.0;
            let due = waiting.iter().take_while(|(_, sent)| sent.write_ts <= clock).count();
            let uploaded: Vec<_> = waiting.drain(..due).collect();
            day.upload(&uploaded, clock);
            day.run(clock + 5.5);
        }
        day.run(now);
        day
    }

    fn upload(&mut self, entries: &[(Phone, Sent)], _now: f64) {
        let mut memory = std::mem::take(&mut self.memory);
        for (phone, sent) in entries {
            let (write_ts, key, platform) = (sent.write_ts, sent.key, &phone.platform);
            let stamp = match phone.name.as_str() {
                name if sent.stamped && !name.is_empty() => format!(r#","device":"{name}""#),
                _ => String::new(),
            };
            let metadata = format!(
                r#"{{"key":"{key}","platform":"{platform}","write_ts":{write_ts},"time_zone":"Europe/Zurich"{stamp}}}"#
            );
            memory = memory.with_entry(Area::Timeseries, &metadata, &sent.data);
        }
        self.memory = memory;
    }

    fn run(&mut self, now: f64) {
        let last = std::mem::take(&mut self.outcome);
        self.outcome = self.memory.run_stage(run, now, last).expect("the stage works");
    }

    fn made(&self, key: &str, begin: TimeField) -> Vec<Value> {
        let mut entries = self.memory.of_key(key);
        let at = |entry: &&Stored| entry.time(begin).max(0.0);
        entries.sort_by(|a, b| at(a).total_cmp(&at(b)));
        entries.into_iter().map(Stored::data).collect()
    }

    pub fn trips(&self) -> Vec<Value> {
        self.made(TRIP, TimeField::StartTs)
    }

    pub fn devices(&self) -> Vec<Option<String>> {
        let device = |trip: &Value| trip.get("device").and_then(Value::as_str).map(str::to_owned);
        self.trips().iter().map(device).collect()
    }

    /// All results, without ids and the moments of their creation.
    pub fn without_ids(&self) -> Vec<Value> {
        let of = |key: &str, begin| self.made(key, begin);
        let all =
            [of(TRIP, TimeField::StartTs), of(PLACE, TimeField::EnterTs), of(UNTRACKED, TimeField::StartTs)];
        let mut all = all.concat();
        for entry in &mut all {
            for name in ["start_place", "end_place", "starting_trip", "ending_trip"] {
                entry.as_object_mut().expect("an object").remove(name);
            }
        }
        all
    }

    /// The times of points that are marked invalid.
    pub fn hidden_ts(&self) -> Vec<f64> {
        let entries = self.memory.of_key(LOCATION);
        entries.iter().filter(|entry| entry.invalid).map(|entry| entry.time(TimeField::DataTs)).collect()
    }

    pub fn is_within_a_trip(&self, ts: f64) -> bool {
        self.trips().iter().any(|trip| (number(trip, "start_ts")..=number(trip, "end_ts")).contains(&ts))
    }

    pub fn log(&self) -> String {
        self.memory.log_lines().iter().map(|line| format!("{}\n", line.1)).collect()
    }

    /// No trip overlaps another, no stay has a negative length, and no speed is impossible.
    pub fn assert_sound(&self, what: &str) {
        let spans: Vec<(f64, f64)> =
            self.trips().iter().map(|trip| (number(trip, "start_ts"), number(trip, "end_ts"))).collect();
        assert!(!spans.is_empty(), "{what}: no trips");
        assert!(spans.iter().all(|(start, end)| start < end), "{what}: {spans:?}");
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{what}: {spans:?}");
        for place in self.made(PLACE, TimeField::EnterTs) {
            let duration = place.get("duration").and_then(Value::as_f64).unwrap_or(0.0);
            assert!(duration >= 0.0, "{what}: a stay of {duration} s");
        }
        for trip in self.trips() {
            let speed = number(&trip, "distance") / number(&trip, "duration");
            assert!(speed < 60.0, "{what}: {speed} m/s");
        }
    }

    /// Three walks of 2.92, 3.49 and 1.14 km, at their times.
    pub fn assert_three_walks(&self, what: &str) {
        self.assert_sound(what);
        let metres: Vec<f64> = self.trips().iter().map(|trip| number(trip, "distance")).collect();
        let near = |metres: &f64, wanted: f64| (metres - wanted).abs() < 320.0;
        let as_walked = metres.len() == 3
            && near(&metres[0], WORK.metres_to(HOME))
            && near(&metres[1], WORK.metres_to(SHOP))
            && near(&metres[2], SHOP.metres_to(HOME));
        let spans: Vec<(f64, f64)> = self
            .trips()
            .iter()
            .map(|trip| (number(trip, "start_ts") - MORNING, number(trip, "end_ts") - MORNING))
            .collect();
        assert!(as_walked, "{what}: walks of {metres:?} m at {spans:?}");
        let walked = [WORK.metres_to(HOME), WORK.metres_to(SHOP), SHOP.metres_to(HOME)]
            .map(|metres| metres / WALK_M_S);
        for (span, wanted) in spans.iter().zip(walked) {
            assert!((span.1 - span.0 - wanted).abs() < 400.0, "{what}: walks at {spans:?}");
        }
    }

    /// The same trips, except for the time that a phone needs to notice a stay.
    pub fn assert_same_trips(&self, other: &Self, what: &str) {
        let spans = |day: &Self| -> Vec<(f64, f64)> {
            let span = |trip: &Value| (number(trip, "start_ts") - MORNING, number(trip, "end_ts") - MORNING);
            day.trips().iter().map(span).collect()
        };
        let (own, others) = (spans(self), spans(other));
        let same = own.len() == others.len()
            && own.iter().zip(&others).all(|(a, b)| (a.0 - b.0).abs() < 200.0 && (a.1 - b.1).abs() < 300.0);
        assert!(same, "{what}: at once {own:?}, in uploads {others:?}");
    }
}

fn number(entry: &Value, name: &str) -> f64 {
    entry[name].as_f64().expect("a number")
}

fn in_order(phones: &[Phone]) -> Vec<(Phone, Sent)> {
    let empty = |phone: &Phone| Phone { sent: Vec::new(), ..phone.clone() };
    let mut all: Vec<(Phone, Sent)> = phones
        .iter()
        .flat_map(|phone| phone.sent.iter().map(move |sent| (empty(phone), sent.clone())))
        .collect();
    all.sort_by(|a, b| a.1.write_ts.total_cmp(&b.1.write_ts));
    all
}
