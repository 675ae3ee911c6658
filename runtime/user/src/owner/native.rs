//! A paired device on its connection: its identity, its grant, and the requests that it may make to the runtime
//! itself.
//!
//! * Invariants: a device is admitted as long as the table says so, which is checked at every request; everything that
//!   a grant names is recorded before the grant is sent; a wrong data key is counted before the device is answered.

use std::sync::Arc;

use handshake::device::{Admitted, Scope};
use handshake::encoding::{DeviceId, Digest32, Label, SessionId, Spki};
use handshake::error::Code;
use handshake::keys::{Head, verify_rotation};
use handshake::secret::Secret;
use handshake::session::{
    CellOffer, DevicesReply, Endpoint, GRANT_TTL_S_MAX, Grant, Limits, Offer, RotateRequest, SessionRequest,
    SlotBytes, StoreState, UnlockReply, UnlockRequest, open,
};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_store::{DiskTrouble, Store};
use runtime_types::UserId;
use tokio::sync::watch;

use super::access::{Access, Owner};
use super::slots::Holder;
use super::{LockState, Locks, OwnerError, Owners};
use crate::cells::catalogue::Cell;
use crate::cells::paths::{EndpointPath, INSTALLED};
use crate::people::person::Person;
use crate::runtime::Runtime;

/// A device that proved its key on an open connection.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The person.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Its key.
    pub key: Spki,
    admitted: Admitted,
    changed: watch::Receiver<u64>,
}

impl Admission {
    /// Checks whether the device may use an endpoint of the runtime itself.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`].
    pub fn authorise(&self, endpoint: Endpoint, stepped_up: bool) -> Result<(), Code> {
        endpoint.authorise(&self.admitted, stepped_up)
    }

    /// Waits until access to the person changes: a device may have been revoked.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The person is gone, and no further change can be reported.
            std::future::pending::<()>().await;
        }
    }

    /// Checks whether the device has this scope.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`].
    pub fn require(&self, scope: Scope) -> Result<(), Code> {
        self.admitted.require(scope)
    }
}

/// A request's path, resolved by the device's grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The cell that answers.
    pub cell: String,
    /// The part after the granted path, with a slash in front.
    pub path: String,
}

/// The limits that a host sets for a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionTerms {
    /// Largest body, bytes.
    pub body_bytes_max: u64,
    /// How many requests a second.
    pub requests_per_s_max: u32,
}

/// A head in the form that phones keep.
pub(super) fn head_of(head: &runtime_store::Head) -> Head {
    Head { seq: head.commit, hash: Digest32(head.hash) }
}

/// Paired devices.
#[derive(Clone, Copy)]
pub struct Devices<'o> {
    pub(super) owners: &'o Owners,
}

impl<'o> Devices<'o> {
    pub(crate) fn of(owners: &'o Owners) -> Self {
        Self { owners }
    }

    /// Whether a key may pass the handshake: a device of the person has it, or is about to have it.
    pub fn knows(self, user: UserId, key: &Spki) -> bool {
        self.owners.get(user).is_some_and(|owner| owner.state().access.devices.knows_live_key(key))
    }

    /// Called after every handshake, full or resumed. May write the disk.
    ///
    /// # Errors
    /// [`Code::DeviceUnknown`], without the reason.
    pub fn admit(self, user: UserId, label: Label, key: Spki, now_ms: u64) -> Result<Admission, Code> {
        let suspended = self.owners.people.is_suspended(user) != Some(false);
        let owner = self.owners.get(user).filter(|_| !suspended).ok_or(Code::DeviceUnknown)?;
        let changed = owner.changed.subscribe();
        let one_at_a_time = owner.keeping();
        let before = owner.state().access.clone();
        let mut access = before.clone();
        let admitted = access.devices.admit(key.as_bytes(), label, now_ms)?;
        let first = access.untouched.take().is_some();
        if first || access.devices.revision() != before.devices.revision() {
            let [was, is] = [&before, &access].map(|access| access.devices.get(admitted.device()));
            // The time of the last contact is known again at the next contact; a new key or label would be lost.
            let needed =
                first || was.map(|was| (was.epoch(), was.labels())) != is.map(|is| (is.epoch(), is.labels()));
            keep_or_wait(&owner, &access, needed)?;
            owner.state().access = access;
            // It may have been the first use of a new key, which ends connections with the old key.
            owner.tell();
        }
        drop(one_at_a_time);
        self.owners.leases.renew(user);
        Ok(Admission { user, device: admitted.device(), key, admitted, changed })
    }

    /// Called before every request of a connection.
    pub fn still_admitted(self, admission: &Admission) -> bool {
        let standing = self.owners.people.is_suspended(admission.user) == Some(false);
        let owner = self.owners.get(admission.user).filter(|_| standing);
        owner.is_some_and(|owner| owner.state().access.devices.still_admitted(&admission.admitted))
    }
}

impl Runtime {
    /// Opens a session: what the device may call, and whether the store is open. Reads the disk.
    ///
    /// # Errors
    /// [`Code::RolledBack`] if the device has seen a newer state of the store than the host has, and others.
    pub fn session(
        &self,
        admission: &Admission,
        request: &SessionRequest,
        terms: SessionTerms,
        now_ms: u64,
    ) -> Result<Grant, Code> {
        let user = admission.user;
        let owners = self.owners();
        owners.leases.renew(user);
        let state = self.locks().state(user).map_err(|_| Code::Starting)?;
        let mut open_person = None;
        let (store, slot, head) = match state {
            LockState::Absent => (StoreState::Absent, None, None),
            LockState::Locked => {
                (StoreState::Locked, owners.slot_for(admission)?, self.head_while_locked(user)?)
            }
            LockState::Unlocked { .. } => {
                let person = self.person(user).map_err(|error| failed(user, &OwnerError::Call(error)))?;
                let head = head_of(&person.store.head());
                open_person = Some(person);
                (StoreState::Unlocked, None, Some(head))
            }
        };
        let open_now = matches!(state, LockState::Unlocked { .. });
        let roster = self.roster_state(user, open_now).map_err(|error| failed(user, &error))?;
        // The open store may have put another roster in force than the files had.
        self.devices().vouched(admission)?;
        self.devices().refresh_label(user, admission.device, now_ms);
        let mut session = [0; 16];
        SystemRandom::new().fill(&mut session).map_err(|_| Code::Starting)?;
        let cells = self.offers(open_person.as_deref());
        let offer = Offer {
            session: SessionId(session),
            cells: &cells,
            store,
            slot,
            head,
            roster: Some(roster),
            next_pins: &[],
            now_ms,
            ttl_s: GRANT_TTL_S_MAX,
            limits: Limits {
                body_bytes_max: terms.body_bytes_max,
                requests_per_s_max: terms.requests_per_s_max,
            },
        };
        let owner = owners.get(user).ok_or(Code::DeviceUnknown)?;
        let _one_at_a_time = owner.keeping();
        let mut access = owner.state().access.clone();
        let before = access.devices.revision();
        let grant =
            open(&mut access.devices, &admission.admitted, request, &offer).map_err(|bad| match bad {
                handshake::session::BadGrant::Refused(code) => code,
                bad => {
                    tracing::error!(user = %user.short(), error = %bad, "no grant can be made");
                    Code::Starting
                }
            })?;
        // An owner with a device needs no phrase; an attempt by somebody else is stopped here.
        let asked = access.recovery_asked_ms.take().is_some();
        if asked || access.devices.revision() != before {
            // After a restart, a device whose granted paths are lost asks for a new session.
            keep_or_wait(&owner, &access, asked)?;
            owner.state().access = access;
        }
        Ok(grant)
    }

    /// The head of a locked store, as the disk tells it: a phone checks it before it hands over the key.
    fn head_while_locked(&self, user: UserId) -> Result<Option<Head>, Code> {
        // A run may have the store open for a moment longer.
        if let Some(person) = self.open_people().if_open(user) {
            return Ok(Some(head_of(&person.store.head())));
        }
        let told = Store::told_head(&self.people().store_folder(user), &self.open_people().store_options());
        let told = told.map_err(|error| failed(user, &OwnerError::Store(error)))?;
        Ok(told.as_ref().map(head_of))
    }

    /// The head of an open store, for the answer to a request that has just been served; `None` while the store is
    /// locked. May wait while the store is being opened.
    pub fn head(&self, user: UserId) -> Option<Head> {
        let person = self.person(user).ok()?;
        Some(head_of(&person.store.head()))
    }

    /// As [`Self::head`], without waiting; `None` also where that would wait.
    pub fn head_now(&self, user: UserId) -> Option<Head> {
        self.open_people().check_standing(user).ok()?;
        self.open_people().if_open(user).map(|person| head_of(&person.store.head()))
    }

    /// The cells that answer a person's paired devices; those that the person has installed only while the store is open.
    fn offers(&self, open: Option<&Person>) -> Vec<CellOffer> {
        let stages = open.and_then(|person| self.stages_of(person).ok());
        let installed = stages.iter().flat_map(|stages| stages.endpoints()).map(|(name, cell)| {
            let path = format!("{INSTALLED}/{}", cell.manifest.name);
            CellOffer {
                name: name.clone(),
                version: format!("{}.0.0", cell.manifest.version),
                digest: Digest32(cell.prepared.digest().0),
                answers: vec![(path, Scope::DatastreamsRead)],
            }
        });
        let offer = |cell: &Arc<Cell>| CellOffer {
            name: cell.manifest.name.clone(),
            version: format!("{}.0.0", cell.manifest.version),
            digest: Digest32(cell.prepared.digest().0),
            answers: answers(cell).map(|path| (path.path.clone(), path.scope)).collect(),
        };
        let endpoints = self.catalogue().cells().map(|(_, cell)| cell);
        endpoints.filter(|cell| answers(cell).next().is_some()).map(offer).chain(installed).collect()
    }

    /// Accepts the data key that the device unwrapped. Reads the disk.
    ///
    /// # Errors
    /// [`Code::ProofWrong`] for a wrong key, [`Code::RateLimited`] after five within an hour.
    pub fn unlock_by(
        &self,
        admission: &Admission,
        request: &UnlockRequest,
        now_ms: u64,
    ) -> Result<UnlockReply, Code> {
        let user = admission.user;
        let attempt =
            self.owners().note_access(user, |access| access.guard.attempt(admission.device, now_ms))?;
        attempt.map_err(|_| Code::RateLimited)?;
        match self.unlock(user, request.generation, *request.udk.expose()) {
            Ok(LockState::Unlocked { until_ms }) => {
                self.owners().note_access(user, |access| access.guard.forget(admission.device))?;
                tracing::info!(user = %user.short(), device = %admission.device, "store unlocked by a device");
                // Both are times of the wall clock.
                let left_ms = until_ms.map_or(u64::from(u32::MAX), |until_ms| {
                    until_ms.saturating_sub(crate::clock::epoch_ms())
                });
                Ok(UnlockReply { until_s: left_ms / 1_000 })
            }
            Ok(_) => Err(Code::StoreLocked),
            Err(OwnerError::WrongKey) => Err(Code::ProofWrong),
            Err(error) => Err(failed(user, &error)),
        }
    }
}

/// The paths by which a cell answers paired devices.
fn answers(cell: &Cell) -> impl Iterator<Item = &Arc<EndpointPath>> {
    cell.manifest.paths.iter().filter(|path| !path.by_receiver)
}

impl Owners {
    fn slot_for(&self, admission: &Admission) -> Result<Option<SlotBytes>, Code> {
        let user = admission.user;
        let generation = Store::key_generation(&self.people.store_folder(user));
        let generation = generation.map_err(|error| failed(user, &OwnerError::Store(error)))?;
        let slots = self.slots(user).map_err(|error| failed(user, &error))?;
        let slot = generation.and_then(|generation| slots.find(Holder::Device(admission.device), generation));
        if let (None, Some(slots), Some(store)) = (slot, slots.newest_generation(), generation)
            && slots < store
        {
            // The phone may have kept its own slot.
            let error = OwnerError::OldSlots { slots, store };
            tracing::error!(user = %user.short(), %error, "no slot for a device");
        }
        Ok(slot.map(|slot| SlotBytes(*slot.as_bytes())))
    }

    /// Changes the record of a device, also on disk if the disk accepts it.
    fn note_access<T>(&self, user: UserId, change: impl FnOnce(&mut Access) -> T) -> Result<T, Code> {
        let owner = self.get(user).ok_or(Code::DeviceUnknown)?;
        let _one_at_a_time = owner.keeping();
        let mut access = owner.state().access.clone();
        let done = change(&mut access);
        keep_or_wait(&owner, &access, false)?;
        owner.state().access = access;
        Ok(done)
    }
}

impl Runtime {
    /// Locks the store at a device's request. Requests that come meanwhile share its outcome.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`] without `admin`; [`Code::RateLimited`] if too many requests of the person wait.
    pub async fn lock_by(&self, admission: &Admission) -> Result<(), Code> {
        admission.require(Scope::Admin)?;
        let (owners, user) = (Arc::clone(self.owners()), admission.user);
        self.diaries().end_intake(user);
        let lock = move || match Locks::of(&owners).lock(user) {
            Ok(()) | Err(OwnerError::Busy) => Ok(()),
            Err(OwnerError::Unattended) => Err(Code::ScopeMissing),
            Err(error) => Err(failed(user, &error)),
        };
        self.turns().lock_once(user, lock).await
    }
}

impl Devices<'_> {
    /// Accepts another key for the requesting device, signed by that key for this connection.
    ///
    /// # Errors
    /// [`Code::ProofWrong`] for an invalid signature.
    pub fn rotate_key(
        self,
        admission: &Admission,
        request: &RotateRequest,
        exporter: &Secret<32>,
    ) -> Result<(), Code> {
        verify_rotation(exporter, &admission.key, &request.spki, &request.signature)
            .map_err(|_| Code::ProofWrong)?;
        self.owners
            .change_access(admission.user, |access| {
                access.devices.begin_rotation(admission.device, request.spki).map_err(OwnerError::Change)
            })
            .map_err(|error| match error {
                OwnerError::Change(_) => Code::ProofWrong,
                error => failed(admission.user, &error),
            })
    }

    /// The person's devices, for a device that may list them.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`] without `admin`.
    pub fn list_for(self, admission: &Admission) -> Result<DevicesReply, Code> {
        admission.require(Scope::Admin)?;
        let owner = self.owners.get(admission.user).ok_or(Code::DeviceUnknown)?;
        let state = owner.state();
        Ok(DevicesReply::of(&state.access.devices))
    }

    /// Where a path below `/c/` leads, if this device was granted it.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`], for an unknown cell as for a missing grant.
    pub fn granted(self, admission: &Admission, path: &str, now_ms: u64) -> Result<Granted, Code> {
        let owner = self.owners.get(admission.user).ok_or(Code::DeviceUnknown)?;
        let state = owner.state();
        let cell = state.access.devices.path_allowed(admission.device, path, now_ms);
        let cell = cell.ok_or(Code::ScopeMissing)?;
        // `/c/<cell>/<8 digits>` and the path for the cell itself.
        let inner = path.splitn(5, '/').nth(4).map_or_else(String::new, |inner| format!("/{inner}"));
        Ok(Granted { cell: cell.to_owned(), path: inner })
    }

    /// Announces another label to a device that has had its label for a week. If the disk fails, a later session does
    /// it.
    fn refresh_label(self, user: UserId, device: DeviceId, now_ms: u64) {
        let is_due = |owner: Arc<Owner>| owner.state().access.devices.label_is_due(device, now_ms);
        if !self.owners.get(user).is_some_and(is_due) {
            return;
        }
        if let Err(error) = self.rotate_label(user, device) {
            tracing::warn!(user = %user.short(), error = %crate::chain(&error), "a device keeps its label for now");
        }
    }

    /// Announces another label to a device, which learns it with its next grant. The old one stays valid until the new
    /// one was used, and for a week more.
    pub fn rotate_label(self, user: UserId, device: DeviceId) -> Result<Label, OwnerError> {
        let fresh = super::access::draw_label()?;
        let announced = self.owners.change_access(user, |access| {
            access.devices.announce_label(device, fresh).map_err(OwnerError::Change)
        })?;
        if announced == fresh {
            let kind = handshake::route::Kind::Native(device);
            self.owners.register(fresh, handshake::route::Route { user, kind })?;
        }
        Ok(announced)
    }
}

/// Writes the access to disk. If the disk fails, a change that is not `needed` there waits for the next write, so that
/// a device can continue to read.
fn keep_or_wait(owner: &Owner, access: &Access, needed: bool) -> Result<(), Code> {
    match owner.keep(access) {
        Err(error) if !needed && DiskTrouble::of(&error).is_some() => {
            let why = crate::chain(&error);
            tracing::warn!(user = %owner.user.short(), error = %why, "access is kept in memory until the disk takes it");
            Ok(())
        }
        kept => kept.map_err(|error| unkept(owner.user, &error)),
    }
}

fn unkept(user: UserId, error: &OwnerError) -> Code {
    tracing::error!(user = %user.short(), error = %crate::chain(error), "access was not kept");
    Code::Starting
}

pub(super) fn failed(user: UserId, error: &OwnerError) -> Code {
    if let OwnerError::Call(crate::CallError::Locked) = error {
        return Code::StoreLocked;
    }
    tracing::error!(user = %user.short(), error = %crate::chain(error), "device not served");
    Code::Starting
}
