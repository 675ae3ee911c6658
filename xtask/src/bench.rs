//! Benchmarks: always of a release build.

use crate::cells;
use crate::demo::{Profile, run_host};
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// `cargo xtask bench [NAME]`
pub(crate) fn run(rest: &[String]) -> Result<(), Trouble> {
    let workspace = Workspace::read()?;
    cells::build(&workspace)?;
    let arguments: Vec<_> = std::iter::once("bench").chain(rest.iter().map(String::as_str)).collect();
    run_host(&workspace, Profile::Release, &arguments)
}
