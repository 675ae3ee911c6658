//! One line before a step, one line after it.

use std::time::Instant;

use crate::trouble::Trouble;

/// Says what begins, does it, and says how long it took and what came of it.
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

/// Says that a step is left out, and why.
pub(crate) fn skipped(name: &str, why: &str) {
    println!("{name}: SKIPPED, {why}");
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
