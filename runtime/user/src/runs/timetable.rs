//! When each person's pipeline is due: the schedule of this process, and a mark in each person's folder that outlives
//! it.
//!
//! `people/<2 hex>/<32 hex>/pending` is an empty file that exists while something asks for a run. It is created before
//! a put is answered, but not synced: it survives a crash of the host, but a power cut within seconds may undo it;
//! then the next put creates it again. Only the first put after a run pays for it.
//!
//! Moments are seconds of the host's steady clock: setting the wall clock neither delays nor hastens a run. No run
//! starts while the wall clock is not trusted.
//!
//! * Invariants: a person whose agenda asks for a run has the mark; the mark is removed when a run has covered
//!   everything that asked for it.
//! * Not here: when a run is due (`runtime/pipeline`), running it (`crate::runs::stage`).

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime_pipeline::{Event, Left, Rhythm, SETTLING_S, Schedule};
use runtime_store::Snapshot;
use runtime_types::{Area, Query, TimeField, UserId};
use tokio::sync::Notify;

use crate::clock::Clocks;
use crate::error::CallError;
use crate::people::People;
use crate::people::turns::Turns;
use crate::runs::stage::PipelineReport;
use crate::runtime::Runtime;

/// The mark's name in a person's folder.
const PENDING: &str = "pending";

/// The longest sleep of the task that keeps the schedule, s: its timer stops while the machine is suspended.
const SLEEP_MAX_S: f64 = 60.0;

/// The pause between two checks of a clock that is not trusted.
const CLOCK_PAUSE: Duration = Duration::from_secs(5);

/// When each person's pipeline is due.
pub struct Timetable {
    people: Arc<People>,
    clocks: Arc<Clocks>,
    schedule: Mutex<Schedule<UserId>>,
    /// The people whose mark is on disk and stays there. Locked only for a moment, and before `schedule`.
    marked: Mutex<HashSet<UserId>>,
    /// Held while a mark is created or removed, which may wait for the disk; locked before `marked`.
    marking: Mutex<()>,
    changed: Notify,
    /// Whether a task starts the runs that are due.
    kept: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Timetable {
    /// Reads the marks of all people: one file name for each.
    pub(crate) fn open(rhythm: Rhythm, people: Arc<People>, clocks: Arc<Clocks>) -> Self {
        let has_mark = |user: &UserId| people.folder(*user).join(PENDING).exists();
        let marked = people.users().into_iter().filter(has_mark).collect();
        Self {
            people,
            clocks,
            schedule: Mutex::new(Schedule::new(rhythm)),
            marked: Mutex::new(marked),
            marking: Mutex::default(),
            changed: Notify::new(),
            kept: AtomicBool::new(false),
        }
    }

    /// Records an event of a person; does not touch the mark.
    pub(crate) fn happened(&self, user: UserId, event: Event) {
        lock(&self.schedule).happened(user, self.clocks.steady_s(), event);
        self.changed.notify_one();
    }

    /// A run begins and will read everything that has arrived before.
    pub(crate) fn began(&self, user: UserId) {
        self.happened(user, Event::Began);
    }

    /// Records an event of a person, and creates or removes the mark accordingly.
    pub(crate) fn note(&self, user: UserId, event: Event) {
        self.happened(user, event);
        self.mark(self.people.folder(user).join(PENDING), user);
    }

    fn mark(&self, path: PathBuf, user: UserId) {
        let _one_at_a_time = lock(&self.marking);
        let (asked_for, has_mark) = {
            let mut marked = lock(&self.marked);
            let schedule = lock(&self.schedule);
            let agenda = schedule.agenda(user);
            let asked_for = agenda.is_some_and(|agenda| agenda.is_pending() || agenda.is_busy());
            // From now on, other threads see that the mark is about to be removed.
            (asked_for, if asked_for { marked.contains(&user) } else { marked.remove(&user) })
        };
        let done = match (asked_for, has_mark) {
            (true, false) => make(&path),
            (false, true) => remove(&path),
            _ => return,
        };
        if asked_for == done.is_ok() {
            lock(&self.marked).insert(user);
        }
        if let Err(error) = done {
            tracing::warn!(user = %user.short(), %error, "a restart may not know whether a run is pending");
        }
    }

    fn is_marked(&self, user: UserId) -> bool {
        lock(&self.marked).contains(&user)
    }

    /// Records that new data of a person is on disk, so that a run follows, in this process or after a restart. May
    /// wait for the disk.
    pub fn data_arrived(&self, user: UserId) {
        self.note(user, Event::Arrived);
    }

    /// As [`Self::data_arrived`], without blocking the calling thread.
    pub(crate) async fn note_arrival(self: &Arc<Self>, user: UserId, turns: &Turns) {
        if self.is_marked(user) {
            self.happened(user, Event::Arrived);
            // A run that covered the earlier arrivals may have ended in between and removed the mark.
            if self.is_marked(user) {
                return;
            }
        }
        let shared = Arc::clone(self);
        let noted = turns.run(user, move || shared.data_arrived(user)).await;
        if let Err(error) = noted {
            tracing::error!(%error, "an arrival was not noted");
        }
    }

    /// The state of a person's next run; `None` if nothing asks for one.
    pub fn pending(&self, user: UserId) -> Option<Pending> {
        let schedule = lock(&self.schedule);
        let kept = self.kept.load(Ordering::Relaxed);
        if let Some(agenda) = schedule.agenda(user) {
            let due = agenda.due(schedule.rhythm()).filter(|_| kept);
            let due = due.map(|due| self.clocks.wall_s() + (due - self.clocks.steady_s()));
            return Some(Pending { running: agenda.is_busy(), due });
        }
        drop(schedule);
        self.is_marked(user).then_some(Pending { running: false, due: None })
    }

    /// Makes the mark of a person who is not here yet.
    pub(crate) fn mark_new(folder: &Path) -> io::Result<()> {
        make(&folder.join(PENDING))
    }

    /// Forgets a removed person; the mark is removed with the folder.
    pub(crate) fn forget(&self, user: UserId) {
        lock(&self.marked).remove(&user);
        self.forget_agenda(user);
    }

    /// Forgets when a run is due; the mark stays, and the event that makes runs possible again asks for one.
    fn forget_agenda(&self, user: UserId) {
        lock(&self.schedule).forget(user);
    }

    /// From now on a task starts the runs that are due, first those that an earlier process left.
    fn begin_keeping(&self) {
        self.kept.store(true, Ordering::Relaxed);
        let left: Vec<_> = lock(&self.marked).iter().copied().collect();
        for user in left {
            self.happened(user, Event::Arrived);
        }
    }

    /// The person whose run begins now, with at most `busy_max` runs at once; otherwise how long no run is due, unless
    /// something changes.
    fn start_next(&self, busy_max: usize) -> Result<UserId, Duration> {
        let at = self.clocks.steady_s();
        let mut schedule = lock(&self.schedule);
        schedule.start_next(at, busy_max).ok_or_else(|| {
            let next = schedule.next_start(busy_max);
            Duration::from_secs_f64(next.map_or(SLEEP_MAX_S, |next| (next - at).clamp(0.0, SLEEP_MAX_S)))
        })
    }

    async fn changed_or_after(&self, pause: Duration) {
        tokio::select! {
            () = self.changed.notified() => {}
            () = self.clocks.turned.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Reports to the schedule how a run at `now` ended.
    pub(crate) fn ended(&self, user: UserId, now: f64, ended: &Result<(PipelineReport, Left), CallError>) {
        let event = match ended {
            Err(CallError::Nobody) => return self.forget(user),
            Err(CallError::Suspended | CallError::Locked) => return self.forget_agenda(user),
            Err(_) => Event::Failed(None),
            Ok((report, left)) => match report.failed() {
                Some(stage) => Event::Failed(stage.retry_at.map(|retry_at| retry_at - now)),
                None => Event::Ended(*left),
            },
        };
        self.note(user, event);
    }
}

/// The state of a person's next run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pending {
    /// Whether a run is queued or under way.
    pub running: bool,
    /// When the next run is due, s since 1970 by the wall clock as it is now; `None` if none is due, or no task keeps
    /// the schedule now.
    pub due: Option<f64>,
}

impl Runtime {
    /// Starts the runs that are due, for ever: those of many people at once, bounded by the threads for stages, and
    /// one at a time for each person. Begins with the runs that an earlier process left pending. `now` gives a run its
    /// moment, s since 1970; no run starts while the host's clock is not trusted.
    pub async fn keep_schedule(self: &Arc<Self>, now: impl Fn() -> f64 + Send + Sync) {
        let timetable = self.timetable();
        timetable.begin_keeping();
        // One more run waits for each thread, so that none is idle between two runs.
        let busy_max = 2 * self.settings().stage_threads.max(1);
        loop {
            if self.clocks().check().is_some() {
                timetable.changed_or_after(CLOCK_PAUSE).await;
                continue;
            }
            match timetable.start_next(busy_max) {
                Ok(user) => {
                    let (shared, now) = (Arc::clone(self), now());
                    tokio::spawn(async move { shared.run_due(user, now).await });
                }
                Err(pause) => timetable.changed_or_after(pause).await,
            }
        }
    }

    async fn run_due(self: &Arc<Self>, user: UserId, now: f64) {
        let who = user.short();
        match self.queue_pipeline(user, now).await {
            Ok(report) => match report.failed() {
                None => {
                    let (elapsed_us, set_aside) = (report.elapsed_us(), report.set_aside());
                    tracing::info!(user = %who, elapsed_us, set_aside, "pipeline run");
                }
                // A stage's own words may hold data: they are shown only to the owner.
                Some(stage) => {
                    tracing::warn!(user = %who, stage = %stage.stage, "pipeline stopped at a stage that failed");
                }
            },
            Err(error) => {
                if matches!(error, CallError::Overloaded(_) | CallError::Lost) {
                    // The run has not begun, or its outcome was lost.
                    self.timetable().happened(user, Event::Failed(None));
                }
                tracing::error!(user = %who, code = error.code(), error = %crate::chain(&error), "pipeline not run");
            }
        }
    }
}

/// The entries that a run at `now` had to leave in the usercache.
pub(crate) fn left(snapshot: &Snapshot, now: f64) -> Result<Left, CallError> {
    let waiting =
        |(stream, count): &(runtime_types::Stream, u64)| stream.area == Area::Usercache && *count > 0;
    if !snapshot.streams().iter().any(waiting) {
        return Ok(Left::Nothing);
    }
    let start = (now - SETTLING_S).next_up();
    let young = Query { field: TimeField::WriteTs, start, ..Query::everything(Area::Usercache) };
    let mut earliest = None;
    let mut cursor = snapshot.find(&young).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        earliest = Some(row.write_ts);
        std::ops::ControlFlow::Break(())
    });
    visited.map_err(CallError::Read)?;
    Ok(earliest.map_or(Left::Stuck, |written| Left::Young(written - now)))
}
