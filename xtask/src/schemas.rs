//! Files that are generated from the structs of the model.

use crate::command::{cargo, run};
use crate::trouble::Trouble;

/// `cargo xtask schemas`: runs the test that compares the files with the structs, and lets it write those that differ.
pub(crate) fn write() -> Result<(), Trouble> {
    let test = [
        "test",
        "--quiet",
        "--package",
        "cells-model",
        "--test",
        "schemas",
        "every_schema",
        "--",
        "--nocapture",
    ];
    run(
        cargo().args(test).env("CELLAR_WRITE_SCHEMAS", "1"),
        "correct what cargo says above; where the tables themselves keep cells-model from building, take them back first",
    )
}
