//! What does a fresh instance cost, and do two threads create twice as many?
//!
//! * Work: the no-op cell, instantiated, called once and dropped; and one live instance, called again and again.
//! * Reports: µs for an instance beside µs for a call of a live one; instances a second on two threads beside one.
//! * Estimate: 25 µs, most of it for resetting a memory's pages; the process's memory map has one lock for both
//!   threads.

use std::time::Duration;

use runtime_sandbox::measure::{fresh_calls, warm_calls};
use runtime_sandbox::{Prepared, RunError};
use runtime_user::{Runtime, Settings};

use super::rounds::{Comparison, compare};
use super::{BenchError, Figures};
use runtime_cells::BUILT_IN;

const ROUNDS: usize = 41;
const FRESH_RUNS: usize = 500;
const WARM_RUNS: usize = 20_000;
const FRESH_US_MAX: f64 = 30.0;
const TWO_THREADS_MIN: f64 = 1.5;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let settings = Settings { test_cells: true, ..Settings::at(folder.path()) };
    let runtime = Runtime::open(settings, BUILT_IN)?;
    let noop = noop(&runtime)?;
    // The first instances cause page faults that later ones do not.
    fresh_calls(&noop, 2, FRESH_RUNS)?;
    let fresh = compare(
        ROUNDS,
        "us",
        || each_us(fresh_calls(&noop, 1, FRESH_RUNS), FRESH_RUNS),
        || each_us(warm_calls(&noop, 1, WARM_RUNS), WARM_RUNS),
    );
    let met = fresh.ours <= FRESH_US_MAX;
    let fresh = fresh.named("instantiate, call, drop", "a call of a live one").held_against("≤ 30 us", met);
    let figures = vec![fresh, two_threads(&noop)];
    runtime.shutdown();
    Ok(figures)
}

fn two_threads(noop: &Prepared) -> Comparison {
    // Instances in a millisecond, so that more is better.
    let rate = |threads: usize| {
        let each = each_us(fresh_calls(noop, threads, FRESH_RUNS), FRESH_RUNS);
        threads as f64 * 1e3 / each
    };
    let compared = compare(ROUNDS, "/ms", || rate(2), || rate(1));
    compared.named("fresh instances on two threads", "on one").at_least(TWO_THREADS_MIN)
}

fn each_us(took: Result<Duration, RunError>, runs: usize) -> f64 {
    took.expect("the no-op cell answers").as_secs_f64() * 1e6 / runs as f64
}

fn noop(runtime: &Runtime) -> Result<Prepared, BenchError> {
    let target = runtime.catalogue().target(super::network::NOOP_PATH)?;
    let missing = || BenchError::Network("this binary was built without the no-op cell".to_owned());
    runtime.catalogue().endpoint(&target).map(|cell| cell.prepared.clone()).ok_or_else(missing)
}
