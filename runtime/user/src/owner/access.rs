//! Who may come to one person, as it lies on disk, and everybody's in memory, with the names that lead to them.
//!
//! * Invariants: `access.json` is replaced before the answer that a change belongs to is given; a name is in the table of
//!   routes exactly while the file has it; windows of an earlier process are burnt before anything is served.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use handshake::device::{BadChange, DeviceTable};
use handshake::encoding::{DeviceId, Label};
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
use super::pairing::Terms;
use super::slots::{SLOTS_FILE, Slots};
use super::{Devices, Leases, Locks, OwnerError};
use crate::clock::Clocks;
use crate::files;
use crate::people::open::OpenPeople;
use crate::people::{KeyMode, People, STORE_FOLDER};

const ACCESS_FILE: &str = "access.json";

/// What ends by a sweep lasts days.
const SWEEP_EVERY_MS: u64 = 60 * 60 * 1000;

/// Who may connect to a person, as it is kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub devices: DeviceTable,
    /// The newest pairing window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRecord>,
    /// Where browsers, and phones that cannot pair, connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Label>,
    /// A device was revoked while the store was locked: the data key is to be changed at the next unlocking.
    #[serde(default)]
    pub rotation_due: bool,
    /// Data keys that devices have sent.
    #[serde(default)]
    pub guard: UnlockGuard,
    /// When the recovery phrase was used while devices were active, ms of [`Clocks::lasting_ms`]: it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_asked_ms: Option<u64>,
    /// How long it had waited when this was last kept, ms: what counts after a restart, whatever the clock says then.
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
            recovery_waited_ms: 0,
        }
    }

    /// Whether any device may still connect.
    fn has_devices(&self) -> bool {
        self.devices.iter().any(|device| device.labels().is_some())
    }

    /// Every name that leads here.
    fn routes(&self) -> impl Iterator<Item = (Label, Kind)> {
        let devices = self.devices.labels().map(|(label, device)| (label, Kind::Native(device)));
        devices.chain(self.web.map(|label| (label, Kind::Web)))
    }
}

/// Who may connect to a person, as it is in memory.
pub(crate) struct State {
    pub access: Access,
    /// The pairing window with its secrets, while it lasts.
    pub window: Option<Window>,
    /// The key that the runtime shows, once it was needed.
    pub key: Option<Arc<SigningKey>>,
    /// What the window was opened with, while it lasts.
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
    /// Changes whenever somebody may be let in no longer, or a pairing goes on.
    pub changed: watch::Sender<u64>,
}

impl Owner {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever changes what is on disk of the state, from reading it to replacing it, and taken before
    /// [`Self::state`]: the state itself is not held while the disk is slow, for others look at it on threads that serve
    /// everybody.
    pub fn keeping(&self) -> MutexGuard<'_, ()> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever changes slots and keys.
    pub fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever puts into the inbox or empties it.
    pub fn inbox(&self) -> MutexGuard<'_, ()> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tells everybody who waits for a change here to look again.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Puts the access on disk.
    pub fn keep(&self, access: &Access) -> Result<(), OwnerError> {
        let path = self.folder.join(ACCESS_FILE);
        let text = serde_json::to_vec(access).expect("keys, numbers and texts");
        files::replace(&path, &text).map_err(|source| OwnerError::Disk { path, source })
    }
}

fn read(folder: &Path, user: UserId) -> Result<Option<Access>, OwnerError> {
    let path = folder.join(ACCESS_FILE);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|source| OwnerError::Disk { path: path.clone(), source })?,
    };
    let access: Access =
        serde_json::from_slice(&bytes).map_err(|source| OwnerError::Record { path: path.clone(), source })?;
    if access.devices.user() == user { Ok(Some(access)) } else { Err(OwnerError::OtherPerson { path }) }
}

/// The first file that a device of the table relies on and that is gone. Each is older than the table's first device.
fn missing(folder: &Path, access: &Access) -> Option<PathBuf> {
    access.devices.iter().next()?;
    // The runtime's key matters to who may still connect; a data key was wrapped for whoever was ever here.
    let key = access.has_devices().then_some(KEY_FILE);
    let names = key.into_iter().chain([SLOTS_FILE, STORE_FOLDER]);
    names.map(|name| folder.join(name)).find(|path| std::fs::symlink_metadata(path).is_err())
}

/// Who may connect to whom, and by which name. What changes it in one respect has a type of its own:
/// [`Pairing`](super::Pairing) lets devices in, [`Devices`] shuts them out, [`Locks`] locks and unlocks stores.
pub struct Owners {
    pub(super) people: Arc<People>,
    pub(super) clocks: Arc<Clocks>,
    pub(super) leases: Arc<Leases>,
    pub(super) open_people: Arc<OpenPeople>,
    entries: RwLock<HashMap<UserId, Arc<Owner>>>,
    routes: RwLock<Routes>,
    /// Changes whenever a name is added or withdrawn.
    renamed: watch::Sender<u64>,
    /// Whose uploads wait though the store is open.
    undrained: Mutex<BTreeSet<UserId>>,
    /// When the tables of devices were last swept, ms.
    swept_ms: AtomicU64,
}

impl Owners {
    /// Reads everybody's.
    pub(crate) fn open(
        people: Arc<People>,
        clocks: Arc<Clocks>,
        leases: Arc<Leases>,
        open_people: Arc<OpenPeople>,
    ) -> Result<Self, OwnerError> {
        let now_ms = clocks.lasting_ms();
        let owners = Self {
            people,
            clocks,
            leases,
            open_people,
            entries: RwLock::default(),
            routes: RwLock::default(),
            renamed: watch::Sender::new(0),
            undrained: Mutex::default(),
            swept_ms: AtomicU64::new(0),
        };
        for user in owners.people.users() {
            let folder = owners.people.folder(user);
            let Some(mut access) = read(&folder, user)? else {
                // Slots are wrapped for devices, and the table of devices is older than the first slot.
                if folder.join(SLOTS_FILE).exists() {
                    return Err(OwnerError::Missing { path: folder.join(ACCESS_FILE) });
                }
                continue;
            };
            if let Some(path) = missing(&folder, &access) {
                let error = OwnerError::Missing { path };
                tracing::error!(user = %user.short(), %error, "person cannot be served: put the file back");
            }
            let waited_ms = access.recovery_waited_ms;
            access.recovery_asked_ms = access.recovery_asked_ms.map(|_| now_ms.saturating_sub(waited_ms));
            let owner = owners.insert(user, folder, access.clone());
            if access.window.as_ref().is_some_and(|window| !window.is_over()) {
                access.window = access.window.map(|window| window.after_restart(now_ms));
                owner.keep(&access)?;
                owner.state().access = access.clone();
            }
            for (label, kind) in access.routes() {
                owners.register(label, Route { user, kind })?;
            }
        }
        Ok(owners)
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

    /// Who may connect to the person, if anybody ever could.
    pub(super) fn get(&self, user: UserId) -> Option<Arc<Owner>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(&user).cloned()
    }

    /// Who may connect to the person: nobody where none ever could; [`OwnerError::Nobody`] for who is not here.
    pub(crate) fn owner(&self, user: UserId) -> Result<Arc<Owner>, OwnerError> {
        self.people.standing(user).ok_or(OwnerError::Nobody)?;
        let make = || self.insert(user, self.people.folder(user), Access::new(user));
        Ok(self.get(user).unwrap_or_else(make))
    }

    /// Where a connection goes; `legacy` says whether the front for phones that cannot pair is open.
    pub fn decide(&self, hello: &Hello, legacy: bool) -> Decision {
        decide(hello, &self.routes.read().unwrap_or_else(PoisonError::into_inner), legacy)
    }

    /// Takes note that uploads of somebody wait though the store is open.
    pub(crate) fn note_undrained(&self, user: UserId) {
        self.undrained.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
    }

    /// Who was noted since this was asked last.
    pub(crate) fn take_undrained(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut *self.undrained.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the table of names, and tells who follows it where anything was changed.
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

    /// Makes a window's two names lead to it, both or neither.
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

    /// Takes names out of the table; what was not there stays so.
    pub(super) fn withdraw(&self, user: UserId, names: impl IntoIterator<Item = Name>) {
        let withdraw = |routes: &mut Routes| {
            names.into_iter().filter(|name| routes.withdraw(user, *name).is_ok()).count()
        };
        self.rename(withdraw, |withdrawn| *withdrawn > 0);
    }

    /// Whether an hour has passed since this was last answered with yes, by any clock.
    pub(super) fn sweep_is_due(&self, now_ms: u64) -> bool {
        let due = |last_ms| (now_ms.abs_diff(last_ms) >= SWEEP_EVERY_MS).then_some(now_ms);
        self.swept_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    /// Everybody to whom somebody could ever connect.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Forgets a person: the names lead nowhere, the key is wiped, whoever waits is told.
    pub(crate) fn forget(&self, user: UserId) {
        self.rename(|routes| routes.withdraw_all(user), |()| true);
        self.leases.wipe(user);
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
    /// Changes who may connect to a person: on disk when this returns, or not at all.
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

    /// Refuses where a file is gone that paired phones rely on.
    pub(super) fn check_kept(&self, owner: &Owner) -> Result<(), OwnerError> {
        missing(&owner.folder, &owner.state().access).map_or(Ok(()), |path| Err(OwnerError::Missing { path }))
    }

    /// The person's slots; none where there never were any.
    ///
    /// # Errors
    /// [`OwnerError::Missing`] where the file is gone although somebody's key lies in it.
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

    /// Every name that leads to somebody here, as the first part of a server name: what a gateway in front is told.
    pub fn names(&self) -> Vec<String> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.names().map(|name| name.to_string()).collect()
    }

    /// Changes whenever [`Self::names`] does. The number means nothing.
    pub fn names_changed(&self) -> watch::Receiver<u64> {
        self.renamed.subscribe()
    }

    /// The key that the person's runtime shows in TLS; made when it is first needed. May read the disk.
    pub fn signing_key(&self, user: UserId) -> Result<Arc<SigningKey>, OwnerError> {
        let owner = self.owner(user)?;
        let mut state = owner.state();
        if let Some(key) = &state.key {
            return Ok(Arc::clone(key));
        }
        let known = state.access.has_devices();
        let key = Arc::new(super::identity::open_or_make(owner.folder(), known)?);
        state.key = Some(Arc::clone(&key));
        Ok(key)
    }

    /// The first part of the name under which browsers reach the person; drawn when it is first needed.
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

    /// Has every open connection of a person looked at again, as after they were suspended.
    pub fn look_again(&self, user: UserId) {
        if let Some(owner) = self.get(user) {
            owner.tell();
        }
    }
}

impl Devices<'_> {
    /// Renames a device.
    pub fn rename(self, user: UserId, device: DeviceId, name: &str) -> Result<(), OwnerError> {
        let name = handshake::device::DeviceName::new(name).map_err(|_| OwnerError::BadName)?;
        self.owners
            .change_access(user, |access| access.devices.rename(device, name).map_err(OwnerError::Change))
    }

    /// Shuts a device out, for ever and at once: its names lead nowhere, its open connections end, its slot is destroyed,
    /// and the data key is changed, now or when the store is next unlocked. Reads and writes the disk.
    pub fn revoke(self, user: UserId, device: DeviceId, now_ms: u64) -> Result<(), OwnerError> {
        let Self { owners } = self;
        let owner = owners.owner(user)?;
        let known = |change: BadChange| OwnerError::Change(change);
        let freed = owners.change_access(user, |access| {
            let freed = access.devices.revoke(device, now_ms).map_err(known)?;
            access.rotation_due |= !freed.is_empty();
            Ok(freed)
        })?;
        owners.withdraw(user, freed.iter().copied().map(Name::Label));
        owner.tell();
        if freed.is_empty() {
            return Ok(());
        }
        {
            let _one_at_a_time = owner.changing();
            let mut slots = owners.slots(user)?;
            if slots.remove(super::slots::Holder::Device(device)) {
                slots.write(owner.folder())?;
            }
        }
        if owners.leases.check_unlocked(user).is_ok() && owners.people.store_folder(user).exists() {
            Locks::of(owners).rotate_if_due(user)?;
        }
        Ok(())
    }

    /// The person's devices, revoked ones included.
    pub fn list(self, user: UserId) -> Result<Vec<DeviceSummary>, OwnerError> {
        let owner = self.owners.owner(user)?;
        let state = owner.state();
        Ok(state.access.devices.iter().map(DeviceSummary::of).collect())
    }
}

impl Locks<'_> {
    /// Changes the data key where a revocation asks for it.
    pub(super) fn rotate_if_due(self, user: UserId) -> Result<(), OwnerError> {
        if self.owners.owner(user)?.state().access.rotation_due {
            self.rotate_key(user)?;
            self.owners.change_access(user, |access| {
                access.rotation_due = false;
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A device as its owner is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSummary {
    /// Its id, 32 hex digits.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Which kind of phone it says it is.
    pub platform: String,
    /// `active`, `stale`, `rotating` or `revoked`.
    pub status: String,
    /// `ed25519` or `p256`.
    pub key: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was paired, ms since 1970.
    pub enrolled_ms: u64,
    /// When it was last here, to the day, ms since 1970.
    pub last_seen_ms: u64,
}

impl DeviceSummary {
    fn of(device: &handshake::device::Device) -> Self {
        use handshake::device::Status;
        let status = match device.status() {
            Status::Active => "active",
            Status::Stale => "stale",
            Status::Rotating { .. } => "rotating",
            Status::Revoked { .. } => "revoked",
        };
        Self {
            id: device.id().to_string(),
            name: device.name().to_string(),
            platform: format!("{:?}", device.platform()).to_lowercase(),
            status: status.to_owned(),
            key: format!("{:?}", device.key_kind()).to_lowercase(),
            scopes: device.scopes().iter().map(|scope| scope.to_string()).collect(),
            enrolled_ms: device.enrolled_ms(),
            last_seen_ms: device.last_seen_ms(),
        }
    }
}
