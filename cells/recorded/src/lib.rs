//! Recorded days and what the reference computed from them, for tests of stages.
//!
//! A test takes a [`Case`], lets [`Case::memory`] build a runtime that holds the phone's entries and the
//! reference's own results of the stages before, runs one stage over it and asks [`Case::differences`].
//!
//! * Needs the recorded cases, which are not part of the repository: the folder that `CELLAR_SHARED` names, or `shared`
//!   beside the repository. Without them [`cases`] prints this and is empty.
//! * Ids are compared by what they point at, the server's clock is left out, times may differ by 2 µs and other
//!   numbers by 1e-9 of their size.

mod canonical;
mod case;
mod compare;

use std::path::{Path, PathBuf};

pub use canonical::Canonical;
pub use case::{Case, text_of};
pub use compare::difference;

/// Every recorded case, by name. Empty, with a message, where there are none.
pub fn cases() -> Vec<Case> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("CELLAR_SHARED").map_or_else(beside, PathBuf::from);
    let Ok(folder) = std::fs::read_dir(shared.join("goldens")) else {
        eprintln!("skipped: no recorded cases; CELLAR_SHARED names the folder that has them");
        return Vec::new();
    };
    let mut paths: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.join("case.json").exists());
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}
