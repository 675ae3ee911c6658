//! Results for fixed people, written down: `tests/goldens/<seed>.json` in a cell's folder.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::difference;
use crate::people::{Case, Phone, write_json};
use crate::report::{GoldenDiffers, Report};
use crate::scenario::Scenario;
use crate::stand::{Stand, TrialError};
use crate::subject::{json_files, stem};
use crate::trial::Options;

/// For how many people goldens are written where there are none yet.
const PEOPLE: u64 = 3;

/// The result for one person.
#[derive(Debug, Serialize, Deserialize)]
struct Golden {
    /// The number that the person is invented from.
    seed: u64,
    /// The phone that the person carries.
    phone: Phone,
    /// How many days they have.
    days: u32,
    /// The entries of the cell's streams, or its answers.
    outputs: Vec<Value>,
}

/// Compares the results with what is written down, or writes them down.
pub(crate) fn compare(stand: &Stand, options: &Options, report: &mut Report) -> Result<(), TrialError> {
    let Some(folder) = stand.subject().goldens() else { return Ok(()) };
    let files = json_files(Some(&folder));
    for path in &files {
        let text = runtime_program::read_text(path)?;
        let Ok(golden) = serde_json::from_str::<Golden>(&text) else {
            let difference = vec!["it does not read; write it again with --update".to_owned()];
            report.goldens.differ.push(GoldenDiffers { name: stem(path), difference });
            continue;
        };
        let made = outcome(stand, golden.seed, golden.days)?;
        let difference = difference::between(&golden.outputs, &made.outputs);
        report.goldens.people += 1;
        if difference.is_empty() {
            continue;
        }
        if options.update {
            write_json(path, &made).map_err(|failure| std::io::Error::other(failure.what))?;
            report.goldens.written += 1;
        } else {
            report.goldens.differ.push(GoldenDiffers { name: stem(path), difference });
        }
    }
    if options.update && files.is_empty() {
        for number in 0..PEOPLE.min(options.users) {
            let made = outcome(stand, options.seed.saturating_add(number), options.days)?;
            let path = folder.join(format!("{}.json", made.seed));
            write_json(&path, &made).map_err(|failure| std::io::Error::other(failure.what))?;
            report.goldens.written += 1;
        }
    }
    Ok(())
}

fn outcome(stand: &Stand, seed: u64, days: u32) -> Result<Golden, TrialError> {
    let case = Case::invent(seed, days);
    let outputs = stand.play(&case, Scenario::Plain)?.outputs;
    Ok(Golden { seed, phone: case.phone, days, outputs })
}
