//! The units that cargo will build, queried before the build begins.
//!
//! Cargo's graph of units is unstable: an output that cannot be read as expected is ignored, and costs only the
//! estimate of the time left.

#[cfg(test)]
mod once;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Units of a build, with a weight that grows with the time that a unit takes.
pub(crate) struct Plan {
    /// For each package: the number of units, and the weight of each.
    packages: HashMap<String, (usize, f64)>,
}

#[derive(Deserialize)]
struct Graph {
    units: Vec<Unit>,
}

#[derive(Deserialize)]
struct Unit {
    pkg_id: String,
    mode: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Plan {
    /// Runs a cargo command that prints its graph of units.
    pub(crate) fn of(command: &mut Command) -> Option<Self> {
        let output = command.env("RUSTC_BOOTSTRAP", "1").stderr(Stdio::null()).output().ok()?;
        let graph: Graph = serde_json::from_slice(&output.stdout).ok()?;
        // Cargo does not report the runs of build scripts, or documentation, as finished.
        let reported = graph.units.iter().filter(|unit| !["run-custom-build", "doc"].contains(&&*unit.mode));
        Some(Self::new(reported.map(|unit| (&*unit.pkg_id, weight(&unit.target)))))
    }

    /// A plan of single units of packages.
    pub(crate) fn new<'a>(units: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut packages = HashMap::new();
        for (package, weight) in units {
            let (count, mean): &mut (usize, f64) = packages.entry(package.to_owned()).or_default();
            *mean = (*mean * *count as f64 + weight) / (*count + 1) as f64;
            *count += 1;
        }
        Self { packages }
    }

    /// The number of units.
    pub(crate) fn units(&self) -> usize {
        self.packages.values().map(|(count, _)| count).sum()
    }

    /// The total weight.
    pub(crate) fn total(&self) -> f64 {
        self.packages.values().map(|(count, weight)| *count as f64 * weight).sum()
    }

    /// The weight of one unit of that package.
    pub(crate) fn weight(&self, package: &str) -> f64 {
        self.packages.get(package).map_or(0.0, |(_, weight)| *weight)
    }
}

/// Weight of a program, and of a build script.
const PROGRAM: f64 = 500.0;
const SCRIPT: f64 = 100.0;

/// The square root of the size of the Rust sources in and below a library's root folder, bytes: a large library has
/// much code that is not used. The weight is the same for all programs, since the linker takes most of their time.
fn weight(target: &Target) -> f64 {
    match target.kind.first().map(String::as_str) {
        Some("lib" | "rlib" | "proc-macro") => {
            target.src_path.parent().map_or(0.0, |home| bytes(home) as f64).sqrt()
        }
        Some("custom-build") => SCRIPT,
        _ => PROGRAM,
    }
}

fn bytes(folder: &Path) -> u64 {
    let Ok(items) = folder.read_dir() else { return 0 };
    let size = |item: std::fs::DirEntry| match item.metadata() {
        Ok(known) if known.is_dir() => bytes(&item.path()),
        Ok(known) if item.path().extension().is_some_and(|end| end == "rs") => known.len(),
        _ => 0,
    };
    items.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: &str, src_path: PathBuf) -> Target {
        Target { kind: vec![kind.to_owned()], src_path }
    }

    #[test]
    fn a_library_weighs_the_square_root_of_its_sources() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("inner")).unwrap();
        std::fs::write(home.path().join("lib.rs"), [b' '; 100]).unwrap();
        std::fs::write(home.path().join("inner/more.rs"), [b' '; 300]).unwrap();
        std::fs::write(home.path().join("inner/table.json"), [b' '; 500]).unwrap();
        assert_eq!(weight(&target("lib", home.path().join("lib.rs"))), 20.0);
        assert_eq!(weight(&target("bin", home.path().join("lib.rs"))), PROGRAM);
        assert_eq!(weight(&target("lib", home.path().join("gone/lib.rs"))), 0.0);
    }

    #[test]
    fn an_answer_that_is_no_graph_is_no_plan() {
        assert!(Plan::of(Command::new("echo").arg("{}")).is_none());
        assert!(Plan::of(&mut Command::new("a program that is not there")).is_none());
    }
}
