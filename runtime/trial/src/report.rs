//! What a trial tells: words for people, or JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use runtime_user::AuditLine;
use serde::Serialize;
use serde_json::Value;

use crate::scenario::Scenario;
use crate::subject::Subject;
use crate::trial::Options;

/// How many different words of a cell are told.
const SAID_MAX: usize = 20;
/// How many numbers of contributions are told in words.
const NUMBERS_TOLD_MAX: usize = 20;
/// From which share of a limit on a cell is near it, percent.
const NEAR_PERCENT: u64 = 80;

/// What runs of a cell cost.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    reads: BTreeMap<(String, String), (u64, u64)>,
    written: BTreeMap<String, u64>,
    said: BTreeMap<String, u64>,
    elapsed_us: Vec<u64>,
    memory_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
    contributions: u64,
    clamped: u64,
    /// The least and the most of each number of a contribution.
    numbers: Vec<(f64, f64)>,
}

impl Cost {
    /// Counts one run.
    pub(crate) fn count_line(&mut self, line: &AuditLine) {
        for read in &line.reads {
            let time = match (&read.time, read.denied) {
                (_, true) => "not granted".to_owned(),
                (Some(time), false) => time.clone(),
                (None, false) => String::new(),
            };
            let (times, entries) = self.reads.entry((read.names.join(", "), time)).or_default();
            *times += read.times;
            *entries += read.entries;
        }
        for words in &line.said {
            self.say(words, 1);
        }
        self.elapsed_us.push(line.elapsed_us);
        self.memory_bytes = self.memory_bytes.max(line.memory_bytes);
        self.read_bytes = self.read_bytes.max(line.bytes_read);
        self.written_bytes = self.written_bytes.max(line.bytes_written);
    }

    /// Counts an entry that it wrote, in canonical form.
    pub(crate) fn count_written(&mut self, entry: &Value) {
        let key = entry["metadata"].as_str().or_else(|| entry["metadata"]["key"].as_str());
        *self.written.entry(key.unwrap_or_default().to_owned()).or_default() += 1;
    }

    /// Counts a contribution; `is_clamped`: whether a host would bring it into the bounds of the study.
    pub(crate) fn count_numbers(&mut self, numbers: &[f64], is_clamped: bool) {
        self.contributions += 1;
        self.clamped += u64::from(is_clamped);
        self.widen(numbers.iter().map(|number| (*number, *number)));
    }

    fn widen(&mut self, numbers: impl Iterator<Item = (f64, f64)>) {
        for (at, (least, most)) in numbers.enumerate() {
            match self.numbers.get_mut(at) {
                Some(known) => *known = (known.0.min(least), known.1.max(most)),
                None => self.numbers.push((least, most)),
            }
        }
    }

    fn say(&mut self, words: &str, times: u64) {
        if self.said.len() < SAID_MAX || self.said.contains_key(words) {
            *self.said.entry(words.to_owned()).or_default() += times;
        }
    }

    /// Adds what other runs cost.
    pub(crate) fn add(&mut self, other: &Self) {
        for (read, (times, entries)) in &other.reads {
            let known = self.reads.entry(read.clone()).or_default();
            *known = (known.0 + times, known.1 + entries);
        }
        for (stream, entries) in &other.written {
            *self.written.entry(stream.clone()).or_default() += entries;
        }
        other.said.iter().for_each(|(words, times)| self.say(words, *times));
        self.elapsed_us.extend(&other.elapsed_us);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.read_bytes = self.read_bytes.max(other.read_bytes);
        self.written_bytes = self.written_bytes.max(other.written_bytes);
        self.contributions += other.contributions;
        self.clamped += other.clamped;
        self.widen(other.numbers.iter().copied());
    }
}

/// How a trial ended.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The cell's name.
    pub cell: String,
    /// Its version.
    pub version: u32,
    /// `stage`, `endpoint` or `contribution`.
    pub world: &'static str,
    /// SHA-256 of the package.
    pub digest: String,
    /// How many people were invented.
    pub people: u64,
    /// The seed of the first; those of the others follow it.
    pub seed: u64,
    /// How many days each had.
    pub days: u32,
    /// Each scenario that was played.
    pub scenarios: Vec<ScenarioTold>,
    /// What the plain runs read.
    pub reads: Vec<ReadTold>,
    /// What the plain runs left in each stream, entries.
    pub written: BTreeMap<String, u64>,
    /// How many contributions plain runs gave.
    pub contributions: u64,
    /// How many of them a host would bring into the bounds of the study.
    pub clamped: u64,
    /// What the numbers of these contributions were.
    pub numbers: Vec<NumberTold>,
    /// How many runs there were, in all scenarios.
    pub runs: usize,
    /// Their duration, µs: half of them took no longer.
    pub median_us: u64,
    /// The longest run, µs.
    pub longest_us: u64,
    /// The most that one run used of each limit.
    pub limits: Vec<LimitTold>,
    /// What the cell said in plain runs, and how often.
    pub said: BTreeMap<String, u64>,
    /// Results that were written down.
    pub goldens: GoldensTold,
    /// What failed.
    pub failures: Vec<FailureTold>,
    /// Whether nothing failed.
    pub passed: bool,
    /// How long it took, ms.
    pub took_ms: u64,
    /// What plain runs cost.
    #[serde(skip)]
    pub(crate) plain: Cost,
    /// What all runs cost.
    #[serde(skip)]
    pub(crate) all: Cost,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub struct ScenarioTold {
    /// Which one.
    pub scenario: Scenario,
    /// For how many people it was played.
    pub people: u64,
    /// For how many it failed.
    pub failed: u64,
    /// For how many the cell could read other entries than in the reference, so that its results were not compared.
    pub not_compared: u64,
}

impl ScenarioTold {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self { scenario, people: 0, failed: 0, not_compared: 0 }
    }
}

/// Reads of the same streams by the same time.
#[derive(Debug, Serialize)]
pub struct ReadTold {
    /// The streams, with commas.
    pub streams: String,
    /// The time, such as `end_ts`; `not granted` where nothing was read.
    pub by: String,
    /// How many reads.
    pub times: u64,
    /// How many entries they returned.
    pub entries: u64,
}

/// A number of a contribution.
#[derive(Debug, Serialize)]
pub struct NumberTold {
    /// Its name in the study, or which one it is.
    pub name: String,
    /// The least that anybody gave in an epoch.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// The bounds of the study.
    pub bounds: Option<(i64, i64)>,
}

/// A limit of the manifest.
#[derive(Debug, Serialize)]
pub struct LimitTold {
    /// Its name in the manifest.
    pub limit: &'static str,
    /// The most that one run used, in the unit of the limit.
    pub used: u64,
    /// The limit.
    pub of: u64,
}

/// Results that were written down.
#[derive(Debug, Default, Serialize)]
pub struct GoldensTold {
    /// With how many people's results they were compared.
    pub people: u64,
    /// How many were written.
    pub written: u64,
    /// Those that differ.
    pub differ: Vec<GoldenDiffers>,
}

/// A result that is not what was written down.
#[derive(Debug, Serialize)]
pub struct GoldenDiffers {
    /// The file, without its ending.
    pub name: String,
    /// The lines that differ.
    pub difference: Vec<String>,
}

/// A failure.
#[derive(Debug, Serialize)]
pub struct FailureTold {
    /// In which scenario.
    pub scenario: Scenario,
    /// What failed.
    pub what: String,
    /// The seeds of the people with whom it failed.
    pub people: Vec<u64>,
    /// How many days the first of them has after the failure was made small; 0: it was not.
    pub days: usize,
    /// How many entries.
    pub entries: usize,
    /// The lines that differ.
    pub difference: Vec<String>,
    /// Where the small person is written down.
    pub file: Option<PathBuf>,
    /// The command that plays it again.
    pub command: Option<String>,
}

impl Report {
    /// A report with nothing played yet.
    pub(crate) fn of(subject: &Subject, options: &Options) -> Self {
        Self {
            cell: subject.toml.name.clone(),
            version: subject.toml.version,
            world: subject.toml.world.name(),
            digest: subject.digest.clone(),
            people: options.users,
            seed: options.seed,
            days: options.days,
            scenarios: Vec::new(),
            reads: Vec::new(),
            written: BTreeMap::new(),
            contributions: 0,
            clamped: 0,
            numbers: Vec::new(),
            runs: 0,
            median_us: 0,
            longest_us: 0,
            limits: Vec::new(),
            said: BTreeMap::new(),
            goldens: GoldensTold::default(),
            failures: Vec::new(),
            passed: false,
            took_ms: 0,
            plain: Cost::default(),
            all: Cost::default(),
        }
    }

    /// Sums up what was played.
    pub(crate) fn finish(&mut self, subject: &Subject, took: Duration) {
        let told = |((streams, by), (times, entries)): (&(String, String), &(u64, u64))| ReadTold {
            streams: streams.clone(),
            by: by.clone(),
            times: *times,
            entries: *entries,
        };
        self.reads = self.plain.reads.iter().map(told).collect();
        self.written.clone_from(&self.plain.written);
        self.said.clone_from(&self.plain.said);
        (self.contributions, self.clamped) = (self.plain.contributions, self.plain.clamped);
        let study = subject.bounds.study.as_ref();
        let number = |(at, (least, most)): (usize, &(f64, f64))| {
            let bound = study.and_then(|study| study.numbers().get(at));
            let (name, bounds) = (subject.bounds.name(at), bound.map(|bound| (bound.lo, bound.hi)));
            NumberTold { name, least: *least, most: *most, bounds }
        };
        self.numbers = self.plain.numbers.iter().enumerate().map(number).collect();
        self.all.elapsed_us.sort_unstable();
        let elapsed = &self.all.elapsed_us;
        self.runs = elapsed.len();
        self.median_us = elapsed.get(elapsed.len() / 2).copied().unwrap_or(0);
        self.longest_us = elapsed.last().copied().unwrap_or(0);
        let limits = &subject.manifest.limits;
        let limit = |limit, used, of| LimitTold { limit, used, of };
        self.limits = vec![
            limit("wall-ms", self.longest_us.div_ceil(1_000), u64::from(limits.wall_ms)),
            limit("memory-bytes", self.all.memory_bytes, limits.memory_bytes),
            limit("read-bytes", self.all.read_bytes, limits.read_bytes),
            limit("written-bytes", self.all.written_bytes, limits.written_bytes),
        ];
        self.passed = self.failures.is_empty() && self.goldens.differ.is_empty();
        self.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    }

    /// All of it, in words.
    pub fn tell(&self) -> String {
        let mut text = format!(
            "{} version {} ({}), digest {}\n{}\n",
            self.cell,
            self.version,
            self.world,
            self.digest.get(..12).unwrap_or(&self.digest),
            self.who()
        );
        // Writing to a text does not fail.
        let _ = self.tell_scenarios(&mut text).and_then(|()| self.tell_cost(&mut text));
        let _ = self.tell_goldens(&mut text).and_then(|()| self.tell_failures(&mut text));
        text.push_str(&self.verdict());
        text
    }

    /// In one line.
    pub fn verdict(&self) -> String {
        let seconds = self.took_ms as f64 / 1e3;
        if self.passed {
            return format!("passed: {} in {seconds:.1} s", self.who());
        }
        let names: Vec<_> = self.failures.iter().map(|failure| failure.scenario.name()).collect();
        let mut failed = names.join(", ");
        if !self.goldens.differ.is_empty() {
            failed.push_str(if failed.is_empty() { "goldens" } else { ", goldens" });
        }
        format!("FAILED: {failed}; {} in {seconds:.1} s", self.who())
    }

    fn who(&self) -> String {
        let last = self.seed.saturating_add(self.people.saturating_sub(1));
        let days =
            if self.days == 0 { "as written down".to_owned() } else { format!("{} days each", self.days) };
        match self.people {
            1 => format!("1 invented person, seed {}, {days}", self.seed),
            people => format!("{people} invented people, seeds {} to {last}, {days}", self.seed),
        }
    }

    fn tell_scenarios(&self, text: &mut String) -> std::fmt::Result {
        for ScenarioTold { scenario, people, failed, not_compared } in &self.scenarios {
            let result = if *failed == 0 { "ok".to_owned() } else { format!("FAILED for {failed}") };
            write!(text, "  {:9} {people:4} people  {result}", scenario.name())?;
            if *not_compared > 0 {
                write!(text, " ({not_compared} not compared: the cell could read other entries)")?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn tell_cost(&self, text: &mut String) -> std::fmt::Result {
        // Where a failure was played again, only its verdict is told.
        if self.runs == 0 {
            return Ok(());
        }
        for ReadTold { streams, by, times, entries } in &self.reads {
            writeln!(text, "read {streams} by {by}: {entries} entries in {times} reads")?;
        }
        for (stream, entries) in &self.written {
            writeln!(text, "wrote {stream}: {entries} entries")?;
        }
        self.tell_numbers(text)?;
        let ms = |us: u64| us as f64 / 1e3;
        writeln!(
            text,
            "{} runs: median {:.2} ms, longest {:.2} ms",
            self.runs,
            ms(self.median_us),
            ms(self.longest_us)
        )?;
        for LimitTold { limit, used, of } in &self.limits {
            let percent =
                used.saturating_mul(100).checked_div(*of).unwrap_or(if *used == 0 { 0 } else { 100 });
            let near = if percent >= NEAR_PERCENT { ": NEAR THE LIMIT" } else { "" };
            writeln!(text, "  {limit:13} {used:>11} of {of:>11} ({percent} %){near}")?;
        }
        for (words, times) in &self.said {
            writeln!(text, "said {times} times: {words}")?;
        }
        Ok(())
    }

    fn tell_numbers(&self, text: &mut String) -> std::fmt::Result {
        if self.contributions == 0 {
            return Ok(());
        }
        let Self { contributions, clamped, numbers, .. } = self;
        writeln!(text, "gave {} numbers in each of {contributions} contributions", numbers.len())?;
        for NumberTold { name, least, most, bounds } in numbers.iter().take(NUMBERS_TOLD_MAX) {
            write!(text, "  {name:20} {least:.3} to {most:.3}")?;
            match bounds {
                Some((lo, hi)) => writeln!(text, " within {lo} to {hi}")?,
                None => writeln!(text, ", no bounds known: `--study` names them")?,
            }
        }
        match numbers.len().saturating_sub(NUMBERS_TOLD_MAX) {
            0 => {}
            more => writeln!(text, "  and {more} more, which --json has")?,
        }
        match clamped {
            0 => Ok(()),
            _ => writeln!(
                text,
                "a host would clamp {clamped} of these contributions: totals are too small then"
            ),
        }
    }

    fn tell_goldens(&self, text: &mut String) -> std::fmt::Result {
        let GoldensTold { people, written, differ } = &self.goldens;
        match (people, written, differ.is_empty()) {
            (_, 1.., _) => writeln!(text, "goldens: {written} written")?,
            (0, 0, true) if self.runs == 0 => {}
            (0, 0, true) => writeln!(text, "goldens: none; --update writes them to tests/goldens")?,
            (people, 0, true) => writeln!(text, "goldens: the same for {people} people")?,
            (_, 0, false) => {}
        }
        for GoldenDiffers { name, difference } in differ {
            writeln!(text, "goldens: {name} is another; if that is right, --update writes it")?;
            difference.iter().try_for_each(|line| writeln!(text, "    {line}"))?;
        }
        Ok(())
    }

    fn tell_failures(&self, text: &mut String) -> std::fmt::Result {
        for failure in &self.failures {
            let people = failure.people.iter().take(8).map(u64::to_string).collect::<Vec<_>>().join(", ");
            let more = if failure.people.len() > 8 { ", …" } else { "" };
            writeln!(text, "{} FAILED with seed {people}{more}: {}", failure.scenario.name(), failure.what)?;
            if failure.days > 0 {
                let FailureTold { days, entries, .. } = failure;
                writeln!(text, "  smallest: days {days}, entries {entries}")?;
            }
            failure.difference.iter().try_for_each(|line| writeln!(text, "    {line}"))?;
            if let Some(command) = &failure.command {
                writeln!(text, "  again: {command}")?;
            }
        }
        Ok(())
    }
}
