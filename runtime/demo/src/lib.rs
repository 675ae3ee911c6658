//! `cellar demo`: a day in the life of an invented person, from end to end through real parts.
//!
//! A phone puts the day over TCP and TLS, the usercache-put cell accepts it, the person's sealed store keeps it, the
//! stages run as cells, and the phone reads the diary back through the datastreams-get cell.

mod command;
mod diary;
mod page;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args as ClapArgs;
use handshake::device::{DeviceName, Platform};
use handshake::encoding::{KeyKind, QrCode};
use runtime_simulator::{Person, Phone as PhoneKind, SimulatedDay, TruthTrip, simulate_day};
use runtime_user::{KeyMode, PipelineReport, Runtime, UserId, WindowWish};
use serde::Serialize;
use serde_json::{Value, json};

use crate::diary::Diary;
pub use command::{Command, main};
use runtime_host::config::Config;
use runtime_host::{Host, OpenError, open_runtime};
use runtime_phone::{Code, Native, Phone, PhoneFile, PhoneKeys, pair};
use runtime_program::Failure;
use runtime_program::console;

/// The options of the demonstration.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Keep the data in this folder, which must be empty or absent; otherwise the data is removed at the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Show the diary in a browser on this machine too: prints a link, and ends with Ctrl-C
    #[arg(long)]
    open: bool,
    /// The number of the invented person; the same number gives the same day
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

/// Why the demonstration failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A folder or a port is not available.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
    /// The folder for the data is not empty.
    #[error("{0} is not empty: name another folder")]
    NotEmpty(PathBuf),
    /// The runtime does not start.
    #[error("the runtime does not start")]
    Start(#[from] OpenError),
    /// The person cannot be added.
    #[error("the person cannot be added")]
    People(#[from] runtime_user::people::PeopleError),
    /// No phone was paired.
    #[error("the phone cannot be paired")]
    Owner(#[from] runtime_user::OwnerError),
    /// The phone got no answer.
    #[error("the phone got no answer")]
    Phone(#[from] runtime_phone::PhoneError),
    /// The pipeline did not run.
    #[error("the pipeline did not run")]
    Call(#[from] runtime_user::CallError),
    /// The page cannot be served.
    #[error("the page cannot be served")]
    Page(#[from] page::PageError),
    /// The result cannot be printed.
    #[error(transparent)]
    Output(#[from] Failure),
    /// A stage failed, or the diary is empty: then the demonstration reports that.
    #[error("{0}")]
    Nothing(String),
}

/// The result of the demonstration.
#[derive(Debug, Serialize)]
struct Shown {
    person: String,
    address: String,
    digits: String,
    device: String,
    pair_ms: f64,
    entries_put: usize,
    batches: usize,
    put_ms: f64,
    pipeline: PipelineReport,
    diary: Diary,
    trips_that_there_were: usize,
    read_ms: f64,
    data: Option<PathBuf>,
}

/// Runs the demonstration; prints text for people, or one JSON object.
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
    let print = |shown: &Shown| {
        if as_json { console::json(shown) } else { console::text(tell(shown, &day)) }
    };
    tokio.block_on(live(folder, &day, args, print))
}

/// Starts a host, lets the phone put the day, runs the pipeline, lets the phone read the diary, shows the page if that
/// is wanted, stops the host.
async fn live(
    folder: &Path,
    day: &SimulatedDay,
    args: &Args,
    print: impl FnOnce(&Shown) -> Result<(), Failure>,
) -> Result<(), DemoError> {
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
    let runtime = open_runtime(&config, folder)?;
    let host = Host::bind(&config, &runtime, None).await?;
    let address = host.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(host.serve(async { drop(stopped.await) }));

    let last = day.truth.last().map_or(0.0, |trip| trip.end_ts);
    let user = runtime.people().add_owner("Demo", last)?;
    let pairing = Instant::now();
    let (file, digits) = pair_phone(&runtime, user, address, args.open).await?;
    let pair_ms = pairing.elapsed().as_secs_f64() * 1e3;
    let device = file.state.device.to_string();
    let mut phone = Phone::paired(Native::open(file).await?);
    let putting = Instant::now();
    let batches = phone.put(&day.entries).await?;
    let put_ms = putting.elapsed().as_secs_f64() * 1e3;
    // The time is the evening: the phone has been still long enough for the last trip to be over.
    let pipeline = run_pipeline(&runtime, user, last + 7_200.0).await?;
    let reading = Instant::now();
    let trips = phone.find_entries(diary_query()).await?;
    let read_ms = reading.elapsed().as_secs_f64() * 1e3;
    let diary = Diary::read(&trips);
    if diary.is_empty() {
        return Err(DemoError::Nothing("the diary has no trips".to_owned()));
    }
    let shown = Shown {
        person: user.short(),
        address: address.to_string(),
        digits,
        device,
        pair_ms,
        entries_put: day.entries.len(),
        batches,
        put_ms,
        pipeline,
        diary,
        trips_that_there_were: day.truth.len(),
        read_ms,
        data: args.keep.clone(),
    };
    print(&shown)?;
    let page = if args.open { page::show(phone).await } else { Ok(()) };
    // If the server has ended by itself, there is nothing to stop.
    let _ = stop.send(());
    let _ = serving.await;
    tokio::task::block_in_place(|| {
        // The phone's keys are lost with this process, and the kept data is meant to be looked at.
        let kept = args.keep.is_some();
        let opened = if kept { runtime.locks().set_mode(user, KeyMode::Unattended) } else { Ok(()) };
        runtime.shutdown();
        opened
    })?;
    Ok(page?)
}

/// Pairs the phone as people do: one device scans what the other shows, both show six digits, the owner approves.
async fn pair_phone(
    runtime: &Arc<Runtime>,
    user: UserId,
    address: SocketAddr,
    admin: bool,
) -> Result<(PhoneFile, String), DemoError> {
    let wish = WindowWish {
        host: address.ip().to_string(),
        port: address.port(),
        lifetime_ms: None,
        typed: true,
        admin,
        recovery: None,
    };
    let invitation = runtime.pairing().open(user, wish, runtime.clocks().lasting_ms())?;
    let nothing = |what: &str| DemoError::Nothing(what.to_owned());
    let code = QrCode::parse(&invitation.qr).map_err(|_| nothing("the code does not read"))?;
    let keys = PhoneKeys::random(KeyKind::P256).map_err(|_| nothing("there is no randomness"))?;
    let name = DeviceName::new("Demo phone").map_err(|_| nothing("the phone has no name"))?;
    let (show, shown) = tokio::sync::oneshot::channel();
    let phone = tokio::spawn(pair(Code::Scanned(code), keys, name, Platform::Android, |digits| {
        // If the receiver is gone, the pairing has failed already.
        let _ = show.send(digits.to_string());
    }));
    if let Ok(digits) = shown.await {
        let claim =
            runtime.pairing().status(user, runtime.clocks().lasting_ms())?.and_then(|status| status.claim);
        let same = claim.is_some_and(|claim| claim.digits == digits);
        runtime.pairing().answer(user, invitation.window, same, runtime.clocks().lasting_ms())?;
        let file = phone.await.map_err(std::io::Error::other)??;
        return Ok((file, digits));
    }
    let failed = phone.await.map_err(std::io::Error::other)?;
    Err(failed.err().map_or_else(|| nothing("the phone showed no digits"), DemoError::Phone))
}

async fn run_pipeline(runtime: &Arc<Runtime>, user: UserId, now: f64) -> Result<PipelineReport, DemoError> {
    let report = runtime.queue_pipeline(user, now).await?;
    match report.stages.iter().find_map(|stage| stage.failure.as_ref().map(|why| (&stage.stage, why))) {
        Some((stage, why)) => Err(DemoError::Nothing(format!("the stage {stage} failed: {why}"))),
        None => Ok(report),
    }
}

/// The query of the phone's app.
fn diary_query() -> Value {
    json!({
        "key_list": ["analysis/composite_trip"], "key_time": "data.end_ts",
        "start_time": 0, "end_time": 9_999_999_999_u64,
    })
}

/// Text for people: what was put, what the stages did, and the diary beside what really happened.
fn tell(shown: &Shown, day: &SimulatedDay) -> String {
    let mut text = format!(
        "A phone scanned a code, both sides showed {}, and it was let in as device {} in {:.0} ms.\n",
        shown.digits,
        &shown.device[..12.min(shown.device.len())],
        shown.pair_ms
    );
    text.push_str(&format!(
        "It put {} entries of one day in {} batches over TLS to {}: {:.0} ms, each on disk before its answer.\n",
        shown.entries_put, shown.batches, shown.address, shown.put_ms
    ));
    for stage in shown.pipeline.stages.iter().filter(|stage| !stage.off) {
        text.push_str(&format!(
            "  {:25} cell {:24} read {:5}, wrote {:5} entries in {:6.1} ms\n",
            stage.stage,
            stage.cell,
            stage.entries_read,
            stage.entries_written,
            stage.elapsed_us as f64 / 1e3
        ));
    }
    text.push_str(&format!("\nThe diary, as the phone reads it in {:.0} ms:\n", shown.read_ms));
    shown.diary.tell(&mut text);
    text.push_str("What the invented person really did:\n");
    for trip in &day.truth {
        text.push_str(&format!(
            "  {:6.2} km from {} to {}: {}\n",
            trip.distance_m / 1e3,
            trip.from,
            trip.to,
            parts(trip)
        ));
    }
    match &shown.data {
        Some(folder) => text.push_str(&format!(
            "\nThe data stays in {0}. See it in a browser: `cellar open Demo --data {0}`.\nLook around: `cellar serve --data {0}`, `cellar export Demo --data {0} --format gpx`\n",
            folder.display()
        )),
        None => text.push_str(
            "\nNext: `cellar demo --open` shows it in a browser, `cellar demo --keep DIR` keeps the data, `cellar serve --data DIR` runs a host, docs/owner.md tells the rest.\n",
        ),
    }
    text
}

/// The modes that the person really used.
fn parts(trip: &TruthTrip) -> String {
    let part = |section: &runtime_simulator::TruthSection| {
        format!("{} {:.2} km", format!("{:?}", section.mode).to_lowercase(), section.distance_m / 1e3)
    };
    trip.sections.iter().map(part).collect::<Vec<_>>().join(", ")
}
