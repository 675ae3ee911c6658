//! The threads that run cells: a fixed number, with a fair and bounded queue.
//!
//! * Invariants: people take turns, however much one of them asks for; no person has more jobs running than the limit;
//!   a job that does not fit is refused at once. A job that panics ends alone.
//! * Not here: what a job does; all threads of a pool are alike.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use runtime_types::UserId;

/// The stack of a worker's thread, bytes: for the deepest guest, and the host's own calls below it.
const THREAD_STACK_BYTES: usize = 2 << 20;

/// The size of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The name of its threads: `name`-0 and so on.
    pub name: &'static str,
    /// The number of threads, at least 1.
    pub threads: usize,
    /// How many jobs of all people together may wait.
    pub waiting_max: usize,
    /// How many jobs of one person may wait.
    pub waiting_per_person_max: usize,
    /// How many jobs of one person may run at once, at least 1.
    pub running_per_person_max: usize,
}

impl PoolSettings {
    /// For requests: 2 at once for each person.
    pub const fn endpoints(threads: usize) -> Self {
        Self {
            name: "cell",
            threads,
            waiting_max: 1_024,
            waiting_per_person_max: 64,
            running_per_person_max: 2,
        }
    }

    /// For stages: 1 at once for each person.
    pub const fn stages(threads: usize) -> Self {
        Self {
            name: "stage",
            threads,
            waiting_max: 16_384,
            waiting_per_person_max: 4,
            running_per_person_max: 1,
        }
    }
}

/// Why a job was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Overloaded {
    /// Too many jobs of all people together wait.
    #[error("{waiting} jobs are waiting already")]
    Everybody {
        /// How many wait.
        waiting: usize,
    },
    /// Too many jobs of this person wait.
    #[error("{waiting} jobs of this person are waiting already")]
    Person {
        /// How many wait.
        waiting: usize,
    },
    /// The pool is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of named threads and a fair queue.
pub struct WorkerPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    settings: PoolSettings,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    people: HashMap<UserId, Person>,
    /// The order of turns: each person who has a waiting job and may run one more, once.
    turns: VecDeque<UserId>,
    waiting: usize,
    closed: bool,
}

#[derive(Default)]
struct Person {
    jobs: VecDeque<Job>,
    running: usize,
    has_turn: bool,
}

impl WorkerPool {
    /// Starts the threads.
    pub fn start(settings: PoolSettings) -> io::Result<Self> {
        let shared = Arc::new(Shared { settings, queue: Mutex::default(), changed: Condvar::new() });
        let pool = Self { shared, threads: Mutex::default() };
        for number in 0..settings.threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new()
                .name(format!("{}-{number}", settings.name))
                .stack_size(THREAD_STACK_BYTES)
                .spawn(move || shared.work())?;
            pool.lock_threads().push(thread);
        }
        Ok(pool)
    }

    /// Accepts a job, or refuses at once if too many wait. A person's jobs begin in the order of submission.
    pub fn submit(&self, person: UserId, job: impl FnOnce() + Send + 'static) -> Result<(), Overloaded> {
        let settings = self.shared.settings;
        let mut queue = self.shared.lock();
        if queue.closed {
            return Err(Overloaded::ShuttingDown);
        }
        if queue.waiting >= settings.waiting_max {
            return Err(Overloaded::Everybody { waiting: queue.waiting });
        }
        let waiting = queue.people.get(&person).map_or(0, |person| person.jobs.len());
        if waiting >= settings.waiting_per_person_max {
            return Err(Overloaded::Person { waiting });
        }
        queue.people.entry(person).or_default().jobs.push_back(Box::new(job));
        queue.waiting += 1;
        queue.give_turn(person, settings.running_per_person_max);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// How many jobs of all people together wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting
    }

    /// Accepts no more jobs, runs those that wait, and ends the threads. May be called from several threads, but not
    /// from a job.
    pub fn shutdown(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        let threads = std::mem::take(&mut *self.lock_threads());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(pool = self.shared.settings.name, "a worker thread had panicked");
            }
        }
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerPool").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((person, job)) = self.next() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                let words = panic.downcast_ref::<&str>().copied();
                let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(user = %person.short(), panic = words.unwrap_or("?"), "a job panicked");
            }
            self.lock().finish(person, self.settings.running_per_person_max);
            // The end of the job may have given a person a turn, and this thread may take another one.
            self.changed.notify_one();
        }
        self.changed.notify_all();
    }

    fn next(&self) -> Option<(UserId, Job)> {
        let mut queue = self.lock();
        loop {
            if let Some(next) = queue.take(self.settings.running_per_person_max) {
                return Some(next);
            }
            if queue.closed && queue.waiting == 0 {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    fn give_turn(&mut self, user: UserId, running_max: usize) {
        let Some(person) = self.people.get_mut(&user) else { return };
        if !person.has_turn && !person.jobs.is_empty() && person.running < running_max.max(1) {
            person.has_turn = true;
            self.turns.push_back(user);
        }
    }

    fn take(&mut self, running_max: usize) -> Option<(UserId, Job)> {
        let user = self.turns.pop_front()?;
        let person = self.people.get_mut(&user).expect("who has a turn has a waiting job");
        let job = person.jobs.pop_front().expect("who has a turn has a waiting job");
        person.has_turn = false;
        person.running += 1;
        self.waiting -= 1;
        self.give_turn(user, running_max);
        Some((user, job))
    }

    fn finish(&mut self, user: UserId, running_max: usize) {
        let Some(person) = self.people.get_mut(&user) else { return };
        person.running -= 1;
        if person.running == 0 && person.jobs.is_empty() {
            self.people.remove(&user);
        } else {
            self.give_turn(user, running_max);
        }
    }
}
