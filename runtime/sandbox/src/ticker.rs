//! The one thread that advances the engine's epoch, so that no guest runs beyond its deadline.
//!
//! * Units: a tick is [`TICK_MS`].
//! * Invariants: the thread ends with the engine; a thread that died is replaced when the next run is armed.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wasmtime::EngineWeak;

/// The interval at which the epoch advances, ms: a deadline is noticed at most two ticks late.
pub(crate) const TICK_MS: u64 = 10;

/// A ticker without a tick for this long is checked, ms. Generous, since a busy machine delays it too.
const SILENCE_MS_MAX: u64 = 500;

/// Keeps the thread alive.
pub(crate) struct Ticker {
    engine: EngineWeak,
    heart: Arc<Heart>,
    thread: Mutex<JoinHandle<()>>,
}

struct Heart {
    born: Instant,
    beat_ms: AtomicU64,
}

impl Heart {
    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Ticker {
    /// Starts the thread for an engine.
    pub(crate) fn start(engine: EngineWeak) -> io::Result<Self> {
        let heart = Arc::new(Heart { born: Instant::now(), beat_ms: AtomicU64::new(0) });
        let thread = Mutex::new(spawn(engine.clone(), Arc::clone(&heart))?);
        Ok(Self { engine, heart, thread })
    }

    /// Called whenever a deadline is armed: without ticks it would never pass.
    pub(crate) fn check(&self) {
        let silence_ms = self.heart.age_ms().saturating_sub(self.heart.beat_ms.load(Ordering::Relaxed));
        if silence_ms > SILENCE_MS_MAX {
            self.look_after(silence_ms);
        }
    }

    fn look_after(&self, silence_ms: u64) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if !thread.is_finished() {
            tracing::warn!(silence_ms, "the deadline ticker is late");
            return;
        }
        match spawn(self.engine.clone(), Arc::clone(&self.heart)) {
            Ok(started) => {
                *thread = started;
                tracing::error!(silence_ms, "the deadline ticker had ended and was started again");
            }
            Err(error) => {
                tracing::error!(silence_ms, %error, "the deadline ticker has ended and cannot be started")
            }
        }
    }
}

fn spawn(engine: EngineWeak, heart: Arc<Heart>) -> io::Result<JoinHandle<()>> {
    heart.beat_ms.store(heart.age_ms(), Ordering::Relaxed);
    std::thread::Builder::new().name("cell-ticker".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            heart.beat_ms.store(heart.age_ms(), Ordering::Relaxed);
            drop(engine);
            std::thread::sleep(Duration::from_millis(TICK_MS));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticker_that_died_is_replaced_when_the_next_run_is_armed() {
        let engine = wasmtime::Engine::new(&crate::engine::engine_config()).unwrap();
        let ticker = Ticker::start(engine.weak()).unwrap();
        let dead = std::thread::spawn(|| {});
        while !dead.is_finished() {
            std::thread::yield_now();
        }
        let first = std::mem::replace(&mut *ticker.thread.lock().unwrap(), dead);
        ticker.look_after(SILENCE_MS_MAX + 1);
        assert!(!ticker.thread.lock().unwrap().is_finished());
        drop(engine);
        first.join().unwrap();
        ticker.thread.into_inner().unwrap().join().unwrap();
    }
}
