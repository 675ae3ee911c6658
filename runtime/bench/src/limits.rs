//! How far from its limits does each stage's cell stay?
//!
//! * Work: the largest of the recorded days (the folder that `CELLAR_SHARED` names, or `../shared`), or a simulated
//!   month where there is none; imported at once, and all stages run.
//! * Reports: the most of each resource that one run of a cell used, as a share of the cell's own limit.
//! * Estimate: a day is a few megabytes, and limits are meant for a back-log of months, so expect a tenth at the most.
//! * Run: cellar bench limits

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_user::{Runtime, Settings};

use super::pipeline::largest_day;
use super::rounds::Comparison;
use super::{BenchError, Figures};
use runtime_cells::BUILT_IN;
use runtime_program::console;

/// A moment after every recorded and simulated day, s.
const NOW: f64 = 1_900_000_000.0;
/// If a cell comes nearer to a limit than this, some person's data would soon exceed it.
const SHARE_MAX: f64 = 0.5;
/// Days of the simulated month.
const DAYS: u32 = 30;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let (name, dump) = match largest_day()? {
        Some((name, dump)) => (name, dump),
        None => ("a simulated month".to_owned(), month()),
    };
    console::line(format!("  {name}, {:.1} MB", dump.len() as f64 / 1e6))?;
    let (user, _) = runtime.people().add("bench", NOW)?;
    let failed = |error: &dyn std::fmt::Display| BenchError::Network(error.to_string());
    runtime.diaries().import(user, &dump, NOW).map_err(|error| failed(&error))?;
    let report = runtime.pipelines().run(user, NOW)?;
    if let Some(stage) = report.failed() {
        return Err(BenchError::Network(format!("{}: {:?}", stage.stage, stage.failure)));
    }
    let mut figures = Vec::new();
    for stage in report.stages.iter().filter(|stage| !stage.off && stage.runs > 0) {
        let Some(cell) = runtime.catalogue().stage_named(&stage.cell) else { continue };
        let limits = cell.manifest.limits;
        for (what, used, limit, per, unit) in [
            ("time", stage.cell_us_max, u64::from(limits.wall_ms) * 1_000, 1e3, "ms"),
            ("memory", stage.memory_bytes_max, limits.memory_bytes, 1e6, "MB"),
            ("read", stage.read_bytes_max, limits.read_bytes, 1e6, "MB"),
            ("written", stage.written_bytes_max, limits.written_bytes, 1e6, "MB"),
        ] {
            figures.push(share(
                &format!("{} {what}", stage.cell),
                used as f64 / per,
                limit as f64 / per,
                unit,
            ));
        }
    }
    runtime.shutdown();
    Ok(figures)
}

fn share(what: &str, used: f64, limit: f64, unit: &'static str) -> Comparison {
    let ratio = used / limit;
    Comparison {
        what: what.to_owned(),
        against: "its limit".to_owned(),
        ours: used,
        other: limit,
        other_recorded: false,
        unit,
        ratio,
        ratio_p25: ratio,
        ratio_p75: ratio,
        target: format!("≤ {SHARE_MAX}×"),
        met: ratio <= SHARE_MAX,
    }
}

fn month() -> Vec<u8> {
    let person = Person::invent(7, Phone::Android);
    let days = (0..DAYS).flat_map(|day| simulate_day(&person.plan(19_786 + day), u64::from(day)).entries);
    format!("[{}]", days.collect::<Vec<_>>().join(",")).into_bytes()
}
