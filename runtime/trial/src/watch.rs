//! `cellar cell watch`: builds and tries a cell whenever one of its files changes.
//!
//! Files are looked at by name, size and time of change, which needs no service of the operating system and works in
//! every kind of folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use runtime_program::{Failure, console};

use crate::command::{failure, scenarios};
use crate::report::Report;
use crate::stand::{Stand, TrialError};
use crate::subject::Subject;
use crate::trial::{self, Options};

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(300);
/// Folders that builds and trials write to.
const WRITTEN: [&str; 3] = ["target", "build", "failures"];
/// How many files of a cell are looked at; further ones are not.
const FILES_MAX: usize = 10_000;

/// Each file with its size and time of change.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Tries the cell now and after each change, until `stop`.
pub(crate) fn run(folder: &Path, options: &Options, json: bool, stop: &AtomicBool) -> Result<(), Failure> {
    if !folder.join("cell.toml").is_file() {
        let what = format!("{} has no cell.toml", folder.display());
        return Err(Failure::new(what, "name the folder of a cell"));
    }
    let mut tried: Option<Seen> = None;
    while !stop.load(Ordering::Relaxed) && console::has_reader() {
        let now = seen(folder);
        if tried.as_ref() == Some(&now) {
            std::thread::sleep(LOOK);
            continue;
        }
        tried = Some(now);
        match once(folder, options, stop) {
            Ok(None) => break,
            Ok(Some(report)) if json => console::json(&report)?,
            Ok(Some(report)) => console::line(line(&report))?,
            // What is half written does not build; the next change will.
            Err(failure) => console::line(format!("{}; {}", failure.what, failure.remedy))?,
        }
    }
    Ok(())
}

/// One trial; `None`: it was stopped.
fn once(folder: &Path, options: &Options, stop: &AtomicBool) -> Result<Option<Report>, Failure> {
    let subject = Arc::new(Subject::find(folder, None)?.with_study(None, false)?);
    let options = Options { scenarios: scenarios(&subject, &[], &[]), ..options.clone() };
    let stand = Stand::start(subject, None).map_err(|error| failure(&error))?;
    match trial::run(&stand, &options, stop) {
        Ok(report) => Ok(Some(report)),
        Err(TrialError::Stopped) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

/// The verdict, and behind it what differs.
fn line(report: &Report) -> String {
    let mut lines = vec![report.verdict()];
    for failure in &report.failures {
        lines.push(format!("  {}: {}", failure.scenario.name(), failure.what));
        lines.extend(failure.difference.iter().map(|line| format!("    {line}")));
    }
    for golden in &report.goldens.differ {
        lines.push(format!("  goldens {}:", golden.name));
        lines.extend(golden.difference.iter().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

/// The files of a cell's folder, without what builds and trials write.
fn seen(folder: &Path) -> Seen {
    let (mut found, mut open) = (Seen::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for item in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            let (path, name) = (item.path(), item.file_name());
            let name = name.to_string_lossy();
            if name.starts_with('.') || WRITTEN.contains(&&*name) || name == "Cargo.lock" {
                continue;
            }
            // A link is not followed, so that no circle is.
            let Ok(about) = item.metadata() else { continue };
            if about.is_dir() {
                open.push(path);
            } else if found.len() < FILES_MAX {
                found.insert(path, (about.len(), about.modified().ok()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_source_is_seen_and_what_builds_write_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for made in ["src", "target/debug", "build", "tests/failures"] {
            fs::create_dir_all(at(made)).expect("made");
        }
        fs::write(at("cell.toml"), "one").expect("written");
        fs::write(at("src/lib.rs"), "one").expect("written");
        let before = seen(folder.path());
        assert_eq!(before.len(), 2);
        for written in ["target/debug/x", "build/x.wasm", "tests/failures/cut.json", ".hidden", "Cargo.lock"]
        {
            fs::write(at(written), "new").expect("written");
        }
        assert_eq!(seen(folder.path()), before);
        fs::write(at("src/lib.rs"), "another").expect("written");
        assert_ne!(seen(folder.path()), before);
    }
}
