//! Benchmarks, always with a release build.

mod wiping;

use crate::cells;
use crate::demo::{Profile, run_verb};
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// `cargo xtask bench [NAME]`; `wiping` compares two builds and is implemented here.
pub(crate) fn run(rest: &[String]) -> Result<(), Trouble> {
    let workspace = Workspace::read()?;
    cells::build(&workspace)?;
    if rest.first().is_some_and(|name| name == "wiping") {
        return wiping::run(&workspace);
    }
    run_verb(&workspace, Profile::Release, "bench", rest)
}
