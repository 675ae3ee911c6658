//! The host's clocks: the current time, and how much time has passed.
//!
//! * The wall clock is shown to people, given to cells as "now" and compared with the times that phones wrote. It may
//!   be set at any moment, so no duration is measured by it.
//! * The steady clock continues while the machine is suspended, and cannot be set: leases, pauses, windows and limits
//!   are measured by it.
//! * The file `clock` in the data folder holds the last time at which the host ran with a clock that it trusted. With
//!   it, the host notices a clock that starts behind that time ([`runtime_pipeline::ClockWatch`]).

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runtime_pipeline::{BELIEVED_AFTER_S, ClockWatch, Doubt, JUMP_S, Turn};
use tokio::sync::Notify;

use crate::files;

/// The clocks of the machine, or of a test.
pub trait HostClock: Debug + Send + Sync {
    /// Seconds since 1970-01-01T00:00:00Z by the machine's wall clock.
    fn wall_s(&self) -> f64;
    /// Seconds since some moment before the process began.
    fn steady_s(&self) -> f64;
}

/// The clocks of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The clock that continues while the machine is suspended, where the system has one.
#[cfg(target_os = "linux")]
const STEADY: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

impl HostClock for SystemClock {
    fn wall_s(&self) -> f64 {
        since_epoch().as_secs_f64()
    }

    fn steady_s(&self) -> f64 {
        let time = rustix::time::clock_gettime(STEADY);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn epoch_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

fn ms(seconds: f64) -> u64 {
    // Saturates at both ends.
    (seconds * 1_000.0) as u64
}

/// How often the current time is written to the file, s.
const KEPT_EVERY_S: f64 = 3_600.0;

const CLOCK_FILE: &str = "clock";

/// The host's clocks, and what is known about them since the runtime was opened.
pub struct Clocks {
    clock: Arc<dyn HostClock>,
    path: PathBuf,
    /// Both clocks when the runtime was opened, s.
    started_wall_s: f64,
    started_steady_s: f64,
    watched: Mutex<Watched>,
    /// Notified when the wall clock becomes trusted again, or is trusted no longer.
    pub(crate) turned: Notify,
}

struct Watched {
    watch: ClockWatch,
    /// The time in the file, s.
    kept_s: Option<f64>,
}

impl Clocks {
    /// Reads when the host last ran. `built_s`: see [`crate::Settings::built_s`].
    pub(crate) fn open(data: &Path, clock: Arc<dyn HostClock>, built_s: f64) -> Self {
        let path = data.join(CLOCK_FILE);
        let kept = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<f64>().ok());
        let kept_s = kept.filter(|kept| kept.is_finite());
        let watched = Mutex::new(Watched { watch: ClockWatch::new(built_s, kept_s), kept_s });
        let (started_wall_s, started_steady_s) = (clock.wall_s(), clock.steady_s());
        Self { clock, path, started_wall_s, started_steady_s, watched, turned: Notify::new() }
    }

    /// Seconds since 1970-01-01T00:00:00Z by the wall clock.
    pub fn wall_s(&self) -> f64 {
        self.clock.wall_s()
    }

    /// Seconds of the steady clock, since some moment before the process began.
    pub(crate) fn steady_s(&self) -> f64 {
        self.clock.steady_s()
    }

    /// Milliseconds since the runtime was opened, by the steady clock.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        ms(self.clock.steady_s() - self.started_steady_s)
    }

    /// A clock that cannot be set, in the form of the wall clock: ms since 1970 as the wall clock showed when the
    /// runtime was opened, plus the time that has passed since. For everything that has a duration: windows, limits,
    /// grants.
    pub fn lasting_ms(&self) -> u64 {
        ms(self.started_wall_s).saturating_add(self.elapsed_ms())
    }

    /// A moment of [`Self::lasting_ms`] as the wall clock will show it, ms since 1970.
    pub fn shown_ms(&self, lasting_ms: u64) -> u64 {
        let (now_ms, wall_ms) = (self.lasting_ms(), ms(self.clock.wall_s()));
        if lasting_ms >= now_ms {
            wall_ms.saturating_add(lasting_ms - now_ms)
        } else {
            wall_ms.saturating_sub(now_ms - lasting_ms)
        }
    }

    /// Checks whether the wall clock can be trusted; logs a change once. `None`: it can.
    pub(crate) fn check(&self) -> Option<Doubt> {
        let (doubt, turn) = self.look();
        match turn {
            Some(Turn::Doubted(doubt)) => {
                tracing::warn!(
                    "{doubt}: uploads are taken, and analyses wait until the clock is right or has gone on steadily for {BELIEVED_AFTER_S} s"
                );
            }
            Some(Turn::Believed) => tracing::info!("the host's clock is believed again: analyses go on"),
            None => {}
        }
        if turn.is_some() {
            self.turned.notify_one();
        }
        doubt
    }

    /// Why the wall clock is not trusted, in words for people; `None`: it is trusted.
    pub fn doubt(&self) -> Option<String> {
        self.check().map(|doubt| doubt.to_string())
    }

    /// Checks the clock, and keeps the time for the next start. Call it every few seconds.
    pub fn keep(&self) {
        self.check();
        self.keep_if_off_by(KEPT_EVERY_S);
    }

    /// As [`Self::keep`], before the runtime ends.
    pub(crate) fn keep_at_the_end(&self) {
        self.check();
        self.keep_if_off_by(JUMP_S);
    }

    /// Whether the clock is trusted, and whether that has changed.
    fn look(&self) -> (Option<Doubt>, Option<Turn>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = watched.watch.look(self.clock.wall_s(), self.clock.steady_s());
        (watched.watch.doubt(), turn)
    }

    /// Keeps the time if the clock is trusted and the kept time is older or newer by more than `off_s`.
    fn keep_if_off_by(&self, off_s: f64) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = self.clock.wall_s();
        let is_due = watched.kept_s.is_none_or(|kept_s| (now_s - kept_s).abs() >= off_s);
        if !is_due || watched.watch.doubt().is_some() {
            return;
        }
        match files::replace(&self.path, format!("{now_s:.0}\n").as_bytes()) {
            Ok(()) => watched.kept_s = Some(now_s),
            Err(error) => tracing::warn!(%error, "the time at which this host runs was not kept"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows the same time until it is set: wall clock and steady clock, s.
    #[derive(Debug)]
    struct At(Mutex<(f64, f64)>);

    impl At {
        fn new(wall_s: f64, steady_s: f64) -> Self {
            Self(Mutex::new((wall_s, steady_s)))
        }

        fn set(&self, wall_s: f64, steady_s: f64) {
            *self.0.lock().expect("no panic") = (wall_s, steady_s);
        }
    }

    impl HostClock for At {
        fn wall_s(&self) -> f64 {
            self.0.lock().expect("no panic").0
        }

        fn steady_s(&self) -> f64 {
            self.0.lock().expect("no panic").1
        }
    }

    #[test]
    fn the_steady_clock_goes_on() {
        let first = SystemClock.steady_s();
        assert!(SystemClock.steady_s() >= first && first > 0.0);
    }

    #[test]
    fn a_start_behind_the_time_that_was_kept_is_noticed_and_a_doubted_time_is_not_kept() {
        let data = tempfile::tempdir().expect("a folder");
        let clocks = |clock: At| Clocks::open(data.path(), Arc::new(clock), 0.0);
        let right = clocks(At::new(1_800_000_000.0, 10.0));
        assert_eq!(right.look(), (None, None));
        right.keep();
        let kept = || std::fs::read_to_string(data.path().join(CLOCK_FILE)).expect("a file");
        assert_eq!(kept(), "1800000000\n");

        let clock = Arc::new(At::new(1_700_000_000.0, 0.0));
        let behind = Clocks::open(data.path(), clock.clone(), 0.0);
        assert!(matches!(behind.look().0, Some(Doubt::Behind { .. })));
        behind.keep_at_the_end();
        assert_eq!(kept(), "1800000000\n");
        clock.set(1_700_000_120.0, 120.0);
        assert_eq!(behind.look(), (None, Some(Turn::Believed)));
        behind.keep();
        assert_eq!(kept(), "1700000120\n");
    }

    #[test]
    fn what_was_kept_and_is_no_time_says_nothing() {
        let data = tempfile::tempdir().expect("a folder");
        for text in ["", "soon", "NaN", "inf"] {
            std::fs::write(data.path().join(CLOCK_FILE), text).expect("written");
            let clocks = Clocks::open(data.path(), Arc::new(At::new(1_000.0, 0.0)), 0.0);
            assert_eq!(clocks.look(), (None, None), "{text}");
        }
    }
}
