//! What a window stores on disk: counters and moments, never a secret.
//!
//! * Units: moments and spans are milliseconds.
//! * Invariants: a changed record is written to disk before the answer that belongs to it is available, see [`Step`].
//!   Records of one person form a chain: each window continues the [`BurntLog`] of the one before it.

use crate::encoding::WindowId;
use serde::{Deserialize, Serialize};

/// This many burnt windows within [`TYPED_OFF_MS`] switch typed codes off.
pub const BURNT_WINDOWS_MAX: usize = 3;
/// How long burnt windows count, and how long typed codes then stay off: one hour.
pub const TYPED_OFF_MS: u64 = 60 * 60 * 1_000;

/// The state of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowState {
    /// Waits for a phone.
    Open,
    /// A phone proved the secret and waits for the owner.
    Claimed,
    /// The owner approved; the phone's last request is awaited.
    Enrolling,
    /// A device was enrolled. Final.
    Done,
    /// Nothing was enrolled and nothing will be. Final.
    Burnt,
}

/// The stored record of one person's newest window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowRecord {
    /// The window.
    pub window: WindowId,
    /// Its state.
    pub state: WindowState,
    /// When it was opened.
    pub opened_ms: u64,
    /// How long it waits for a phone.
    pub lifetime_ms: u64,
    /// When `state` last changed.
    pub changed_ms: u64,
    /// Wrong proofs so far, 0 to 5.
    pub bad: u8,
    /// Challenges handed out so far, 0 to 10.
    pub challenges: u8,
    /// When this person's windows burnt.
    pub burnt: BurntLog,
}

impl WindowRecord {
    /// The record as a newly started process must treat it: an unfinished window is burnt, since its secrets and its
    /// connections were only in memory. Persist it before any request is served.
    #[must_use]
    pub fn after_restart(mut self, now_ms: u64) -> Self {
        if !self.is_over() {
            self.state = WindowState::Burnt;
            self.changed_ms = now_ms;
            self.burnt.note(self.challenges, now_ms);
        }
        self
    }

    /// Whether another window may be opened.
    pub fn is_over(&self) -> bool {
        matches!(self.state, WindowState::Done | WindowState::Burnt)
    }
}

/// The last windows of one person that burnt after a phone had sent something. A window that received nothing involves
/// no guess, so an owner who lets three of them expire can still use typed codes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BurntLog {
    at_ms: Vec<u64>,
    typed_off_from_ms: Option<u64>,
}

impl BurntLog {
    /// Until when typed codes are off; `None`: they are on. Scanned codes always work.
    pub fn typed_off_until_ms(&self, now_ms: u64) -> Option<u64> {
        let from_ms = self.typed_off_from_ms.filter(|from_ms| now_ms.abs_diff(*from_ms) < TYPED_OFF_MS)?;
        Some(from_ms.saturating_add(TYPED_OFF_MS))
    }

    pub(super) fn note(&mut self, challenges: u8, now_ms: u64) {
        if challenges == 0 {
            return;
        }
        self.at_ms.retain(|at_ms| now_ms.abs_diff(*at_ms) < TYPED_OFF_MS);
        self.at_ms.push(now_ms);
        let surplus = self.at_ms.len().saturating_sub(BURNT_WINDOWS_MAX);
        self.at_ms.drain(..surplus);
        if self.at_ms.len() == BURNT_WINDOWS_MAX {
            self.typed_off_from_ms = Some(now_ms);
        }
    }
}

/// An answer that is available only after its record is on disk: an attacker who makes the process restart must not
/// find the old counters.
#[derive(Debug)]
#[must_use = "the record is to be persisted and the answer to be sent"]
pub struct Step<T> {
    record: Option<WindowRecord>,
    answer: T,
}

impl<T> Step<T> {
    pub(super) fn new(record: Option<WindowRecord>, answer: T) -> Self {
        Self { record, answer }
    }

    /// The changed record; `None`: nothing changed.
    pub fn record(&self) -> Option<&WindowRecord> {
        self.record.as_ref()
    }

    /// Passes the record, if it changed, to `persist`, which returns once it is on disk, and then returns the answer.
    /// `persist` receives the answer too, so that a new device and the window that it used up are one commit.
    ///
    /// # Errors
    /// The error of `persist`; the answer is lost then and the window continues as if it had been sent.
    pub fn after<E>(self, persist: impl FnOnce(&WindowRecord, &T) -> Result<(), E>) -> Result<T, E> {
        self.record.as_ref().map_or(Ok(()), |record| persist(record, &self.answer))?;
        Ok(self.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;
    const START_MS: u64 = 1_790_000_000_000;

    fn burnt(at_ms: &[u64]) -> BurntLog {
        let mut log = BurntLog::default();
        at_ms.iter().for_each(|at_ms| log.note(1, START_MS + at_ms));
        log
    }

    #[test]
    fn three_burnt_windows_within_an_hour_switch_typing_off_for_an_hour() {
        let log = burnt(&[0, 10 * MINUTE_MS, 59 * MINUTE_MS]);
        let until_ms = START_MS + 119 * MINUTE_MS;
        for now_ms in [START_MS + 59 * MINUTE_MS, until_ms - 1] {
            assert_eq!(log.typed_off_until_ms(now_ms), Some(until_ms));
        }
        assert_eq!(log.typed_off_until_ms(until_ms), None);
    }

    #[test]
    fn two_burnt_windows_or_three_in_more_than_an_hour_do_not() {
        for at_ms in [&[0, MINUTE_MS][..], &[0, MINUTE_MS, 60 * MINUTE_MS]] {
            let log = burnt(at_ms);
            assert_eq!(log.typed_off_until_ms(START_MS + at_ms[at_ms.len() - 1]), None, "{at_ms:?}");
        }
    }

    #[test]
    fn a_window_that_a_restart_ends_counts_as_burnt_and_one_that_was_over_stays_as_it_was() {
        let record = |state| WindowRecord {
            window: WindowId([1; 8]),
            state,
            opened_ms: START_MS,
            lifetime_ms: 5 * MINUTE_MS,
            changed_ms: START_MS,
            bad: 1,
            challenges: 2,
            burnt: burnt(&[0, 1]),
        };
        for state in [WindowState::Open, WindowState::Claimed, WindowState::Enrolling] {
            let ended = record(state).after_restart(START_MS + 2);
            assert_eq!((ended.state, ended.changed_ms), (WindowState::Burnt, START_MS + 2));
            assert_eq!((ended.bad, ended.challenges), (1, 2));
            assert_eq!(ended.burnt.typed_off_until_ms(START_MS + 2), Some(START_MS + 2 + TYPED_OFF_MS));
        }
        for state in [WindowState::Done, WindowState::Burnt] {
            assert_eq!(record(state).after_restart(START_MS + 2), record(state));
        }
    }

    #[test]
    fn windows_that_nobody_spoke_to_do_not_count() {
        let mut log = burnt(&[0, 1]);
        (0..5).for_each(|at_ms| log.note(0, START_MS + at_ms));
        assert_eq!(log, burnt(&[0, 1]));
    }

    #[test]
    fn a_clock_that_was_far_ahead_does_not_keep_typing_off() {
        let log = burnt(&[0, 1, 2]);
        assert_eq!(log.typed_off_until_ms(START_MS - 2 * TYPED_OFF_MS), None);
    }

    #[test]
    fn the_log_stays_as_short_as_the_limit_and_reads_what_it_writes() {
        let log = burnt(&(0..100).collect::<Vec<_>>());
        assert_eq!(log.at_ms.len(), BURNT_WINDOWS_MAX);
        let text = serde_json::to_string(&log).unwrap();
        assert_eq!(serde_json::from_str::<BurntLog>(&text).unwrap(), log);
    }

    #[test]
    fn an_answer_is_lost_where_the_disk_refuses_and_had_at_once_where_nothing_changed() {
        let window = WindowId([1; 8]);
        let (opened_ms, lifetime_ms, changed_ms) = (1, 2, 3);
        let record = WindowRecord {
            window,
            state: WindowState::Open,
            opened_ms,
            lifetime_ms,
            changed_ms,
            bad: 0,
            challenges: 0,
            burnt: BurntLog::default(),
        };
        let refused = Step::new(Some(record.clone()), 7).after(|seen, answer| {
            assert_eq!((seen, *answer), (&record, 7));
            Err("full")
        });
        assert_eq!(refused, Err("full"));
        assert_eq!(Step::new(None, 7).after(|_, _| Err("full")), Ok(7));
    }
}
