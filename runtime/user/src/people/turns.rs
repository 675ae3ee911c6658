//! Work of people that may wait for the disk, on threads that all people share.
//!
//! * Invariants: no person has more of it under way than [`UNDER_WAY_MAX`], whether or not its caller still waits.
//! * Not here: runs of cells, which have pools of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handshake::error::Code;
use runtime_types::UserId;
use tokio::sync::Semaphore;

/// How much of one person's work may be under way at once.
pub const UNDER_WAY_MAX: usize = 4;
/// How much of one person's work may wait for its turn.
pub const TURNS_WAITING_MAX: usize = 256;

/// Why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// Too much of this person's work waits.
    #[error("{waiting} requests of this person wait already")]
    Crowded {
        /// How much waits.
        waiting: usize,
    },
    /// It panicked, or the host is shutting down.
    #[error("the work was lost")]
    Lost,
}

/// People's turns. Work that strangers ask for takes turns of its own, so that they cannot hold up the person.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<Key, Arc<Line>>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    user: UserId,
    strangers: bool,
}

#[derive(Debug)]
struct Line {
    places: Arc<Semaphore>,
    /// Held while the store is being locked; how that ended.
    locking: tokio::sync::Mutex<Result<(), Code>>,
    locks_begun: AtomicU64,
}

/// One who stands in a line; the line is forgotten with the last one.
struct InLine {
    turns: Turns,
    key: Key,
    line: Arc<Line>,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand(&self, key: Key) -> Result<InLine, NotRun> {
        let mut lines = self.lock();
        let line = lines.entry(key).or_insert_with(|| {
            Arc::new(Line {
                places: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
                locking: tokio::sync::Mutex::new(Ok(())),
                locks_begun: AtomicU64::new(0),
            })
        });
        // Everybody in the line has a reference to it.
        let waiting = (Arc::strong_count(line) - 1).saturating_sub(UNDER_WAY_MAX);
        if waiting >= TURNS_WAITING_MAX {
            return Err(NotRun::Crowded { waiting });
        }
        Ok(InLine { turns: self.clone(), key, line: Arc::clone(line) })
    }

    /// Does a person's work in its turn, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// [`NotRun`].
    pub async fn run<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotRun> {
        self.stand(Key { user, strangers: false })?.run(work).await
    }

    /// The same for work that strangers ask for.
    ///
    /// # Errors
    /// [`NotRun`].
    pub async fn run_for_strangers<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotRun> {
        self.stand(Key { user, strangers: true })?.run(work).await
    }
}

impl Turns {
    /// Locks a person's store by `lock`. Whoever asks before that has begun, and waits, shares its outcome: however many
    /// ask, it is done at most twice.
    ///
    /// # Errors
    /// The error of `lock`; [`Code::RateLimited`] if too much of the person's work waits.
    pub(crate) async fn lock_once(
        &self,
        user: UserId,
        lock: impl FnOnce() -> Result<(), Code> + Send + 'static,
    ) -> Result<(), Code> {
        let key = Key { user, strangers: false };
        let place = self.stand(key).map_err(|_| Code::RateLimited)?;
        let seen = place.line.locks_begun.load(Ordering::SeqCst);
        let mut outcome = place.line.locking.lock().await;
        if place.line.locks_begun.load(Ordering::SeqCst) > seen {
            return *outcome;
        }
        place.line.locks_begun.fetch_add(1, Ordering::SeqCst);
        // What the next one is told if nobody waits for the end of this.
        *outcome = Err(Code::Starting);
        let turn = self.stand(key).map_err(|_| Code::RateLimited)?;
        *outcome = turn.run(lock).await.unwrap_or(Err(Code::Starting));
        *outcome
    }
}

impl InLine {
    async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotRun> {
        let place = Arc::clone(&self.line.places).acquire_owned().await.map_err(|_| NotRun::Lost)?;
        // The place belongs to the work: a caller that goes away does not end the work.
        let done = tokio::task::spawn_blocking(move || {
            let (_in_line, _place) = (self, place);
            work()
        });
        done.await.map_err(|_| NotRun::Lost)
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut lines = self.turns.lock();
        // The table's reference, and this one.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::time::Duration;

    use super::*;

    fn person(number: u8) -> UserId {
        UserId([number; 16])
    }

    /// Work that goes on once it is told to.
    fn held_up(go: &AtomicBool) {
        while !go.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets work go on that is held up, also where a test fails: the program would wait for it.
    struct Release(Arc<AtomicBool>);

    impl Drop for Release {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Waits until something is so; a test that would hang fails.
    async fn until(mut so: impl FnMut() -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        waited.await.expect("never so");
    }

    #[tokio::test]
    async fn attack_83_requests_that_wait_hold_four_threads_of_a_person_even_if_their_caller_is_gone() {
        let turns = Turns::default();
        let (go, under_way) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let _release = Release(Arc::clone(&go));
        let begin = |turns: &Turns| {
            let (turns, go, under_way) = (turns.clone(), Arc::clone(&go), Arc::clone(&under_way));
            tokio::spawn(async move {
                let work = move || {
                    under_way.fetch_add(1, Ordering::SeqCst);
                    held_up(&go);
                    under_way.fetch_sub(1, Ordering::SeqCst);
                };
                turns.run(person(1), work).await
            })
        };
        let greedy: Vec<_> = (0..600).map(|_| begin(&turns)).collect();
        until(|| under_way.load(Ordering::SeqCst) == UNDER_WAY_MAX).await;
        greedy.iter().for_each(tokio::task::JoinHandle::abort);
        let standing = || turns.lock().values().map(Arc::strong_count).sum::<usize>();
        until(|| standing() == UNDER_WAY_MAX + 1).await;
        let more: Vec<_> = (0..TURNS_WAITING_MAX).map(|_| begin(&turns)).collect();
        assert_eq!(turns.run(person(2), || 2).await, Ok(2), "another person's turn");
        assert_eq!(
            turns.run_for_strangers(person(1), || 1).await,
            Ok(1),
            "strangers have a line of their own"
        );
        assert_eq!(under_way.load(Ordering::SeqCst), UNDER_WAY_MAX);
        go.store(true, Ordering::SeqCst);
        for work in more {
            work.await.expect("no panic").expect("done");
        }
        until(|| turns.lock().is_empty()).await;
    }

    #[tokio::test]
    async fn more_work_of_one_person_than_may_wait_is_refused_at_once() {
        let turns = Turns::default();
        let go = Arc::new(AtomicBool::new(false));
        let mut waiting = Vec::new();
        for _ in 0..UNDER_WAY_MAX + TURNS_WAITING_MAX {
            let (turns, go) = (turns.clone(), Arc::clone(&go));
            waiting.push(tokio::spawn(async move { turns.run(person(1), move || held_up(&go)).await }));
        }
        until(|| {
            matches!(turns.stand(Key { user: person(1), strangers: false }), Err(NotRun::Crowded { .. }))
        })
        .await;
        go.store(true, Ordering::SeqCst);
        for work in waiting {
            work.await.expect("no panic").expect("done");
        }
    }

    #[tokio::test]
    async fn attack_83_however_often_a_lock_is_asked_for_it_is_done_twice() {
        let turns = Turns::default();
        let (go, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let ask = |turns: &Turns, outcome: Result<(), Code>| {
            let (turns, go, done) = (turns.clone(), Arc::clone(&go), Arc::clone(&done));
            tokio::spawn(async move {
                let lock = move || {
                    held_up(&go);
                    done.fetch_add(1, Ordering::SeqCst);
                    outcome
                };
                turns.lock_once(person(1), lock).await
            })
        };
        let asked: Vec<_> = (0..200).map(|_| ask(&turns, Err(Code::ScopeMissing))).collect();
        let standing = || turns.lock().values().map(Arc::strong_count).sum::<usize>();
        until(|| standing() == 202).await;
        go.store(true, Ordering::SeqCst);
        for lock in asked {
            assert_eq!(lock.await.expect("no panic"), Err(Code::ScopeMissing));
        }
        assert!(done.load(Ordering::SeqCst) <= 2);
        // Whoever asks later starts anew.
        assert_eq!(ask(&turns, Ok(())).await.expect("no panic"), Ok(()));
        until(|| turns.lock().is_empty()).await;
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_place_back() {
        let turns = Turns::default();
        for _ in 0..2 * UNDER_WAY_MAX {
            assert_eq!(turns.run(person(1), || panic!("on purpose")).await, Err::<(), _>(NotRun::Lost));
        }
        assert_eq!(turns.run(person(1), || 1).await, Ok(1));
    }
}
