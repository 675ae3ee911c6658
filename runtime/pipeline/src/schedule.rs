//! The next person to run: many people's agendas, and a bound on how many run at once.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::agenda::{Agenda, Event, Rhythm};

/// A moment that can be sorted.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Many people's agendas. Contains only people with a run that is due or under way.
#[derive(Debug, Clone)]
pub struct Schedule<P> {
    rhythm: Rhythm,
    people: HashMap<P, Agenda>,
    due: BTreeSet<(Moment, P)>,
    busy: usize,
}

impl<P: Copy + Ord + Hash> Schedule<P> {
    /// A schedule in which no run is due.
    pub fn new(rhythm: Rhythm) -> Self {
        Self { rhythm, people: HashMap::new(), due: BTreeSet::new(), busy: 0 }
    }

    /// How soon runs follow what asks for them.
    pub fn rhythm(&self) -> &Rhythm {
        &self.rhythm
    }

    /// Records an event of a person at `at`, s.
    pub fn happened(&mut self, person: P, at: f64, event: Event) {
        let agenda = self.people.entry(person).or_default();
        let (was_due, was_busy) = (agenda.due(&self.rhythm), agenda.is_busy());
        agenda.happened(&self.rhythm, at, event);
        let (due, busy) = (agenda.due(&self.rhythm), agenda.is_busy());
        if !busy && !agenda.is_pending() {
            self.people.remove(&person);
        }
        self.move_to(person, (was_due, was_busy), (due, busy));
    }

    fn move_to(&mut self, person: P, before: (Option<f64>, bool), after: (Option<f64>, bool)) {
        if let Some(due) = before.0 {
            self.due.remove(&(Moment(due), person));
        }
        if let Some(due) = after.0 {
            self.due.insert((Moment(due), person));
        }
        self.busy = self.busy + usize::from(after.1) - usize::from(before.1);
    }

    /// Forgets a person.
    pub fn forget(&mut self, person: P) {
        if let Some(agenda) = self.people.remove(&person) {
            self.move_to(person, (agenda.due(&self.rhythm), agenda.is_busy()), (None, false));
        }
    }

    /// The next person whose run may start at `now`, the longest due first; the person counts as queued from then on.
    /// `None` if no run is due, or `busy_max` runs are queued or under way.
    pub fn start_next(&mut self, now: f64, busy_max: usize) -> Option<P> {
        let (due, person) = self.due.first().copied()?;
        if self.busy >= busy_max || due.0 > now {
            return None;
        }
        self.happened(person, now, Event::Queued);
        Some(person)
    }

    /// When [`Self::start_next`] returns a person again, s; `None` if only an event can change that.
    pub fn next_start(&self, busy_max: usize) -> Option<f64> {
        self.due.first().filter(|_| self.busy < busy_max).map(|(due, _)| due.0)
    }

    /// A person's agenda; `None` if no run is under way or due.
    pub fn agenda(&self, person: P) -> Option<&Agenda> {
        self.people.get(&person)
    }

    /// How many runs are queued or under way.
    pub fn busy(&self) -> usize {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agenda::Left;

    const RHYTHM: Rhythm = Rhythm { quiet_s: 60.0, wait_max_s: 900.0, every_s: 86_400.0 };

    #[test]
    fn whoever_is_due_longest_runs_first_and_no_more_run_at_once_than_may() {
        let mut schedule = Schedule::new(RHYTHM);
        for (person, at) in [(1, 30.0), (2, 10.0), (3, 20.0), (4, 500.0)] {
            schedule.happened(person, at, Event::Arrived);
        }
        assert_eq!((schedule.next_start(2), schedule.next_start(0)), (Some(70.0), None));
        assert_eq!(schedule.start_next(69.0, 2), None);
        let started = [(); 3].map(|()| schedule.start_next(100.0, 2));
        assert_eq!(started, [Some(2), Some(3), None]);
        schedule.happened(2, 100.0, Event::Began);
        schedule.happened(2, 101.0, Event::Ended(Left::Nothing));
        assert_eq!(schedule.start_next(101.0, 2), Some(1));
        assert_eq!(schedule.start_next(101.0, 9), None, "the fourth is not due");
        assert_eq!((schedule.busy(), schedule.agenda(2)), (2, None));
        schedule.forget(1);
        assert_eq!((schedule.busy(), schedule.next_start(2)), (1, Some(560.0)));
    }

    /// A small generator, so that a seed determines the whole test.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    /// What a model host knows about one person.
    #[derive(Default, Clone, Copy)]
    struct Truth {
        running: bool,
        queued: bool,
        /// The first arrival after the start of the last run.
        uncovered_since: Option<f64>,
        failed: bool,
    }

    #[test]
    fn every_arrival_is_followed_by_a_run_in_time_and_nobody_runs_twice_at_once() {
        for seed in 0..200 {
            let mut random = Random(seed);
            let mut schedule = Schedule::new(RHYTHM);
            let mut people = [Truth::default(); 5];
            let mut now = 0.0;
            for _ in 0..600 {
                now += random.below(20) as f64;
                let who = random.below(5) as usize;
                let truth = &mut people[who];
                match random.below(4) {
                    0 | 1 => {
                        schedule.happened(who, now, Event::Arrived);
                        truth.uncovered_since.get_or_insert(now);
                    }
                    2 if truth.queued => {
                        schedule.happened(who, now, Event::Began);
                        *truth = Truth { running: true, ..Truth::default() };
                    }
                    3 if truth.running => {
                        let failed = random.below(5) == 0;
                        let event = if failed { Event::Failed(None) } else { Event::Ended(Left::Nothing) };
                        schedule.happened(who, now, event);
                        (truth.running, truth.failed) = (false, failed);
                    }
                    _ => {}
                }
                while let Some(person) = schedule.start_next(now, 3) {
                    let truth = &mut people[person];
                    assert!(!truth.running && !truth.queued, "seed {seed}: two runs of {person}");
                    assert!(
                        truth.uncovered_since.is_some() || truth.failed,
                        "seed {seed}: a run for nothing"
                    );
                    truth.queued = true;
                }
                let busy = people.iter().filter(|truth| truth.running || truth.queued).count();
                assert_eq!((schedule.busy(), busy <= 3), (busy, true), "seed {seed}");
                for (who, truth) in people.iter().enumerate() {
                    let idle = !truth.running && !truth.queued && !truth.failed;
                    if let (true, true, Some(since)) = (idle, busy < 3, truth.uncovered_since) {
                        let waited = now - since;
                        assert!(waited < RHYTHM.wait_max_s, "seed {seed}: {who} has waited {waited} s");
                    }
                }
            }
        }
    }
}
