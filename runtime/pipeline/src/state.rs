//! The remembered state of one stage, in the reference's form.

use serde::{Deserialize, Serialize};

/// Both the distance of a window's end from now and what is added to a mark, s. The reference's "fuzz": ranges are
/// closed at both ends, so a mark is moved past the entry it names; entries younger than this may still be on
/// their way.
pub const SETTLING_S: f64 = 5.0;

/// The longest pause before a failed stage is retried, s.
const PAUSE_MAX_S: f64 = 3_600.0;
/// The pause between a stage's first failure and the next try, s.
const PAUSE_FIRST_S: f64 = 30.0;

/// The closed range of `metadata.write_ts` (or of the time that the stage works by) for one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The mark; `None` before the first run that moved it.
    pub start: Option<f64>,
    /// [`SETTLING_S`] before now.
    pub end: f64,
}

/// Why a stage failed; kept until it succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The moment of the last failure, s.
    pub at: f64,
    /// The reason, in words for the owner.
    pub reason: String,
    /// The number of failures in a row.
    pub attempts: u32,
}

/// The remembered state of one stage of one person.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StageState {
    /// The mark: everything up to here has been processed. The reference's `last_processed_ts`.
    pub last_processed_ts: Option<f64>,
    /// The moment of the last run that succeeded, less [`SETTLING_S`]. The reference's `last_ts_run`.
    pub last_ts_run: Option<f64>,
    /// The last failure, if no success followed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl StageState {
    /// The window of a run at `now`. The reference refuses to run a stage whose last run did not end; here a run
    /// leaves no trace until it commits, so a crash needs no operator.
    pub fn window(&self, now: f64) -> Window {
        Window { start: self.last_processed_ts, end: now - SETTLING_S }
    }

    /// The state to commit with the output of a run at `now`. Without a new mark the old one stays.
    #[must_use]
    pub fn done(&self, now: f64, processed_through: Option<f64>) -> Self {
        Self {
            last_processed_ts: processed_through.map(|mark| mark + SETTLING_S).or(self.last_processed_ts),
            last_ts_run: Some(now - SETTLING_S),
            failure: None,
        }
    }

    /// The same, but the next window begins no later than at `unread`, s: an entry that was in the store but after the
    /// end of this window.
    #[must_use]
    pub fn up_to(self, unread: f64) -> Self {
        Self { last_processed_ts: self.last_processed_ts.map(|mark| mark.min(unread)), ..self }
    }

    /// The state after a failed run at `now`: the same window is tried again.
    #[must_use]
    pub fn failed(&self, now: f64, reason: String) -> Self {
        let attempts = self.failure.as_ref().map_or(0, |failure| failure.attempts).saturating_add(1);
        Self { failure: Some(Failure { at: now, reason, attempts }), ..self.clone() }
    }

    /// The earliest moment of the next try after failures: 30 s, doubling, at most an hour.
    pub fn retry_at(&self) -> Option<f64> {
        self.failure.as_ref().map(|failure| failure.at + pause_after(failure.attempts))
    }
}

/// How long to wait after this many failures in a row, s: 30, doubling, at most an hour.
pub(crate) fn pause_after(failures: u32) -> f64 {
    let doublings = i32::try_from(failures.saturating_sub(1).min(20)).expect("at most 20");
    (PAUSE_FIRST_S * 2_f64.powi(doublings)).min(PAUSE_MAX_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row: "The next window starts at the last result's time"
    // Row: "The mark is write_ts of the last *good* entry"
    #[test]
    fn a_mark_moves_past_the_entry_it_names() {
        let state = StageState::default().done(1_000.0, Some(900.5));
        assert_eq!(state.last_processed_ts, Some(905.5));
        assert_eq!(state.last_ts_run, Some(995.0));
        assert_eq!(state.window(2_000.0), Window { start: Some(905.5), end: 1_995.0 });
    }

    // Row: "The mark is write_ts of the last *good* entry"
    #[test]
    fn a_mark_does_not_pass_an_entry_that_was_too_young_for_the_window() {
        let state = StageState::default().done(1_000.0, Some(994.0));
        assert_eq!(state.clone().up_to(997.0).last_processed_ts, Some(997.0));
        assert_eq!(state.clone().up_to(999.5).last_processed_ts, state.last_processed_ts);
        assert_eq!(StageState::default().up_to(997.0).last_processed_ts, None);
    }

    #[test]
    fn a_run_without_a_new_mark_keeps_the_old_one() {
        let state = StageState::default().done(1_000.0, Some(900.0)).done(2_000.0, None);
        assert_eq!(state.last_processed_ts, Some(905.0));
        assert_eq!(state.last_ts_run, Some(1_995.0));
    }

    // Row: "A failed stage keeps its window"
    #[test]
    fn a_failure_keeps_the_window_and_waits_longer_each_time() {
        let mut state = StageState::default().done(1_000.0, Some(900.0));
        let window = state.window(9_000.0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            state = state.failed(2_000.0, "no filter".to_owned());
            pauses.push(state.retry_at().expect("a failure") - 2_000.0);
        }
        assert_eq!(state.window(9_000.0), window);
        assert_eq!(pauses[..3], [30.0, 60.0, 120.0]);
        assert_eq!(pauses[8], PAUSE_MAX_S);
        assert_eq!(state.done(9_000.0, None).failure, None);
    }

    #[test]
    fn a_state_reads_what_it_writes() {
        let state = StageState::default().done(1_000.0, Some(1_466_467_964.767)).failed(5.0, "x".to_owned());
        let text = serde_json::to_string(&state).expect("plain");
        assert_eq!(serde_json::from_str::<StageState>(&text).expect("plain"), state);
    }
}
