//! What is being collected at this moment, so that whoever leaves ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime_types::UserId;

use crate::cells::installed::terms::Terms;

/// The contributions that are in memory at this moment, and the studies that are being collected.
#[derive(Default)]
pub(crate) struct Running {
    terms: Mutex<BTreeMap<(UserId, String), Arc<Terms>>>,
    busy: Mutex<BTreeSet<String>>,
}

/// A study that is being collected, or is kept from it.
pub(crate) struct Busy<'r> {
    running: &'r Running,
    study: String,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.running.busy).remove(&self.study);
    }
}

/// The terms of one contribution.
pub(crate) struct Contributing {
    running: Arc<Running>,
    key: (UserId, String),
    /// They end when the person leaves.
    pub terms: Arc<Terms>,
}

impl Drop for Contributing {
    fn drop(&mut self) {
        lock(&self.running.terms).remove(&self.key);
    }
}

impl Running {
    /// Keeps everybody else from collecting a study; `None` while somebody does.
    pub fn idle(&self, study: &str) -> Option<Busy<'_>> {
        let study = study.to_owned();
        lock(&self.busy).insert(study.clone()).then(|| Busy { running: self, study })
    }

    /// Notes a contribution that begins. A study is collected once at a time, so a person has one of each.
    pub fn begin(self: &Arc<Self>, user: UserId, study: &str, terms: Arc<Terms>) -> Contributing {
        let key = (user, study.to_owned());
        lock(&self.terms).insert(key.clone(), Arc::clone(&terms));
        Contributing { running: Arc::clone(self), key, terms }
    }

    /// Ends a contribution. When it returns, nothing of it leaves any more.
    pub fn end(&self, user: UserId, study: &str) {
        let terms = lock(&self.terms).get(&(user, study.to_owned())).cloned();
        if let Some(terms) = terms {
            terms.end();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use runtime_consent::{Asking, Consent, StreamName, Wants};

    use super::*;
    use crate::cells::installed::terms::Moment;

    #[test]
    fn attack_160_whoever_leaves_ends_what_runs_and_is_in_no_sum() {
        let wants = Wants { streams: vec![StreamName::of("background/location")], ..Wants::default() };
        let (cell, publisher, digest) = ("c".to_owned(), "p".to_owned(), "00".repeat(32));
        let asking = Asking { cell, publisher, digest, wants, ..Asking::default() };
        let terms = || Arc::new(Terms::new(Arc::new(Consent::asked(asking.clone(), 0.0).expect("sound"))));
        let running = Arc::new(Running::default());
        let (one, other) = (UserId([1; 16]), UserId([2; 16]));
        let [leaving, staying] = [one, other].map(|user| running.begin(user, "s", terms()));
        let run = leaving.terms.begin(Moment::read(1.0)).expect("in force");
        running.end(one, "another study");
        assert!(leaving.terms.storing(1.0).is_some());
        running.end(one, "s");
        assert!(leaving.terms.storing(1.0).is_none() && leaving.terms.begin(Moment::read(1.0)).is_none());
        assert!(staying.terms.storing(1.0).is_some());
        drop((run, leaving));
        running.end(one, "s");
        assert_eq!(lock(&running.terms).len(), 1, "what has ended is forgotten");
    }

    #[test]
    fn a_study_is_collected_once_at_a_time() {
        let running = Running::default();
        let busy = running.idle("s").expect("nobody does");
        assert!(running.idle("s").is_none() && running.idle("another").is_some());
        drop(busy);
        assert!(running.idle("s").is_some());
    }
}
