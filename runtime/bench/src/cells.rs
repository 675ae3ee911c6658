//! What does a cell from elsewhere cost, in each language?
//!
//! * Work: the example `mode-share` in Rust, Python and JavaScript, built by `cellar cell build`, signed, installed by
//!   people, and run with their analysis; and an endpoint that reads under an exact and under a coarse grant.
//! * Compared with: the same stage in Rust; the same reads under an exact grant.
//! * Reports: a fresh run over nothing new (an instance, the run, its end); from the package to the first result; native
//!   code on the disk; memory of one instance; what each of 1,000 people with the same cell adds to the process.
//! * Estimate: Rust 50 us; an interpreter in JavaScript under 1 ms, in Python 2 to 5 ms; code once for everybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use runtime_package::{PublisherKey, pack};
use runtime_program::beside_this;
use runtime_user::consent::{Narrowing, Place, Time};
use runtime_user::{Answer, Body, Call, Head, Runtime, Settings, UserId};

use super::rounds::{Comparison, compare, time};
use super::sample;
use super::{BenchError, Figures};
use runtime_cells::{BUILT_IN, PACKAGES};

/// The program that compiles cells.
const COMPILER: &str = "cellar-cell-compiler";
const STAGE: &str = "mode-share";
const READER: &str = "reader";
/// After everything that is simulated, s.
const NOW: f64 = 2e9;
const ROUNDS: usize = 21;
const RUNS: usize = 20;
const PEOPLE: usize = 1_000;
/// How long many people may take, and how much resident memory and how many bytes of disk they may add: several times of
/// what is expected, and less than a machine for benchmarks has.
const MANY: Many = Many {
    people: PEOPLE,
    took_max: Duration::from_secs(1_800),
    bytes_max: 4 << 30,
    disk_bytes_max: 8 << 30,
};
const READS: usize = 10;

/// One language, its engine, and how long a fresh run may take, us.
struct Language {
    name: &'static str,
    folder: Option<(&'static str, Option<&'static str>)>,
    fresh_us_max: f64,
    /// Whether many people are measured with it: that takes minutes.
    is_heaviest: bool,
}

const LANGUAGES: [Language; 4] = [
    Language { name: "Rust", folder: None, fresh_us_max: 50.0, is_heaviest: false },
    Language {
        name: "JavaScript, qjs",
        folder: Some(("javascript", Some("qjs"))),
        fresh_us_max: 1_000.0,
        is_heaviest: false,
    },
    Language {
        name: "JavaScript, starling",
        folder: Some(("javascript", Some("starling"))),
        fresh_us_max: 1_000.0,
        is_heaviest: false,
    },
    Language { name: "Python", folder: Some(("python", None)), fresh_us_max: 5_000.0, is_heaviest: true },
];

pub(super) fn run() -> Figures {
    let key = PublisherKey::generate(&SystemRandom::new())
        .map_err(|_| BenchError::Network("there is no randomness for a publisher's key".to_owned()))?;
    let mut figures = Vec::new();
    let rust = Installed::begin(packed(STAGE, &key)?)?;
    for language in &LANGUAGES {
        let package = match language.folder {
            None => packed(STAGE, &key)?,
            Some((folder, engine)) => match built(folder, engine)? {
                Some(package) => signed(&package, &key)?,
                None => continue,
            },
        };
        figures.extend(of_language(language, package, &rust)?);
    }
    figures.push(coarse(&key)?);
    Ok(figures)
}

fn signed(package: &[u8], key: &PublisherKey) -> Result<Vec<u8>, BenchError> {
    let signed = key.sign(package, &SystemRandom::new());
    signed.map_err(|error| BenchError::Network(format!("a package cannot be signed: {error}")))
}

/// A cell of this repository that is built with it, as a signed package.
fn packed(name: &str, key: &PublisherKey) -> Result<Vec<u8>, BenchError> {
    let missing = || BenchError::Network(format!("this binary was built without the cell {name}"));
    let cell = PACKAGES.iter().find(|cell| cell.name == name).ok_or_else(missing)?;
    let package = pack(cell.component, cell.manifest, cell.schemas);
    signed(&package.map_err(|error| BenchError::Network(error.to_string()))?, key)
}

/// Builds the example in a language; `None`, aloud, where its tool is not here.
fn built(language: &str, engine: Option<&str>) -> Result<Option<Vec<u8>>, BenchError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = tempfile::tempdir()?;
    let package = output.path().join("package.wasm");
    let mut build = Command::new(beside_this("cellar")?);
    build.env("CELLAR_CONFIG", "/dev/null").env("PATH", path(&root)?).args(["cell", "build"]);
    build.arg(root.join("cells/examples").join(language).join(STAGE)).arg("--output").arg(&package);
    build.args(engine.iter().flat_map(|engine| ["--engine", engine]));
    let ended = build.output()?;
    if ended.status.success() {
        return Ok(Some(fs::read(package)?));
    }
    let words = String::from_utf8_lossy(&ended.stderr);
    let engine = engine.unwrap_or_default();
    runtime_program::console::note(format!("SKIPPED: {language} {engine}: {}", words.trim()));
    Ok(None)
}

/// The path on which tools are looked for: first those that `.ci/tools` has installed.
fn path(root: &Path) -> Result<std::ffi::OsString, BenchError> {
    let tools = root.join("target/tools");
    let near = [tools.join("python/bin"), tools.join("node_modules/.bin")];
    let usual = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(near.into_iter().chain(std::env::split_paths(&usual)))
        .map_err(|_| BenchError::Network("a folder on the path of tools has a colon in its name".to_owned()))
}

/// A runtime in which one person has a cell.
struct Installed {
    runtime: Arc<Runtime>,
    folder: tempfile::TempDir,
    /// A person with the cell and without readings.
    idle: UserId,
    package: Vec<u8>,
    /// From the package to the first results, ms.
    first_ms: f64,
    /// The memory of an instance at the end of that run, bytes.
    memory_bytes: u64,
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.runtime.shutdown();
    }
}

impl Installed {
    fn begin(package: Vec<u8>) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        let runtime = runtime_at(folder.path())?;
        let user = somebody(&runtime, "somebody")?;
        let (idle, _) = runtime.people().add("nothing new", 0.0)?;
        let started = Instant::now();
        install(&runtime, user, &package, &[])?;
        let memory_bytes = analyse(&runtime, user)?.unwrap_or_default();
        let first_ms = started.elapsed().as_secs_f64() * 1e3;
        if memory_bytes == 0 {
            return Err(BenchError::Network("the cell did not run with the analysis".to_owned()));
        }
        install(&runtime, idle, &package, &[])?;
        Ok(Self { runtime, folder, idle, package, first_ms, memory_bytes })
    }

    /// A fresh run over nothing new, us.
    fn fresh_us(&self) -> f64 {
        let stage = format!("x-{STAGE}");
        let once = || {
            let ran = self.runtime.pipelines().rehearse(self.idle, &stage, NOW, None);
            ran.expect("the store reads").expect("the cell runs").as_secs_f64() * 1e6
        };
        (0..RUNS).map(|_| once()).sum::<f64>() / RUNS as f64
    }

    /// Native code of packages on the disk, bytes.
    fn code_bytes(&self) -> f64 {
        fn native(folder: &Path) -> u64 {
            let items = fs::read_dir(folder).into_iter().flatten().flatten();
            let size = |path: PathBuf| match path.is_dir() {
                true => native(&path),
                false if path.extension().is_some_and(|end| end == "cwasm") => {
                    fs::metadata(&path).map_or(0, |about| about.len())
                }
                false => 0,
            };
            items.map(|item| size(item.path())).sum()
        }
        native(&self.folder.path().join("packages")) as f64
    }
}

/// A runtime that compiles cells.
fn runtime_at(folder: &Path) -> Result<Arc<Runtime>, BenchError> {
    let compiler = Some(beside_this(COMPILER)?);
    Ok(Runtime::open(Settings { compiler, ..Settings::at(folder) }, BUILT_IN)?)
}

/// A person with a day of readings.
fn somebody(runtime: &Arc<Runtime>, name: &str) -> Result<UserId, BenchError> {
    let (user, _) = runtime.people().add(name, 0.0)?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(super::memory::put(runtime, user, &sample::days(1)))?;
    Ok(user)
}

fn install(runtime: &Runtime, user: UserId, package: &[u8], terms: &[Narrowing]) -> Result<(), BenchError> {
    let installed = runtime.installed_cells().install(user, package, terms, NOW);
    installed.map(drop).map_err(|error| BenchError::Network(format!("a cell cannot be installed: {error}")))
}

/// Runs the analysis; answers how much memory an installed cell used in it, bytes, if there is one.
fn analyse(runtime: &Runtime, user: UserId) -> Result<Option<u64>, BenchError> {
    let report = runtime.pipelines().run(user, NOW)?;
    match report.guests.iter().find_map(|guest| guest.failure.clone()) {
        Some(why) => Err(BenchError::Network(format!("the cell failed: {why}"))),
        None => Ok(report.guests.first().map(|guest| guest.memory_bytes_max)),
    }
}

fn of_language(language: &Language, package: Vec<u8>, rust: &Installed) -> Figures {
    let Language { name, fresh_us_max, .. } = language;
    let cell = Installed::begin(package)?;
    let fresh = compare(ROUNDS, "us", || cell.fresh_us(), || rust.fresh_us());
    let target = format!("≤ {fresh_us_max} us");
    let met = fresh.ours <= *fresh_us_max;
    let fresh = fresh.named(&format!("{name}: a fresh run"), "in Rust").held_against(&target, met);
    let figure = |what: &str, value: f64, unit: &'static str| {
        Comparison::figure(&format!("{name}: {what}"), value, unit, "", true)
    };
    let mut figures = vec![
        fresh,
        figure("from the package to the first run", cell.first_ms, "ms"),
        figure("package", cell.package.len() as f64 / 1e6, "MB"),
        figure("native code, once for everybody", cell.code_bytes() / 1e6, "MB"),
        figure("memory of one instance", cell.memory_bytes as f64 / 1e6, "MB"),
    ];
    if language.is_heaviest {
        let compiler = beside_this(COMPILER)?;
        let each = |package| MANY.each(&compiler, package);
        let (each, without) = (each(Some(&cell.package[..]))?, each(None)?);
        let met = each - without < cell.code_bytes() / 10.0;
        let what = format!("{name}: each of {PEOPLE} people with it, after a run");
        let compared = Comparison::of_rounds("kB", vec![each / 1e3], vec![without / 1e3]);
        figures.push(compared.named(&what, "people without a cell").held_against("code counted once", met));
    }
    Ok(figures)
}

/// Many people of one runtime, and what they may cost before the measurement is given up.
#[derive(Debug, Clone, Copy)]
struct Many {
    people: usize,
    took_max: Duration,
    bytes_max: u64,
    disk_bytes_max: u64,
}

impl Many {
    /// What each of them adds to the memory of the process after a run, bytes; with the same cell, if there is one. Every
    /// store stays open.
    fn each(&self, compiler: &Path, package: Option<&[u8]>) -> Result<f64, BenchError> {
        let folder = tempfile::tempdir()?;
        let compiler = Some(compiler.to_owned());
        let settings = Settings { compiler, open_people_max: self.people + 1, ..Settings::at(folder.path()) };
        let runtime = Runtime::open(settings, BUILT_IN)?;
        let measured = self.measured(&runtime, folder.path(), package);
        runtime.shutdown();
        measured
    }

    fn measured(
        &self,
        runtime: &Arc<Runtime>,
        folder: &Path,
        package: Option<&[u8]>,
    ) -> Result<f64, BenchError> {
        let another = |number: usize| -> Result<(), BenchError> {
            let user = somebody(runtime, &format!("person {number}"))?;
            package.map_or(Ok(()), |package| install(runtime, user, package, &[]))?;
            analyse(runtime, user).map(drop)
        };
        // With the first, everything is loaded that all share.
        another(0)?;
        let (before, started) = (resident_bytes()?, Instant::now());
        // What the first has on the disk, all others have, too; packages and native code are there once.
        let disk_bytes = bytes_below(&folder.join(PEOPLE_FOLDER)).saturating_mul(self.people as u64);
        within("bytes of disk", disk_bytes, self.disk_bytes_max, 0)?;
        for number in 1..=self.people {
            another(number)?;
            let grown = (resident_bytes()? - before).max(0.0) as u64;
            within("bytes of memory", grown, self.bytes_max, number)?;
            within("seconds", started.elapsed().as_secs(), self.took_max.as_secs(), number)?;
        }
        Ok((resident_bytes()? - before).max(0.0) / self.people as f64)
    }
}

/// The part of a data folder that grows with people.
const PEOPLE_FOLDER: &str = "people";

/// Gives up a measurement that costs too much.
fn within(what: &str, used: u64, limit: u64, people: usize) -> Result<(), BenchError> {
    match used <= limit {
        true => Ok(()),
        false => Err(BenchError::Network(format!(
            "{people} people were measured, and {used} {what} are over the limit of {limit}"
        ))),
    }
}

/// The size of everything in a folder, bytes.
fn bytes_below(folder: &Path) -> u64 {
    let items = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |item: fs::DirEntry| match item.file_type() {
        Ok(kind) if kind.is_dir() => bytes_below(&item.path()),
        _ => item.metadata().map_or(0, |about| about.len()),
    };
    items.map(size).sum()
}

fn resident_bytes() -> Result<f64, BenchError> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0)
        .ok_or_else(|| BenchError::Network("the system does not tell resident memory".to_owned()))
}

/// The same reads of a day's locations, under a coarse and under an exact grant.
fn coarse(key: &PublisherKey) -> Result<Comparison, BenchError> {
    let folder = tempfile::tempdir()?;
    let runtime = runtime_at(folder.path())?;
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let package = packed(READER, key)?;
    let terms = Narrowing { place: Some(Place::Kilometre), time: Some(Time::Hour), ..Narrowing::default() };
    let mut people = Vec::new();
    for (name, terms) in [("coarse", vec![terms]), ("exact", Vec::new())] {
        let user = somebody(&runtime, name)?;
        install(&runtime, user, &package, &terms)?;
        analyse(&runtime, user)?;
        people.push(user);
    }
    let read_ms = |user: UserId| {
        let (took, ()) = time(|| {
            for _ in 0..READS {
                tokio.block_on(read(&runtime, user)).expect("the reader answers");
            }
        });
        took.as_secs_f64() * 1e3 / READS as f64
    };
    let compared = compare(ROUNDS, "ms", || read_ms(people[0]), || read_ms(people[1]));
    runtime.shutdown();
    Ok(compared.named("a day's locations at 1 km and by the hour", "as they are").held_against("", true))
}

async fn read(runtime: &Arc<Runtime>, user: UserId) -> Result<(), BenchError> {
    let target = runtime.catalogue().target(&format!("x/{READER}"))?;
    let request = r#"{"find":"locations","keys":["background/filtered_location"]}"#;
    let body = Body::from_chunks(vec![bytes::Bytes::from_static(request.as_bytes())]);
    let call = Call { target, now: NOW, head: Head::default(), body, device: None };
    match runtime.call(user, call).await? {
        Answer::Whole { status: 200, .. } => Ok(()),
        _ => Err(BenchError::Network("the reader refused".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Many =
        Many { people: 3, took_max: Duration::from_secs(300), bytes_max: 1 << 30, disk_bytes_max: 1 << 30 };

    /// The program that compiles cells, which is where the other programs are; says so where it was not built.
    fn compiler() -> Option<PathBuf> {
        let tests = std::env::current_exe().expect("this program");
        let path = tests.parent().and_then(Path::parent).expect("a folder of programs").join(COMPILER);
        let there = path.is_file().then_some(path);
        if there.is_none() {
            println!("SKIPPED: {COMPILER} was not built");
        }
        there
    }

    #[test]
    fn many_people_with_the_same_cell_are_measured_and_given_up_where_they_cost_too_much() {
        let Some(compiler) = compiler() else { return };
        let key = PublisherKey::generate(&SystemRandom::new()).expect("random bytes");
        let package = packed(STAGE, &key).expect("it is built");
        let each = |package| FEW.each(&compiler, package).expect("measured");
        let (each, without) = (each(Some(&package[..])), each(None));
        println!("each with a cell {each:.0} bytes, without {without:.0} bytes");
        assert!(each < FEW.bytes_max as f64 && without < FEW.bytes_max as f64);
        let refused = |many: Many| many.each(&compiler, Some(&package)).expect_err("given up").to_string();
        let slow = refused(Many { took_max: Duration::ZERO, people: 1_000, disk_bytes_max: u64::MAX, ..FEW });
        assert!(slow.contains("seconds are over the limit of 0"), "{slow}");
        let large = refused(Many { disk_bytes_max: 1, ..FEW });
        assert!(large.contains("0 people were measured") && large.contains("bytes of disk"), "{large}");
    }
}
