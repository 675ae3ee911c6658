//! Many people's runtimes in one process: compiled code is shared, nothing else is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime_pipeline::{Left, Plan, StageSpec};
use runtime_sandbox::{CellHost, Outcome, PoolSettings, Run, Sandbox, SandboxSettings, WorkerPool};
use runtime_store::{Options, Store, Unattended};
use runtime_types::UserId;

use crate::cells::catalogue::{BuiltIn, Catalogue, Cell};
use crate::clock::Time;
use crate::error::{CallError, StartError};
use crate::files;
use crate::owner::{Owners, Receipt, may_wait};
use crate::people::person::Person;
use crate::people::{KeyMode, People, STORE_FOLDER};
use crate::runs::endpoint;
use crate::runs::exchange::{Answer, Call};
use crate::runs::pieces::Room;
use crate::runs::stage::{self, PipelineReport, Rehearsal, Spent};
use crate::runs::timetable::{self, Timetable};
use crate::settings::Settings;

/// A stage without a sandbox: what the sandbox costs is measured against it.
pub type NativeStage = fn(Box<dyn CellHost>, Run) -> Result<Outcome, String>;

/// Many people's runtimes in one process.
pub struct Runtime {
    settings: Settings,
    people: People,
    catalogue: Catalogue,
    plan: Plan,
    pub(crate) keys: Unattended,
    pub(crate) owners: Owners,
    pub(crate) time: Time,
    sandbox: Arc<Sandbox>,
    pub(crate) endpoints: WorkerPool,
    stages: WorkerPool,
    pub(crate) timetable: Timetable,
    /// For answers that wait for their callers.
    pub(crate) room: Room,
    awake: Mutex<HashMap<UserId, Place>>,
}

/// Where one person is, if awake. Its lock is held while the person's store is opened or closed.
type Place = Arc<Mutex<Option<Arc<Person>>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runtime {
    /// Starts a runtime over a data folder; creates what is missing.
    pub fn open(settings: Settings, built_in: &[BuiltIn]) -> Result<Arc<Self>, StartError> {
        files::create_folder(&settings.data)?;
        let time = Time::open(&settings.data, &*settings.clock, settings.built_s);
        let people = People::open(&settings.data)?;
        let keys = host_key(&settings.data.join("host.key"), &people)?;
        let sandbox = Sandbox::start(SandboxSettings { slots: settings.slots })?;
        let catalogue = Catalogue::open(&sandbox, built_in, settings.test_cells)?;
        let plan = match &settings.pipeline {
            Some(text) => Plan::parse(text)?,
            None => Plan::standard(settings.accuracy_filtering),
        };
        for spec in plan.stages().iter().filter(|spec| spec.enabled) {
            if catalogue.stage(spec).is_none() {
                return Err(StartError::NoSuchCell { stage: spec.name.clone(), cell: spec.cell.clone() });
            }
        }
        if let Some(cell) = plan.rewind().filter(|cell| catalogue.stage_named(cell).is_none()) {
            return Err(StartError::NoSuchCell { stage: "rewind".to_owned(), cell: cell.to_owned() });
        }
        let endpoints = WorkerPool::start(PoolSettings::endpoints(settings.endpoint_threads))?;
        let stages = WorkerPool::start(PoolSettings::stages(settings.stage_threads))?;
        let owners = Owners::open(&people, time.started_ms())?;
        let timetable = Timetable::open(settings.rhythm, &people, Arc::clone(&settings.clock));
        let awake = Mutex::default();
        let runtime = Arc::new(Self {
            settings,
            people,
            catalogue,
            plan,
            keys,
            owners,
            time,
            sandbox,
            endpoints,
            stages,
            timetable,
            room: Room::default(),
            awake,
        });
        runtime.look_at_clock();
        Ok(runtime)
    }

    /// How it was started.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who lives here.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// The cells.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The stage list.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The sandbox that runs the cells.
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    pub(crate) fn keeps_warm(&self) -> bool {
        // Half of the slots stay free for runs.
        self.settings.warm_instances && self.sandbox.slots_free() > self.sandbox.slots() / 2
    }

    pub(crate) fn stage_cell(&self, spec: &StageSpec) -> Result<Arc<Cell>, CallError> {
        self.stage_cell_named(&spec.cell)
    }

    pub(crate) fn stage_cell_named(&self, name: &str) -> Result<Arc<Cell>, CallError> {
        self.catalogue.stage_named(name).cloned().ok_or_else(|| CallError::NoSuchCell(name.to_owned()))
    }

    /// The person, woken up where needed. Opening a store reads the disk: call it from a thread that may block.
    pub fn person(&self, user: UserId) -> Result<Arc<Person>, CallError> {
        self.check_standing(user)?;
        loop {
            let place = Arc::clone(lock(&self.awake).entry(user).or_default());
            // Only who waits for this very person waits here.
            let mut held = lock(&place);
            // Whoever put the person to sleep meanwhile has taken the place away with it: a store is open once.
            if !lock(&self.awake).get(&user).is_some_and(|now| Arc::ptr_eq(now, &place)) {
                continue;
            }
            if held.as_ref().is_some_and(|person| person.store.is_poisoned()) {
                close_poisoned(&mut held);
            }
            if let Some(person) = &*held {
                person.touch();
                return Ok(Arc::clone(person));
            }
            let person = Arc::new(Person::new(user, self.open_store(user)?, self.settings.ahead_bytes_max));
            *held = Some(Arc::clone(&person));
            return Ok(person);
        }
    }

    /// Refuses for people who are not here, suspended or locked.
    fn check_standing(&self, user: UserId) -> Result<(), CallError> {
        match self.people.is_suspended(user) {
            None => Err(CallError::Nobody),
            Some(true) => Err(CallError::Suspended),
            Some(false) => self.check_unlocked(user),
        }
    }

    pub(crate) fn store_folder(&self, user: UserId) -> PathBuf {
        store_folder(&self.people, user)
    }

    pub(crate) fn store_options(&self) -> Options {
        Options { engine: self.settings.engine, ..Options::default() }
    }

    fn open_store(&self, user: UserId) -> Result<Store, CallError> {
        #[cfg(feature = "testing")]
        if let Some(crate::settings::TestStores(open)) = &self.settings.stores {
            return open(user).map_err(CallError::Open);
        }
        let (folder, options) = (self.store_folder(user), self.store_options());
        if self.mode(user)? != KeyMode::Unattended {
            let held = self.owners.keys.get(user, self.clock_ms()).ok_or(CallError::Locked)?;
            return Store::open(&folder, user, &held, &options).map_err(CallError::Open);
        }
        let exists = folder.exists();
        let opened = if exists { Store::open } else { Store::create };
        opened(&folder, user, &self.keys, &options).map_err(CallError::Open)
    }

    /// The person, if awake: never blocks for long.
    fn awake(&self, user: UserId) -> Option<Arc<Person>> {
        let place = Arc::clone(lock(&self.awake).get(&user)?);
        let person = place.try_lock().ok()?.clone()?;
        if person.store.is_poisoned() {
            // To be opened anew, which may take a while.
            return None;
        }
        person.touch();
        Some(person)
    }

    /// Calls the endpoint cell that a path leads to.
    pub async fn call(self: &Arc<Self>, user: UserId, call: Call) -> Result<Answer, CallError> {
        let cell = self.catalogue.endpoint(&call.path).cloned();
        let cell = cell.ok_or_else(|| CallError::NoSuchCell(call.path.clone()))?;
        match self.wake(user).await {
            Err(CallError::Locked) if may_wait(&call.path) => self.call_locked(user, cell, call).await,
            person => endpoint::call(self, person?, cell, call).await,
        }
    }

    async fn wake(self: &Arc<Self>, user: UserId) -> Result<Arc<Person>, CallError> {
        self.check_standing(user)?;
        if let Some(person) = self.awake(user) {
            return Ok(person);
        }
        let shared = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || {
            shared.make_room(user);
            shared.person(user)
        });
        let opened = opened.await;
        opened.unwrap_or(Err(CallError::Lost))
    }

    /// Runs a person's stages once through, on the calling thread.
    pub fn run_pipeline(&self, user: UserId, now: f64) -> Result<PipelineReport, CallError> {
        if self.awake(user).is_none() {
            self.make_room(user);
        }
        let ended = match self.person(user) {
            Err(error) => {
                let ended = Err(error);
                self.ended(user, now, &ended);
                ended
            }
            Ok(person) => {
                let _one_at_a_time = lock(&person.pipeline);
                self.timetable.began(user);
                let ended = self.run_stages(&person, now);
                self.ended(user, now, &ended);
                ended
            }
        };
        ended.map(|(report, _)| report)
    }

    fn run_stages(&self, person: &Person, now: f64) -> Result<(PipelineReport, Left), CallError> {
        let report = stage::run_pipeline(self, person, now);
        // Whatever ended it: what the stages before did is kept.
        let (kept, keeping) = Spent::on(|| person.settle());
        let report = PipelineReport { keeping, clock_doubt: self.clock_doubt(), ..report? };
        kept.map_err(CallError::Commit)?;
        let left = timetable::left(&person.store.snapshot(), now)?;
        Ok((report, left))
    }

    /// Runs a person's stages on the pool for stages, fairly among everybody.
    pub async fn queue_pipeline(
        self: &Arc<Self>,
        user: UserId,
        now: f64,
    ) -> Result<PipelineReport, CallError> {
        let (end, ended) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(self);
        let job = move || drop(end.send(shared.run_pipeline(user, now)));
        self.stages.submit(user, job).map_err(CallError::Overloaded)?;
        ended.await.unwrap_or(Err(CallError::Lost))
    }

    /// For measuring: a stage's first run over everything that is there now, of which nothing is kept.
    /// `natively` gets the runtime that the cell would reach; `None`: the cell itself runs, in the sandbox. Answers
    /// how long it took, or the cell's words.
    pub fn rehearse(
        &self,
        user: UserId,
        stage: &str,
        now: f64,
        natively: Option<NativeStage>,
    ) -> Result<Result<Duration, String>, CallError> {
        let person = self.person(user)?;
        let Rehearsal { cell, host, run } = stage::rehearsal(self, &person, stage, now)?;
        let started = std::time::Instant::now();
        let ended = match natively {
            Some(stage) => stage(host, run).map(drop),
            None => cell
                .prepared
                .stage(host, cell.manifest.limits, None)
                .and_then(|instance| instance.run(run).outcome)
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        let took = started.elapsed();
        Ok(ended.map(|()| took))
    }

    /// Puts the person that has been idle longest to sleep where too many are awake.
    fn make_room(&self, newcomer: UserId) {
        let awake = lock(&self.awake);
        if awake.len() < self.settings.open_people_max {
            return;
        }
        let idle = |place: &Place| {
            place.try_lock().ok().and_then(|place| place.as_ref().map(|person| person.idle()))
        };
        let longest = awake
            .iter()
            .filter(|(user, _)| **user != newcomer)
            .filter_map(|(user, place)| idle(place).map(|idle| (idle, *user)))
            .max();
        drop(awake);
        if let Some((_, user)) = longest {
            self.put_to_sleep(user);
        }
    }

    /// Closes a person's store, if nobody uses it at this moment; answers whether the person sleeps now.
    pub fn put_to_sleep(&self, user: UserId) -> bool {
        let Some(place) = lock(&self.awake).get(&user).cloned() else { return true };
        let Ok(mut held) = place.try_lock() else { return false };
        if let Some(person) = held.take() {
            person.cool_down(true);
            // A run that is under way holds the person, and its store stays open with it.
            match Arc::try_unwrap(person) {
                Ok(person) => close(person),
                Err(busy) => {
                    *held = Some(busy);
                    return false;
                }
            }
        }
        let mut awake = lock(&self.awake);
        if awake.get(&user).is_some_and(|now| Arc::ptr_eq(now, &place)) {
            awake.remove(&user);
        }
        true
    }

    /// Puts everybody to sleep that nobody asked for in a while, and drops instances that waited too long. To be
    /// called every few seconds.
    pub fn close_idle(&self) {
        let patience = Duration::from_millis(self.settings.idle_close_ms);
        let places: Vec<_> =
            lock(&self.awake).iter().map(|(user, place)| (*user, Arc::clone(place))).collect();
        for (user, place) in places {
            let person = place.try_lock().ok().and_then(|place| place.clone());
            let Some(person) = person else { continue };
            person.cool_down(false);
            let sleeps = person.idle() >= patience;
            drop(person);
            if sleeps {
                drop(place);
                self.put_to_sleep(user);
            }
        }
    }

    /// How many people are awake.
    pub fn awake_count(&self) -> usize {
        lock(&self.awake).len()
    }

    /// Ends the workers after what they have begun, and closes every store. Nothing that was answered is lost even
    /// without it.
    pub fn shutdown(&self) {
        self.endpoints.shutdown();
        self.stages.shutdown();
        self.keep_time_at_the_end();
        let users: Vec<_> = lock(&self.awake).keys().copied().collect();
        for user in users {
            self.put_to_sleep(user);
        }
    }

    /// Destroys everything that opens a person's data, then the data, then the record. There is no way back.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] while something of theirs runs: they are suspended then, and it may be tried again.
    pub fn erase(&self, user: UserId) -> Result<Receipt, CallError> {
        self.people.shut_out(user).map_err(|_| CallError::Nobody)?;
        self.owners.forget(user);
        if !self.put_to_sleep(user) {
            return Err(CallError::Overloaded(runtime_sandbox::Overloaded::Person { waiting: 1 }));
        }
        let slots = self.destroy_slots(user)?;
        let folder = self.store_folder(user);
        let store =
            if folder.exists() { Some(Store::erase(&folder).map_err(CallError::Open)?) } else { None };
        self.timetable.forget(user);
        self.people.remove(user).map_err(|_| CallError::Nobody)?;
        Ok(Receipt::new(user, &slots, store.as_ref()))
    }
}

/// Drops a person whose store takes no more commits, if nobody uses it at this moment: what is on disk is opened anew.
/// Until then reads go on.
fn close_poisoned(held: &mut Option<Arc<Person>>) {
    if let Some(person) = held.take() {
        person.cool_down(true);
        *held = Arc::try_unwrap(person).err();
    }
}

/// The key of the host. One is drawn only where no store was ever made with one.
fn host_key(path: &Path, people: &People) -> Result<Unattended, StartError> {
    let unattended = |user: &UserId| {
        people.standing(*user).is_some_and(|standing| standing.keys == KeyMode::Unattended)
            && Unattended::is_needed(&store_folder(people, *user))
    };
    let needed: Vec<UserId> = people.users().into_iter().filter(unattended).collect();
    if needed.is_empty() {
        return Unattended::open_or_create(path).map_err(StartError::Key);
    }
    let (path, stores): (PathBuf, _) = (path.to_owned(), needed.len());
    let Some(keys) = Unattended::open(&path).map_err(StartError::Key)? else {
        return Err(StartError::NoHostKey { path, stores });
    };
    let mut refuted = false;
    for user in needed {
        // A slot that does not read says nothing of the key; its person hears of it when the store is opened.
        match keys.opens(&store_folder(people, user), user) {
            Ok(true) => return Ok(keys),
            Ok(false) => refuted = true,
            Err(_) => {}
        }
    }
    if refuted { Err(StartError::OtherHostKey { path, stores }) } else { Ok(keys) }
}

fn store_folder(people: &People, user: UserId) -> PathBuf {
    people.folder(user).join(STORE_FOLDER)
}

fn close(person: Person) {
    if let Err(error) = person.sync() {
        tracing::error!(user = %person.user.short(), error = %crate::chain(&error), "audit notes were not kept");
    }
    // Old tails and room that they left go while nobody waits: nothing else makes the file smaller.
    let tidied = settle_all(&person).and_then(|()| person.store.compact().map(drop));
    if let Err(error) = tidied {
        tracing::error!(user = %person.user.short(), error = %crate::chain(&error), "tidying did not end");
    }
}

pub(crate) fn settle_all(person: &Person) -> Result<(), runtime_store::CommitError> {
    while person.store.settle()?.more {}
    Ok(())
}
