//! `cellar replay`: reads dumps, runs the whole pipeline after each, and writes everything that is stored.
//!
//! A conformance check compares this output with the reference: entries, pipeline state, profile.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args as ClapArgs;
use flate2::read::GzDecoder;
use runtime_user::{Area, DumpError, PipelineReport, Runtime, Settings, UserId};
use serde_json::{Map, Value, json};

use runtime_cells::BUILT_IN;

/// The stages for which the reference keeps a state, in its order. A stage without a cell in this runtime has not run.
const REFERENCE_STAGES: [&str; 11] = [
    "USER_INPUT_MATCH_INCOMING",
    "ACCURACY_FILTERING",
    "TRIP_SEGMENTATION",
    "SECTION_SEGMENTATION",
    "JUMP_SMOOTHING",
    "CLEAN_RESAMPLING",
    "MODE_INFERENCE",
    "LABEL_INFERENCE",
    "EXPECTATION_POPULATION",
    "CREATE_CONFIRMED_OBJECTS",
    "CREATE_COMPOSITE_OBJECTS",
];

/// The options of a replay.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A dump of timeseries entries, JSON or JSON compressed with gzip; give several to run the pipeline after each
    #[arg(long = "input", required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Filter locations by accuracy, as for phones that send no filtered ones
    #[arg(long)]
    filter_accuracy: bool,
    /// The file for the result
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The runtime does not start.
    #[error("the runtime does not start")]
    Start(#[from] runtime_user::StartError),
    /// The person cannot be added.
    #[error("the person cannot be added")]
    People(#[from] runtime_user::people::PeopleError),
    /// A dump is not valid.
    #[error("cannot import {path}")]
    Dump {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: DumpError,
    },
    /// The person's runtime refused.
    #[error(transparent)]
    Call(#[from] runtime_user::CallError),
    /// A stage failed.
    #[error("the stage {stage} failed: {reason}")]
    Stage {
        /// The stage.
        stage: String,
        /// Its message.
        reason: String,
    },
}

/// What was replayed, for people.
#[derive(Debug, serde::Serialize)]
pub struct Replayed {
    /// Entries that were imported.
    pub imported: usize,
    /// Entries that could not be read, and were set aside.
    pub set_aside: usize,
    /// Entries that the store holds at the end.
    pub entries: usize,
    /// CPU of the pipeline's runs, s.
    pub pipeline_cpu_s: f64,
    /// Start of the runtime, s of wall clock.
    pub start_s: f64,
    /// Imports, s of wall clock.
    pub import_s: f64,
    /// Export, s of wall clock.
    pub export_s: f64,
    /// The report of the stages after each load.
    pub reports: Vec<PipelineReport>,
}

/// Replays the dumps in an empty runtime and writes the result.
pub fn run(args: &Args) -> Result<Replayed, ReplayError> {
    let started = Instant::now();
    let folder =
        tempfile::tempdir().map_err(|source| ReplayError::File { path: std::env::temp_dir(), source })?;
    let settings = Settings { accuracy_filtering: args.filter_accuracy, ..Settings::at(folder.path()) };
    let runtime = Runtime::open(settings, BUILT_IN)?;
    let (user, _token) = runtime.people().add("replay", now())?;
    let start_s = started.elapsed().as_secs_f64();

    let (mut imported, mut set_aside) = (0, 0);
    let (mut import_s, mut pipeline_cpu, mut reports) = (0.0, Duration::ZERO, Vec::new());
    for path in &args.inputs {
        let dump = read_dump(path)?;
        let importing = Instant::now();
        let count = runtime.diaries().import(user, &dump, now());
        let count = count.map_err(|source| ReplayError::Dump { path: path.clone(), source })?;
        imported += count.taken_in;
        set_aside += count.set_aside;
        import_s += importing.elapsed().as_secs_f64();
        let before = process_cpu();
        let report = runtime.pipelines().run(user, now())?;
        pipeline_cpu += process_cpu().saturating_sub(before);
        if let Some(failed) = report.failed() {
            let reason = failed.failure.clone().unwrap_or_default();
            return Err(ReplayError::Stage { stage: failed.stage.clone(), reason });
        }
        reports.push(report);
    }

    let pipeline_cpu_s = pipeline_cpu.as_secs_f64();
    let mut done = Replayed {
        imported,
        set_aside,
        entries: 0,
        pipeline_cpu_s,
        start_s,
        import_s,
        export_s: 0.0,
        reports,
    };
    write_result(&runtime, user, &args.output, &mut done)?;
    runtime.shutdown();
    Ok(done)
}

/// The bytes of a dump; a file whose name ends in `.gz` is decompressed.
pub fn read_dump(path: &Path) -> Result<Vec<u8>, ReplayError> {
    let failed = |source| ReplayError::File { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        file.read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

fn write_result(
    runtime: &Runtime,
    user: UserId,
    path: &Path,
    done: &mut Replayed,
) -> Result<(), ReplayError> {
    let failed = |source| ReplayError::File { path: path.to_owned(), source };
    let exporting = Instant::now();
    let states = states(runtime, user)?;
    let person = runtime.person(user)?;
    let profile = person.profile()?;
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    out.write_all(b"{\"entries\":").map_err(failed)?;
    let areas = [Area::Timeseries, Area::Usercache, Area::Errors];
    done.entries = person
        .dump(&areas, &mut out)
        .map_err(|source| ReplayError::Dump { path: path.to_owned(), source })?;
    done.export_s = exporting.elapsed().as_secs_f64();
    let Replayed { pipeline_cpu_s, start_s, import_s, export_s, .. } = *done;
    let rest = json!({
        "pipeline_state": states,
        "profile": profile,
        "timings": {
            "pipeline_cpu_s": pipeline_cpu_s, "start_s": start_s, "import_s": import_s, "export_s": export_s,
        },
    });
    let rest = rest.to_string();
    write!(out, ",{}", &rest[1..]).and_then(|()| out.flush()).map_err(failed)
}

fn states(runtime: &Runtime, user: UserId) -> Result<Map<String, Value>, ReplayError> {
    let known = runtime.pipelines().status(user)?.stages;
    let mut states = Map::new();
    for stage in REFERENCE_STAGES {
        let state = known.iter().find(|known| known.stage == stage).map(|known| &known.state);
        let off = runtime.plan().stage(stage).is_some_and(|spec| !spec.enabled);
        let ran = off || state.is_some_and(|state| state.last_ts_run.is_some());
        let mark = state.and_then(|state| state.last_processed_ts);
        let told = json!({ "last_processed_ts": mark, "ran": ran, "still_running": false });
        states.insert(stage.to_owned(), told);
    }
    Ok(states)
}

/// Seconds since 1970-01-01T00:00:00Z.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |past| past.as_secs_f64())
}

/// CPU time of the whole process, all threads, user and system.
pub fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
