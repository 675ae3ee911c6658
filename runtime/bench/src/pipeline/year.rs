//! A simulated year, and many people's days.

use std::sync::Arc;
use std::time::Instant;

use cells_model::text::{number, value_of};
use runtime_store::Batch;
use runtime_types::StreamKey;
use runtime_user::{CallError, PipelineReport, Runtime, Settings, UserId};

use super::NOW;
use crate::memory_of::peak_resident_mb;
use crate::rounds::{Comparison, quantile};
use crate::sample::{self, Sample};
use crate::{BenchError, Figures};
use runtime_cells::BUILT_IN;

const YEAR_DAYS: usize = 365;
const WEEK_DAYS: usize = 7;
const PEOPLE: usize = 1_000;
/// How many days are added one after the other to a week and to a year.
const NEW_DAYS: usize = 5;
/// The permitted cost of a day after a year, relative to one after a week.
const GROWTH_MAX: f64 = 1.2;
/// The memory of a stage and of the host while it processes a year, bytes.
const CELL_BYTES_MAX: u64 = 256 << 20;
const HOST_MB_MAX: f64 = 1_024.0;

pub(super) fn run() -> Figures {
    let days = sample::by_day(YEAR_DAYS + NEW_DAYS);
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let mut figures = in_one_go(&runtime, &days[..YEAR_DAYS])?;
    figures.push(after_a_year(&runtime, &days)?);
    figures.push(many_people(&runtime, &days[0])?);
    runtime.shutdown();
    Ok(figures)
}

fn in_one_go(runtime: &Runtime, days: &[Vec<Sample>]) -> Figures {
    let entries: usize = days.iter().map(Vec::len).sum();
    let user = newcomer(runtime, "a year")?;
    days.iter().try_for_each(|day| put(runtime, user, day))?;
    let started = Instant::now();
    let report = run_pipeline(runtime, user, NOW)?;
    let seconds = started.elapsed().as_secs_f64();
    let memory = report.stages.iter().map(|stage| stage.memory_bytes_max).max().unwrap_or(0);
    let host_mb = peak_resident_mb();
    runtime.open_people().close(user);
    Ok(vec![
        Comparison::figure("a year in one go", entries as f64 / seconds, "1/s", "entries", true),
        Comparison::figure(
            "  most memory of a cell",
            memory as f64 / 1e6,
            "MB",
            "≤ 268 MB",
            memory <= CELL_BYTES_MAX,
        ),
        Comparison::figure("  most memory of the host", host_mb, "MB", "≤ 1024 MB", host_mb <= HOST_MB_MAX),
    ])
}

/// The days that follow a year and a week: the same days, so the same work. Each is run at its end, as a host does, for
/// people whose stores were closed in between, so that the tidying that a back-log leaves is done then.
fn after_a_year(runtime: &Runtime, days: &[Vec<Sample>]) -> Result<Comparison, BenchError> {
    let (year, week) = (newcomer(runtime, "long")?, newcomer(runtime, "short")?);
    let (old, new) = days.split_at(YEAR_DAYS);
    old.iter().try_for_each(|day| put(runtime, year, day))?;
    old[YEAR_DAYS - WEEK_DAYS..].iter().try_for_each(|day| put(runtime, week, day))?;
    for user in [year, week] {
        run_pipeline(runtime, user, end_of(&old[YEAR_DAYS - 1]))?;
        runtime.open_people().close(user);
    }
    let (mut long, mut short, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for day in new {
        let cost = |user| -> Result<f64, BenchError> {
            put(runtime, user, day)?;
            let report = run_pipeline(runtime, user, end_of(day))?;
            runtime.open_people().close(user);
            Ok(report.cpu_us() as f64 / 1e3)
        };
        let (after_year, after_week) = (cost(year)?, cost(week)?);
        long.push(after_year);
        short.push(after_week);
        ratios.push(after_year / after_week);
    }
    let compared = Comparison {
        other: quantile(&mut short, 0.5),
        ratio: quantile(&mut ratios, 0.5),
        ratio_p25: quantile(&mut ratios, 0.25),
        ratio_p75: quantile(&mut ratios, 0.75),
        ..Comparison::figure("", quantile(&mut long, 0.5), "ms", "", true)
    };
    Ok(compared.named("a new day after a year", "after a week").at_most(GROWTH_MAX))
}

/// Runs them as a host does: on the pool for stages.
fn many_people(runtime: &Arc<Runtime>, day: &[Sample]) -> Result<Comparison, BenchError> {
    let mut people = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        let user = newcomer(runtime, &format!("person {number}"))?;
        put(runtime, user, day)?;
        runtime.open_people().close(user);
        people.push(user);
    }
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let started = Instant::now();
    tokio.block_on(async {
        let mut waiting = tokio::task::JoinSet::new();
        for user in people {
            // A host queues as many as its pool accepts; each further one waits until another ends.
            while waiting.len() >= QUEUED_MAX {
                ended(waiting.join_next().await)?;
            }
            let runtime = Arc::clone(runtime);
            waiting.spawn(async move { runtime.queue_pipeline(user, NOW).await });
        }
        while !waiting.is_empty() {
            ended(waiting.join_next().await)?;
        }
        Ok::<(), BenchError>(())
    })?;
    let rate = PEOPLE as f64 / started.elapsed().as_secs_f64();
    Ok(Comparison::figure("1,000 people with a new day each", rate, "1/s", "people", true))
}

const QUEUED_MAX: usize = 16;

type Ended = Option<Result<Result<PipelineReport, CallError>, tokio::task::JoinError>>;

fn ended(ended: Ended) -> Result<(), BenchError> {
    match ended {
        Some(Ok(report)) => all_stages_done(report?).map(drop),
        Some(Err(lost)) => Err(BenchError::Network(lost.to_string())),
        None => Ok(()),
    }
}

fn newcomer(runtime: &Runtime, name: &str) -> Result<UserId, BenchError> {
    Ok(runtime.people().add(name, NOW)?.0)
}

fn put(runtime: &Runtime, user: UserId, day: &[Sample]) -> Result<(), BenchError> {
    let person = runtime.person(user)?;
    let mut batch = Batch::new();
    for entry in day {
        let key = StreamKey::parse(&entry.key).expect("the simulator's keys are plain");
        batch.put_usercache(entry.entry(&key), key.clone());
    }
    person.store.commit(batch).map_err(CallError::Commit)?;
    Ok(())
}

fn run_pipeline(runtime: &Runtime, user: UserId, now: f64) -> Result<PipelineReport, BenchError> {
    all_stages_done(runtime.pipelines().run(user, now)?)
}

/// An hour after the last entry of a day was written, s.
fn end_of(day: &[Sample]) -> f64 {
    let written = day.iter().filter_map(|entry| value_of(&entry.metadata, "write_ts").and_then(number));
    written.fold(0.0, f64::max) + 3_600.0
}

fn all_stages_done(report: PipelineReport) -> Result<PipelineReport, BenchError> {
    match report.failed() {
        Some(failed) => Err(BenchError::Network(format!("{}: {:?}", failed.stage, failed.failure))),
        None => Ok(report),
    }
}
