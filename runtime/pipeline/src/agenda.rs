//! When one person's stages run next: takes events, returns a moment.
//!
//! * Moments are seconds of a steady clock, such as the time since the process began: setting a wall clock must
//!   neither delay runs for years nor make all of them due at once. Times from a wall clock are passed as durations.
//! * Data asks for a run after a pause, so that a phone's batches are read together, but not for longer than a bound:
//!   a phone that never pauses is served too.
//! * Entries that a run had to leave, and a failed run, lead to another run without an event.

use crate::state::{SETTLING_S, pause_after};

/// How soon runs follow the events that ask for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// The pause between the last arrival of data and the run, s.
    pub quiet_s: f64,
    /// The longest wait from the first arrival that no run has begun after to the run, s: for data that never pauses.
    pub wait_max_s: f64,
    /// The pause between runs for entries that an earlier run had to leave, s.
    pub every_s: f64,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { quiet_s: 60.0, wait_max_s: 900.0, every_s: 86_400.0 }
    }
}

/// The entries that a run had to leave unread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Left {
    /// No entries.
    Nothing,
    /// Entries whose time has not come, since they were written at the moment of the run or are dated ahead of it: by
    /// how much the earliest of them is ahead of the run, s; below 0 if it was written just before.
    Young(f64),
    /// Entries for which it is unknown when they can be read.
    Stuck,
}

/// An event of one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// New data is on disk.
    Arrived,
    /// Some results of stages are no longer valid: they must be recomputed.
    RewindWanted,
    /// A run was given to a worker, which has not begun it.
    Queued,
    /// A run began: it reads everything that has arrived before.
    Began,
    /// The run ended, and every stage succeeded.
    Ended(Left),
    /// The run failed, or could not begin; the pause before another try, s, if the stage's state has one.
    Failed(Option<f64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Doing {
    #[default]
    Nothing,
    Queued,
    Running,
}

/// The state of one person's runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agenda {
    /// First and last arrival that no run has begun after, s.
    arrived: Option<(f64, f64)>,
    /// When a rewind was asked for that no run has begun after, s.
    rewind_wanted: Option<f64>,
    /// When to run for the entries that the last run left, s.
    left_due: Option<f64>,
    /// When to try again, s: until then no other event starts a run.
    retry_at: Option<f64>,
    /// Failures in a row.
    failures: u32,
    doing: Doing,
}

impl Agenda {
    /// Records an event at `at`, s.
    pub fn happened(&mut self, rhythm: &Rhythm, at: f64, event: Event) {
        match event {
            Event::Arrived => {
                let (first, last) = self.arrived.unwrap_or((at, at));
                self.arrived = Some((first.min(at), last.max(at)));
            }
            Event::RewindWanted => {
                self.rewind_wanted = Some(self.rewind_wanted.map_or(at, |old| old.min(at)))
            }
            Event::Queued => self.doing = Doing::Queued,
            Event::Began => {
                (self.arrived, self.rewind_wanted, self.left_due) = (None, None, None);
                self.doing = Doing::Running;
            }
            Event::Ended(left) => {
                (self.retry_at, self.failures, self.doing) = (None, 0, Doing::Nothing);
                self.left_due = match left {
                    Left::Nothing => None,
                    Left::Young(ahead_s) => {
                        Some(at + (ahead_s + SETTLING_S).min(rhythm.every_s).max(rhythm.quiet_s))
                    }
                    Left::Stuck => Some(at + rhythm.every_s),
                };
            }
            Event::Failed(pause_s) => {
                self.failures = self.failures.saturating_add(1);
                self.retry_at = Some(at + pause_s.unwrap_or(pause_after(self.failures)));
                self.doing = Doing::Nothing;
            }
        }
    }

    /// When the next run is due, s; `None` while one is under way and if nothing asks for one.
    pub fn due(&self, rhythm: &Rhythm) -> Option<f64> {
        if self.doing != Doing::Nothing {
            return None;
        }
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        let arrived =
            self.arrived.map(|(first, last)| (last + rhythm.quiet_s).min(first + rhythm.wait_max_s));
        [arrived, self.rewind_wanted, self.left_due].into_iter().flatten().min_by(f64::total_cmp)
    }

    /// Whether a run may start at `now`.
    pub fn may_start(&self, rhythm: &Rhythm, now: f64) -> bool {
        self.due(rhythm).is_some_and(|due| due <= now)
    }

    /// Whether a run is queued or under way.
    pub fn is_busy(&self) -> bool {
        self.doing != Doing::Nothing
    }

    /// Whether something asks for a run that has not begun: this must be remembered if the host stops now. A run under
    /// way reports only its end.
    pub fn is_pending(&self) -> bool {
        self.arrived.is_some()
            || self.rewind_wanted.is_some()
            || self.left_due.is_some()
            || self.retry_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { quiet_s: 60.0, wait_max_s: 900.0, every_s: 86_400.0 };

    fn after(events: &[(f64, Event)]) -> Agenda {
        let mut agenda = Agenda::default();
        events.iter().for_each(|(at, event)| agenda.happened(&RHYTHM, *at, *event));
        agenda
    }

    fn due(events: &[(f64, Event)]) -> Option<f64> {
        after(events).due(&RHYTHM)
    }

    // Row: "Runs on a schedule"
    #[test]
    fn a_run_waits_for_a_pause_but_not_for_ever() {
        use Event::Arrived;
        assert_eq!((Rhythm::default().quiet_s, Rhythm::default().wait_max_s), (60.0, 900.0));
        assert_eq!(due(&[]), None);
        assert_eq!(due(&[(1_000.0, Arrived)]), Some(1_060.0));
        assert_eq!(due(&[(1_000.0, Arrived), (1_030.0, Arrived)]), Some(1_090.0));
        let steady: Vec<_> = (0..60).map(|step| (1_000.0 + f64::from(step) * 30.0, Arrived)).collect();
        assert_eq!(due(&steady), Some(1_900.0));
        assert!(!after(&steady).may_start(&RHYTHM, 1_899.9));
        assert!(after(&steady).may_start(&RHYTHM, 1_900.0));
    }

    #[test]
    fn while_a_run_is_under_way_none_is_due_and_what_comes_meanwhile_asks_for_the_next() {
        use Event::{Arrived, Began, Ended, Queued};
        let mut agenda = after(&[(0.0, Arrived), (60.0, Queued)]);
        assert_eq!((agenda.due(&RHYTHM), agenda.is_busy(), agenda.is_pending()), (None, true, true));
        agenda.happened(&RHYTHM, 61.0, Began);
        agenda.happened(&RHYTHM, 62.0, Arrived);
        assert_eq!(agenda.due(&RHYTHM), None);
        agenda.happened(&RHYTHM, 63.0, Ended(Left::Nothing));
        assert_eq!(agenda.due(&RHYTHM), Some(122.0));
        agenda.happened(&RHYTHM, 122.0, Began);
        agenda.happened(&RHYTHM, 123.0, Ended(Left::Nothing));
        assert_eq!(agenda, Agenda::default());
    }

    // Row: "Runs on a schedule"
    #[test]
    fn a_run_comes_back_to_what_it_had_to_leave() {
        use Event::{Began, Ended};
        let ends = |left| due(&[(100.0, Began), (100.0, Ended(left))]);
        assert_eq!(ends(Left::Young(-1.0)), Some(160.0), "not sooner than after a pause");
        assert_eq!(ends(Left::Young(6_900.0)), Some(7_005.0));
        assert_eq!(ends(Left::Young(1e9)), Some(86_500.0), "a clock that is ahead is looked at once a day");
        assert_eq!(ends(Left::Stuck), Some(86_500.0));
        assert_eq!(ends(Left::Nothing), None);
    }

    #[test]
    fn a_failed_run_is_tried_when_its_stage_says_and_new_data_does_not_hasten_it() {
        use Event::{Arrived, Began, Ended, Failed};
        let failed = [(0.0, Arrived), (60.0, Began), (60.0, Failed(Some(240.0))), (70.0, Arrived)];
        assert_eq!(due(&failed), Some(300.0));
        let mut agenda = after(&failed);
        agenda.happened(&RHYTHM, 300.0, Began);
        agenda.happened(&RHYTHM, 300.0, Ended(Left::Nothing));
        assert_eq!(agenda, Agenda::default());
    }

    #[test]
    fn a_run_that_could_not_begin_waits_longer_each_time() {
        let mut agenda = after(&[(0.0, Event::Arrived)]);
        let pauses = (0..9).map(|_| {
            agenda.happened(&RHYTHM, 1_000.0, Event::Failed(None));
            agenda.due(&RHYTHM).expect("another try") - 1_000.0
        });
        let pauses: Vec<_> = pauses.collect();
        assert_eq!((&pauses[..3], pauses[8]), (&[30.0, 60.0, 120.0][..], 3_600.0));
    }

    #[test]
    fn a_rewind_is_due_at_once_also_where_it_is_asked_for_in_the_midst_of_a_run() {
        use Event::{Began, Ended, RewindWanted};
        assert_eq!(due(&[(5.0, RewindWanted)]), Some(5.0));
        let meanwhile = [(5.0, Began), (6.0, RewindWanted), (7.0, Ended(Left::Nothing))];
        assert_eq!(due(&meanwhile), Some(6.0));
    }
}
