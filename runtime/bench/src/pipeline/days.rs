//! Recorded days with the reference's computing times.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::BenchError;
use runtime_replay::read_dump;

/// One recorded day.
pub(super) struct Day {
    pub name: String,
    /// As a file of `cellar export` or of the reference.
    pub dump: Vec<u8>,
    /// The reference's CPU time by stage, without its database, s; `TOTAL` is the sum.
    pub reference_s: BTreeMap<String, f64>,
}

/// The days that were loaded in one piece, as they were recorded. Empty where no days are recorded.
pub(super) fn recorded() -> Result<Vec<Day>, BenchError> {
    let shared = env::var_os("CELLAR_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let folder = shared.join("goldens");
    let Ok(baseline) = fs::read_to_string(folder.join("baseline.csv")) else { return Ok(Vec::new()) };
    let mut days = Vec::new();
    for (name, reference_s) in reference(&baseline)? {
        let input = folder.join(&name).join("input.json.gz");
        if input.exists() {
            days.push(Day { name, dump: dump(&input)?, reference_s });
        }
    }
    Ok(days)
}

/// The recorded case that is the largest in one piece.
pub(super) fn largest() -> Result<Option<(String, Vec<u8>)>, BenchError> {
    let shared = env::var_os("CELLAR_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let Ok(cases) = fs::read_dir(shared.join("goldens")) else { return Ok(None) };
    let mut found: Option<(String, Vec<u8>)> = None;
    for case in cases {
        let case = case?;
        let input = case.path().join("input.json.gz");
        if !input.exists() {
            continue;
        }
        let text = dump(&input)?;
        if found.as_ref().is_none_or(|(_, largest)| text.len() > largest.len()) {
            found = Some((case.file_name().to_string_lossy().into_owned(), text));
        }
    }
    Ok(found)
}

fn dump(path: &Path) -> Result<Vec<u8>, BenchError> {
    read_dump(path).map_err(|error| BenchError::Network(error.to_string()))
}

/// `example,…,stage,…,compute_cpu_s`
fn reference(text: &str) -> Result<BTreeMap<String, BTreeMap<String, f64>>, BenchError> {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap_or_default();
    let column = |name: &str| {
        let at = names.iter().position(|column| *column == name);
        at.ok_or_else(|| BenchError::System(io::Error::other(format!("the baseline has no column {name}"))))
    };
    let (example, stage, seconds) = (column("example")?, column("stage")?, column("compute_cpu_s")?);
    let mut days = BTreeMap::<String, BTreeMap<String, f64>>::new();
    for line in lines.filter(|line| line.len() == names.len()) {
        let value = line[seconds].parse().unwrap_or(f64::NAN);
        days.entry(line[example].to_owned()).or_default().insert(line[stage].to_owned(), value);
    }
    Ok(days)
}
