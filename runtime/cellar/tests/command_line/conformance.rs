//! Recorded days give what the reference computed from them, entry by entry, through the whole runtime.
//!
//! The cases are not part of this repository: `CELLAR_SHARED`, or a folder `shared` beside it, holds them and the
//! script that compares. Without them, or without Python, the test says so and passes.

use std::path::PathBuf;
use std::process::Command;

/// What this runtime has stages for.
const KEYS: [&str; 4] = [
    "segmentation/raw_trip",
    "segmentation/raw_place",
    "segmentation/raw_untracked",
    "background/filtered_location",
];

fn shared() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("CELLAR_SHARED").map_or_else(beside, PathBuf::from);
    folder.join("conformance/conformance.py").is_file().then_some(folder)
}

#[test]
fn recorded_days_give_the_references_trips_and_places() {
    let Some(shared) = shared() else {
        eprintln!("skipped: no recorded cases here (set CELLAR_SHARED)");
        return;
    };
    let compared = Command::new("python3")
        .arg(shared.join("conformance/conformance.py"))
        .args(["--replay", &format!("{} replay", env!("CARGO_BIN_EXE_cellar")), "--verbose", "--keys"])
        .args(KEYS)
        .output();
    let Ok(compared) = compared else {
        eprintln!("skipped: no python3 here to compare with");
        return;
    };
    let said = String::from_utf8_lossy(&compared.stdout);
    println!("{said}");
    assert!(compared.status.success(), "{said}{}", String::from_utf8_lossy(&compared.stderr));
}
