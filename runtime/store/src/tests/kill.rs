//! kill -9 in a loop: a child commits and reports it, the parent kills it and checks.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use runtime_types::{Area, Query};

use super::lab::{Lab, LabEngine, USER, entry, held, location};
use super::model::read_all;
use super::random::{Random, rounds};
use crate::{Batch, EngineKind, Options, Store};

const ROWS: u64 = 20;

/// Runs in the child process: commits until it is killed.
#[test]
#[ignore = "runs as the child of the kill tests"]
fn child() {
    let folder = std::env::var("CELLAR_KILL_FOLDER").expect("set by the parent");
    let engine =
        if std::env::var_os("CELLAR_KILL_SLED").is_some() { EngineKind::Sled } else { EngineKind::Redb };
    let options = Options { engine, ..Options::default() };
    let folder = Path::new(&folder).join("store");
    let mut generation = Store::key_generation(&folder).unwrap().unwrap();
    let store = Store::open(&folder, USER, &held(generation), &options).unwrap();
    let mut out = std::io::stdout();
    loop {
        let round = store.snapshot().document("round").unwrap();
        let next = round.map_or(0, |round| u64::from_le_bytes(round[..8].try_into().unwrap())) + 1;
        let mut batch = Batch::new();
        for row in 0..ROWS {
            batch.insert(Area::Timeseries, entry("a/b", &location((next * ROWS + row) as f64)));
        }
        batch.put_document("round", next.to_le_bytes().to_vec());
        store.commit(batch).unwrap();
        writeln!(out, "acknowledged {next}").unwrap();
        out.flush().unwrap();
        if next.is_multiple_of(40) {
            store.settle().unwrap();
        }
        if next.is_multiple_of(7) {
            generation += 1;
            store.rotate_data_key(held(generation).key, generation).unwrap();
            writeln!(out, "rotated {generation}").unwrap();
            out.flush().unwrap();
        }
    }
}

/// What the child reported.
#[derive(Default)]
struct Told {
    commits: u64,
    generation: u32,
}

impl Told {
    /// Returns whether a line reported a commit.
    fn hear(&mut self, line: &str) -> bool {
        if let Some(generation) = line.strip_prefix("rotated ") {
            self.generation = generation.parse().unwrap();
        }
        let round = line.strip_prefix("acknowledged ");
        round.inspect(|round| self.commits = round.parse().unwrap()).is_some()
    }
}

fn kill_in_a_loop(engine: LabEngine, kills: u64) {
    let lab = Lab::new(engine);
    drop(lab.create());
    let mut random = Random::new(11);
    let mut generation = 1;
    for kill in 0..kills {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["tests::kill::child", "--exact", "--ignored", "--nocapture"]);
        command.env("CELLAR_KILL_FOLDER", lab.path.parent().unwrap());
        if lab.options.engine == EngineKind::Sled {
            command.env("CELLAR_KILL_SLED", "1");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = Told { generation, ..Told::default() };
        let enough = 1 + random.below(25);
        let mut acks = 0;
        // The kill may come at any point between a commit's beginning and its end.
        while acks < enough {
            let line = lines.next().expect("the child lives until it is killed").unwrap();
            acks += usize::from(told.hear(&line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| {
            told.hear(&line);
        });
        let acknowledged = told.commits;
        generation = Store::key_generation(&lab.path).unwrap().unwrap();
        assert!(
            (told.generation..=told.generation + 1).contains(&generation),
            "kill {kill}: data key {generation} after {}",
            told.generation
        );
        let store = Store::open(&lab.path, USER, &held(generation), &lab.options);
        let store = store.unwrap_or_else(|error| panic!("kill {kill}: {error:?}"));
        let snapshot = store.snapshot();
        let round = snapshot.document("round").unwrap().unwrap();
        let round = u64::from_le_bytes(round[..8].try_into().unwrap());
        assert!(
            (acknowledged..=acknowledged + 1).contains(&round),
            "kill {kill}: {round} after {acknowledged}"
        );
        let rows = read_all(&snapshot, &Query::everything(Area::Timeseries), 10_000, false);
        assert_eq!(rows.len() as u64, round * ROWS, "kill {kill}");
        for (at, (time, row)) in rows.iter().enumerate() {
            let expected = (ROWS + at as u64) as f64;
            assert_eq!((*time, &row.data), (expected, &location(expected).1), "kill {kill}");
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    kill_in_a_loop(LabEngine::Redb, rounds(8, 200));
}

#[cfg(feature = "sled")]
#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged_with_sled() {
    kill_in_a_loop(LabEngine::Sled, rounds(5, 100));
}
