//! What do a put and a run cost this build, in processor time?
//!
//! * Work: puts of 1,000 locations through cell and store, without the network; then the whole pipeline over a
//!   simulated day of a person's phone, for one new person after another.
//! * Compared with: nothing here. `cargo xtask bench wiping` runs this in two builds in turns, one of which does not
//!   wipe the memory that it frees.
//! * Counts: processor time of the whole process, so that a slow disk has no effect.
//! * Estimate: wiping is one pass over memory that was just written, so it is still in a cache: a tenth, at the most.

use std::sync::Arc;

use runtime_user::{Answer, Body, Call, Head, Runtime, Settings, UserId};
use rustix::time::{ClockId, clock_gettime};

use super::rounds::{Comparison, quantile};
use super::sample::{self, Sample};
use super::{BenchError, Figures};
use runtime_cells::BUILT_IN;

const ENTRIES: usize = 1_000;
const PUTS: usize = 20;
const RUNS: usize = 7;
/// A moment after every simulated day, s.
const NOW: f64 = 1_900_000_000.0;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let put = |user, samples: &[Sample]| tokio.block_on(put(&runtime, user, samples));

    let locations = sample::locations(ENTRIES * (PUTS + 1));
    let (user, _) = runtime.people().add("puts", 0.0)?;
    let mut puts_ms = Vec::with_capacity(PUTS + 1);
    for some in locations.chunks(ENTRIES) {
        let (took_ms, done) = processor_ms(|| put(user, some));
        done?;
        puts_ms.push(took_ms);
    }
    let day = sample::days(1);
    let mut runs_ms = Vec::with_capacity(RUNS + 1);
    for round in 0..=RUNS {
        let (user, _) = runtime.people().add(&format!("runs {round}"), 0.0)?;
        put(user, &day)?;
        let (took_ms, report) = processor_ms(|| runtime.pipelines().run(user, NOW));
        if let Some(failed) = report?.failed() {
            return Err(BenchError::Network(format!("{}: {:?}", failed.stage, failed.failure)));
        }
        runs_ms.push(took_ms);
        runtime.open_people().close(user);
    }
    runtime.shutdown();
    let row = |what, each: &mut [f64]| {
        // The first one warms up and is not counted.
        Comparison::figure(what, quantile(&mut each[1..], 0.5), "ms", "", true)
    };
    Ok(vec![row("put of 1,000 entries", &mut puts_ms), row("pipeline of a day", &mut runs_ms)])
}

fn processor_ms<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let now = || {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
    };
    let before = now();
    let result = work();
    (now() - before, result)
}

/// Puts readings as a phone does.
pub(super) async fn put(runtime: &Arc<Runtime>, user: UserId, samples: &[Sample]) -> Result<(), BenchError> {
    let texts: Vec<_> = samples.iter().map(Sample::text).collect();
    let body = runtime_simulator::put_body("", &texts).into_bytes();
    let body = Body::from_chunks(vec![body.into()]);
    let target = runtime.catalogue().target("usercache/put")?;
    let call = Call { target, now: 2e9, head: Head::default(), body, device: None };
    match runtime.call(user, call).await? {
        Answer::Whole { status: 200, .. } => Ok(()),
        _ => Err(BenchError::Network("a put was not stored".to_owned())),
    }
}
