//! Whether the host's clock can be trusted.
//!
//! A computer without a battery for its clock starts with an arbitrary time and gets the right one a while later; a
//! clock may also be set wrong and corrected again. Runs wait meanwhile: no result of a run at a wrong moment is
//! final, but its results would be dated wrong and need to be recomputed.
//!
//! * There are two input clocks: the wall clock, which may be set, and a steady one, which only moves forward. A wall
//!   clock that moves as fast as the steady one is trusted.
//! * A clock that jumped in either direction, or that is behind the time at which the host last ran, is trusted after
//!   [`BELIEVED_AFTER_S`] without another jump: the earlier time may have been the wrong one. A clock that is set to a
//!   time before the program was built is never trusted.
//! * Not here: reading a clock, and remembering when the host last ran (`runtime/user`).

use std::fmt;

/// Differences below this are normal for a wall clock, s.
pub const JUMP_S: f64 = 60.0;

/// How long a clock must move steadily after a jump until it is trusted, s.
pub const BELIEVED_AFTER_S: f64 = 120.0;

/// Why the clock is not trusted, for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Doubt {
    /// It is set to a time before the program was built.
    BeforeBuild {
        /// By how much, s.
        by_s: f64,
    },
    /// It was behind the time at which the host last ran when the host started.
    Behind {
        /// By how much, s.
        by_s: f64,
    },
    /// It was set while the host ran.
    Jumped {
        /// By how much, s; below 0: back.
        by_s: f64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BeforeBuild { by_s } => {
                write!(
                    f,
                    "the host's clock is {} before the time at which this program was built",
                    span(by_s)
                )
            }
            Self::Behind { by_s } => {
                write!(f, "the host's clock is {} behind the time at which the host last ran", span(by_s))
            }
            Self::Jumped { by_s } if by_s < 0.0 => {
                write!(f, "the host's clock went back by {}", span(-by_s))
            }
            Self::Jumped { by_s } => write!(f, "the host's clock went ahead by {}", span(by_s)),
        }
    }
}

/// A duration in the largest unit of which it has at least two.
fn span(seconds: f64) -> String {
    let units = [(86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")];
    let fits = units.into_iter().find(|(unit, _)| seconds >= 2.0 * unit);
    let (unit, name) = fits.unwrap_or((1.0, "seconds"));
    format!("{:.0} {name}", (seconds / unit).floor())
}

/// What a check of the clock has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Turn {
    /// It is no longer trusted, or for another reason than before.
    Doubted(Doubt),
    /// It is trusted again.
    Believed,
}

/// Compares a wall clock with a steady one.
#[derive(Debug, Clone)]
pub struct ClockWatch {
    built_s: f64,
    last_ran_s: Option<f64>,
    /// How far the wall clock was ahead of the steady one when it was last trusted, s.
    believed: Option<f64>,
    doubt: Option<Doubted>,
}

#[derive(Debug, Clone, Copy)]
struct Doubted {
    why: Doubt,
    /// How far the wall clock is ahead of the steady one, s.
    ahead_s: f64,
    /// The start of this difference, s of the steady clock.
    since_s: f64,
}

impl ClockWatch {
    /// A watch for a program built at `built_s`, on a host that last ran at `last_ran_s`, s since 1970 by the wall
    /// clock.
    pub fn new(built_s: f64, last_ran_s: Option<f64>) -> Self {
        Self { built_s, last_ran_s, believed: None, doubt: None }
    }

    /// Why the clock is not trusted; `None`: it is trusted.
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt.map(|doubted| doubted.why)
    }

    /// Checks both clocks, s. Call it every few seconds.
    pub fn look(&mut self, wall_s: f64, steady_s: f64) -> Option<Turn> {
        let ahead_s = wall_s - steady_s;
        let why = self.judge(wall_s, ahead_s).filter(|why| self.still_counts(*why, ahead_s, steady_s));
        let Some(why) = why else {
            self.believed = Some(ahead_s);
            return self.doubt.take().map(|_| Turn::Believed);
        };
        let before = self.doubt.filter(|before| (before.ahead_s - ahead_s).abs() < JUMP_S);
        let since_s = before.map_or(steady_s, |before| before.since_s);
        self.doubt = Some(Doubted { why: before.map_or(why, |before| before.why), ahead_s, since_s });
        before.is_none().then_some(Turn::Doubted(why))
    }

    fn judge(&self, wall_s: f64, ahead_s: f64) -> Option<Doubt> {
        if wall_s < self.built_s {
            return Some(Doubt::BeforeBuild { by_s: self.built_s - wall_s });
        }
        match self.believed {
            Some(believed) => {
                let by_s = ahead_s - believed;
                (by_s.abs() >= JUMP_S).then_some(Doubt::Jumped { by_s })
            }
            None => {
                let by_s = self.last_ran_s.map_or(0.0, |last_ran_s| last_ran_s - wall_s);
                (by_s >= JUMP_S).then_some(Doubt::Behind { by_s })
            }
        }
    }

    /// Whether a clock that is doubted for this reason has not been steady for long enough.
    fn still_counts(&self, why: Doubt, ahead_s: f64, steady_s: f64) -> bool {
        let for_ever = matches!(why, Doubt::BeforeBuild { .. });
        for_ever
            || self.doubt.is_none_or(|before| {
                (before.ahead_s - ahead_s).abs() >= JUMP_S || steady_s - before.since_s < BELIEVED_AFTER_S
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: f64 = 1_700_000_000.0;
    const RIGHT: f64 = 1_800_000_000.0;

    fn watch() -> ClockWatch {
        let mut watch = ClockWatch::new(BUILT, Some(RIGHT - 3_600.0));
        assert_eq!(watch.look(RIGHT, 10.0), None);
        assert_eq!(watch.doubt(), None);
        watch
    }

    #[test]
    fn a_clock_that_goes_as_fast_as_the_steady_one_is_believed_however_far_apart_the_looks_are() {
        let mut watch = watch();
        // It drifts by a second an hour, and is corrected by a few seconds.
        for (step, wrong_s) in [(1.0, 0.0), (3_600.0, 1.0), (86_400.0, 24.0), (86_401.0, 0.0), (1e7, 50.0)] {
            assert_eq!(watch.look(RIGHT + step + wrong_s, 10.0 + step), None, "{step}");
        }
    }

    // Row: "A clock that is set back"
    #[test]
    fn a_clock_that_jumps_is_believed_once_it_was_steady_for_two_minutes() {
        for by_s in [-1e9, -86_400.0, -60.0, 60.0, 3_600.0, 1e9] {
            let mut watch = ClockWatch::new(0.0, None);
            watch.look(RIGHT, 10.0);
            let doubted = watch.look(RIGHT + 5.0 + by_s, 15.0);
            assert_eq!(doubted, Some(Turn::Doubted(Doubt::Jumped { by_s })), "{by_s}");
            assert_eq!(watch.look(RIGHT + 124.0 + by_s, 134.0), None, "{by_s}");
            assert!(watch.doubt().is_some());
            assert_eq!(watch.look(RIGHT + 125.0 + by_s, 135.0), Some(Turn::Believed), "{by_s}");
            assert_eq!((watch.doubt(), watch.look(RIGHT + 130.0 + by_s, 140.0)), (None, None));
        }
    }

    #[test]
    fn a_clock_that_goes_on_jumping_is_not_believed_and_one_that_jumps_back_is_at_once() {
        let mut watch = watch();
        for step in 1..100 {
            let steady_s = 10.0 + f64::from(step) * 60.0;
            watch.look(RIGHT + f64::from(step) * 3_600.0, steady_s);
            assert!(watch.doubt().is_some(), "{step}");
        }
        assert_eq!(watch.look(RIGHT + 6_000.0, 6_010.0), Some(Turn::Believed));
    }

    #[test]
    fn a_clock_before_the_build_is_never_believed_and_the_right_one_is_at_once() {
        let mut watch = ClockWatch::new(BUILT, Some(RIGHT));
        let doubted = watch.look(300.0, 0.0);
        assert_eq!(doubted, Some(Turn::Doubted(Doubt::BeforeBuild { by_s: BUILT - 300.0 })));
        assert_eq!(watch.look(1_000_300.0, 1_000_000.0), None);
        assert!(watch.doubt().is_some());
        assert_eq!(watch.look(RIGHT + 60.0, 1_000_005.0), Some(Turn::Believed));
        let doubted = watch.look(300.0, 1_000_010.0);
        assert!(matches!(doubted, Some(Turn::Doubted(Doubt::BeforeBuild { .. }))), "also later");
    }

    #[test]
    fn a_host_that_starts_before_the_time_it_last_ran_at_waits_but_not_for_ever() {
        let start = || {
            let mut watch = ClockWatch::new(BUILT, Some(RIGHT));
            let by_s = 86_400.0;
            assert_eq!(watch.look(RIGHT - by_s, 0.0), Some(Turn::Doubted(Doubt::Behind { by_s })));
            watch
        };
        // Either the clock gets the right time meanwhile,
        assert_eq!(start().look(RIGHT + 30.0, 30.0), Some(Turn::Believed));
        // or the last run's clock was wrong.
        assert_eq!(start().look(RIGHT - 86_400.0 + 120.0, 120.0), Some(Turn::Believed));
    }

    #[test]
    fn a_doubt_says_by_how_much() {
        let words = |doubt: Doubt| doubt.to_string();
        assert_eq!(words(Doubt::Jumped { by_s: -90_000.0 }), "the host's clock went back by 25 hours");
        assert_eq!(words(Doubt::Jumped { by_s: 1e8 }), "the host's clock went ahead by 1157 days");
        assert!(words(Doubt::Behind { by_s: 100.0 }).contains("100 seconds behind"));
        assert!(words(Doubt::BeforeBuild { by_s: 1e3 }).contains("16 minutes before"));
    }
}
