//! One analysis in three languages and four engines: every entry that it makes is the same, byte for byte.
//!
//! Components are built by `cellar cell build` and kept under `target`, by the digest of everything that they are made
//! of. Languages whose tools are not here are skipped aloud.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};
use ring::rand::SystemRandom;
use runtime_package::PublisherKey;
use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::{Area, CellShown, UserId};

/// 2024-03-31, so that the second of two days is of another month.
const FIRST_DAY: u32 = 19_813;
const NOW: f64 = (FIRST_DAY + 4) as f64 * 86_400.0;
const CELL: &str = "mode-share";
const MONTH: &str = "study.mode-share/month";
/// People whose days are analysed in one run; and in two, so that the second run needs what the first remembered.
const PEOPLE: u64 = 50;
const PEOPLE_OF_TWO_RUNS: usize = 3;

/// The example in one language, as a signed package.
struct Variant {
    name: &'static str,
    package: Vec<u8>,
    /// How long it took to build; `None`: it was built before.
    built: Option<Duration>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of this workspace.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_testkit-cell-compiler")).with_file_name(name)
}

/// The path on which tools are looked for: first those that `.ci/run` has installed.
fn path() -> OsString {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools");
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let near = [tools.join("python/bin"), tools.join("node_modules/.bin")];
    std::env::join_paths(near.into_iter().chain(std::env::split_paths(&usual))).expect("no colon in a path")
}

/// Every file of a folder and of what links in it lead to, with its path.
fn files(folder: &Path, under: &Path, found: &mut Vec<(PathBuf, PathBuf)>) {
    let mut names: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|item| item.expect("an item").file_name()).collect();
    names.sort();
    for name in names {
        let (path, place) = (folder.join(&name), under.join(&name));
        if path.is_dir() {
            if name != "__pycache__" && name != "build" {
                files(&path, &place, found);
            }
        } else {
            found.push((path, place));
        }
    }
}

/// The sources of a cell: paths in its folder, and contents.
type Sources = Vec<(PathBuf, Vec<u8>)>;

fn sources_of(folder: &Path) -> Sources {
    let mut found = Vec::new();
    files(folder, Path::new(""), &mut found);
    found.into_iter().map(|(file, place)| (place, fs::read(file).expect("a file"))).collect()
}

/// Builds a cell, unless the same was built before; `None`, aloud, where the tools are not here.
fn built(name: &str, sources: &Sources, engine: Option<&str>) -> Option<(Vec<u8>, Option<Duration>)> {
    let cellar = program("cellar");
    if !cellar.is_file() || !program("cellar-cell-encoder").is_file() {
        println!("SKIPPED: {name}, since cellar and cellar-cell-encoder are not beside this program");
        return None;
    }
    // Everything that the result follows from.
    let mut digest = Context::new(&SHA256);
    digest.update(format!("{name} {engine:?}").as_bytes());
    let builders =
        ["runtime/cellar/src/verbs/cell/build", "cells/python/cellar_cell", "cells/javascript/cellar-cell"];
    let builders = builders.iter().flat_map(|folder| sources_of(&root().join(folder)));
    let tools = fs::read(root().join("cells/tools")).expect("a file");
    let all = sources.iter().cloned().chain(builders).chain([("tools".into(), tools)]);
    for (place, content) in all {
        digest.update(place.as_os_str().as_encoded_bytes());
        digest.update(&content);
    }
    let digest: String = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages").join(format!("{digest}.wasm"));
    if let Ok(package) = fs::read(&kept) {
        return Some((package, None));
    }
    fs::create_dir_all(kept.parent().expect("a folder")).expect("made");
    let folder = tempfile::tempdir().expect("a folder");
    for (place, content) in sources {
        let to = folder.path().join(place);
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::write(to, content).expect("written");
    }
    let begun = Instant::now();
    let mut build = Command::new(cellar);
    build.env("CELLAR_CONFIG", "/dev/null").env("PATH", path()).args(["cell", "build"]).arg(folder.path());
    build.args(engine.iter().flat_map(|engine| ["--engine", engine])).arg("--output").arg(&kept);
    let ended = build.output().expect("it starts");
    let words = String::from_utf8_lossy(&ended.stderr);
    if words.contains(" is neither in ") {
        println!("SKIPPED: {name}: {words}");
        return None;
    }
    assert!(ended.status.success(), "{name}: {words}");
    Some((fs::read(&kept).expect("built"), Some(begun.elapsed())))
}

/// The example in Rust, which is there always, then in the other languages.
fn variants(key: &PublisherKey) -> Vec<Variant> {
    let rust = runtime_cells::PACKAGES.iter().find(|cell| cell.name == CELL).expect("it is built");
    let rust = runtime_package::pack(rust.component, rust.manifest, rust.schemas).expect("a package");
    let mut variants = vec![("rust", rust, None)];
    let others = [
        ("python", "python", None),
        ("javascript on qjs", "javascript", Some("qjs")),
        ("javascript on starling", "javascript", Some("starling")),
    ];
    for (name, language, engine) in others {
        let sources = sources_of(&root().join("cells/examples").join(language).join(CELL));
        variants.extend(built(name, &sources, engine).map(|(package, built)| (name, package, built)));
    }
    let sign = |package: &[u8]| key.sign(package, &SystemRandom::new()).expect("signed");
    variants
        .into_iter()
        .map(|(name, package, built)| Variant { name, package: sign(&package), built })
        .collect()
}

fn world() -> World {
    World::with(|settings| {
        settings.compiler = Some(env!("CARGO_BIN_EXE_testkit-cell-compiler").into());
    })
}

fn put(world: &World, user: UserId, seed: u64, day: u32) {
    let phone = if seed.is_multiple_of(2) { Phone::Android } else { Phone::Ios };
    let day = FIRST_DAY + day;
    let entries = simulate_day(&Person::invent(seed, phone).plan(day), seed).entries;
    world.put(user, &entries, f64::from(day + 1) * 86_400.0);
}

fn install(world: &World, user: UserId, variant: &Variant) -> CellShown {
    world.runtime.installed_cells().install(user, &variant.package, &[], NOW).expect("installed")
}

fn run(world: &World, user: UserId, now: f64) {
    let report = world.runtime.pipelines().run(user, now).expect("it ran");
    assert!(report.succeeded(), "{report:?}");
    assert!(report.guests.iter().all(|guest| guest.failure.is_none()), "{report:?}");
}

/// What the example has made: metadata and data of each entry, as they are stored.
fn months(world: &World, user: UserId) -> Vec<String> {
    let mut found = Vec::new();
    let person = world.runtime.person(user).expect("open");
    let read = person.each_entry(&[Area::Timeseries], |_, text| {
        let from = text.find("\"metadata\":").expect("an entry");
        if text[from..].starts_with(&format!("\"metadata\":{{\"key\":\"{MONTH}\"")) {
            found.push(text[from..].to_owned());
        }
        Ok(())
    });
    read.expect("entries are read");
    found
}

/// The median time of a run, µs, from the lines of the audit.
fn median_us(world: &World, users: &[UserId], digest: &str) -> u64 {
    let lines =
        |user: &UserId| world.runtime.person(*user).expect("open").audit(None, Some(CELL)).expect("an audit");
    let mut all: Vec<u64> = users
        .iter()
        .flat_map(lines)
        .filter(|line| line.digest == digest && line.entries_read > 0)
        .map(|line| line.elapsed_us)
        .collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

#[test]
fn the_same_analysis_in_three_languages_makes_the_same_entries() {
    let seeds: Vec<u64> = (1..=PEOPLE).map(|number| number * 7_919).collect();
    println!("people of the seeds {seeds:?}");
    let variants = variants(&PublisherKey::generate(&SystemRandom::new()).expect("random bytes"));
    let world = world();
    let users: Vec<UserId> = seeds.iter().map(|seed| world.person(&seed.to_string())).collect();
    for (user, seed) in users.iter().zip(&seeds) {
        put(&world, *user, *seed, 0);
        put(&world, *user, *seed, 1);
        run(&world, *user, NOW);
    }
    let mut expected: Vec<Vec<String>> = Vec::new();
    for variant in &variants {
        let begun = Instant::now();
        let mut made = Vec::new();
        let mut digest = String::new();
        let mut installing = None;
        for user in &users {
            digest = install(&world, *user, variant).digest.to_string();
            installing.get_or_insert_with(|| begun.elapsed());
            run(&world, *user, NOW);
            made.push(months(&world, *user));
            world.runtime.installed_cells().remove(*user, CELL, true).expect("removed");
        }
        println!(
            "{}: built in {:?}, {} bytes, first installed in {:?}, median run {} µs",
            variant.name,
            variant.built,
            variant.package.len(),
            installing.unwrap_or_default(),
            median_us(&world, &users, &digest),
        );
        if expected.is_empty() {
            let count: usize = made.iter().map(Vec::len).sum();
            assert!(count as u64 > PEOPLE, "{count} months of {PEOPLE} people");
            expected = made;
        } else {
            for ((made, want), seed) in made.iter().zip(&expected).zip(&seeds) {
                assert_eq!(made, want, "{} of person {seed}", variant.name);
            }
        }
    }
    in_two_runs(&world, &variants, &seeds);
}

/// The second run goes on from what the first has remembered, and changes its entries.
fn in_two_runs(world: &World, variants: &[Variant], seeds: &[u64]) {
    for seed in &seeds[..PEOPLE_OF_TWO_RUNS] {
        let mut expected: Option<Vec<String>> = None;
        for variant in variants {
            let user = world.person(&format!("{seed} {}", variant.name));
            install(world, user, variant);
            for day in 0..2 {
                put(world, user, *seed, day);
                run(world, user, NOW + f64::from(day));
            }
            let made = months(world, user);
            assert_eq!(
                &made,
                expected.get_or_insert_with(|| made.clone()),
                "{} of person {seed}",
                variant.name
            );
        }
    }
}

const PROBE: &str = r#"
name = "probe"
version = 1
world = "stage"
after = "MODE_INFERENCE"
title = "A probe"
purpose = "Shows in tests what a cell in another language can do."
interfaces = ["timeseries-read", "log"]

[[reads]]
area = "timeseries"
keys = ["background/location"]
"#;
const PROBE_IN_PYTHON: &str = r#"
import datetime, os, random, time, uuid
from cellar_cell import Failure

def run(cell):
    same = time.time() == cell.now == datetime.datetime.now(datetime.timezone.utc).timestamp()
    print("clock", "stands" if same else "runs")
    print("drawn", random.random(), uuid.uuid4(), os.urandom(4).hex())
    for attempt in (lambda: cell.count("manual/mode_confirm"), lambda: cell.output.insert("a/b", {}) or cell.output.send()):
        try:
            attempt()
        except Failure as failure:
            print("refused", failure.code)
    try:
        open("/etc/hostname")
    except OSError as error:
        print(error)
    nothing = {}
    nothing["at all"]
"#;
const PROBE_IN_JAVASCRIPT: &str = r#"
export function run(cell) {
  const same = Date.now() === Math.floor(cell.now * 1000) && new Date().getTime() === Date.now();
  console.log('clock', same ? 'stands' : 'runs');
  console.log('drawn', Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(4))]);
  const insert = () => { cell.output.insert('a/b', {}); cell.output.send(); };
  for (const attempt of [() => cell.count('manual/mode_confirm'), insert]) {
    try {
      attempt();
    } catch (failure) {
      console.log('refused', failure.code);
    }
  }
  console.log('a cell has no files');
  const nothing = {};
  nothing.at.all;
}
"#;

#[test]
fn clock_chance_printing_and_errors_of_other_languages_are_those_of_the_run() {
    let key = PublisherKey::generate(&SystemRandom::new()).expect("random bytes");
    let python = [("cell.toml", PROBE), ("app.py", PROBE_IN_PYTHON)];
    let javascript = [("cell.toml", PROBE), ("app.js", PROBE_IN_JAVASCRIPT), ("package.json", "{}")];
    let world = world();
    for (name, files, engine, failure) in [
        ("a probe in Python", &python[..], None, "KeyError: 'at all' (app.py, line 19)"),
        ("a probe on qjs", &javascript[..], Some("qjs"), "'all' of undefined (app.js, line 16)"),
    ] {
        let sources = files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect();
        let Some((package, _)) = built(name, &sources, engine) else { continue };
        let package = key.sign(&package, &SystemRandom::new()).expect("signed");
        let user = world.person(name);
        put(&world, user, 1, 0);
        world.runtime.installed_cells().install(user, &package, &[], NOW).expect("installed");
        let mut said = Vec::new();
        for _ in 0..2 {
            let report = world.runtime.pipelines().run(user, NOW).expect("it ran");
            let [guest] = &report.guests[..] else { panic!("{report:?}") };
            assert!(guest.failure.as_deref().is_some_and(|why| why.ends_with(failure)), "{guest:?}");
            let lines =
                world.runtime.person(user).expect("open").audit(None, Some("probe")).expect("an audit");
            said.push(lines[0].said.clone());
        }
        let words: Vec<&str> = said[0].iter().map(|line| line.trim_start_matches("info: ")).collect();
        let [clock, drawn, first, second, files] = words[..] else { panic!("{words:?}") };
        assert_eq!((clock, first, second), ("clock stands", "refused denied", "refused denied"));
        assert!(drawn.starts_with("drawn 0.") && files.contains("a cell has no files"), "{words:?}");
        assert_eq!(said[0], said[1], "a repeated run draws the same");
    }
}

#[test]
fn the_examples_ask_for_the_same() {
    let text = |language: &str, file: &str| {
        let path = root().join("cells/examples").join(language).join(CELL).join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    for file in ["cell.toml", "schemas/month.json"] {
        for language in ["python", "javascript"] {
            assert_eq!(text(language, file), text("rust", file), "{language} {file}");
        }
    }
}
