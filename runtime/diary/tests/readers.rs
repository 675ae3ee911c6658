//! Exported files, read by widely used programs: gpxpy, geojson, shapely, pandas and fastkml. `.ci/tools` installs them in
//! the versions of `readers.txt`; `CELLAR_PYTHON` may name another Python that has them. Without them this test skips
//! itself.

#[path = "support/days.rs"]
mod days;
mod support;

use std::process::Command;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use runtime_diary::{Format, write};
use support::InMemory;

/// How many random diaries are read.
const DIARIES: usize = 60;
const FORMATS: [(Format, &str); 5] = [
    (Format::Geojson, "geojson"),
    (Format::Timeline, "timeline"),
    (Format::Gpx, "gpx"),
    (Format::Kml, "kml"),
    (Format::Csv, "csv"),
];

fn python() -> Option<String> {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/python/bin/python");
    let named = std::env::var("CELLAR_PYTHON").ok();
    let known = named.into_iter().chain([installed, "python3"].map(str::to_owned));
    known.into_iter().find(|python| {
        let probe = Command::new(python)
            .args(["-c", "import fastkml, geojson, gpxpy, lxml, pandas, shapely"])
            .output();
        probe.is_ok_and(|probe| probe.status.success())
    })
}

#[test]
fn other_programs_read_every_export_without_a_complaint() {
    let Some(python) = python() else {
        println!(
            "SKIPPED: no Python with fastkml, geojson, gpxpy, pandas and shapely; `.ci/tools` installs them, and \
             CELLAR_PYTHON may name one"
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut runner = TestRunner::deterministic();
    let mut made = Vec::new();
    for number in 0..DIARIES {
        let trips = days::trips().new_tree(&mut runner).expect("a diary").current();
        let memory = days::memory(&trips);
        for (format, name) in FORMATS {
            let mut out = Vec::new();
            write(&mut InMemory(&memory), format, f64::NEG_INFINITY, f64::INFINITY, &mut out)
                .expect("written");
            std::fs::write(folder.path().join(format!("{number}.{name}")), out).expect("written");
        }
        made.push(trips);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers.py");
    let read = Command::new(python).arg(script).arg(folder.path()).output().expect("it starts");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let complaints = String::from_utf8_lossy(&read.stdout).into_owned();
    let first = complaints.split('.').next().and_then(|number| number.parse::<usize>().ok());
    assert!(
        complaints.is_empty(),
        "{complaints}\nthe first of these is {:?}",
        first.map(|number| &made[number])
    );
}
