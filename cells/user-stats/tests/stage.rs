//! Runs of the stage over diaries that grow, get labels late and are undone.

use std::cell::Cell;
use std::rc::Rc;

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::testing::{EntryCursor, LocationCursor, Memory};
use cells_sdk::{Documents, EntrySource, Failure, Outcome, Query, ReadEntries, Run, TimeField, WriteEntries};
use cells_user_stats::run;
use proptest::prelude::*;
use serde_json::{Value, json};

const TRIP: &str = "analysis/confirmed_trip";
const COMPOSITE: &str = "analysis/composite_trip";
const DAY_S: f64 = 86_400.0;
const BEGIN: f64 = 1_600_000_000.0;

/// A person's diary as the stages before leave it.
struct Diary {
    memory: Memory,
    now: f64,
    last: Outcome,
    labels: Vec<(EntryId, f64)>,
    bytes_read: usize,
}

/// The runtime, with a meter on what crosses.
struct Metered<'a> {
    memory: &'a mut Memory,
    bytes: Rc<Cell<usize>>,
}

fn add(bytes: &Cell<usize>, more: usize) {
    bytes.set(bytes.get() + more);
}

struct MeteredCursor {
    cursor: EntryCursor,
    bytes: Rc<Cell<usize>>,
}

impl EntrySource for MeteredCursor {
    fn next_page(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let page = self.cursor.next_page(bytes_max)?;
        add(&self.bytes, page.len());
        Ok(page)
    }
}

impl ReadEntries for Metered<'_> {
    type Entries = MeteredCursor;
    type Locations = LocationCursor;
    fn find(&mut self, query: &Query) -> Result<MeteredCursor, Failure> {
        let cursor = self.memory.find(query)?;
        Ok(MeteredCursor { cursor, bytes: Rc::clone(&self.bytes) })
    }
    fn find_ids(&mut self, keys: &[&str], ids: &[EntryId]) -> Result<MeteredCursor, Failure> {
        let cursor = self.memory.find_ids(keys, ids)?;
        Ok(MeteredCursor { cursor, bytes: Rc::clone(&self.bytes) })
    }
    fn count(&mut self, query: &Query) -> Result<u64, Failure> {
        self.memory.count(query)
    }
    fn find_locations(&mut self, query: &Query) -> Result<LocationCursor, Failure> {
        self.memory.find_locations(query)
    }
}

impl Documents for Metered<'_> {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let content = self.memory.document(name)?;
        add(&self.bytes, content.as_ref().map_or(0, Vec::len));
        Ok(content)
    }
    fn put_document(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.memory.put_document(name, content)
    }
}

fn row(key: &str, id: EntryId, write_ts: f64, data: &Value) -> Rows {
    let metadata = json!({"key": key, "write_ts": write_ts}).to_string();
    let mut rows = Rows::new();
    rows.push(Row { id, key, metadata: &metadata, data: &data.to_string(), extra: "" });
    rows
}

fn trip(start_ts: f64, labeled: bool) -> Value {
    let input = if labeled { json!({"mode_confirm": "bike"}) } else { json!({}) };
    json!({"start_ts": start_ts, "end_ts": start_ts + 600.0, "user_input": input, "fill": "x".repeat(2_000)})
}

impl Diary {
    fn new() -> Self {
        Self {
            memory: Memory::new(),
            now: BEGIN,
            last: Outcome::default(),
            labels: Vec::new(),
            bytes_read: 0,
        }
    }

    fn insert(&mut self, key: &str, write_ts: f64, data: &Value) -> EntryId {
        let ids = self.memory.insert(&row(key, EntryId::NONE, write_ts, data)).expect("sound");
        self.memory.commit();
        ids[0]
    }

    /// A trip, confirmed and composed in the run that is about to come.
    fn trip(&mut self, start_ts: f64, labeled: bool) -> EntryId {
        let number = self.memory.of_key(TRIP).len();
        let id = self.insert(TRIP, self.now + number as f64 * 1e-6, &trip(start_ts, labeled));
        self.insert(COMPOSITE, self.now, &json!({"start_ts": start_ts, "end_ts": start_ts + 600.0}));
        id
    }

    /// A label comes for a trip.
    fn label(&mut self, index: usize) {
        let entry = self.memory.of_key(TRIP)[index];
        let (id, start_ts) = (entry.id, entry.time(TimeField::StartTs));
        let input = json!({"start_ts": start_ts + 5.0, "end_ts": start_ts + 600.0, "label": "bike"});
        self.insert("manual/mode_confirm", self.now - 10.0, &input);
        self.labels.push((id, self.now - 10.0));
    }

    /// The stage before sets the labels of its window on their trips.
    fn set_labels(&mut self) {
        let start = self.last.processed_through.map_or(0.0, |mark| mark + cells_sdk::WINDOW_GAP_S);
        self.labels.retain(|(_, ts)| *ts >= start);
        let end = self.now - 5.0;
        let (due, waiting) = self.labels.iter().partition(|(_, ts)| *ts <= end);
        self.labels = waiting;
        let due: Vec<(EntryId, f64)> = due;
        for (id, _) in due {
            let of_key = self.memory.of_key(TRIP);
            let Some(entry) = of_key.iter().find(|entry| entry.id == id) else { continue };
            let (start_ts, write_ts) = (entry.time(TimeField::StartTs), entry.time(TimeField::WriteTs));
            self.memory.replace(&row(TRIP, id, write_ts, &trip(start_ts, true))).expect("sound");
            self.memory.commit();
        }
    }

    /// Takes back all trips from a moment on.
    fn take_back(&mut self, from_ts: f64) -> Vec<f64> {
        let mut gone = Vec::new();
        for key in [TRIP, COMPOSITE] {
            let entries = self.memory.of_key(key);
            let late = entries.iter().filter(|entry| entry.time(TimeField::StartTs) >= from_ts);
            let late: Vec<_> = late.map(|entry| (entry.id, entry.time(TimeField::StartTs))).collect();
            gone = late.iter().map(|(_, ts)| *ts).collect();
            let ids: Vec<_> = late.into_iter().map(|(id, _)| id).collect();
            self.memory.delete(&ids).expect("known");
        }
        self.memory.commit();
        gone
    }

    fn run(&mut self) {
        self.set_labels();
        let bytes = Rc::new(Cell::new(0));
        let metered = |memory: &mut Memory, now: &Run| {
            add(&bytes, now.state.len());
            run(&mut Metered { memory, bytes: Rc::clone(&bytes) }, now)
        };
        self.last = self.memory.run_stage(metered, self.now, self.last.clone()).expect("the stage works");
        self.bytes_read = bytes.get();
        self.now += 3_600.0;
    }

    fn profile(&self) -> Value {
        serde_json::from_slice(self.memory.committed_document("profile").expect("written")).expect("JSON")
    }

    /// What the profile must say, by looking at everything.
    fn counted(&self) -> Value {
        let times = |field| {
            let of_key = self.memory.of_key(COMPOSITE);
            let mut times: Vec<f64> = of_key.iter().map(|entry| entry.time(field)).collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let trips = self.memory.of_key(TRIP);
        let labeled = trips.iter().filter(|entry| entry.data()["user_input"] != json!({})).count();
        json!({
            "pipeline_range": {
                "start_ts": times(TimeField::StartTs).first(), "end_ts": times(TimeField::EndTs).last(),
            },
            "total_trips": trips.len(), "labeled_trips": labeled,
        })
    }
}

#[test]
fn a_new_person_has_no_trips() {
    let mut diary = Diary::new();
    diary.run();
    let empty = json!({"start_ts": null, "end_ts": null});
    assert_eq!(diary.profile(), json!({"pipeline_range": empty, "total_trips": 0, "labeled_trips": 0}));
}

#[test]
fn a_label_on_an_old_trip_counts_once_it_is_set() {
    let mut diary = Diary::new();
    for day in 0..300 {
        diary.trip(BEGIN + f64::from(day) * DAY_S, day % 3 == 0);
    }
    diary.run();
    assert_eq!(diary.profile()["labeled_trips"], 100);
    // One of a day that is kept by itself, one of the older days.
    for (index, labeled) in [(298, 101), (1, 102), (1, 102)] {
        diary.label(index);
        diary.run();
        assert_eq!((&diary.profile()["labeled_trips"], diary.profile()), (&json!(labeled), diary.counted()));
    }
}

#[test]
fn other_members_of_the_profile_keep_their_text() {
    let mut diary = Diary::new();
    diary.memory =
        std::mem::take(&mut diary.memory).with_document("profile", r#"{"a":1.50,"total_trips":"?"}"#);
    diary.run();
    let text = String::from_utf8(diary.memory.committed_document("profile").expect("there").to_vec());
    assert!(text.expect("JSON").contains(r#""a":1.50,"#));
}

#[test]
fn a_profile_that_is_not_an_object_is_an_error() {
    let mut memory = Memory::new().with_document("profile", "[]");
    let failed = memory.run_stage(run, BEGIN, Outcome::default()).expect_err("the profile is not an object");
    assert!(failed.starts_with("cannot read or write the document profile: invalid type"), "{failed}");
}

// Row: "All trips are counted in every run"
#[test]
fn a_new_day_costs_the_same_after_two_years_as_after_two_weeks() {
    let mut diary = Diary::new();
    let mut cost = Vec::new();
    for day in 0..730 {
        diary.now = BEGIN + f64::from(day) * DAY_S + 80_000.0;
        for hour in 0..6 {
            diary.trip(BEGIN + f64::from(day) * DAY_S + f64::from(hour) * 3_600.0, false);
        }
        // Yesterday's labels come today.
        diary.label((6 * day as usize).saturating_sub(3));
        diary.run();
        cost.push(diary.bytes_read);
    }
    assert_eq!(diary.profile(), diary.counted());
    let (early, late) = (cost[13], *cost[200..].iter().max().expect("many"));
    assert!(late < early + 4_096, "{early} bytes on the 14th day, {late} later");
}

/// What happens to a diary between two runs.
#[derive(Debug, Clone)]
enum Event {
    Trip { day: u16, labeled: bool },
    Label { index: usize },
    TakeBack { day: u16, again: bool },
    Remove { index: usize },
    ClockBack { hours: u8 },
    Run,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..300_u16, any::<bool>()).prop_map(|(day, labeled)| Event::Trip { day, labeled }),
        3 => any::<usize>().prop_map(|index| Event::Label { index }),
        1 => (0..300_u16, any::<bool>()).prop_map(|(day, again)| Event::TakeBack { day, again }),
        1 => any::<usize>().prop_map(|index| Event::Remove { index }),
        1 => (0..9_u8).prop_map(|hours| Event::ClockBack { hours }),
        4 => Just(Event::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // Row: "All trips are counted in every run"
    #[test]
    fn the_profile_is_right_after_every_run_of_any_history(
        first in 0..400_usize, events in prop::collection::vec(event(), 1..60)
    ) {
        let mut diary = Diary::new();
        diary.now = BEGIN + 300.0 * DAY_S;
        for day in 0..first {
            diary.trip(BEGIN + (day % 300) as f64 * DAY_S, day % 2 == 0);
        }
        for event in events.into_iter().chain([Event::Run]) {
            let trips = diary.memory.of_key(TRIP).len();
            let start = |day: u16| BEGIN + f64::from(day) * DAY_S + 40_000.0;
            match event {
                Event::Trip { day, labeled } => drop(diary.trip(start(day), labeled)),
                Event::Label { index } if trips > 0 => diary.label(index % trips),
                Event::TakeBack { day, again } => {
                    let gone = diary.take_back(start(day));
                    for ts in gone.into_iter().filter(|_| again) {
                        diary.trip(ts, true);
                    }
                }
                Event::Remove { index } if trips > 0 => {
                    let ids = [TRIP, COMPOSITE].map(|key| diary.memory.of_key(key)[index % trips].id);
                    diary.memory.delete(&ids).expect("known");
                    diary.memory.commit();
                }
                Event::ClockBack { hours } => diary.now -= f64::from(hours) * 3_600.0,
                Event::Run => {
                    diary.run();
                    prop_assert_eq!(diary.profile(), diary.counted());
                }
                Event::Label { .. } | Event::Remove { .. } => {}
            }
        }
    }

    #[test]
    fn a_run_never_panics_whatever_the_state(state in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut diary = Diary::new();
        diary.trip(BEGIN, true);
        diary.last.state = state;
        diary.run();
        prop_assert_eq!(diary.profile(), diary.counted());
    }
}
