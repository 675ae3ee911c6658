//! What an installed cell runs under: one consent of one person, until it ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use runtime_consent::Consent;
use runtime_sandbox::Cancel;

/// A moment of the host's clock, and when it was read. However long a run has waited or worked since, the time of a
/// consent goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// What the clock showed, s.
    pub now: f64,
    read: Instant,
}

impl Moment {
    /// The clock has just shown `now`, s.
    pub fn read(now: f64) -> Self {
        Self { now, read: Instant::now() }
    }

    /// What the clock shows by now, s.
    fn by_now(self) -> f64 {
        self.now + self.read.elapsed().as_secs_f64()
    }

    /// When the clock shows `at`, s; `None` where that is too far away to be counted.
    fn instant_of(self, at: f64) -> Option<Instant> {
        let left = Duration::try_from_secs_f64((at - self.now).max(0.0)).ok()?;
        self.read.checked_add(left)
    }
}

/// One consent while it is in force. Every change of the consent makes another one, and ends this.
pub(crate) struct Terms {
    /// What the person granted.
    pub consent: Arc<Consent>,
    ended: AtomicBool,
    /// Held for reading from the last look at `ended` until a run's results are stored.
    storing: RwLock<()>,
    runs: Mutex<BTreeMap<u64, Cancel>>,
    next: AtomicU64,
}

/// The terms that are in force for one person, by the ids of their cells. They outlive each reading of the consents: a
/// change of one cell's consent must not hide the runs of another from whoever ends that one.
#[derive(Default)]
pub(crate) struct AllTerms(Mutex<BTreeMap<String, Arc<Terms>>>);

impl AllTerms {
    /// The terms of a consent as it is stored: those that its runs are under already, if there are any.
    pub fn of(&self, consent: &Arc<Consent>) -> Arc<Terms> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(terms) = known.get(&consent.cell)
            && !terms.ended.load(Ordering::SeqCst)
            && *terms.consent == **consent
        {
            return Arc::clone(terms);
        }
        let terms = Arc::new(Terms::new(Arc::clone(consent)));
        if let Some(before) = known.insert(consent.cell.clone(), Arc::clone(&terms)) {
            before.end();
        }
        terms
    }
}

/// A run under terms, which [`Terms::end`] and the expiry of the consent stop.
pub(crate) struct TermedRun {
    terms: Arc<Terms>,
    number: u64,
    at: Moment,
    /// To be given to the sandbox.
    pub cancel: Cancel,
}

impl Drop for TermedRun {
    fn drop(&mut self) {
        self.terms.runs().remove(&self.number);
    }
}

impl TermedRun {
    /// Whether its terms are still in force, by the time that has gone by since.
    pub fn holds(&self) -> bool {
        self.terms.hold(self.at.by_now())
    }

    /// [`Terms::storing`], by the time that has gone by since.
    pub fn storing(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.terms.storing(self.at.by_now())
    }
}

impl Terms {
    pub fn new(consent: Arc<Consent>) -> Self {
        Self {
            consent,
            ended: AtomicBool::new(false),
            storing: RwLock::default(),
            runs: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<u64, Cancel>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether they are in force at `now`, s.
    pub fn hold(&self, now: f64) -> bool {
        !self.ended.load(Ordering::SeqCst) && !self.consent.has_ended(now)
    }

    /// Notes a run that is about to begin; `None` if the terms are not in force any more. `at`: when it was asked for.
    pub fn begin(self: &Arc<Self>, at: Moment) -> Option<TermedRun> {
        let due = self.consent.expires.and_then(|expires| at.instant_of(expires));
        let (cancel, number) =
            (due.map_or_else(Cancel::new, Cancel::due), self.next.fetch_add(1, Ordering::Relaxed));
        // Noted before the look: an end in between stops this run, too.
        self.runs().insert(number, cancel.clone());
        let run = TermedRun { terms: Arc::clone(self), number, at, cancel };
        run.holds().then_some(run)
    }

    /// Permission to store what a run has made; the terms do not end while it is held. `None` if they have ended.
    pub fn storing(&self, now: f64) -> Option<RwLockReadGuard<'_, ()>> {
        let guard = self.storing.read().unwrap_or_else(PoisonError::into_inner);
        self.hold(now).then_some(guard)
    }

    /// Ends them for good and stops every run. When it returns, nothing of a run is stored any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.runs().values().for_each(Cancel::cancel);
        // Whoever is storing at this moment has looked before.
        drop(self.storing.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use runtime_consent::{Asking, StreamName, Wants};

    use super::*;

    fn terms() -> Arc<Terms> {
        let wants = Wants { streams: vec![StreamName::of("background/location")], ..Wants::default() };
        let (cell, publisher, digest) = ("c".to_owned(), "p".to_owned(), "00".repeat(32));
        let asking = Asking { cell, publisher, digest, wants, ..Asking::default() };
        Arc::new(Terms::new(Arc::new(Consent::asked(asking, 0.0).expect("sound"))))
    }

    #[test]
    fn attack_140_no_run_begins_and_nothing_is_stored_once_a_consent_has_ended() {
        let terms = terms();
        let run = terms.begin(Moment::read(1.0)).expect("in force");
        assert!(terms.storing(1.0).is_some());
        terms.end();
        assert!(terms.begin(Moment::read(1.0)).is_none() && terms.storing(1.0).is_none() && !terms.hold(1.0));
        drop(run);
        assert!(terms.runs().is_empty(), "a run that has ended is forgotten");
    }

    #[test]
    fn attack_138_a_consent_that_expires_while_a_run_works_or_waits_lets_nothing_of_it_be_stored() {
        let consent = Consent { expires: Some(100.0), ..Consent::clone(&terms().consent) };
        let terms = Arc::new(Terms::new(Arc::new(consent)));
        // Asked for in time, and begun too late.
        let before = Instant::now().checked_sub(Duration::from_secs(2)).expect("the machine runs for longer");
        let early = Moment { now: 99.0, read: before };
        assert!(early.by_now() >= 101.0 && terms.begin(early).is_none());
        let run = terms.begin(Moment::read(99.98)).expect("in force");
        assert!(run.holds() && run.storing().is_some());
        while run.at.by_now() < 100.0 {
            std::thread::yield_now();
        }
        assert!(!run.holds() && run.storing().is_none());
    }

    #[test]
    fn a_consent_without_an_end_that_can_be_counted_goes_on() {
        let at = Moment::read(1.0);
        assert!(
            at.instant_of(1e300).is_none()
                && at.instant_of(f64::NAN).is_some_and(|due| due <= Instant::now())
        );
        assert!(at.instant_of(0.5).is_some_and(|due| due <= Instant::now()));
    }

    #[test]
    fn the_runs_of_a_consent_are_found_by_whoever_ends_it_however_often_it_was_read_since() {
        let all = AllTerms::default();
        let consent = Arc::clone(&terms().consent);
        let run = all.of(&consent).begin(Moment::read(1.0)).expect("in force");
        all.of(&Arc::new(Consent::clone(&consent))).end();
        assert!(!run.terms.hold(1.0) && run.terms.begin(Moment::read(1.0)).is_none());
        // Another state of it is under terms of its own, and ends what was before.
        let first = all.of(&consent);
        let next = all.of(&Arc::new(Consent { epoch: consent.epoch + 1, ..Consent::clone(&consent) }));
        assert!(!first.hold(1.0) && next.hold(1.0));
    }

    #[test]
    fn an_end_waits_for_whoever_is_storing_and_for_nobody_else() {
        let terms = terms();
        let _run = terms.begin(Moment::read(1.0)).expect("in force");
        let storing = terms.storing(1.0).expect("in force");
        std::thread::scope(|scope| {
            let ending = scope.spawn(|| terms.end());
            // From the moment at which it has ended, whatever comes later is refused, and what began before goes on.
            while terms.hold(1.0) {
                std::thread::yield_now();
            }
            assert!(!ending.is_finished());
            drop(storing);
            ending.join().expect("no panic");
        });
        assert!(terms.storing(1.0).is_none());
    }
}
