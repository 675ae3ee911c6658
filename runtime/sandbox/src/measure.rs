//! How long instances take, for `cellar bench`. Compare ratios of one run; absolute values depend on the machine.

use std::time::{Duration, Instant};

use crate::{Limits, NoHost, Prepared, Request, RunError};

/// Fresh instances: instantiates, calls once and drops, `runs` times on each of `threads` threads. Returns the time
/// from the first start to the last end.
pub fn fresh_calls(prepared: &Prepared, threads: usize, runs: usize) -> Result<Duration, RunError> {
    on_threads(threads, || {
        for _ in 0..runs {
            prepared.endpoint(Box::new(NoHost), Limits::endpoint())?.handle(request())?;
        }
        Ok(())
    })
}

/// Calls one live instance on each thread, each time rebound as for another request of the same person.
pub fn warm_calls(prepared: &Prepared, threads: usize, runs: usize) -> Result<Duration, RunError> {
    on_threads(threads, || {
        let mut instance = prepared.endpoint(Box::new(NoHost), Limits::endpoint())?;
        for _ in 0..runs {
            instance.rebind(Box::new(NoHost), Limits::endpoint())?;
            instance.handle(request())?;
        }
        Ok(())
    })
}

fn request() -> Request {
    Request { rest: "timestamp".to_owned(), now: 1e9, body_bytes: 0 }
}

fn on_threads(threads: usize, work: impl Fn() -> Result<(), RunError> + Sync) -> Result<Duration, RunError> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("measuring does not panic"))
    })?;
    Ok(start.elapsed())
}
