//! Many people's runtimes in one process. They share compiled code and nothing else.
//!
//! [`Runtime`] holds what is shared, and gives access to the types that do the work: [`People`] knows who is here,
//! [`OpenPeople`] whose store is open, [`Owners`] who may connect, [`Timetable`] whose run is due, [`Clocks`] what
//! time it is. Operations that need several of them are grouped by subject: [`Pipelines`], [`Diaries`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use handshake::token::Token;
use runtime_pipeline::Plan;
use runtime_sandbox::{PoolSettings, Sandbox, SandboxSettings, WorkerPool};
use runtime_store::Store;
use runtime_types::UserId;

use crate::cells::catalogue::{BuiltIn, Catalogue};
use crate::cells::installed::Stages;
use crate::cells::installed::policy::Rules;
use crate::cells::installed::shelf::Shelf;
use crate::cells::paths::EndpointPath;
use crate::clock::Clocks;
use crate::data::Diaries;
use crate::data::intake::Intakes;
use crate::error::{CallError, ImportError, StartError};
use crate::files;
use crate::owner::{Devices, Leases, Locks, Owners, Pairing, Passkeys, Receipt};
use crate::people::open::OpenPeople;
use crate::people::person::Person;
use crate::people::turns::{NotRun, Turns};
use crate::people::{KeyMode, People, PeopleError, STORE_FOLDER};
use crate::runs::endpoint;
use crate::runs::exchange::{Answer, Call};
use crate::runs::pieces::{Room, Taken};
use crate::runs::pipelines::Pipelines;
use crate::runs::timetable::Timetable;
use crate::settings::Settings;
use crate::studies::Running;

/// How long a run that has ended may still hold a store that is to be erased: its thread lets go a moment later.
const ENDING: Duration = Duration::from_millis(500);
/// The pause between two checks whether it has let go.
const ENDING_PAUSE: Duration = Duration::from_millis(2);

/// Many people's runtimes in one process.
pub struct Runtime {
    settings: Arc<Settings>,
    people: Arc<People>,
    catalogue: Catalogue,
    plan: Plan,
    host_stages: Arc<Stages>,
    shelf: Shelf,
    rules: Rules,
    clocks: Arc<Clocks>,
    open_people: Arc<OpenPeople>,
    owners: Arc<Owners>,
    timetable: Arc<Timetable>,
    sandbox: Arc<Sandbox>,
    /// For calls that only read.
    pub(crate) readers: WorkerPool,
    /// For calls that write.
    pub(crate) writers: WorkerPool,
    pub(crate) stages: WorkerPool,
    /// Memory for answers that wait for their callers.
    pub(crate) room: Room,
    turns: Turns,
    /// Contributions to studies that are in memory at this moment.
    running: Arc<Running>,
    intakes: Intakes,
}

impl Runtime {
    /// Starts a runtime over a data folder; creates missing files.
    pub fn open(settings: Settings, built_in: &[BuiltIn]) -> Result<Arc<Self>, StartError> {
        let settings = Arc::new(settings);
        files::create_folder(&settings.data)?;
        let clocks = Arc::new(Clocks::open(&settings.data, Arc::clone(&settings.clock), settings.built_s));
        let people = Arc::new(People::open(&settings.data)?);
        let leases = Arc::new(Leases::new(&settings, Arc::clone(&people), Arc::clone(&clocks)));
        let open_people = OpenPeople::new(Arc::clone(&settings), Arc::clone(&people), Arc::clone(&leases))?;
        let open_people = Arc::new(open_people);
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
        let readers = WorkerPool::start(PoolSettings::readers(settings.endpoint_threads))?;
        let writers = WorkerPool::start(PoolSettings::writers(settings.endpoint_threads))?;
        let stages = WorkerPool::start(PoolSettings::stages(settings.stage_threads))?;
        let owners = Owners::open(Arc::clone(&people), Arc::clone(&clocks), leases, Arc::clone(&open_people));
        let timetable = Timetable::open(settings.rhythm, Arc::clone(&people), Arc::clone(&clocks));
        clocks.check();
        Ok(Arc::new(Self {
            people,
            shelf: Shelf::new(
                &settings.data,
                open_people.host_key().derive("cellar/native code/1"),
                settings.compiler.clone(),
            ),
            rules: Rules::new(settings.policy.clone()),
            host_stages: Arc::new(Stages::of_host(&plan, &catalogue)),
            catalogue,
            plan,
            settings,
            clocks,
            open_people,
            owners: Arc::new(owners),
            timetable: Arc::new(timetable),
            sandbox,
            readers,
            writers,
            stages,
            room: Room::default(),
            turns: Turns::default(),
            running: Arc::default(),
            intakes: Intakes::default(),
        }))
    }

    /// The settings that the runtime was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The people of this host.
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

    /// The stages of people who have installed no cell.
    pub(crate) fn host_stages(&self) -> &Arc<Stages> {
        &self.host_stages
    }

    /// The packages on this host.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What the operator lets people install.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Contributions to studies that are in memory at this moment.
    pub(crate) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    /// The sandbox that runs the cells.
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// The host's clocks.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// The people whose stores are open.
    pub fn open_people(&self) -> &OpenPeople {
        &self.open_people
    }

    /// People's turns at work that may wait for the disk.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// The memory for a whole answer to a person's caller, from the share for all answers that wait for their callers;
    /// a small answer needs none. `None`: too much waits already.
    pub fn room_for_answer(&self, user: UserId, bytes: usize) -> Option<Option<Taken>> {
        self.room.take_whole(user, bytes)
    }

    /// Does a person's work in its turn, on a thread that may wait for the disk.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        self.turns.run(user, work).await.unwrap_or_else(|not_run| {
            Err(match not_run {
                NotRun::Crowded { waiting } => {
                    CallError::Overloaded(runtime_sandbox::Overloaded::Person { waiting })
                }
                NotRun::Lost => CallError::Lost,
            })
        })
    }

    /// Who may connect to which person, and by which name.
    pub fn owners(&self) -> &Arc<Owners> {
        &self.owners
    }

    /// When each person's pipeline is due.
    pub fn timetable(&self) -> &Arc<Timetable> {
        &self.timetable
    }

    /// Pairing phones.
    pub fn pairing(&self) -> Pairing<'_> {
        Pairing::of(&self.owners)
    }

    /// The passkeys with which people sign in at a browser.
    pub fn passkeys(&self) -> Passkeys<'_> {
        Passkeys::of(&self.owners)
    }

    /// Paired devices.
    pub fn devices(&self) -> Devices<'_> {
        Devices::of(&self.owners)
    }

    /// Locked and unlocked stores.
    pub fn locks(&self) -> Locks<'_> {
        Locks::of(&self.owners)
    }

    /// Running people's stages.
    pub fn pipelines(&self) -> Pipelines<'_> {
        Pipelines::of(self)
    }

    /// Changes to people's data that the pipeline has to follow, and what their diaries leave out.
    pub fn diaries(&self) -> Diaries<'_> {
        Diaries::of(self)
    }

    pub(crate) fn intakes(&self) -> &Intakes {
        &self.intakes
    }

    pub(crate) fn keeps_warm(&self) -> bool {
        // Half of the slots stay free for runs.
        self.settings.warm_instances && self.sandbox.slots_free() > self.sandbox.slots() / 2
    }

    /// The person; opens the store if it is closed. Opening reads the disk: call it from a thread that may block.
    pub fn person(&self, user: UserId) -> Result<Arc<Person>, CallError> {
        self.open_people.person(user)
    }

    /// Calls the endpoint cell that the call's target names. If its path brings data, a success is noted for the
    /// pipeline before the answer is sent.
    pub async fn call(self: &Arc<Self>, user: UserId, call: Call) -> Result<Answer, CallError> {
        if call.target.is_installed() {
            return self.call_installed(user, call).await;
        }
        let cell = self.catalogue.endpoint(&call.target).cloned();
        let cell = cell.ok_or_else(|| CallError::NoSuchCell(call.target.cell.to_string()))?;
        let EndpointPath { brings_data, waits_while_locked, .. } = *call.target.path;
        let answer = match self.person_for_call(user).await {
            Err(CallError::Locked) if waits_while_locked => self.call_locked(user, cell, call).await?,
            person => endpoint::call(self, person?, cell, call).await?,
        };
        if brings_data && matches!(answer, Answer::Whole { status: 200..300, .. }) {
            self.timetable.note_arrival(user, &self.turns).await;
        }
        Ok(answer)
    }

    /// Calls an endpoint that the person has installed.
    async fn call_installed(self: &Arc<Self>, user: UserId, call: Call) -> Result<Answer, CallError> {
        let person = self.person_for_call(user).await?;
        // The first call after a start may load code from the disk.
        let (runtime, asked) = (Arc::clone(self), Arc::clone(&person));
        let stages = self.in_turn(user, move || runtime.stages_of(&asked)).await?;
        let name = &*call.target.cell;
        let Some(cell) = stages.endpoints().get(name).cloned() else {
            let why = stages.why_not(name, self.clocks().wall_s());
            let template = || call.target.path.template().to_owned();
            return Err(why.unwrap_or_else(|| CallError::NoSuchCell(template())));
        };
        endpoint::call(self, person, cell, call).await
    }

    /// As [`Self::person`], without blocking the calling thread.
    async fn person_for_call(&self, user: UserId) -> Result<Arc<Person>, CallError> {
        self.open_people.check_standing(user)?;
        if let Some(person) = self.open_people.if_open(user).filter(|_| self.owners.roster_is_compared(user))
        {
            return Ok(person);
        }
        let (open_people, owners) = (Arc::clone(&self.open_people), Arc::clone(&self.owners));
        let open = move || {
            open_people.make_room(user);
            let person = open_people.person(user)?;
            if let Err(error) = owners.compare_roster(&person) {
                tracing::error!(user = %user.short(), error = %crate::chain(&error), "rosters were not compared with the store");
            }
            Ok(person)
        };
        self.in_turn(user, open).await
    }

    /// Ends the workers after the jobs that they have begun, and closes every store. Without it, nothing that was
    /// acknowledged is lost either.
    pub fn shutdown(&self) {
        self.readers.shutdown();
        self.writers.shutdown();
        self.stages.shutdown();
        self.clocks.keep_at_the_end();
        self.open_people.close_all();
    }

    /// Destroys everything that opens a person's data, then the data, then the record. This cannot be undone. Once it
    /// has begun, it is finished at the next start, or by another call.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] while a run of this person is under way: the person is not served any more then, and
    /// the call may be repeated.
    pub fn erase(&self, user: UserId) -> Result<Receipt, CallError> {
        let begun = Instant::now();
        let closed = || {
            while !self.open_people.close(user) {
                if begun.elapsed() > ENDING {
                    return false;
                }
                std::thread::sleep(ENDING_PAUSE);
            }
            true
        };
        let receipt = self.owners.erase(user, closed);
        self.timetable.forget(user);
        receipt
    }

    /// Adds an unattended person with everything that `fill` stores, or nobody: whoever has that id already is not
    /// touched, also if they came while this was under way. The pipeline runs soon. Durable when it returns; the token
    /// is shown only here.
    ///
    /// # Errors
    /// [`ImportError::Fill`] with the error of `fill`, and others; nothing is left then.
    pub fn import_person<T, E>(
        &self,
        user: UserId,
        name: &str,
        created_ts: f64,
        fill: impl FnOnce(&Store) -> Result<T, E>,
    ) -> Result<(Token, T), ImportError<E>> {
        let staged = self.people.stage(user).map_err(ImportError::People)?;
        let folder = staged.folder().join(STORE_FOLDER);
        let (key, options) = (self.open_people.host_key(), self.open_people.store_options());
        let store = Store::create(&folder, user, key, &options).map_err(ImportError::Store)?;
        let filled = fill(&store).map_err(ImportError::Fill)?;
        drop(store);
        let disk =
            |source| ImportError::People(PeopleError::Disk { path: staged.folder().to_owned(), source });
        Timetable::mark_new(staged.folder()).map_err(disk)?;
        let token = Token::random().map_err(|_| ImportError::People(PeopleError::NoRandomness))?;
        let tokens = vec![token.hash().to_string()];
        staged.enter(name, created_ts, KeyMode::Unattended, tokens).map_err(ImportError::People)?;
        self.timetable.data_arrived(user);
        Ok((token, filled))
    }
}
