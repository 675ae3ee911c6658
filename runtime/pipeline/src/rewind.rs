//! What must be recomputed: requested by late entries, a reset or a deletion, done at the start of the next run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::state::{Failure, StageState, pause_after};

/// What must be recomputed before any stage runs again. Kept as a document until it is done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rewind {
    /// Everything that depended on entries from this moment on, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Stages that go back alone to entries they have gone past, each with the earliest `metadata.write_ts`, s.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub again: BTreeMap<String, f64>,
    /// Stages of installed cells that begin anew: everything that they made is removed, and they run over everything.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub anew: BTreeSet<String>,
    /// Whether the removed results must also be gone from the disk, as an owner wants, and not only from the diary.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scrub: bool,
    /// The last failure, if the rewind was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Rewind {
    /// A rewind of everything from that moment on.
    pub fn to(from: f64) -> Self {
        Self { from: Some(from), ..Self::default() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.from.is_none() && self.again.is_empty() && self.anew.is_empty()
    }

    /// Adds what the other one requests.
    pub fn add(&mut self, other: &Self) {
        self.from = self.from.into_iter().chain(other.from).min_by(f64::total_cmp);
        self.scrub |= other.scrub;
        self.anew.extend(other.anew.iter().cloned());
        for (stage, from) in &other.again {
            self.go_again(stage, *from);
        }
    }

    /// Adds everything from that moment on.
    pub fn go_back(&mut self, from: f64) {
        self.from = Some(self.from.map_or(from, |old| old.min(from)));
    }

    /// Adds that stage alone, for entries written from that moment on.
    pub fn go_again(&mut self, stage: &str, from: f64) {
        match self.again.get_mut(stage) {
            Some(old) => *old = old.min(from),
            None => drop(self.again.insert(stage.to_owned(), from)),
        }
    }

    /// The state of a stage after the rewind: the mark that the rewind gave it, if any (`Some(None)`: from the very
    /// beginning), lowered to the time that the stage must go back to. A mark never rises: entries that a stage has
    /// not read yet are after it. The failure is cleared: its input is read again.
    #[must_use]
    pub fn state(&self, stage: &str, before: &StageState, mark: Option<Option<f64>>) -> StageState {
        let given = mark.unwrap_or(before.last_processed_ts);
        let lower = |old: f64, new: f64| Some(old.min(new));
        let mark = before.last_processed_ts.zip(given).and_then(|(old, new)| lower(old, new));
        let mark = mark.and_then(|mark| lower(mark, self.again.get(stage).copied().unwrap_or(mark)));
        StageState { last_processed_ts: mark, failure: None, ..before.clone() }
    }

    /// The same after a failed try at `now`.
    #[must_use]
    pub fn failed(&self, now: f64, reason: String) -> Self {
        let attempts = self.failure.as_ref().map_or(0, |failure| failure.attempts).saturating_add(1);
        Self { failure: Some(Failure { at: now, reason, attempts }), ..self.clone() }
    }

    /// The earliest moment of the next try after failures.
    pub fn retry_at(&self) -> Option<f64> {
        self.failure.as_ref().map(|failure| failure.at + pause_after(failure.attempts))
    }
}

/// The mark from which each stage continues, as returned by a rewind cell. A stage that is not named keeps its mark.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// By the stage's name: this mark, s, unless it was earlier; none: from the very beginning.
    pub marks: BTreeMap<String, Option<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_want_is_wanted_from_the_earlier_moment() {
        let mut wanted = Rewind::default();
        assert!(wanted.is_empty());
        wanted.go_again("MATCH", 70.0);
        wanted.add(&Rewind::to(50.0));
        wanted.add(&Rewind { again: [("MATCH".to_owned(), 60.0)].into(), ..Rewind::to(90.0) });
        assert_eq!((wanted.from, wanted.again["MATCH"], wanted.scrub), (Some(50.0), 60.0, false));
        wanted.add(&Rewind { scrub: true, ..Rewind::to(99.0) });
        wanted.add(&Rewind::to(98.0));
        assert_eq!((wanted.from, wanted.scrub), (Some(50.0), true));
    }

    #[test]
    fn a_stage_goes_on_from_the_mark_it_is_given_or_from_what_it_must_read_again() {
        let before = StageState::default().done(1_000.0, Some(900.0)).failed(1_100.0, "x".to_owned());
        let rewind = Rewind { again: [("MATCH".to_owned(), 500.0)].into(), ..Rewind::default() };
        let mark = |stage, mark| rewind.state(stage, &before, mark).last_processed_ts;
        assert_eq!(mark("TRIPS", None), Some(905.0));
        assert_eq!(mark("TRIPS", Some(Some(7.0))), Some(7.0));
        assert_eq!(mark("TRIPS", Some(Some(7_000.0))), Some(905.0), "never further than it was");
        assert_eq!(mark("TRIPS", Some(None)), None);
        assert_eq!(mark("MATCH", None), Some(500.0));
        assert_eq!(mark("MATCH", Some(Some(400.0))), Some(400.0));
        let state = rewind.state("TRIPS", &before, None);
        assert_eq!((state.failure, state.last_ts_run), (None, before.last_ts_run));
    }

    #[test]
    fn a_rewind_that_failed_waits_and_stays_wanted() {
        let failed = Rewind::to(50.0).failed(1_000.0, "x".to_owned()).failed(2_000.0, "y".to_owned());
        assert_eq!((failed.from, failed.retry_at()), (Some(50.0), Some(2_060.0)));
        let text = serde_json::to_string(&failed).expect("plain");
        assert_eq!(serde_json::from_str::<Rewind>(&text).expect("plain"), failed);
        assert_eq!(serde_json::to_string(&Rewind::to(1.5)).expect("plain"), r#"{"from":1.5}"#);
    }

    #[test]
    fn marks_read_as_a_cell_writes_them() {
        let marks: Marks = serde_json::from_str(r#"{"marks":{"A":1.5,"B":null}}"#).expect("marks");
        assert_eq!(marks.marks, [("A".to_owned(), Some(1.5)), ("B".to_owned(), None)].into());
        assert!(serde_json::from_str::<Marks>(r#"{"marks":{"A":"x"}}"#).is_err());
    }
}
