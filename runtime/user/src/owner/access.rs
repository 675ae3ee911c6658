//! Who may connect to one person, on disk, and for all people in memory, with the names that lead to them.
//!
//! * Invariants: `access.json` is replaced before a change in it is acknowledged; the table of routes has a name
//!   exactly while the file has it; windows of an earlier process are burnt before any request is served.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use handshake::device::DeviceTable;
use handshake::encoding::Label;
use handshake::hello::Hello;
use handshake::keys::SigningKey;
use handshake::pairing::{Window, WindowRecord};
use handshake::route::{Decision, Kind, Name, Route, Routes, decide};
use handshake::session::UnlockGuard;
use ring::rand::{SecureRandom, SystemRandom};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::identity::KEY_FILE;
use super::intent::{INTENT_FILE, Intent};
use super::pairing::Terms;
use super::slots::{SLOTS_FILE, Slots};
use super::{Leases, OwnerError};
use crate::clock::Clocks;
use crate::error::CallError;
use crate::files;
use crate::people::open::OpenPeople;
use crate::people::{Damage, KeyMode, People, STORE_FOLDER};

const ACCESS_FILE: &str = "access.json";

/// Everything that ends by a sweep lasts days.
const SWEEP_EVERY_MS: u64 = 60 * 60 * 1000;

/// Who may connect to a person, as it is kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub devices: DeviceTable,
    /// The newest pairing window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRecord>,
    /// The label by which browsers, and phones that cannot pair, connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Label>,
    /// A device was revoked while the store was locked: the data key must be changed at the next unlocking.
    #[serde(default)]
    pub rotation_due: bool,
    /// Counts each device's attempts to unlock with a data key.
    #[serde(default)]
    pub guard: UnlockGuard,
    /// When the recovery phrase was used while devices were active, ms of [`Clocks::lasting_ms`]: the recovery waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_asked_ms: Option<u64>,
    /// What the keys of the store looked like when the first phone was paired, SHA-256 as 64 hex digits, until that
    /// phone's first contact: as long as they look the same, nothing was stored, and another pairing may take its
    /// place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untouched: Option<String>,
    /// How long the recovery had waited when this was last written, ms. After a restart this value counts, whatever
    /// the clock shows.
    #[serde(default)]
    pub recovery_waited_ms: u64,
}

impl Access {
    fn new(user: UserId) -> Self {
        let devices = DeviceTable::new(user);
        let guard = UnlockGuard::default();
        Self {
            devices,
            window: None,
            web: None,
            rotation_due: false,
            guard,
            recovery_asked_ms: None,
            untouched: None,
            recovery_waited_ms: 0,
        }
    }

    /// Whether any device may still connect.
    fn has_devices(&self) -> bool {
        self.devices.iter().any(|device| device.labels().is_some())
    }

    /// All names that lead to this person.
    fn routes(&self) -> impl Iterator<Item = (Label, Kind)> {
        let devices = self.devices.labels().map(|(label, device)| (label, Kind::Native(device)));
        devices.chain(self.web.map(|label| (label, Kind::Web)))
    }
}

/// Who may connect to a person, in memory.
pub(crate) struct State {
    pub access: Access,
    /// The pairing window with its secrets, while it is open.
    pub window: Option<Window>,
    /// The key that the runtime shows in TLS, after its first use.
    pub key: Option<Arc<SigningKey>>,
    /// The terms that the window was opened with, while it is open.
    pub terms: Option<Terms>,
}

/// Who may connect to one person.
pub(crate) struct Owner {
    pub user: UserId,
    folder: PathBuf,
    state: Mutex<State>,
    keeping: Mutex<()>,
    changing: Mutex<()>,
    inbox: Mutex<()>,
    /// Changes when a device may have lost its access, and when a pairing makes progress.
    pub changed: watch::Sender<u64>,
}

impl Owner {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lock for changing the state on disk; the caller holds it from reading the state to replacing it, and takes it
    /// before [`Self::state`]. The state itself is not locked while the disk is slow, because threads that serve all
    /// people read it.
    pub fn keeping(&self) -> MutexGuard<'_, ()> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lock for changing slots, keys, and whether the person is here: one such change at a time. Taken before
    /// [`Self::keeping`] and [`Self::inbox`].
    pub fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lock for adding to the inbox and for emptying it.
    pub fn inbox(&self) -> MutexGuard<'_, ()> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Wakes every task that waits for a change here.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Writes the access to disk.
    pub fn keep(&self, access: &Access) -> Result<(), OwnerError> {
        let path = self.folder.join(ACCESS_FILE);
        let text = serde_json::to_vec(access).expect("keys, numbers and texts");
        files::replace(&path, &text).map_err(|source| OwnerError::Disk { path, source })
    }
}

/// The access in a person's folder; `None`: nobody could ever connect.
fn read(folder: &Path, user: UserId) -> Result<Option<Access>, Damage> {
    let path = folder.join(ACCESS_FILE);
    let bytes = match std::fs::read(&path) {
        // Slots are wrapped for devices, and the table of devices is older than the first slot.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let slots = folder.join(SLOTS_FILE);
            return if files::is_absent(&slots) { Ok(None) } else { Err(Damage::missing(&path)) };
        }
        bytes => bytes.map_err(|error| Damage::unreadable(&path, &error))?,
    };
    let access: Access = serde_json::from_slice(&bytes).map_err(|error| Damage::unparsed(&path, &error))?;
    if access.devices.user() == user { Ok(Some(access)) } else { Err(Damage::of_another(&path)) }
}

/// The first missing file that a device of the table relies on. Each such file is older than the table's first device.
pub(super) fn missing(folder: &Path, access: &Access) -> Option<PathBuf> {
    access.devices.iter().next()?;
    // The runtime's key matters only while a device may connect; a data key was wrapped for every device that ever was
    // paired.
    let key = access.has_devices().then_some(KEY_FILE);
    let names = key.into_iter().chain([SLOTS_FILE, STORE_FOLDER]);
    names.map(|name| folder.join(name)).find(|path| std::fs::symlink_metadata(path).is_err())
}

/// Who may connect to which person, and by which name. Each kind of change has its own type:
/// [`Pairing`](super::Pairing) admits devices, [`Devices`](super::Devices) revokes them, [`Locks`](super::Locks) locks
/// and unlocks stores.
pub struct Owners {
    pub(super) people: Arc<People>,
    pub(super) clocks: Arc<Clocks>,
    pub(super) leases: Arc<Leases>,
    pub(super) open_people: Arc<OpenPeople>,
    pub(super) rosters: super::roster::Rosters,
    pub(super) watches: super::watch::Watches,
    parcels: crate::data::parcels::Kept,
    entries: RwLock<HashMap<UserId, Arc<Owner>>>,
    routes: RwLock<Routes>,
    /// Changes when a name is added or withdrawn.
    renamed: watch::Sender<u64>,
    /// People whose uploads still wait although their store is open.
    undrained: Mutex<BTreeSet<UserId>>,
    /// When the tables of devices were last swept, ms.
    swept_ms: AtomicU64,
}

impl Owners {
    /// Reads the access of all people, and finishes or undoes the changes that stopped on the way. Whoever's files are
    /// damaged is not served.
    pub(crate) fn open(
        people: Arc<People>,
        clocks: Arc<Clocks>,
        leases: Arc<Leases>,
        open_people: Arc<OpenPeople>,
    ) -> Self {
        let now_ms = clocks.lasting_ms();
        let owners = Self {
            people,
            clocks,
            leases,
            open_people,
            rosters: super::roster::Rosters::default(),
            watches: super::watch::Watches::default(),
            parcels: crate::data::parcels::Kept::default(),
            entries: RwLock::default(),
            routes: RwLock::default(),
            renamed: watch::Sender::new(0),
            undrained: Mutex::default(),
            swept_ms: AtomicU64::new(0),
        };
        owners.finish_all_erasing();
        for user in owners.people.users() {
            if owners.people.damage(user).is_some() {
                continue;
            }
            match owners.meet(user, now_ms) {
                Ok(()) => owners.resume_at_start(user),
                Err(damage) => {
                    owners.forget(user);
                    owners.people.note_damage(user, damage);
                }
            }
        }
        owners
    }

    /// Reads the access of one person, and registers the names that lead there.
    fn meet(&self, user: UserId, now_ms: u64) -> Result<(), Damage> {
        let folder = self.people.folder(user);
        Intent::read(&folder)?;
        let Some(mut access) = read(&folder, user)? else { return Ok(()) };
        if let Err(error) = super::identity::seal_plain(&folder, user, self.open_people.host_key()) {
            let error = crate::chain(&error);
            tracing::warn!(user = %user.short(), error, "runtime.key stays in clear until the next start");
        }
        let waited_ms = access.recovery_waited_ms;
        access.recovery_asked_ms = access.recovery_asked_ms.map(|_| now_ms.saturating_sub(waited_ms));
        let burns = access.window.as_ref().is_some_and(|window| !window.is_over());
        access.window = access.window.map(|window| window.after_restart(now_ms));
        let owner = self.insert(user, folder.clone(), access.clone());
        if burns && let Err(error) = owner.keep(&access) {
            // The window stays burnt in this process; the next start burns it again.
            let why = crate::chain(&error);
            tracing::warn!(user = %user.short(), error = %why, "the end of a pairing window is in memory alone");
        }
        for (label, kind) in access.routes() {
            let taken = self.register(label, Route { user, kind });
            taken.map_err(|_| {
                Damage::new(&folder.join(ACCESS_FILE), "has a name that leads to another person")
            })?;
        }
        Ok(())
    }

    /// Finishes or undoes what an earlier process left; a failure is tried again before the next change.
    fn resume_at_start(&self, user: UserId) {
        let folder = self.people.folder(user);
        if let Some(path) = self.get(user).and_then(|owner| missing(&folder, &owner.state().access))
            && files::is_absent(&folder.join(INTENT_FILE))
        {
            let error = OwnerError::Missing { path };
            tracing::error!(user = %user.short(), %error, "person cannot be served: put the file back");
        }
        let resume = || {
            if !files::is_absent(&folder.join(INTENT_FILE)) {
                let owner = self.owner(user)?;
                let _one_at_a_time = owner.changing();
                self.resume(&owner)?;
            }
            if self.get(user).is_some() { self.finish_revoking(user) } else { Ok(()) }
        };
        if let Err(error) = resume() {
            let why = crate::chain(&error);
            tracing::error!(user = %user.short(), error = %why, "a change that stopped on the way is not finished");
        }
    }

    fn insert(&self, user: UserId, folder: PathBuf, access: Access) -> Arc<Owner> {
        let state = Mutex::new(State { access, window: None, terms: None, key: None });
        let owner = Owner {
            user,
            folder,
            state,
            keeping: Mutex::default(),
            changing: Mutex::default(),
            inbox: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.entry(user).or_insert_with(|| Arc::new(owner)))
    }

    /// Who may connect to the person; `None` if nobody ever could.
    pub(super) fn get(&self, user: UserId) -> Option<Arc<Owner>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(&user).cloned()
    }

    /// Who may connect to the person: an empty one if nobody ever could; [`OwnerError::Nobody`] if the person is not
    /// on this host.
    pub(crate) fn owner(&self, user: UserId) -> Result<Arc<Owner>, OwnerError> {
        if let Some(damage) = self.people.damage(user) {
            return Err(OwnerError::Call(CallError::Damaged(damage)));
        }
        self.people.standing(user).ok_or(OwnerError::Nobody)?;
        let make = || self.insert(user, self.people.folder(user), Access::new(user));
        Ok(self.get(user).unwrap_or_else(make))
    }

    /// Where a connection leads; `legacy` says whether phones that cannot pair may connect.
    pub fn decide(&self, hello: &Hello, legacy: bool) -> Decision {
        decide(hello, &self.routes.read().unwrap_or_else(PoisonError::into_inner), legacy)
    }

    /// Notes that uploads of a person wait although the store is open.
    pub(crate) fn note_undrained(&self, user: UserId) {
        self.undrained.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
    }

    /// Returns the people noted since the last call.
    pub(crate) fn take_undrained(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut *self.undrained.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the table of names, and notifies its followers if a name changed.
    fn rename<T>(&self, change: impl FnOnce(&mut Routes) -> T, changed: impl FnOnce(&T) -> bool) -> T {
        let done = change(&mut self.routes.write().unwrap_or_else(PoisonError::into_inner));
        if changed(&done) {
            self.renamed.send_modify(|count| *count += 1);
        }
        done
    }

    pub(super) fn register(&self, label: Label, route: Route) -> Result<(), OwnerError> {
        self.rename(|routes| routes.register(label, route), Result::is_ok).map_err(OwnerError::Route)
    }

    /// Registers both names of a window, or neither.
    pub(super) fn register_window(&self, user: UserId, window: &Window) -> Result<(), OwnerError> {
        let route = Route { user, kind: Kind::Pair(window.id()) };
        let register = |routes: &mut Routes| {
            routes.register(window.label(), route)?;
            let selector =
                window.selector().map(|selector| routes.register_selector(selector, user, window.id()));
            let both = selector.unwrap_or(Ok(()));
            if both.is_err() {
                routes.withdraw(user, Name::Label(window.label())).expect("it was registered just now");
            }
            both
        };
        self.rename(register, Result::is_ok).map_err(OwnerError::Route)
    }

    /// Removes names from the table; ignores names that it does not have.
    pub(super) fn withdraw(&self, user: UserId, names: impl IntoIterator<Item = Name>) {
        let withdraw = |routes: &mut Routes| {
            names.into_iter().filter(|name| routes.withdraw(user, *name).is_ok()).count()
        };
        self.rename(withdraw, |withdrawn| *withdrawn > 0);
    }

    /// Whether an hour has passed since this last returned `true`, by any clock.
    pub(super) fn sweep_is_due(&self, now_ms: u64) -> bool {
        let due = |last_ms| (now_ms.abs_diff(last_ms) >= SWEEP_EVERY_MS).then_some(now_ms);
        self.swept_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    /// All people to whom a device or browser could ever connect.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Files that people's pages hand in.
    pub(crate) fn parcels(&self) -> &crate::data::parcels::Kept {
        &self.parcels
    }

    /// Forgets a person: the names lead nowhere, the key is wiped, and waiting tasks are woken.
    pub(crate) fn forget(&self, user: UserId) {
        self.rename(|routes| routes.withdraw_all(user), |()| true);
        self.leases.wipe(user);
        self.parcels.remove(user);
        self.rosters.forget(user);
        let owner = self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&user);
        if let Some(owner) = owner {
            owner.state().access = Access::new(user);
            owner.tell();
        }
    }
}

/// A random label.
pub(super) fn draw_label() -> Result<Label, OwnerError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| OwnerError::NoRandomness)?;
    Ok(Label(bytes))
}

impl Owners {
    /// Changes who may connect to a person; when this returns, the change is on disk or was not made.
    pub(crate) fn change_access<T>(
        &self,
        user: UserId,
        change: impl FnOnce(&mut Access) -> Result<T, OwnerError>,
    ) -> Result<T, OwnerError> {
        let owner = self.owner(user)?;
        let _one_at_a_time = owner.keeping();
        let mut access = owner.state().access.clone();
        let done = change(&mut access)?;
        owner.keep(&access)?;
        owner.state().access = access;
        Ok(done)
    }

    /// Fails if a file is missing that paired phones rely on.
    pub(super) fn check_kept(&self, owner: &Owner) -> Result<(), OwnerError> {
        missing(&owner.folder, &owner.state().access).map_or(Ok(()), |path| Err(OwnerError::Missing { path }))
    }

    /// The person's slots; empty if there never were any.
    ///
    /// # Errors
    /// [`OwnerError::Missing`] if the file is missing although it held a key of a device.
    pub(super) fn slots(&self, user: UserId) -> Result<Slots, OwnerError> {
        let owner = self.owner(user)?;
        let path = owner.folder.join(SLOTS_FILE);
        if std::fs::symlink_metadata(&path).is_err() {
            self.check_kept(&owner)?;
            let unattended = self.leases.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended;
            if !unattended && self.people.store_folder(user).exists() {
                return Err(OwnerError::Missing { path });
            }
        }
        Slots::read(&owner.folder)
    }

    /// All names that lead to a person on this host, each as the first part of a server name: the list for a gateway
    /// in front.
    pub fn names(&self) -> Vec<String> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.names().map(|name| name.to_string()).collect()
    }

    /// Changes when [`Self::names`] does. The number has no meaning.
    pub fn names_changed(&self) -> watch::Receiver<u64> {
        self.renamed.subscribe()
    }

    /// The key that the person's runtime shows in TLS; created at its first use. May read the disk.
    pub fn signing_key(&self, user: UserId) -> Result<Arc<SigningKey>, OwnerError> {
        let owner = self.owner(user)?;
        let mut state = owner.state();
        if let Some(key) = &state.key {
            return Ok(Arc::clone(key));
        }
        let known = state.access.has_devices();
        let key = Arc::new(super::identity::open_or_make(
            owner.folder(),
            user,
            self.open_people.host_key(),
            known,
        )?);
        state.key = Some(Arc::clone(&key));
        Ok(key)
    }

    /// The first part of the name by which browsers reach the person; drawn at its first use.
    pub fn web_label(&self, user: UserId) -> Result<Label, OwnerError> {
        if let Some(label) = self.owner(user)?.state().access.web {
            return Ok(label);
        }
        let fresh = draw_label()?;
        let label = self.change_access(user, |access| Ok(*access.web.get_or_insert(fresh)))?;
        if label == fresh {
            self.register(label, Route { user, kind: Kind::Web })?;
        }
        Ok(label)
    }

    /// How often access to a person may have changed, and a pairing made progress, since this process knows them.
    pub(super) fn changes(&self, user: UserId) -> u64 {
        self.get(user).map_or(0, |owner| *owner.changed.borrow())
    }

    /// Makes every open connection of a person check its access again, for example after a suspension.
    pub fn look_again(&self, user: UserId) {
        if let Some(owner) = self.get(user) {
            owner.tell();
        }
    }
}
