//! Entries for measurements: those that a simulated person's phone sends, and their form in the timeseries.

use std::ops::ControlFlow;

use cells_model::text::value_of;
use runtime_simulator::{Person, Phone, simulate_days};
use runtime_store::{Batch, NewEntry, Store};
use runtime_types::{Area, Query, StreamKey};
use runtime_user::{CallError, Runtime, Settings};

use super::BenchError;
use runtime_cells::BUILT_IN;

/// The texts of one entry.
pub struct Sample {
    /// Its stream, such as `background/location`.
    pub key: String,
    /// The metadata's text.
    pub metadata: String,
    /// The data's text.
    pub data: String,
}

impl Sample {
    fn read(text: &str) -> Self {
        let part = |name| value_of(text, name).expect("the simulator's entries are whole");
        let (metadata, data) = (part("metadata"), part("data"));
        let key = value_of(metadata, "key").expect("the simulator's entries are whole");
        let key = key.trim_matches('"').to_owned();
        Self { key, metadata: metadata.to_owned(), data: data.to_owned() }
    }

    /// The entry in the form that a store accepts.
    pub fn entry(&self, key: &StreamKey) -> NewEntry<'_> {
        NewEntry { id: None, key: key.clone(), metadata: &self.metadata, data: &self.data, extra: "" }
    }

    /// The size of the entry: bytes of its JSON.
    pub fn bytes(&self) -> usize {
        self.metadata.len() + self.data.len() + r#"{"metadata":,"data":}"#.len()
    }

    /// The entry in the form that a phone sends.
    pub fn text(&self) -> String {
        format!(r#"{{"metadata":{},"data":{}}}"#, self.metadata, self.data)
    }
}

/// The first day that is simulated, counted from 1970: early in 2024.
const FIRST_DAY: u32 = 19_723;

/// More days than any count of entries needs.
const DAYS_MAX: u32 = 20_000;

/// The first `count` filtered locations of a person's simulated days.
///
/// # Panics
/// Where the simulator makes too few entries: a programming error.
pub fn locations(count: usize) -> Vec<Sample> {
    first(count, |sample| sample.key == "background/filtered_location")
}

/// The first `count` entries of a person's simulated days, of any kind.
///
/// # Panics
/// Where the simulator makes too few entries: a programming error.
pub fn everything(count: usize) -> Vec<Sample> {
    first(count, |_| true)
}

/// All entries that a phone sends in `count` days.
pub fn days(count: u32) -> Vec<Sample> {
    samples(count, usize::MAX, |_| true)
}

/// The same, day by day.
pub fn by_day(count: usize) -> Vec<Vec<Sample>> {
    let person = Person::invent(7, Phone::Android);
    let days = u32::try_from(count).expect("not so many days");
    let day =
        |day: runtime_simulator::SimulatedDay| day.entries.iter().map(|text| Sample::read(text)).collect();
    simulate_days(&person, FIRST_DAY, days).map(day).collect()
}

fn first(count: usize, wanted: impl Fn(&Sample) -> bool) -> Vec<Sample> {
    let samples = samples(DAYS_MAX, count, wanted);
    assert_eq!(samples.len(), count, "the simulator made too few entries");
    samples
}

fn samples(days: u32, count_max: usize, wanted: impl Fn(&Sample) -> bool) -> Vec<Sample> {
    let person = Person::invent(7, Phone::Android);
    let entries = simulate_days(&person, FIRST_DAY, days).flat_map(|day| day.entries);
    entries.map(|text| Sample::read(&text)).filter(wanted).take(count_max).collect()
}

/// Only the stage that imports entries from the usercache.
const TAKE_IN: &str = "[[stage]]\nname = \"USERCACHE\"\ncell = \"usercache-to-timeseries\"";

/// Later than any of the simulated days, s.
const LATER: f64 = 4e9;

/// The same entries in the form of the timeseries: formatted, with local times, about twice as long.
pub fn taken_in(samples: &[Sample]) -> Result<Vec<Sample>, BenchError> {
    let folder = tempfile::tempdir()?;
    let settings = Settings { pipeline: Some(TAKE_IN.to_owned()), ..Settings::at(folder.path()) };
    let runtime = Runtime::open(settings, BUILT_IN)?;
    let (user, _) = runtime.people().add("bench", 0.0)?;
    let person = runtime.person(user)?;
    for some in samples.chunks(1_000) {
        let mut batch = Batch::new();
        for sample in some {
            let key = StreamKey::parse(&sample.key).expect("the simulator's keys are plain");
            batch.put_usercache(sample.entry(&key), key.clone());
        }
        person.store.commit(batch).map_err(CallError::Commit)?;
    }
    runtime.pipelines().run(user, LATER)?;
    let mut taken = Vec::with_capacity(samples.len());
    let snapshot = person.store.snapshot();
    let mut cursor = snapshot.find(&Query::everything(Area::Timeseries)).map_err(CallError::Read)?;
    let keep = &mut |row: &runtime_store::Row<'_>| {
        let (metadata, data) = (row.metadata.to_owned(), row.data.to_owned());
        taken.push(Sample { key: row.key.as_str().to_owned(), metadata, data });
        ControlFlow::Continue(())
    };
    cursor.visit(keep).map_err(CallError::Read)?;
    runtime.shutdown();
    Ok(taken)
}

/// Commits samples to a store's timeseries, a thousand at a time.
pub fn fill(store: &Store, samples: &[Sample]) -> Result<(), runtime_store::CommitError> {
    for some in samples.chunks(1_000) {
        let mut batch = Batch::new();
        for (sample, id) in some.iter().zip(store.allocate(some.len())) {
            let key = StreamKey::parse(&sample.key).expect("the simulator's keys are plain");
            batch.insert(Area::Timeseries, NewEntry { id: Some(id), ..sample.entry(&key) });
        }
        store.commit(batch)?;
    }
    Ok(())
}
