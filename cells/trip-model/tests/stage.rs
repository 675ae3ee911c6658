//! The stage over an invented person's labelled trips.

use cells_sdk::model::Point;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Level, Outcome, WriteEntries as _};
use cells_similarity::{Ends, MODEL_DOCUMENT, TripModel};
use cells_trip_model::LABELLED_MIN;
use cells_trip_model::training::{TRAINING_DOCUMENT, TRIPS_MAX, Training};
use proptest::prelude::*;
use serde_json::{Value, json};

const DAY: f64 = 86_400.0;
const BEGIN: f64 = 1_714_500_000.0;
const TRIP: &str = "analysis/confirmed_trip";

/// A person in memory, with the stage's state between runs.
struct Person {
    memory: Memory,
    last: Outcome,
}

impl Person {
    fn new() -> Self {
        Self { memory: Memory::new(), last: Outcome::default() }
    }

    /// A trip that begins on that day, between places that depend on the number, labelled or not.
    fn travels(&mut self, day: f64, place: u32, mode: Option<&str>) {
        let write_ts = BEGIN + day * DAY + 9_000.0;
        let metadata = json!({"key": TRIP, "platform": "server", "write_ts": write_ts}).to_string();
        let memory = std::mem::take(&mut self.memory);
        self.memory = memory.with_entry(Area::Timeseries, &metadata, &trip(day, place, mode).to_string());
    }

    /// Labels the trip of that day: the input arrives then, and the trip shows it.
    fn labels(&mut self, trip_of_day: f64, at_day: f64, mode: Option<&str>) {
        let start_ts = BEGIN + trip_of_day * DAY;
        let input =
            json!({"start_ts": start_ts, "end_ts": start_ts + 600.0, "label": mode.unwrap_or("none")});
        let metadata = json!({"key": "manual/mode_confirm", "write_ts": BEGIN + at_day * DAY}).to_string();
        let memory = std::mem::take(&mut self.memory);
        self.memory = memory.with_entry(Area::Timeseries, &metadata, &input.to_string());
        self.shows(trip_of_day, mode);
    }

    fn shows(&mut self, trip_of_day: f64, mode: Option<&str>) {
        let is_it = |data: &Value| data["start_ts"] == json!(BEGIN + trip_of_day * DAY);
        let trips = self.memory.of_key(TRIP);
        let trip = trips.into_iter().find(|trip| is_it(&trip.data())).expect("a trip of that day").clone();
        let mut data = trip.data();
        data["user_input"] = labels(mode);
        let data = data.to_string();
        let mut rows = Rows::new();
        rows.push(Row { id: trip.id, key: TRIP, metadata: &trip.metadata, data: &data, extra: "" });
        self.memory.replace(&rows).expect("the trip is there");
        self.memory.commit();
    }

    /// The stage runs at the end of that day.
    fn runs(&mut self, day: f64) {
        let now = BEGIN + (day + 1.0) * DAY;
        let last = std::mem::take(&mut self.last);
        self.last = self.memory.run_stage(cells_trip_model::run, now, last).expect("the stage works");
    }

    fn model(&self) -> Option<TripModel> {
        self.memory.committed_document(MODEL_DOCUMENT).map(|model| TripModel::parse(model).expect("sound"))
    }

    /// What trips from that place are called, with shares, and how many there are.
    fn called(&self, place: u32) -> Option<(u32, Vec<(String, f64)>)> {
        let model = self.model()?;
        let bin = model.bin_of(&Ends::of(from(place), Point::at(8.5, 47.5)))?;
        let called = |share| {
            let labels = model.labels(share);
            labels["mode_confirm"].clone()
        };
        Some((bin.trips, bin.shares.iter().map(|share| (called(share), share.p)).collect()))
    }

    /// The documents of a first run over everything.
    fn documents_made_at_once(&self, day: f64) -> [Option<Vec<u8>>; 2] {
        let entries = self.memory.entries(Area::Timeseries);
        let text = |entry: &&cells_sdk::testing::Stored| {
            format!(
                r#"{{"_id":{{"$oid":"{}"}},"metadata":{},"data":{}}}"#,
                entry.id, entry.metadata, entry.data
            )
        };
        let dump = format!("[{}]", entries.iter().map(text).collect::<Vec<_>>().join(","));
        let memory = Memory::new().with_entries(Area::Timeseries, &dump);
        let mut fresh = Self { memory, last: Outcome::default() };
        fresh.runs(day);
        fresh.documents()
    }

    fn documents(&self) -> [Option<Vec<u8>>; 2] {
        [MODEL_DOCUMENT, TRAINING_DOCUMENT]
            .map(|name| self.memory.committed_document(name).map(<[u8]>::to_vec))
    }
}

fn labels(mode: Option<&str>) -> Value {
    mode.map_or(json!({}), |mode| json!({"mode_confirm": mode}))
}

fn from(place: u32) -> Point {
    Point::at(8.0, 47.0 + 0.02 * f64::from(place))
}

fn trip(day: f64, place: u32, mode: Option<&str>) -> Value {
    let start_ts = BEGIN + day * DAY;
    json!({
        "start_ts": start_ts, "end_ts": start_ts + 600.0, "start_loc": from(place),
        "end_loc": Point::at(8.5, 47.5), "user_input": labels(mode),
    })
}

fn commuter(days: u32) -> Person {
    let mut person = Person::new();
    for day in 0..days {
        person.travels(day.into(), 0, Some(if day % 4 == 0 { "walk" } else { "bike" }));
    }
    person
}

fn share(mode: &str, p: f64) -> (String, f64) {
    (mode.to_owned(), p)
}

#[test]
fn fourteen_labelled_trips_make_a_first_model() {
    let first = u32::try_from(LABELLED_MIN).unwrap();
    let mut person = commuter(first - 1);
    person.travels(13.0, 0, None);
    person.runs(14.0);
    assert_eq!(person.model(), None);
    person.labels(13.0, 15.0, Some("bike"));
    person.runs(15.0);
    assert_eq!(person.called(0), Some((14, vec![share("bike", 10.0 / 14.0), share("walk", 4.0 / 14.0)])));
}

// Row: "Keeps up to three models"
#[test]
fn a_label_given_or_changed_months_later_is_noticed() {
    let mut person = commuter(20);
    person.travels(20.0, 1, None);
    person.runs(21.0);
    assert_eq!(person.called(1), None);
    person.labels(20.0, 90.0, Some("bus"));
    person.runs(90.0);
    assert_eq!(person.called(1), Some((1, vec![share("bus", 1.0)])));
    person.labels(20.0, 95.0, Some("tram"));
    person.runs(95.0);
    assert_eq!(person.called(1), Some((1, vec![share("tram", 1.0)])));
}

#[test]
fn a_late_input_is_noticed_by_the_changed_count() {
    let mut person = commuter(20);
    person.travels(20.0, 1, None);
    person.runs(30.0);
    person.labels(20.0, 21.0, Some("bus"));
    person.runs(31.0);
    assert_eq!(person.called(1), Some((1, vec![share("bus", 1.0)])));
}

#[test]
fn recomputed_trips_are_noticed_by_the_newest_one() {
    let mut person = commuter(20);
    person.runs(20.0);
    let gone: Vec<_> = person.memory.of_key(TRIP)[15..].iter().map(|trip| trip.id).collect();
    person.memory.delete(&gone).unwrap();
    person.memory.commit();
    for day in 15..20 {
        person.travels(f64::from(day), 3, Some("bus"));
    }
    person.runs(21.0);
    assert_eq!(person.called(3), Some((5, vec![share("bus", 1.0)])));
    assert_eq!(person.called(0).map(|(trips, _)| trips), Some(15));
}

// Row: "Each training adds all trips again"
#[test]
fn running_again_does_not_raise_confidence_and_writes_nothing() {
    let mut person = commuter(20);
    person.runs(20.0);
    let before = person.documents();
    let state = person.last.state.clone();
    person.memory = person.memory.with_document(MODEL_DOCUMENT, "not written again");
    person.runs(21.0);
    assert_eq!(person.memory.committed_document(MODEL_DOCUMENT), Some(&b"not written again"[..]));
    assert_ne!(person.last.state, state, "it has seen another day");
    person.last = Outcome::default();
    person.memory = person.memory.with_document(TRAINING_DOCUMENT, "{}");
    person.runs(22.0);
    assert_eq!(person.documents(), before);
}

// Row: "The stage's mark is the end of the last labelled trip"
#[test]
fn the_mark_is_the_end_of_the_newest_trip() {
    let mut person = commuter(3);
    person.runs(3.0);
    assert_eq!(person.last.processed_through, Some(BEGIN + 2.0 * DAY + 600.0));
    person.travels(4.0, 0, None);
    person.runs(4.0);
    assert_eq!(person.last.processed_through, Some(BEGIN + 4.0 * DAY + 600.0));
}

// Row: "Who takes back all labels"
#[test]
fn removing_every_label_empties_the_model() {
    let mut person = commuter(14);
    person.runs(14.0);
    assert_eq!(person.model().unwrap().bins.len(), 1);
    for day in 0..14 {
        person.labels(day.into(), 15.0, None);
    }
    person.runs(15.0);
    assert_eq!(person.model().unwrap().bins, []);
    assert!(
        Training::parse(person.memory.committed_document(TRAINING_DOCUMENT).unwrap()).unwrap().is_empty()
    );
}

#[test]
fn once_there_is_a_model_fewer_than_fourteen_trips_suffice() {
    let mut person = commuter(14);
    person.runs(14.0);
    for day in 0..10 {
        person.labels(day.into(), 15.0, None);
    }
    person.runs(15.0);
    assert_eq!(person.called(0).map(|(trips, _)| trips), Some(4));
}

#[test]
fn somebody_who_labels_nothing_has_no_documents() {
    let mut person = Person::new();
    for day in 0..20 {
        person.travels(day.into(), 0, None);
        person.runs(day.into());
    }
    assert_eq!(person.documents(), [None, None]);
}

// Row: "Any number of trips"
#[test]
fn the_oldest_of_many_trips_are_left_out_so_that_documents_stay_within_their_size() {
    let mut person = Person::new();
    let mode = "a label of a person who tells a lot about a trip, and something else each time";
    let mut dump = Vec::new();
    for n in 0..2_500_u32 {
        let metadata = json!({"key": TRIP, "write_ts": BEGIN + f64::from(n) * DAY + 9_000.0});
        let data = trip(f64::from(n), n, Some(&format!("{mode} {n}")));
        dump.push(json!({"_id": {"$oid": format!("{:024x}", n + 1)}, "metadata": metadata, "data": data}));
    }
    person.memory = Memory::new().with_entries(Area::Timeseries, &Value::from(dump).to_string());
    person.runs(2_500.0);
    let [model, training] = person.documents().map(|document| document.expect("written").len());
    assert!(model.max(training) <= 256 << 10, "{model} and {training} bytes");
    let kept = person.model().unwrap().trips;
    assert!((500..TRIPS_MAX as u32).contains(&kept), "{kept}");
    assert_eq!((person.called(2_499).is_some(), person.called(0)), (true, None));
    assert!(matches!(&person.memory.log_lines()[0], (Level::Info, text) if text.contains("are left out")));

    // A new label pushes the oldest out; removing one lets an older one in.
    person.travels(2_500.0, 2_500, Some("bike"));
    person.runs(2_501.0);
    assert!(person.called(2_500).is_some());
    person.labels(2_500.0, 2_502.0, None);
    person.runs(2_502.0);
    assert_eq!(person.called(2_500), None);
    assert!(person.called(2_499).is_some());
}

// Row: "In all of these, an entry that cannot be read"
#[test]
fn a_trip_that_cannot_be_read_is_skipped() {
    let mut person = commuter(14);
    let metadata = json!({"key": TRIP, "platform": "server", "write_ts": BEGIN + 14.0 * DAY}).to_string();
    let bad = json!({"start_ts": BEGIN + 14.0 * DAY, "end_ts": BEGIN + 14.0 * DAY + 600.0, "user_input": labels(Some("bike"))});
    person.memory =
        std::mem::take(&mut person.memory).with_entry(Area::Timeseries, &metadata, &bad.to_string());
    person.runs(15.0);
    assert_eq!(person.called(0).map(|(trips, _)| trips), Some(14));
}

#[derive(Debug, Clone)]
enum Event {
    Travels(u32, Option<&'static str>),
    Labels(u32, Option<&'static str>),
    LabelsLate(u32, Option<&'static str>),
    Runs,
}

fn any_event() -> impl Strategy<Value = Event> {
    let mode = || prop_oneof![Just(None), Just(Some("bike")), Just(Some("walk"))];
    prop_oneof![
        6 => (0_u32..3, mode()).prop_map(|(place, mode)| Event::Travels(place, mode)),
        3 => (0_u32..60, mode()).prop_map(|(trip, mode)| Event::Labels(trip, mode)),
        1 => (0_u32..60, mode()).prop_map(|(trip, mode)| Event::LabelsLate(trip, mode)),
        3 => Just(Event::Runs),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    // Row: "Each training adds all trips again"
    #[test]
    fn many_runs_give_the_model_of_one_run(events in prop::collection::vec(any_event(), 0..60)) {
        let mut person = Person::new();
        let (mut day, mut trips, mut runs) = (0.0, Vec::new(), 0.0);
        for event in events {
            day += 1.0;
            match event {
                Event::Travels(place, mode) => {
                    person.travels(day, place, mode);
                    trips.push(day);
                }
                Event::Labels(trip, mode) if !trips.is_empty() => {
                    person.labels(trips[trip as usize % trips.len()], day, mode);
                }
                Event::LabelsLate(trip, mode) if !trips.is_empty() => {
                    person.labels(trips[trip as usize % trips.len()], runs - 0.5, mode);
                }
                Event::Runs => {
                    person.runs(day);
                    runs = day;
                }
                Event::Labels(..) | Event::LabelsLate(..) => {}
            }
        }
        person.runs(day + 1.0);
        let [model, training] = person.documents();
        let [model_at_once, training_at_once] = person.documents_made_at_once(day + 1.0);
        if let Some(training) = &training
            && Training::parse(training).is_some_and(|training| !training.is_empty())
        {
            prop_assert_eq!(Some(training), training_at_once.as_ref());
        }
        // Once there is a model, fewer trips than make a first one keep it.
        if model_at_once.is_some() {
            prop_assert_eq!(model, model_at_once);
        }
    }
}
