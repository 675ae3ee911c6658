//! `cellar types`: which data types are known, and which cell brought each.

use runtime_user::{KnownType, Runtime, Settings};

use super::{Options, show};
use runtime_cells::BUILT_IN;
use runtime_program::Failure;

/// Prints the list.
///
/// # Errors
/// [`Failure`] where the cells of this binary are not valid.
pub fn run(options: &Options) -> Result<(), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::of(&error, "set TMPDIR to a folder that you may write to"))?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN);
    let runtime =
        runtime.map_err(|error| Failure::of(&error, "build the binary again with `cargo xtask cells`"))?;
    let known = runtime.catalogue().types().list();
    runtime.shutdown();
    show(options, &known, |known| {
        let line = |known: &KnownType| format!("{:36} {:24} {}", known.key, known.from, known.description);
        known.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
