//! How long does an owner wait for their page, with ten years of data?
//!
//! * Work: two simulated weeks, analysed once; then written again and again, each copy two weeks earlier, until there are
//!   ten years of what the page reads. Everything is asked by the commands of the page. A month of 100,000 locations is
//!   another person's.
//! * Compared with: the goals alone. In Chromium where node, Chromium and the built page are there.
//! * Estimate: a day has some 1,500 rows in a few blocks, 1 ms to unseal and unpack, and as much to write as JSON; a heat
//!   map reads three columns, 100 ns a row.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use runtime_dashboard::{About, Carried, Carrier, Door, Listening, NotCarried, Server, Way};
use runtime_host::admin::{self, Context, DEVICE_COMMANDS, PhoneAddress};
use runtime_program::console;
use runtime_store::{Batch, NewEntry};
use runtime_types::{Area, EntryId, Query, StreamKey};
use runtime_user::{CallError, Person, Runtime, Settings, UserId};
use serde_json::{Value, json};

use crate::memory_of::peak_resident_mb;
use crate::rounds::{Comparison, quantile, time};
use crate::sample::{self, Sample};
use crate::{BenchError, Figures};
use runtime_cells::BUILT_IN;

/// The days that are simulated and analysed.
const TEMPLATE_DAYS: usize = 14;
/// How often they are written: ten years.
const COPIES: usize = 261;
/// A moment after every simulated day, s.
const NOW: f64 = 1_900_000_000.0;
const ROUNDS: usize = 9;
/// The locations of the month whose heat map is measured.
const MONTH_LOCATIONS: usize = 100_000;
const MONTH_S: f64 = 30.0 * 86_400.0;
/// How many entries one commit has.
const COMMIT_ENTRIES: usize = 5_000;
/// What the page reads, beside the streams of a diary.
const MORE: [&str; 2] = ["background/location", "analysis/cleaned_untracked"];
const LOCATIONS: &str = "background/filtered_location";

/// The goals.
const DAY_MS_MAX: f64 = 20.0;
const HEAT_MS_MAX: f64 = 200.0;
const FIRST_BYTES_MAX: f64 = 120.0 * 1024.0;
const FIRST_MS_MAX: f64 = 1_000.0;
const HOST_MB_MAX: f64 = 512.0;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let template = template()?;
    let user = newcomer(&runtime, "ten years")?;
    let person = runtime.person(user)?;
    let (took, entries) = time(|| fill(&person, &template));
    drop(person);
    let entries = entries?;
    let mut figures = vec![
        Comparison::figure("ten years, entries", entries as f64, "", "", true),
        filling(took.as_secs_f64()),
    ];
    // A host has it open since long ago, and nothing of it in its caches.
    runtime.open_people().close(user);
    let last = template.iter().map(|entry| entry.start).fold(0.0, f64::max);
    figures.extend(asked(&runtime, user, last)?);
    figures.push(month(&runtime)?);
    let memory = peak_resident_mb();
    figures.push(Comparison::figure(
        "most memory of the host",
        memory,
        "MB",
        "≤ 512 MB",
        memory <= HOST_MB_MAX,
    ));
    match browser() {
        Some((script, chromium)) => figures.extend(seen(&runtime, user, &script, &chromium)?),
        None => console::line("  no node, Chromium or built page is here: nothing is measured in a browser")?,
    }
    runtime.shutdown();
    Ok(figures)
}

fn filling(seconds: f64) -> Comparison {
    Comparison::figure("  time to write them, apart", seconds, "s", "", true)
}

/// An entry of the template, as it is stored.
struct Stored {
    id: EntryId,
    key: String,
    metadata: Value,
    data: Value,
    /// When it begins, s; 0 where it is at a moment.
    start: f64,
}

/// What the page reads of two simulated weeks.
fn template() -> Result<Vec<Stored>, BenchError> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let user = newcomer(&runtime, "template")?;
    let person = runtime.person(user)?;
    for day in sample::by_day(TEMPLATE_DAYS) {
        let mut batch = Batch::new();
        for entry in &day {
            let key = stream(&entry.key);
            batch.put_usercache(entry.entry(&key), key.clone());
        }
        person.store.commit(batch).map_err(CallError::Commit)?;
    }
    let report = runtime.pipelines().run(user, NOW)?;
    if let Some(failed) = report.failed() {
        return Err(BenchError::Network(format!("{}: {:?}", failed.stage, failed.failure)));
    }
    let keys = runtime_diary::STREAMS.iter().chain(&MORE).map(|key| stream(key)).collect();
    let query = Query { keys, with_invalid: false, ..Query::everything(Area::Timeseries) };
    let mut stored = Vec::new();
    let snapshot = person.store.snapshot();
    snapshot
        .find(&query)
        .map_err(CallError::Read)?
        .visit(&mut |row| {
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let data = read(row.data);
            let start = data["start_ts"].as_f64().unwrap_or_default();
            let (key, metadata) = (row.key.as_str().to_owned(), read(row.metadata));
            stored.push(Stored { id: row.id, key, metadata, data, start });
            ControlFlow::Continue(())
        })
        .map_err(CallError::Read)?;
    drop(person);
    runtime.shutdown();
    Ok(stored)
}

/// Writes the template again and again, the earliest copy first; returns how many entries that were.
fn fill(person: &Person, template: &[Stored]) -> Result<usize, BenchError> {
    for copy in (0..COPIES).rev() {
        let earlier_s = (copy * TEMPLATE_DAYS) as f64 * 86_400.0;
        let ids = person.store.allocate(template.len());
        let of: HashMap<String, String> =
            template.iter().zip(&ids).map(|(entry, id)| (entry.id.to_string(), id.to_string())).collect();
        for (some, ids) in template.chunks(COMMIT_ENTRIES).zip(ids.chunks(COMMIT_ENTRIES)) {
            let texts: Vec<Sample> = some.iter().map(|entry| earlier(entry, earlier_s, &of)).collect();
            let mut batch = Batch::new();
            for (sample, id) in texts.iter().zip(ids) {
                let key = stream(&sample.key);
                batch.insert(Area::Timeseries, NewEntry { id: Some(*id), ..sample.entry(&key) });
            }
            person.store.commit(batch).map_err(CallError::Commit)?;
        }
    }
    while person.store.settle().map_err(CallError::Commit)?.more {}
    Ok(template.len() * COPIES)
}

fn earlier(entry: &Stored, by_s: f64, ids: &HashMap<String, String>) -> Sample {
    let moved = |value: &Value| {
        let mut value = value.clone();
        shift(&mut value, by_s, ids);
        value.to_string()
    };
    Sample { key: entry.key.clone(), metadata: moved(&entry.metadata), data: moved(&entry.data) }
}

/// Moves every moment, and replaces ids by those of the copy. Local times in words stay: nothing searches by them.
fn shift(value: &mut Value, by_s: f64, ids: &HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, by_s, ids)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Number(number) if name == "ts" || name.ends_with("_ts") => {
                        let moved = number.as_f64().unwrap_or_default() - by_s;
                        *member = json!(moved);
                    }
                    Value::String(id) if name == "$oid" => {
                        if let Some(new) = ids.get(id) {
                            *id = new.clone();
                        }
                    }
                    member => shift(member, by_s, ids),
                }
            }
        }
        _ => {}
    }
}

/// What the page asks, on the server alone.
fn asked(runtime: &Runtime, user: UserId, last: f64) -> Figures {
    let day = |command: Value| answer_ms(runtime, user, command);
    let of_day = |from: f64| json!({ "command": "export-diary", "format": "geojson", "from": from.to_string(), "to": (from + 86_400.0).to_string(), "output": null });
    let mut figures = Vec::new();
    let first = day(json!({ "command": "status" }))?;
    figures.push(Comparison::figure("status, the store is opened for it", first, "ms", "", true));
    // Each round another day of another year, so that none is in a cache.
    let days = (0..ROUNDS).map(|round| day(of_day(last - (1 + round * 363) as f64 * 86_400.0)));
    let mut days = days.collect::<Result<Vec<f64>, _>>()?;
    let middle = quantile(&mut days, 0.5);
    figures.push(Comparison::figure("a day's diary", middle, "ms", "≤ 20 ms", middle <= DAY_MS_MAX));
    let span = |days: f64| json!({ "from": (last - days * 86_400.0).to_string(), "to": last.to_string() });
    let with = |command: &str, mut members: Value| {
        members["command"] = command.into();
        members
    };
    let mut heat = with("heat-map", span(3_650.0));
    heat["side"] = 64.into();
    for (what, command) in [
        ("status", json!({ "command": "status" })),
        ("show", json!({ "command": "show" })),
        (
            "audit of a week",
            json!({ "command": "audit", "since": (NOW - 7.0 * 86_400.0).to_string(), "cell": null }),
        ),
        ("days of a month", with("days", span(30.0))),
        (
            "table of 8 weeks",
            with("export-diary", {
                let mut members = span(56.0);
                members["format"] = "csv".into();
                members["output"] = Value::Null;
                members
            }),
        ),
        ("heat map of ten years", heat),
    ] {
        let times = (0..ROUNDS).map(|_| day(command.clone())).collect::<Result<Vec<f64>, _>>();
        figures.push(Comparison::figure(what, quantile(&mut times?, 0.5), "ms", "", true));
    }
    Ok(figures)
}

/// A month's heat map.
fn month(runtime: &Runtime) -> Result<Comparison, BenchError> {
    let user = newcomer(runtime, "a month")?;
    let samples = sample::taken_in(&sample::locations(MONTH_LOCATIONS))?;
    let person = runtime.person(user)?;
    let step_s = MONTH_S / MONTH_LOCATIONS as f64;
    let begin = NOW - MONTH_S;
    let moved: Vec<Sample> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let mut data: Value = serde_json::from_str(&sample.data).unwrap_or_default();
            let mut metadata: Value = serde_json::from_str(&sample.metadata).unwrap_or_default();
            data["ts"] = json!(begin + at as f64 * step_s);
            metadata["write_ts"] = data["ts"].clone();
            Sample { key: LOCATIONS.to_owned(), metadata: metadata.to_string(), data: data.to_string() }
        })
        .collect();
    sample::fill(&person.store, &moved).map_err(CallError::Commit)?;
    while person.store.settle().map_err(CallError::Commit)?.more {}
    drop(person);
    let command =
        json!({ "command": "heat-map", "from": begin.to_string(), "to": NOW.to_string(), "side": 64 });
    let times = (0..ROUNDS).map(|_| {
        runtime.open_people().close(user);
        answer_ms(runtime, user, command.clone())
    });
    let middle = quantile(&mut times.collect::<Result<Vec<f64>, _>>()?, 0.5);
    Ok(Comparison::figure(
        "heat map of a month of 100,000 locations, nothing cached",
        middle,
        "ms",
        "≤ 200 ms",
        middle <= HEAT_MS_MAX,
    ))
}

/// How long a command takes, to the text of its answer, ms.
fn answer_ms(runtime: &Runtime, user: UserId, command: Value) -> Result<f64, BenchError> {
    let (took, answer) = time(|| answer(runtime, user, command.to_string().as_bytes()));
    let text = answer?;
    if text.starts_with("{\"Err\"") {
        return Err(BenchError::Network(text));
    }
    Ok(took.as_secs_f64() * 1e3)
}

fn answer(runtime: &Runtime, user: UserId, command: &[u8]) -> Result<String, BenchError> {
    let broken = |error: &dyn std::fmt::Display| BenchError::Network(error.to_string());
    let command = admin::Command::of_person(command, &user.dashed()).map_err(|error| broken(&error))?;
    let address = PhoneAddress::untold();
    let outcome = command.answer(&Context { runtime, phone_address: &address });
    serde_json::to_string(&outcome).map_err(|error| broken(&error))
}

/// Carries the page's calls to the runtime of this process.
struct Within {
    runtime: Arc<Runtime>,
    user: UserId,
}

impl Carrier for Within {
    fn about(&self) -> About {
        About {
            way: Way::Console,
            device: None,
            scopes: Vec::new(),
            commands: DEVICE_COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            puts: false,
            opens: false,
        }
    }

    async fn ask(&mut self, command: Bytes) -> Result<Carried, NotCarried> {
        let (runtime, user) = (Arc::clone(&self.runtime), self.user);
        let failed = |message: String| NotCarried { code: "failed", message };
        let text = tokio::task::spawn_blocking(move || answer(&runtime, user, &command)).await;
        let text =
            text.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        Ok(Carried { status: 200, body: text.into() })
    }

    async fn put(&mut self, _: Bytes) -> Result<Carried, NotCarried> {
        Err(NotCarried::not_here("nothing is put here"))
    }

    async fn open(&mut self) -> Result<(), NotCarried> {
        Err(NotCarried::not_here("it is open"))
    }
}

/// What a browser measures.
fn seen(runtime: &Arc<Runtime>, user: UserId, script: &Path, chromium: &Path) -> Figures {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let names = ["bytes", "first_ms", "day_ms", "map_bytes", "map_ms"];
    let mut seen = names.map(|_| Vec::new());
    for _ in 0..3 {
        let broken = |error: &dyn std::fmt::Display| BenchError::Network(error.to_string());
        let listening = tokio.block_on(Listening::at(0)).map_err(|error| broken(&error))?;
        let door = Arc::new(Door::new(listening.port()));
        let link = door.link().map_err(|error| broken(&error))?;
        let carrier = Within { runtime: Arc::clone(runtime), user };
        let serving = tokio.spawn(Arc::new(Server::new(door, carrier)).serve(listening));
        let asked = json!({ "link": link.reveal(), "chromium": chromium });
        let looked =
            Command::new("node").arg(script).arg(asked.to_string()).stderr(Stdio::inherit()).output()?;
        serving.abort();
        let found: Value = serde_json::from_slice(&looked.stdout)
            .map_err(|_| BenchError::Network("the browser's part failed".to_owned()))?;
        for (all, name) in seen.iter_mut().zip(names) {
            all.push(found[name].as_f64().unwrap_or(f64::NAN));
        }
    }
    let [bytes, first, day, map_bytes, map] = seen.map(|mut all| quantile(&mut all, 0.5));
    Ok(vec![
        Comparison::figure("bytes to the first view", bytes, "B", "≤ 122880 B", bytes <= FIRST_BYTES_MAX),
        Comparison::figure("first view, in Chromium", first, "ms", "≤ 1000 ms", first <= FIRST_MS_MAX),
        Comparison::figure("from Home to a day's tracks, in Chromium", day, "ms", "", true),
        Comparison::figure("from Home to the map under them", map, "ms", "", true),
        Comparison::figure("bytes of that, after the first view", map_bytes, "B", "", true),
    ])
}

/// The script that looks, and Chromium, where they are and the page was built.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let folder = std::env::current_exe().ok()?.ancestors().nth(2)?.join("page-build");
    let script = folder.join("browser/first.mjs");
    let usable = runtime_dashboard::is_built()
        && script.is_file()
        && folder.join("node_modules/playwright-core").is_dir();
    let named = std::env::var_os("CELLAR_CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    let chromium = named.into_iter().chain(usual).find(|path| path.is_file())?;
    usable.then_some((script, chromium))
}

fn newcomer(runtime: &Runtime, name: &str) -> Result<UserId, BenchError> {
    Ok(runtime.people().add(name, NOW)?.0)
}

fn stream(key: &str) -> StreamKey {
    StreamKey::parse(key).expect("the simulator's and the diary's keys name streams")
}
