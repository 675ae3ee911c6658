//! `cellar cell test` and `cellar cell watch` over a folder that `cellar cell new` has made.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::cells::{TARGET, can_build, can_compile};
use crate::support::binary::{CELLAR, Running, json, parse, program, text, within};

/// Whether cells can be tried here; says so where they cannot.
fn can_try() -> bool {
    let can = Path::new(CELLAR).with_file_name("cellar-cell-test").is_file();
    if !can {
        println!("SKIPPED: no cellar-cell-test beside cellar");
    }
    can && can_build() && can_compile()
}

/// A new stage in that folder, which builds with the versions of this workspace.
fn new_stage(home: &Path, name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let there = home.to_str().expect("UTF-8");
    json(&["cell", "new", name, "--within", there, "--sdk", &within(&root, "cells/sdk")]);
    fs::copy(root.join("Cargo.lock"), home.join(name).join("Cargo.lock")).expect("copied");
    within(home, name)
}

/// `cellar cell VERB FOLDER`, with little to play.
fn of_cell(verb: &str, folder: &str) -> Command {
    let mut command = program(CELLAR);
    command.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", TARGET).env_remove("RUSTFLAGS");
    command.args(["cell", verb, folder, "--users", "1"]);
    command
}

#[test]
fn a_new_stage_passes_every_scenario_and_one_that_counts_its_runs_does_not() {
    if !can_try() {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let folder = new_stage(home.path(), "tried");
    let run = |more: &[&str]| {
        let ended = of_cell("test", &folder).args(["--days", "2", "--json"]).args(more).output();
        let ended = ended.expect("it starts");
        let told = text(&ended.stdout);
        (ended.status.code(), if told.is_empty() { text(&ended.stderr).into() } else { parse(&told) })
    };
    let (code, report) = run(&["--update"]);
    assert_eq!((code, report["goldens"]["written"].as_u64()), (Some(0), Some(1)), "{report}");
    assert!(Path::new(&folder).join("tests/goldens/7.json").is_file());
    assert!(report["scenarios"].as_array().is_some_and(|all| all.len() == 12), "{report}");
    // The stage of `cellar cell new` writes an entry for each gap; here one for each run.
    let source = Path::new(&folder).join("src/lib.rs");
    let sound = fs::read_to_string(&source).expect("text");
    let line = "    output.finish(runtime)?;";
    let faulty = sound.replace(
        line,
        &format!(
            "    if let Some(latest) = latest {{\n        let data = format!(r#\"{{{{\"start_ts\":{{latest}},\"end_ts\":{{latest}}}}}}\"#);\n        \
             output.insert(runtime, \"study.tried/silence\", &data)?;\n    }}\n{line}"
        ),
    );
    assert_ne!(faulty, sound, "{sound}");
    fs::write(&source, faulty).expect("written");
    let (code, report) = run(&["--only", "cut"]);
    assert_eq!((code, &report["failures"][0]["scenario"]), (Some(1), &"cut".into()), "{report}");
    let file = within(Path::new(&folder), "tests/failures/cut.json");
    let (code, report) = run(&["--replay", &file]);
    assert_eq!((code, &report["scenarios"][0]["failed"]), (Some(1), &1.into()), "{report}");
    fs::write(&source, sound).expect("written");
    let (code, report) = run(&["--replay", &file]);
    assert_eq!(code, Some(0), "{report}");
}

#[test]
fn a_watched_cell_is_tried_again_after_each_change_until_it_is_stopped() {
    if !can_try() {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let folder = new_stage(home.path(), "watched");
    let mut watching = Running::start(of_cell("watch", &folder).stdout(Stdio::piped()));
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let first = next();
    assert!(first.starts_with("passed: 1 invented person"), "{first}");
    let source = Path::new(&folder).join("src/lib.rs");
    let sound = fs::read_to_string(&source).expect("text");
    fs::write(&source, "not Rust").expect("written");
    let broken = next();
    assert!(broken.starts_with("the cell was not built; correct"), "{broken}");
    fs::write(&source, sound).expect("written");
    let again = next();
    assert!(again.starts_with("passed: "), "{again}");
    watching.stop(Signal::INT);
}
