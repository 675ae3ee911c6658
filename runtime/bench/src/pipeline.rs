//! What does a person's day cost, from the phone's entries to the diary?
//!
//! * Work: recorded days, if they exist (the folder that `CELLAR_SHARED` names, or `../shared`), each for a separate
//!   person; a simulated year in one go; a new simulated day for many people.
//! * Compared with: the reference's own computing times for the same days, without its database (`baseline.csv`); the
//!   same stages compiled natively and called directly; a day after a week with a day after a year.
//! * Counts: CPU time of the stages' thread over whole runs: store, sandbox, the commit, the rewriting of old blocks.
//!   Start, import and export are in no sum; they are printed separately, in wall-clock time.
//! * Estimate: one commit, 1 ms; 13 fresh instances, 0.1 ms each; their computation takes 5 ms natively.

mod days;
mod native;
mod year;

use std::collections::BTreeMap;
use std::time::Duration;

use runtime_types::Area;
use runtime_user::{PipelineReport, Runtime, Settings};

use super::rounds::{Comparison, quantile, time};
use super::{BenchError, Figures};
use days::Day;
use runtime_cells::BUILT_IN;
use runtime_program::console;

/// How often each day is run, each time for a new person.
const ROUNDS: usize = 5;
/// A moment after every recorded and simulated day, s.
const NOW: f64 = 1_900_000_000.0;
/// The permitted share of the reference's computing time.
const SHARE_MAX: f64 = 0.01;

/// The largest recorded day, by its size when it was imported; `None` where no days are recorded.
pub(super) fn largest_day() -> Result<Option<(String, Vec<u8>)>, BenchError> {
    days::largest()
}

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let (start, runtime) = time(|| Runtime::open(Settings::at(folder.path()), BUILT_IN));
    let runtime = runtime?;
    let days = days::recorded()?;
    let mut figures = Vec::new();
    if days.is_empty() {
        console::line("  no recorded days are here: only simulated ones are measured")?;
    } else {
        figures.extend(against_the_reference(&runtime, &days)?);
        let start_ms = start.as_secs_f64() * 1e3;
        figures.push(Comparison::figure("  start of the runtime, apart", start_ms, "ms", "", true));
        figures.extend(native::run(&runtime, &days)?);
    }
    runtime.shutdown();
    figures.extend(year::run()?);
    Ok(figures)
}

/// CPU time by stage, median of the rounds, summed over the days; µs.
fn against_the_reference(runtime: &Runtime, days: &[Day]) -> Figures {
    let mut by_stage = BTreeMap::<String, f64>::new();
    let mut rounds = vec![0.0; ROUNDS];
    for day in days {
        let mut stages = BTreeMap::<String, Vec<f64>>::new();
        for (round, sum) in rounds.iter_mut().enumerate() {
            let DayRun { report, import, export } = run_day(runtime, day, round)?;
            *sum += report.cpu_us() as f64;
            for (what, took) in [("import, apart", import), ("export, apart", export)] {
                stages.entry(what.to_owned()).or_default().push(took.as_secs_f64() * 1e6);
            }
            let keeping = report.keeping.cpu_us as f64;
            stages.entry("on disk, old blocks rewritten".to_owned()).or_default().push(keeping);
            for stage in report.stages {
                stages.entry(stage.stage).or_default().push(stage.cpu_us as f64);
            }
        }
        for (stage, mut cpu_us) in stages {
            *by_stage.entry(stage).or_default() += quantile(&mut cpu_us, 0.5);
        }
    }
    let reference = |stage: &str| -> f64 { days.iter().filter_map(|day| day.reference_s.get(stage)).sum() };
    let total_s = reference("TOTAL");
    let mut ratios: Vec<f64> = rounds.iter().map(|us| us / 1e6 / total_s).collect();
    let ours_ms = quantile(&mut rounds, 0.5) / 1e3;
    let ratio = quantile(&mut ratios, 0.5);
    let mut figures = vec![Comparison {
        what: format!("{} days, all stages", days.len()),
        against: "reference, recorded elsewhere".to_owned(),
        ours: ours_ms,
        other: total_s * 1e3,
        other_recorded: true,
        unit: "ms",
        ratio,
        ratio_p25: quantile(&mut ratios, 0.25),
        ratio_p75: quantile(&mut ratios, 0.75),
        target: "≤ 0.01×".to_owned(),
        met: ratio <= SHARE_MAX,
    }];
    for (stage, us) in by_stage {
        let other = reference(&stage) * 1e3;
        let other = if other == 0.0 { f64::NAN } else { other };
        let what = format!("  {}", stage.to_lowercase());
        let other_recorded = other.is_finite();
        figures.push(Comparison {
            other,
            other_recorded,
            ..Comparison::figure(&what, us / 1e3, "ms", "", true)
        });
    }
    Ok(figures)
}

/// The result of a day's run, and the wall-clock times of importing the day and exporting its diary.
struct DayRun {
    report: PipelineReport,
    import: Duration,
    export: Duration,
}

fn run_day(runtime: &Runtime, day: &Day, round: usize) -> Result<DayRun, BenchError> {
    let (user, _) = runtime.people().add(&format!("{} {round}", day.name), NOW)?;
    let broken = |error: &dyn std::fmt::Display| BenchError::Network(error.to_string());
    let (import, imported) = time(|| runtime.diaries().import(user, &day.dump, NOW));
    imported.map_err(|error| broken(&error))?;
    let report = runtime.pipelines().run(user, NOW)?;
    let person = runtime.person(user)?;
    let (export, exported) = time(|| person.dump(&[Area::Timeseries], &mut std::io::sink()));
    exported.map_err(|error| broken(&error))?;
    drop(person);
    match report.failed() {
        Some(failed) => Err(BenchError::Network(format!("{}: {:?}", failed.stage, failed.failure))),
        None => {
            runtime.open_people().close(user);
            Ok(DayRun { report, import, export })
        }
    }
}
