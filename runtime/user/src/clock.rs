//! The host's clocks: which time it is, and how much time has passed.
//!
//! * The wall clock is what is shown to people, given to cells as "now" and compared with what phones have written. It
//!   may be set at any moment, so nothing that lasts is measured by it.
//! * The steady clock goes on while the machine is suspended, and nobody sets it: leases, pauses, windows and limits are
//!   measured by it.
//! * The file `clock` in the data folder holds the last time at which the host ran with a clock that it believed, so that
//!   a clock which starts behind it is noticed ([`runtime_pipeline::ClockWatch`]).

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runtime_pipeline::{BELIEVED_AFTER_S, ClockWatch, Doubt, JUMP_S, Turn};

use crate::files;
use crate::runtime::Runtime;

/// The clocks of the machine, or of a test.
pub trait HostClock: Debug + Send + Sync {
    /// Seconds since 1970-01-01T00:00:00Z, as far as the machine knows.
    fn wall_s(&self) -> f64;
    /// Seconds since some moment before the process began.
    fn steady_s(&self) -> f64;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The clock that goes on while the machine is suspended, where there is one.
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

/// How often the time at which the host runs is kept, s.
const KEPT_EVERY_S: f64 = 3_600.0;

const CLOCK_FILE: &str = "clock";

/// What is known of the clocks since the runtime was opened.
pub(crate) struct Time {
    path: PathBuf,
    /// Both clocks when the runtime was opened, s.
    started_wall_s: f64,
    started_steady_s: f64,
    watched: Mutex<Watched>,
}

struct Watched {
    watch: ClockWatch,
    /// What the file says, s.
    kept_s: Option<f64>,
}

impl Time {
    /// Reads when the host last ran.
    pub fn open(data: &Path, clock: &dyn HostClock, built_s: f64) -> Self {
        let path = data.join(CLOCK_FILE);
        let kept = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<f64>().ok());
        let kept_s = kept.filter(|kept| kept.is_finite());
        let watched = Mutex::new(Watched { watch: ClockWatch::new(built_s, kept_s), kept_s });
        Self { path, started_wall_s: clock.wall_s(), started_steady_s: clock.steady_s(), watched }
    }

    /// The wall clock when the runtime was opened, ms since 1970.
    pub fn started_ms(&self) -> u64 {
        ms(self.started_wall_s)
    }

    /// Whether the clock is believed, and whether that has changed.
    fn look(&self, clock: &dyn HostClock) -> (Option<Doubt>, Option<Turn>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = watched.watch.look(clock.wall_s(), clock.steady_s());
        (watched.watch.doubt(), turn)
    }

    /// Keeps the time where it is believed and what is kept is older or newer than `off_s`.
    fn keep(&self, clock: &dyn HostClock, off_s: f64) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = clock.wall_s();
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

impl Runtime {
    /// Looks whether the host's clock can be believed; says so once where that has changed. `None`: it can.
    pub(crate) fn look_at_clock(&self) -> Option<Doubt> {
        let (doubt, turn) = self.time.look(&*self.settings().clock);
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
            self.timetable.changed.notify_one();
        }
        doubt
    }

    /// Why the host's clock is not believed, for people; `None`: it is.
    pub fn clock_doubt(&self) -> Option<String> {
        self.look_at_clock().map(|doubt| doubt.to_string())
    }

    /// Looks at the clock, and keeps the time for the next start. To be called every few seconds.
    pub fn keep_time(&self) {
        self.look_at_clock();
        self.time.keep(&*self.settings().clock, KEPT_EVERY_S);
    }

    /// As [`Self::keep_time`], before the end.
    pub(crate) fn keep_time_at_the_end(&self) {
        self.look_at_clock();
        self.time.keep(&*self.settings().clock, JUMP_S);
    }

    /// Milliseconds since this runtime was opened: a clock that nobody sets.
    pub(crate) fn clock_ms(&self) -> u64 {
        ms(self.settings().clock.steady_s() - self.time.started_steady_s)
    }

    /// A clock that nobody sets, in the form of the other: ms since 1970 as the wall clock said when this runtime was
    /// opened, and how much time has passed since. For whatever lasts a while: windows, limits, grants.
    pub fn lasting_ms(&self) -> u64 {
        self.time.started_ms().saturating_add(self.clock_ms())
    }

    /// A moment of [`Self::lasting_ms`] as the wall clock will show it, ms since 1970.
    pub fn shown_ms(&self, lasting_ms: u64) -> u64 {
        let (now_ms, wall_ms) = (self.lasting_ms(), ms(self.settings().clock.wall_s()));
        if lasting_ms >= now_ms {
            wall_ms.saturating_add(lasting_ms - now_ms)
        } else {
            wall_ms.saturating_sub(now_ms - lasting_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(f64, f64);

    impl HostClock for At {
        fn wall_s(&self) -> f64 {
            self.0
        }

        fn steady_s(&self) -> f64 {
            self.1
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
        let open = |clock: &At| Time::open(data.path(), clock, 0.0);
        let right = At(1_800_000_000.0, 10.0);
        let time = open(&right);
        assert_eq!(time.look(&right), (None, None));
        time.keep(&right, KEPT_EVERY_S);
        let kept = || std::fs::read_to_string(data.path().join(CLOCK_FILE)).expect("a file");
        assert_eq!(kept(), "1800000000\n");

        let behind = At(1_700_000_000.0, 0.0);
        let time = open(&behind);
        assert!(matches!(time.look(&behind).0, Some(Doubt::Behind { .. })));
        time.keep(&behind, JUMP_S);
        assert_eq!(kept(), "1800000000\n");
        let later = At(1_700_000_120.0, 120.0);
        assert_eq!(time.look(&later), (None, Some(Turn::Believed)));
        time.keep(&later, KEPT_EVERY_S);
        assert_eq!(kept(), "1700000120\n");
    }

    #[test]
    fn what_was_kept_and_is_no_time_says_nothing() {
        let data = tempfile::tempdir().expect("a folder");
        for text in ["", "soon", "NaN", "inf"] {
            std::fs::write(data.path().join(CLOCK_FILE), text).expect("written");
            let clock = At(1_000.0, 0.0);
            assert_eq!(Time::open(data.path(), &clock, 0.0).look(&clock), (None, None), "{text}");
        }
    }
}
