//! The threads that run cells: a fixed number, with a fair and bounded queue.
//!
//! * Invariants: people take turns, however much one of them asks for; no person has more jobs running than the limit;
//!   a job that does not fit is refused at once. A job that waits for somebody outside stands aside ([`Seat::aside`]):
//!   it holds no worker's place meanwhile, and takes its turn again like any other. A job that panics ends alone.
//! * Not here: what a job does; all threads of a pool are alike.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use runtime_types::{Shares, UserId};

/// The stack of a worker's thread, bytes: for the deepest guest, and the host's own calls below it.
const THREAD_STACK_BYTES: usize = 2 << 20;

/// How many jobs of one pool may stand aside at once: each keeps its thread and its instance.
const ASIDE_MAX: usize = 32;

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
    /// How many jobs of one person may have begun, those that stand aside included. At least 1.
    pub begun_per_person_max: usize,
}

impl PoolSettings {
    /// For requests that only read: 2 at once for each person, but never all threads.
    pub const fn readers(threads: usize) -> Self {
        Self {
            name: "cell",
            threads,
            waiting_max: 1_024,
            waiting_per_person_max: 64,
            running_per_person_max: if threads > 2 { READS_PER_PERSON_MAX } else { 1 },
            begun_per_person_max: 3,
        }
    }

    /// For requests that write, which never wait behind those that read: 1 at once for each person, since one person's
    /// writes follow one another anyway.
    pub const fn writers(threads: usize) -> Self {
        Self {
            name: "put",
            threads,
            waiting_max: 1_024,
            waiting_per_person_max: 64,
            running_per_person_max: 1,
            begun_per_person_max: 1,
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
            begun_per_person_max: 1,
        }
    }
}

/// How many requests of one person that only read may run at once, if there are more than 2 threads.
const READS_PER_PERSON_MAX: usize = 2;

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
    /// The memory for answers that this person's callers have not received yet is used up.
    #[error("too much of this person's answers has not been received yet")]
    Unread,
    /// The pool is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

/// A job cannot stand aside: too many do already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{aside} jobs stand aside already")]
pub struct Crowded {
    /// How many do.
    pub aside: usize,
}

enum Job {
    Run(Box<dyn FnOnce() + Send>),
    /// A job that stood aside goes on, on its own thread, in the place of the one that takes this.
    GoOn(SyncSender<()>),
}

/// A fixed number of named threads and a fair queue.
pub struct WorkerPool {
    shared: Arc<Shared>,
}

struct Shared {
    settings: PoolSettings,
    queue: Mutex<Queue>,
    changed: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    people: HashMap<UserId, Person>,
    /// The order of turns: each person who has a waiting job and may run one more, once.
    turns: VecDeque<UserId>,
    waiting: usize,
    /// How many jobs run, without those that stand aside.
    active: usize,
    /// The places of jobs that stand aside.
    aside: Shares<UserId>,
    /// How many threads there are: one for each worker's place, and one for each job that stands aside.
    live: usize,
    closed: bool,
}

#[derive(Default)]
struct Person {
    jobs: VecDeque<Job>,
    running: usize,
    aside: usize,
    has_turn: bool,
}

impl WorkerPool {
    /// Starts the threads.
    pub fn start(settings: PoolSettings) -> io::Result<Self> {
        let settings = PoolSettings { threads: settings.threads.max(1), ..settings };
        let queue = Queue {
            people: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            active: 0,
            aside: Shares::new(ASIDE_MAX as u64, settings.begun_per_person_max.max(1) as u64, 0),
            live: 0,
            closed: false,
        };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        let shared = Arc::new(Shared { settings, queue, changed, threads: Mutex::default() });
        let pool = Self { shared };
        for _ in 0..settings.threads {
            pool.shared.spawn(&mut pool.shared.lock())?;
        }
        Ok(pool)
    }

    /// The seat of a person's jobs; each job uses it to stand aside itself.
    pub fn seat(&self, person: UserId) -> Seat {
        Seat { shared: Arc::clone(&self.shared), person }
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
        // Nobody has more jobs waiting than others can still add.
        let left = settings.waiting_max - queue.waiting;
        if waiting >= settings.waiting_per_person_max.min(left) {
            return Err(Overloaded::Person { waiting });
        }
        queue.people.entry(person).or_default().jobs.push_back(Job::Run(Box::new(job)));
        queue.waiting += 1;
        queue.give_turn(person, &settings);
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
        // A job that stands aside during the shutdown may start one more thread.
        loop {
            let threads = std::mem::take(&mut *self.shared.lock_threads());
            if threads.is_empty() {
                return;
            }
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!(pool = self.shared.settings.name, "a worker thread had panicked");
                }
            }
        }
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

/// Where a person's jobs wait for somebody outside.
#[derive(Clone)]
pub struct Seat {
    shared: Arc<Shared>,
    person: UserId,
}

impl Seat {
    /// Waits without a worker's place: another job runs meanwhile. Returns when the wait is over and the person has a
    /// turn again. Only a job of this person, on its own thread, may call it.
    ///
    /// # Errors
    /// [`Crowded`], before anything is waited for.
    pub fn aside<T>(&self, wait: impl FnOnce() -> T) -> Result<T, Crowded> {
        self.shared.leave(self.person)?;
        // However the wait ends, the job goes on in its turn.
        let _back = Back(self);
        Ok(wait())
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("pool", &self.shared.settings.name).finish_non_exhaustive()
    }
}

struct Back<'a>(&'a Seat);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.shared.come_back(self.0.person);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(self: &Arc<Self>, queue: &mut Queue) -> io::Result<()> {
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name(format!("{}-{}", self.settings.name, queue.live))
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || shared.work())?;
        queue.live += 1;
        let mut threads = self.lock_threads();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Frees the place of a job that waits, for a thread that takes over.
    fn leave(self: &Arc<Self>, user: UserId) -> Result<(), Crowded> {
        let mut queue = self.lock();
        let aside = queue.aside();
        if !queue.aside.take(user, 1) {
            return Err(Crowded { aside });
        }
        if queue.live < self.settings.threads + aside + 1
            && let Err(error) = self.spawn(&mut queue)
        {
            tracing::warn!(pool = self.settings.name, %error, "no thread to take over");
            queue.aside.give(&user, 1);
            return Err(Crowded { aside });
        }
        queue.active -= 1;
        let person = queue.people.get_mut(&user).expect("a job of this person runs");
        person.running -= 1;
        person.aside += 1;
        queue.give_turn(user, &self.settings);
        drop(queue);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the turn in which a job that stood aside goes on.
    fn come_back(&self, user: UserId) {
        let (go, gone_on) = sync_channel(1);
        let mut queue = self.lock();
        queue.waiting += 1;
        // Before the person's other jobs, which came later.
        queue.people.entry(user).or_default().jobs.push_front(Job::GoOn(go));
        queue.give_turn(user, &self.settings);
        drop(queue);
        self.changed.notify_one();
        // The sender is in the queue until it is used.
        let _ = gone_on.recv();
    }

    fn work(&self) {
        while let Some((person, job)) = self.next() {
            let job = match job {
                Job::Run(job) => job,
                Job::GoOn(go) => {
                    // The job counts as running, on the thread that waits for this.
                    let _ = go.send(());
                    continue;
                }
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                let words = panic.downcast_ref::<&str>().copied();
                let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(user = %person.short(), panic = words.unwrap_or("?"), "a job panicked");
            }
            self.lock().finish(person, &self.settings);
            // The end of the job may have given a person a turn, and this thread may take another one.
            self.changed.notify_one();
        }
        self.changed.notify_all();
    }

    /// The next job; `None`: this thread ends.
    fn next(&self) -> Option<(UserId, Job)> {
        let mut queue = self.lock();
        loop {
            let surplus = queue.live > self.settings.threads + queue.aside();
            if surplus || queue.closed && queue.waiting == 0 && queue.aside() == 0 {
                queue.live -= 1;
                return None;
            }
            if let Some(next) = queue.take(&self.settings) {
                return Some(next);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    /// How many jobs stand aside.
    fn aside(&self) -> usize {
        ASIDE_MAX - self.aside.free() as usize
    }

    fn give_turn(&mut self, user: UserId, settings: &PoolSettings) {
        let Some(person) = self.people.get_mut(&user) else { return };
        let begun_max = settings.begun_per_person_max.max(1);
        let may_begin = match person.jobs.front() {
            None => false,
            Some(Job::GoOn(_)) => true,
            Some(Job::Run(_)) => person.running + person.aside < begun_max,
        };
        if !person.has_turn && may_begin && person.running < settings.running_per_person_max.max(1) {
            person.has_turn = true;
            self.turns.push_back(user);
        }
    }

    fn take(&mut self, settings: &PoolSettings) -> Option<(UserId, Job)> {
        if self.active >= settings.threads {
            return None;
        }
        let user = self.turns.pop_front()?;
        let person = self.people.get_mut(&user).expect("who has a turn has a waiting job");
        let job = person.jobs.pop_front().expect("who has a turn has a waiting job");
        person.has_turn = false;
        person.running += 1;
        if matches!(job, Job::GoOn(_)) {
            person.aside -= 1;
            self.aside.give(&user, 1);
        }
        self.active += 1;
        self.waiting -= 1;
        self.give_turn(user, settings);
        Some((user, job))
    }

    fn finish(&mut self, user: UserId, settings: &PoolSettings) {
        self.active -= 1;
        let Some(person) = self.people.get_mut(&user) else { return };
        person.running -= 1;
        if person.running == 0 && person.aside == 0 && person.jobs.is_empty() {
            self.people.remove(&user);
        } else {
            self.give_turn(user, settings);
        }
    }
}
