//! `cellar demo`: a day of an invented person's life, the whole way through real parts.
//!
//! A phone puts the day over TCP and TLS, the usercache-put cell takes it, the person's sealed store keeps it, the
//! stages run as cells, and the phone reads the diary back through the datastreams-get cell.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args as ClapArgs;
use runtime_simulator::{Person, Phone as PhoneKind, SimulatedDay, simulate_day};
use runtime_user::{PipelineReport, Runtime, UserId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cells;
use crate::config::Config;
use crate::http::{App, Budget, Server};
use crate::phone::{Connect, Phone};
use crate::tls::Identity;

/// How to show it.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Keep the data in this folder, which must be empty or absent; otherwise it goes at the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Which invented person's day; the same number gives the same day
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The phone that the person carries
    #[arg(long, value_enum, default_value_t = System::Android)]
    phone: System,
}

/// A phone's operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum System {
    /// Fixes by time.
    Android,
    /// Fixes by distance.
    Ios,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A folder or a port cannot be had.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
    /// The folder to keep is in use.
    #[error("{0} is not empty: name another folder")]
    NotEmpty(PathBuf),
    /// The host's own configuration is not sound.
    #[error("the configuration is not sound")]
    Config(#[from] crate::config::ConfigError),
    /// The runtime does not start.
    #[error("the runtime does not start")]
    Start(#[from] runtime_user::StartError),
    /// The person cannot be added.
    #[error("the person cannot be added")]
    People(#[from] runtime_user::people::PeopleError),
    /// No certificate.
    #[error("the host has no certificate")]
    Identity(#[from] crate::tls::IdentityError),
    /// The phone got no answer.
    #[error("the phone got no answer")]
    Phone(#[from] crate::phone::PhoneError),
    /// The pipeline did not run.
    #[error("the pipeline did not run")]
    Call(#[from] runtime_user::CallError),
    /// A stage failed, or the diary is empty: the demonstration shows that.
    #[error("{0}")]
    Nothing(String),
}

/// One trip of the diary.
#[derive(Debug, Serialize)]
struct Trip {
    start: String,
    end: String,
    start_ts: f64,
    end_ts: f64,
    distance_m: f64,
}

/// What the demonstration showed.
#[derive(Debug, Serialize)]
struct Shown {
    person: String,
    address: String,
    entries_put: usize,
    batches: usize,
    put_ms: f64,
    pipeline: PipelineReport,
    trips: Vec<Trip>,
    places: usize,
    trips_that_there_were: usize,
    read_ms: f64,
    data: Option<PathBuf>,
}

/// Shows it; prints for people, or one JSON object.
pub fn run(args: &Args, as_json: bool) -> Result<(), DemoError> {
    let scratch;
    let folder = match &args.keep {
        Some(folder) => {
            let used = folder.exists() && folder.read_dir()?.next().is_some();
            if used {
                return Err(DemoError::NotEmpty(folder.clone()));
            }
            folder.as_path()
        }
        None => {
            scratch = tempfile::tempdir()?;
            scratch.path()
        }
    };
    let kind = match args.phone {
        System::Android => PhoneKind::Android,
        System::Ios => PhoneKind::Ios,
    };
    // A Monday, so that the person goes to work.
    let day = simulate_day(&Person::invent(args.seed, kind).plan(19_786), args.seed);
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut shown = tokio.block_on(live(folder, &day))?;
    shown.data = args.keep.clone();
    if as_json {
        println!("{}", serde_json::to_string(&shown).map_err(std::io::Error::other)?);
    } else {
        print!("{}", tell(&shown, &day));
    }
    Ok(())
}

/// Starts a host, lets the phone put the day, runs the pipeline, lets the phone read the diary, stops the host.
async fn live(folder: &Path, day: &SimulatedDay) -> Result<Shown, DemoError> {
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
    let runtime = Runtime::open(config.runtime(folder)?, cells::BUILT_IN)?;
    let identity = Identity::load_or_make(folder, &[])?;
    let server = Server::bind(config.listen, identity.server_config()?, config.server()).await?;
    let address = server.address()?;
    let budget = Budget::new(config.limits.bodies_bytes_max);
    let app = Arc::new(App { backend: Arc::clone(&runtime), limits: config.bodies(), budget });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(app, async { drop(stopped.await) }));

    let last = day.truth.last().map_or(0.0, |trip| trip.end_ts);
    let (user, token) = runtime.people().add("Demo", last)?;
    let connect =
        Connect { host: address.ip().to_string(), port: address.port(), token, pin: identity.pin() };
    let mut phone = Phone::connect(connect).await?;
    let putting = Instant::now();
    let batches = phone.put(&day.entries).await?;
    let put_ms = putting.elapsed().as_secs_f64() * 1e3;
    // The evening: the phone has been still long enough for the last trip to be over.
    let pipeline = run_pipeline(&runtime, user, last + 7_200.0).await?;
    let reading = Instant::now();
    let trips = phone.find_entries(diary_query("segmentation/raw_trip", "data.start_ts")).await?;
    let places = phone.find_entries(diary_query("segmentation/raw_place", "metadata.write_ts")).await?;
    let read_ms = reading.elapsed().as_secs_f64() * 1e3;
    drop(phone);
    // Where the server has ended by itself, there is nothing to stop.
    let _ = stop.send(());
    let _ = serving.await;
    tokio::task::block_in_place(|| runtime.shutdown());

    let trips: Vec<_> = trips.iter().filter_map(trip_of).collect();
    if trips.is_empty() {
        return Err(DemoError::Nothing("the diary has no trips".to_owned()));
    }
    Ok(Shown {
        person: user.short(),
        address: address.to_string(),
        entries_put: day.entries.len(),
        batches,
        put_ms,
        pipeline,
        trips,
        places: places.len(),
        trips_that_there_were: day.truth.len(),
        read_ms,
        data: None,
    })
}

async fn run_pipeline(runtime: &Arc<Runtime>, user: UserId, now: f64) -> Result<PipelineReport, DemoError> {
    let report = runtime.queue_pipeline(user, now).await?;
    match report.stages.iter().find_map(|stage| stage.failure.as_ref().map(|why| (&stage.stage, why))) {
        Some((stage, why)) => Err(DemoError::Nothing(format!("the stage {stage} failed: {why}"))),
        None => Ok(report),
    }
}

fn diary_query(key: &str, key_time: &str) -> Value {
    json!({ "key_list": [key], "start_time": 0, "end_time": 9_999_999_999_u64, "key_time": key_time })
}

fn trip_of(entry: &Value) -> Option<Trip> {
    let data = &entry["data"];
    Some(Trip {
        start: data["start_fmt_time"].as_str()?.to_owned(),
        end: data["end_fmt_time"].as_str()?.to_owned(),
        start_ts: data["start_ts"].as_f64()?,
        end_ts: data["end_ts"].as_f64()?,
        distance_m: data["distance"].as_f64()?,
    })
}

/// For people: what went in, what the stages did, the diary beside what really happened.
fn tell(shown: &Shown, day: &SimulatedDay) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a text takes what it is given");
        text.push('\n');
    };
    line(format_args!(
        "A phone put {} entries of one day in {} batches over TLS to {}: {:.0} ms, each on disk before its answer.",
        shown.entries_put, shown.batches, shown.address, shown.put_ms
    ));
    for stage in shown.pipeline.stages.iter().filter(|stage| !stage.off) {
        line(format_args!(
            "  {:18} cell {:24} read {:5}, wrote {:5} entries in {:6.1} ms",
            stage.stage,
            stage.cell,
            stage.entries_read,
            stage.entries_written,
            stage.elapsed_us as f64 / 1e3
        ));
    }
    line(format_args!("\nThe diary, read back through datastreams-get in {:.0} ms:", shown.read_ms));
    for trip in &shown.trips {
        line(format_args!(
            "  {} to {}  {:6.2} km as the crow flies",
            clock(&trip.start),
            clock(&trip.end),
            trip.distance_m / 1e3
        ));
    }
    line(format_args!("  and {} places. What the invented person really did:", shown.places));
    for trip in &day.truth {
        let minutes = (trip.end_ts - trip.start_ts) / 60.0;
        line(format_args!(
            "  {:>3.0} min  {:6.2} km by {:?}, {} to {}",
            minutes,
            trip.distance_m / 1e3,
            trip.mode,
            trip.from,
            trip.to
        ));
    }
    match &shown.data {
        Some(folder) => line(format_args!(
            "\nThe data stays in {}. Look around: cellar serve --data {}",
            folder.display(),
            folder.display()
        )),
        None => line(format_args!(
            "\nNext: `cellar demo --keep DIR` keeps the data, `cellar serve --data DIR` runs a host, docs/owner.md tells the rest."
        )),
    }
    text
}

/// `YYYY-MM-DD HH:MM` of a local time.
fn clock(fmt_time: &str) -> String {
    fmt_time.get(..16).unwrap_or(fmt_time).replace('T', " ")
}
