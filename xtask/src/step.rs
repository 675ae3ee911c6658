//! Prints one line before a step and one line after it.

use std::time::Instant;

use crate::trouble::Trouble;

/// Announces the step, carries it out, and reports how long it took and its result.
pub(crate) fn step<T>(
    name: &str,
    what: &str,
    work: impl FnOnce() -> Result<(T, String), Trouble>,
) -> Result<T, Trouble> {
    println!("{name}: {what}");
    let begun = Instant::now();
    let (made, result) = work().inspect_err(|_| println!("{name}: stopped after {:.1} s", seconds(begun)))?;
    println!("{name}: {result} ({:.1} s)", seconds(begun));
    Ok(made)
}

/// Reports that a step is left out, and why.
pub(crate) fn skipped(name: &str, why: &str) {
    println!("{name}: SKIPPED, {why}");
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
