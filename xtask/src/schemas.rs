//! Files that are made from the structs of the model.

use crate::command::{cargo, run};
use crate::trouble::Trouble;

/// `cargo xtask schemas`: runs the test that holds the files to the structs, and has it write what differs.
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
