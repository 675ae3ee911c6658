//! Invented people: what their phones put on some days, and the form in which such days are written down.

use std::fs;
use std::io::Write;
use std::path::Path;

use runtime_program::{Failure, read_text};
use runtime_simulator::{Person, simulate_day};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The first day of every invented person, counted from 1970-01-01: 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
const DAY_S: f64 = 86_400.0;
/// How long after the last day the last run is, s: the last trip is over by then.
const AFTER_S: f64 = 43_200.0;

/// The system of an invented phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phone {
    /// Fixes by time.
    Android,
    /// Fixes by distance.
    Ios,
}

/// One invented person.
#[derive(Debug, Clone)]
pub struct Case {
    /// The number that the person was invented from.
    pub seed: u64,
    /// The phone that the person carries.
    pub phone: Phone,
    /// Their days, in order.
    pub days: Vec<Day>,
}

/// What a phone puts of one day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Day {
    /// The midnight at which it begins, s.
    pub from: f64,
    /// The midnight at which it ends, s.
    pub to: f64,
    /// JSON texts of entries, as a phone sends them, in the order of their writing.
    pub entries: Vec<Box<RawValue>>,
}

impl Case {
    /// The person of that seed, with so many days. Odd seeds carry an iPhone, even ones an Android phone.
    pub fn invent(seed: u64, days: u32) -> Self {
        let (phone, kind) = match seed % 2 {
            0 => (Phone::Android, runtime_simulator::Phone::Android),
            _ => (Phone::Ios, runtime_simulator::Phone::Ios),
        };
        let person = Person::invent(seed, kind);
        let day = |number: u32| {
            let plan = person.plan(FIRST_DAY.saturating_add(number));
            let from = plan.midnight_ts as f64;
            let texts = simulate_day(&plan, seed).entries.into_iter();
            let entries = texts.map(|text| RawValue::from_string(text).expect("the simulator writes JSON"));
            Day { from, to: from + DAY_S, entries: entries.collect() }
        };
        Self { seed, phone, days: (0..days).map(day).collect() }
    }

    /// The person as an export, whose entries wait for the analysis as they do when a phone has put them.
    pub fn export(&self, name: &str) -> impl Serialize + use<> {
        let entries = self.days.iter().flat_map(|day| &day.entries).zip(0_u64..);
        let usercache: Vec<Value> = entries
            .map(|(entry, number)| {
                let mut entry: Value = serde_json::from_str(entry.get()).expect("the simulator writes JSON");
                // The moment and a number, as ids are everywhere in the store.
                let moment = write_ts(&entry.to_string()).unwrap_or_default() as u32;
                entry["_id"] = json!({ "$oid": format!("{moment:08x}{number:016x}") });
                entry
            })
            .collect();
        let created_ts = self.days.first().map_or(0.0, |day| day.from);
        let id = format!("{:032x}", 0x6365_6c6c_6172_4000_8000_0000_0000_0000_u128 + u128::from(self.seed));
        json!({
            "format": "cellar-export-1",
            "user": { "id": id, "name": name, "created_ts": created_ts },
            "usercache": usercache,
        })
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.days.iter().map(|day| day.entries.len()).sum()
    }

    /// The moment of the last run of the analysis, s.
    pub fn end(&self) -> f64 {
        self.days.last().map_or(0.0, |day| day.to) + AFTER_S
    }
}

impl Day {
    /// The entries as texts.
    pub fn texts(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.get().to_owned()).collect()
    }
}

/// When a phone wrote an entry, s; `None` where it does not say.
pub(crate) fn write_ts(entry: &str) -> Option<f64> {
    #[derive(Deserialize)]
    struct Entry {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        write_ts: f64,
    }
    serde_json::from_str::<Entry>(entry).ok().map(|entry| entry.metadata.write_ts)
}

/// A failure as a file: the person with whom a scenario fails, and the command that shows it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailureFile {
    /// The scenario that fails.
    pub scenario: crate::scenario::Scenario,
    /// What fails, in words.
    pub what: String,
    /// The command that plays it again.
    pub command: String,
    /// The number that the person was invented from.
    pub seed: u64,
    /// The phone that the person carries.
    pub phone: Phone,
    /// What is left of their days.
    pub days: Vec<Day>,
}

impl FailureFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Failure`] where it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bad = |error: &dyn std::fmt::Display| {
            let what = format!("cannot read {}: {error}", path.display());
            Failure::new(what, "name a file that `cellar cell test` wrote to tests/failures")
        };
        let text = read_text(path).map_err(|error| bad(&error))?;
        let file: Self = serde_json::from_str(&text).map_err(|error| bad(&error))?;
        if file.days.is_empty() || file.days.iter().any(|day| day.from >= day.to) {
            return Err(bad(&"it has no days, or one that ends before it begins"));
        }
        Ok(file)
    }

    /// Writes a file, and its folder where that is missing.
    ///
    /// # Errors
    /// [`Failure`] where that is not possible.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        write_json(path, self)
    }

    /// The person.
    pub fn case(&self) -> Case {
        Case { seed: self.seed, phone: self.phone, days: self.days.clone() }
    }
}

/// Writes a value as JSON into a file that is not there yet.
pub(crate) fn write_new_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::of(&error, "report this"))?;
    let file = fs::File::create_new(path).map_err(|error| Failure::of_file(path, &error))?;
    let mut file = std::io::BufWriter::new(file);
    let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
    written.map_err(|error| Failure::of_file(path, &error))
}

/// Writes a value as JSON with line breaks, and the file's folder where that is missing.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::of(&error, "report this"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, format!("{text}\n"))).map_err(|error| Failure::of_file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_the_same_for_the_same_seed_and_each_day_lies_between_its_midnights() {
        let (one, same, other) = (Case::invent(7, 2), Case::invent(7, 2), Case::invent(8, 2));
        let texts = |case: &Case| -> Vec<Vec<String>> { case.days.iter().map(Day::texts).collect() };
        assert_eq!(texts(&one), texts(&same));
        assert_ne!(texts(&one), texts(&other));
        assert_eq!((one.phone, other.phone), (Phone::Ios, Phone::Android));
        for day in one.days.iter().chain(&other.days) {
            let mut written = day.entries.iter().filter_map(|entry| write_ts(entry.get()));
            assert!(written.all(|at| day.from <= at && at < day.to + DAY_S), "{}", day.from);
        }
    }

    #[test]
    fn a_failure_that_is_written_is_read_as_it_was_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("failures/late.json");
        let Case { seed, phone, days } = Case::invent(3, 1);
        let scenario = crate::scenario::Scenario::Late;
        let file = FailureFile { scenario, what: "it".into(), command: "c".into(), seed, phone, days };
        file.write(&path).expect("written");
        let read = FailureFile::read(&path).expect("read");
        assert_eq!((read.scenario, read.seed), (scenario, seed));
        assert_eq!(read.days[0].texts().len(), file.days[0].texts().len());
        fs::write(&path, "{}").expect("written");
        assert!(FailureFile::read(&path).expect_err("refused").what.contains("late.json"));
    }
}
