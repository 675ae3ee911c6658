//! Which names have a certificate, which want one, and when the next order is.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime_types::UserId;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::certificate::{Lifetime, Unfit, read, store};
use crate::challenge::Challenges;
use crate::files::make_folder;
use crate::order::{Issued, OrderError, order};
use crate::pause::{Backoff, Pace};
use crate::roots::{RootsError, client};
use crate::status::Status;
use crate::transport::Transport;
use crate::{NAMES_MAX, account};

const HOUR: Duration = Duration::from_secs(3_600);

/// The time, s since 1970; `None`: the clock is not to be trusted now.
pub type Clock = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// What the operator has set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the server's directory.
    pub directory: String,
    /// How the server reaches the operator, such as `mailto:…`.
    pub contact: Vec<String>,
    /// The authorities by which the server is recognised, in PEM form; `None`: those of the system.
    pub roots: Option<PathBuf>,
    /// Where the account is kept.
    pub folder: PathBuf,
    /// How often, and how long.
    pub pace: Pace,
}

/// A name that may have a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Whose name it is.
    pub user: UserId,
    /// The name in full.
    pub name: String,
    /// Where its certificate is kept. The folder is made; the one that it is in must be there.
    pub file: PathBuf,
}

impl Subject {
    /// Whether the folder of the name's owner is there: somebody who was erased needs no certificate.
    fn has_owner(&self) -> bool {
        self.file.parent().and_then(Path::parent).is_some_and(Path::is_dir)
    }
}

struct Entry {
    subject: Subject,
    lifetime: Option<Lifetime>,
    backoff: Backoff,
    /// Why the last order failed.
    failure: Option<String>,
}

#[derive(Default)]
struct State {
    names: HashMap<UserId, Entry>,
    /// Failures that are no single name's.
    server: Backoff,
    /// When orders of the last hour began.
    orders: VecDeque<Instant>,
    /// Why the last order failed, if no certificate was issued since.
    failure: Option<String>,
    /// Whether it was logged that there are too many names.
    is_full: bool,
}

impl State {
    /// Until when no order begins, whatever it is for.
    fn paused(&mut self, pace: &Pace, now: Instant) -> Option<Instant> {
        while self.orders.front().is_some_and(|began| now.duration_since(*began) >= HOUR) {
            self.orders.pop_front();
        }
        let full = self.orders.front().filter(|_| self.orders.len() >= pace.orders_per_hour);
        self.server.until(now).max(full.map(|first| *first + HOUR))
    }
}

/// What there is to do.
enum Next {
    Order(Subject),
    Wait(Instant),
}

/// The certificates of all names.
pub struct Certificates {
    settings: Settings,
    transport: Transport,
    clock: Clock,
    challenges: Challenges,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    /// Held by who orders.
    alone: tokio::sync::Mutex<()>,
}

impl Certificates {
    /// No name yet. Reads the authorities; asks nothing of the server.
    ///
    /// # Errors
    /// [`RootsError`] where the server could not be recognised.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, RootsError> {
        let tls = client(settings.roots.as_deref())?;
        let transport = Transport::new(&settings.directory, tls, settings.pace.request)
            .map_err(|_| RootsError::Address(settings.directory.clone()))?;
        let (changed, _) = watch::channel(());
        let (challenges, state) = (Challenges::default(), Mutex::default());
        let alone = tokio::sync::Mutex::default();
        Ok(Self { settings, transport, clock, challenges, state, changed, alone })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this name was taken on.
    pub fn knows(&self, user: UserId) -> bool {
        self.lock().names.contains_key(&user)
    }

    /// Whether there is a place for another name. The first time that there is none is logged.
    pub fn has_place(&self) -> bool {
        let mut state = self.lock();
        let has_place = state.names.len() < NAMES_MAX;
        if !has_place && !std::mem::replace(&mut state.is_full, true) {
            tracing::warn!(
                names = NAMES_MAX,
                "no certificate is ordered for further names: use one for a wildcard"
            );
        }
        has_place
    }

    /// Takes on a name, if there is a place for it: its certificate is kept valid from now on, or ordered if there is
    /// none. Reads the disk.
    pub fn take_on(&self, subject: Subject) {
        if self.knows(subject.user) || !self.has_place() {
            return;
        }
        let lifetime = match read(&subject.file, &subject.name) {
            Ok((_, lifetime)) => Some(lifetime),
            Err(Unfit::File(error)) if error.kind() == ErrorKind::NotFound => None,
            Err(why) => {
                let user = subject.user.short();
                tracing::warn!(%user, %why, "certificate of a web name not used; another one is ordered");
                None
            }
        };
        let entry = Entry { subject, lifetime, backoff: Backoff::default(), failure: None };
        self.lock().names.entry(entry.subject.user).or_insert(entry);
        self.changed.send_replace(());
    }

    /// Waits while the first certificate of this name is being ordered, for a moment.
    pub async fn first(&self, user: UserId) {
        let mut changed = self.changed.subscribe();
        let coming = async { while self.is_coming(user) && changed.changed().await.is_ok() {} };
        // Without it, the connection goes on with what there is.
        let _ = timeout(self.settings.pace.first_wait, coming).await;
    }

    /// Whether an order for a first certificate is under way or is next.
    fn is_coming(&self, user: UserId) -> bool {
        let (mut state, now) = (self.lock(), Instant::now());
        let entry = state.names.get(&user).filter(|entry| entry.lifetime.is_none());
        let is_wanted = entry.is_some_and(|entry| !entry.backoff.has_failed());
        is_wanted && (self.clock)().is_some() && state.paused(&self.settings.pace, now).is_none()
    }

    /// The proof for that name, and whose name it is, if the order for it is under way.
    pub fn challenge(&self, name: &str) -> Option<(UserId, Arc<ServerConfig>)> {
        self.challenges.find(name)
    }

    /// Orders what is wanted and renews what ends, one after another, for ever. `issued` is told whose certificate is
    /// another one from now on. Ends at once while another call does this.
    pub async fn keep(&self, issued: impl Fn(UserId)) {
        let Ok(_alone) = self.alone.try_lock() else { return };
        self.save_status().await;
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            match self.next() {
                Next::Order(subject) if !subject.has_owner() => {
                    self.lock().names.remove(&subject.user);
                }
                Next::Order(subject) => {
                    let outcome = self.order(&subject).await;
                    self.settle(&subject, outcome, &issued);
                    self.changed.send_replace(());
                    self.save_status().await;
                }
                Next::Wait(until) => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        _ = changed.changed() => {}
                    }
                }
            }
        }
    }

    fn next(&self) -> Next {
        let now = Instant::now();
        let look = now + self.settings.pace.look;
        let mut state = self.lock();
        let Some(now_s) = (self.clock)() else { return Next::Wait(look) };
        let paused = state.paused(&self.settings.pace, now);
        if let Some(until) = paused {
            return Next::Wait(until.min(look));
        }
        let mut until = look;
        let mut first: Option<(u64, &Entry)> = None;
        for entry in state.names.values() {
            // What nobody has a certificate for goes first.
            let due_s = entry.lifetime.map_or(0, Lifetime::renewed_from_s);
            if due_s > now_s {
                continue;
            }
            match entry.backoff.until(now) {
                Some(pause) => until = until.min(pause),
                None if first.is_none_or(|(other_s, _)| due_s < other_s) => first = Some((due_s, entry)),
                None => {}
            }
        }
        let Some((_, entry)) = first else { return Next::Wait(until) };
        let subject = entry.subject.clone();
        state.orders.push_back(now);
        Next::Order(subject)
    }

    async fn order(&self, subject: &Subject) -> Result<Lifetime, OrderError> {
        let (settings, pace) = (&self.settings, &self.settings.pace);
        let transport = self.transport.clone();
        let (challenges, polls) = (&self.challenges, (pace.poll, pace.order));
        let issued = async {
            let account = account::open(&settings.folder, &settings.directory, &settings.contact, transport);
            order(&account.await?, subject, challenges, polls).await
        };
        let issued = timeout(pace.order, issued).await;
        let Issued { key, chain } = issued.unwrap_or(Err(OrderError::TooSlow(pace.order)))?;
        let Subject { name, file, .. } = subject.clone();
        let stored = tokio::task::spawn_blocking(move || {
            make_folder(file.parent().unwrap_or(&file)).map_err(Unfit::File)?;
            store(&file, &name, &key, &chain)
        });
        Ok(stored.await.map_err(|_| OrderError::Ended)??)
    }

    fn settle(&self, subject: &Subject, outcome: Result<Lifetime, OrderError>, issued: &impl Fn(UserId)) {
        match outcome {
            Ok(lifetime) => {
                self.note_issued(subject, lifetime);
                let (user, ends_s) = (subject.user.short(), lifetime.until_s);
                tracing::info!(%user, ends_s, "certificate of a web name issued");
                issued(subject.user);
            }
            Err(error) => {
                if error.is_of_account() {
                    account::forget(&self.settings.folder);
                }
                self.note_failure(subject, &error);
            }
        }
    }

    fn note_issued(&self, subject: &Subject, lifetime: Lifetime) {
        let now = Instant::now();
        let mut state = self.lock();
        (state.server, state.failure) = (Backoff::default(), None);
        if let Some(entry) = state.names.get_mut(&subject.user) {
            entry.backoff.rest(self.settings.pace.issued_pause, now);
            (entry.lifetime, entry.failure) = (Some(lifetime), None);
        }
    }

    /// Begins the pause, and logs why, unless the same was logged before.
    fn note_failure(&self, subject: &Subject, error: &OrderError) {
        let (pace, now) = (&self.settings.pace, Instant::now());
        let told = self.transport.take_told_wait();
        let reason = error.reason(&subject.name);
        let mut guard = self.lock();
        let state = &mut *guard;
        let is_same = state.failure.replace(reason.clone()).as_ref() == Some(&reason);
        let (mut is_known, mut next) = (false, None);
        if !error.is_of_name() {
            is_known = is_same;
            state.server.fail(pace, told, now);
            next = state.server.until(now);
        }
        if let Some(entry) = state.names.get_mut(&subject.user) {
            entry.backoff.fail(pace, told, now);
            is_known |= entry.failure.replace(reason.clone()).as_ref() == Some(&reason);
            next = next.max(entry.backoff.until(now));
        }
        drop(guard);
        if !is_known {
            let next_try_s = next.map_or(0, |next| next.duration_since(now).as_secs());
            tracing::warn!(user = %subject.user.short(), reason, next_try_s, "certificate of a web name not issued");
        }
    }

    /// How the certificates are.
    pub fn status(&self) -> Status {
        let (state, now) = (self.lock(), Instant::now());
        let lifetimes = || state.names.values().filter_map(|entry| entry.lifetime);
        let failing = || state.names.values().filter(|entry| entry.backoff.has_failed());
        let next = failing().filter_map(|entry| entry.backoff.until(now)).min().max(state.server.until(now));
        let now_s = (self.clock)();
        let at = |next: Instant| now_s.map(|now_s| (now_s + next.duration_since(now).as_secs()) as f64);
        Status {
            names: state.names.len(),
            certified: lifetimes().count(),
            first_ends_ts: lifetimes().map(|lifetime| lifetime.until_s as f64).reduce(f64::min),
            failing: failing().count(),
            failure: state.failure.clone().or_else(|| failing().find_map(|entry| entry.failure.clone())),
            next_try_ts: next.and_then(at),
        }
    }

    async fn save_status(&self) {
        let (status, folder) = (self.status(), self.settings.folder.clone());
        let written = tokio::task::spawn_blocking(move || status.write(&folder)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "how certificates are could not be written");
        }
    }
}
