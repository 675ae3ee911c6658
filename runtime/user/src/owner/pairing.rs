//! Pairing: the window that the owner opens, and the device that is paired in it.
//!
//! * Invariants: everything that a window counts is on disk before the phone is answered; a device is in the table and
//!   has its slot before it gets its answer; the store's key exists before the first device does.

use std::sync::Arc;

use handshake::device::{BadChange, DEVICES_MAX, NewDevice, RECORDS_MAX, Scopes};
use handshake::encoding::{WindowId, WrapPub};
use handshake::error::Code;
use handshake::keys::InboxKey;
use handshake::pairing::{
    Challenge, Channel, Claimed, Codes, ConnectionId, Enrol, Enrolled, Enrolment, Hello, LIFETIME_MS, Proof,
    Step, Window, WindowState,
};
use handshake::route::{Kind, Name, Route};
use ring::rand::SystemRandom;
use runtime_store::{Batch, DataKey, Head, Held, Store};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::access::{Access, Owner, State, draw_label};
use super::drain::INBOX_KEY;
use super::intent::Intent;
use super::slots::{Holder, Slots};
use super::{LockState, Locks, OwnerError, Owners};
use crate::clock;
use crate::people::KeyMode;

/// How often codes are drawn to find one with a free public part; the chance that one is taken is small.
const DRAWS_MAX: usize = 8;

/// The owner's settings for a pairing window.
#[derive(Debug, Clone)]
pub struct WindowWish {
    /// Where phones connect: a name or an IPv4 address.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// How long the window waits for a phone, ms; `None`: five minutes.
    pub lifetime_ms: Option<u64>,
    /// Whether the code may also be typed.
    pub typed: bool,
    /// Whether the device may list the other devices and lock the store.
    pub admin: bool,
    /// The public half of a recovery phrase that the owner has written down; `None`: unchanged.
    pub recovery: Option<WrapPub>,
}

/// What the owner shows to the phone.
pub struct Invitation {
    /// The window.
    pub window: WindowId,
    /// The text of the QR code. A secret.
    pub qr: Zeroizing<String>,
    /// The code to type, if typing is allowed. A secret.
    pub typed: Option<Zeroizing<String>>,
    /// When the window ends, by the clock that it was opened with; [`Clocks::shown_ms`](crate::Clocks::shown_ms)
    /// converts it to wall-clock time for people.
    pub until_ms: u64,
}

/// The state of a pairing, for its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingStatus {
    /// The window.
    pub window: WindowId,
    /// Its state.
    pub state: WindowState,
    /// Wrong proofs so far.
    pub bad: u8,
    /// Challenges so far.
    pub challenges: u8,
    /// The phone that waits for approval, or was approved.
    pub claim: Option<ClaimSummary>,
}

/// The phone that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimSummary {
    /// The phone's name for itself.
    pub name: String,
    /// The kind of phone, as it reports itself.
    pub platform: String,
    /// Six digits, which the phone shows too.
    pub digits: String,
}

/// Other settings that the window was opened with, kept until it ends.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    host: String,
    port: u16,
    admin: bool,
    recovery: Option<WrapPub>,
}

/// Pairing phones: each person has at most one window open.
#[derive(Clone, Copy)]
pub struct Pairing<'o> {
    pub(super) owners: &'o Arc<Owners>,
}

impl<'o> Pairing<'o> {
    pub(crate) fn of(owners: &'o Arc<Owners>) -> Self {
        Self { owners }
    }

    /// Opens a pairing window. Reads and writes the disk.
    ///
    /// # Errors
    /// [`OwnerError::Window`] if one is open already; [`OwnerError::Call`] with `Locked` if the store is locked, so
    /// that no slot could be made for a further device.
    pub fn open(self, user: UserId, wish: WindowWish, now_ms: u64) -> Result<Invitation, OwnerError> {
        let owner = self.owners.owner(user)?;
        self.owners.check_room(&owner)?;
        let key = self.owners.signing_key(user)?;
        self.tick(user, now_ms)?;
        let mut draws_left = DRAWS_MAX;
        loop {
            let codes =
                Codes::random(wish.typed, &SystemRandom::new()).map_err(|_| OwnerError::NoRandomness)?;
            // Checked before the window counts: an address that no code can carry opens no window.
            let qr = codes.qr(key.spki().pin(), wish.host.clone(), wish.port, false).encode();
            let qr = qr.map_err(OwnerError::Address)?;
            match self.owners.open_with(&owner, &codes, &wish, now_ms) {
                Ok(until_ms) => {
                    owner.tell();
                    let typed = codes.typed.as_ref().map(|code| code.reveal());
                    return Ok(Invitation { window: codes.window, qr, typed, until_ms });
                }
                Err(OwnerError::Route(_)) if draws_left > 0 => draws_left -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether [`Self::open`] would open a window, which may replace an unused code. Call it before anything secret is
    /// created or shown. Opens nothing.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn check(self, user: UserId, wish: &WindowWish, now_ms: u64) -> Result<(), OwnerError> {
        let owner = self.owners.owner(user)?;
        self.owners.check_room(&owner)?;
        let key = self.owners.signing_key(user)?;
        self.tick(user, now_ms)?;
        let codes = Codes::random(wish.typed, &SystemRandom::new()).map_err(|_| OwnerError::NoRandomness)?;
        let qr = codes.qr(key.spki().pin(), wish.host.clone(), wish.port, false).encode();
        qr.map_err(OwnerError::Address)?;
        let last = owner.state().access.window.clone().filter(|last| last.state != WindowState::Open);
        let lifetime_ms = wish.lifetime_ms.unwrap_or(LIFETIME_MS);
        Window::open(&codes, lifetime_ms, last.as_ref(), now_ms).map(drop).map_err(OwnerError::Window)
    }

    /// Whether the next phone takes the place of a first one that was paired and never came: the store is created anew,
    /// with the recovery phrase that this pairing brings. Reads the disk.
    pub fn begins_anew(self, user: UserId) -> bool {
        self.owners.owner(user).is_ok_and(|owner| self.owners.is_replaceable(&owner))
    }

    /// The state of the newest pairing; `None`: there never was one.
    pub fn status(self, user: UserId, now_ms: u64) -> Result<Option<PairingStatus>, OwnerError> {
        self.tick(user, now_ms)?;
        let owner = self.owners.owner(user)?;
        let state = owner.state();
        let claim = state.window.as_ref().and_then(Window::claim).map(|claim| ClaimSummary {
            name: claim.name.to_string(),
            platform: format!("{:?}", claim.platform).to_lowercase(),
            digits: claim.digits.to_string(),
        });
        Ok(state.access.window.as_ref().map(|record| PairingStatus {
            window: record.window,
            state: record.state,
            bad: record.bad,
            challenges: record.challenges,
            claim,
        }))
    }

    /// The owner's answer for the waiting phone: `true` after the digits were compared.
    pub fn answer(
        self,
        user: UserId,
        window: WindowId,
        approved: bool,
        now_ms: u64,
    ) -> Result<(), OwnerError> {
        self.owners
            .with_window(user, |pairing| {
                if approved { pairing.approve(window, now_ms) } else { pairing.reject(window, now_ms) }
            })?
            .ok_or(OwnerError::NoWindow)?
            .map_err(OwnerError::Answer)
    }

    /// M1.
    pub fn hello(
        self,
        user: UserId,
        channel: Channel,
        hello: &Hello,
        now_ms: u64,
    ) -> Result<Challenge, Code> {
        self.owners.of_window(user, |window| window.hello(channel, hello, now_ms, &SystemRandom::new()))
    }

    /// M3.
    pub fn proof(
        self,
        user: UserId,
        connection: ConnectionId,
        proof: &Proof,
        now_ms: u64,
    ) -> Result<Claimed, Code> {
        self.owners.of_window(user, |window| window.proof(connection, proof, now_ms))
    }

    /// M5; waits for the owner's answer.
    pub async fn enrol(self, user: UserId, connection: ConnectionId, enrol: Enrol) -> Result<Enrolled, Code> {
        let owners = self.owners;
        let owner = owners.owner(user).map_err(|_| Code::WindowGone)?;
        let mut changed = owner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (shared, owner, enrol) = (Arc::clone(owners), Arc::clone(&owner), enrol.clone());
            let tried = tokio::task::spawn_blocking(move || {
                let now_ms = shared.clocks.lasting_ms();
                shared.try_enrol(&owner, connection, &enrol, now_ms)
            });
            let until_ms = match tried.await.unwrap_or(Err(Code::Starting))? {
                Tried::Enrolled(enrolled) => return Ok(*enrolled),
                Tried::Wait { until_ms } => until_ms,
            };
            let left =
                std::time::Duration::from_millis(until_ms.saturating_sub(owners.clocks.lasting_ms()) + 1);
            // Either the owner has answered, or the time has ended and the window reports that.
            let _ = tokio::time::timeout(left, changed.changed()).await;
        }
    }

    /// A pairing connection has ended.
    pub fn connection_lost(self, user: UserId, connection: ConnectionId, now_ms: u64) {
        let lost = self.owners.with_window(user, |window| window.connection_lost(connection, now_ms));
        if let Err(error) = lost {
            tracing::warn!(user = %user.short(), error = %crate::chain(&error), "the end of a pairing was not kept");
        }
    }

    /// Applies the passage of time to a window; withdraws its names once it has ended.
    pub fn tick(self, user: UserId, now_ms: u64) -> Result<(), OwnerError> {
        self.owners.with_window(user, |window| window.tick(now_ms)).map(drop)
    }
}

impl Owners {
    /// Fails if no further device could be paired, whatever the code.
    fn check_room(&self, owner: &Owner) -> Result<(), OwnerError> {
        {
            let _one_at_a_time = owner.changing();
            self.resume(owner)?;
        }
        let locked = Locks::of(self).state(owner.user).map_err(OwnerError::Call)? == LockState::Locked;
        if locked && !self.is_replaceable(owner) {
            return Err(OwnerError::Call(crate::CallError::Locked));
        }
        self.check_kept(owner)?;
        let state = owner.state();
        let (active, records) = (
            state.access.devices.iter().filter(|device| device.labels().is_some()).count(),
            state.access.devices.iter().count(),
        );
        let full =
            [(active, DEVICES_MAX), (records, RECORDS_MAX)].into_iter().find(|(count, max)| count >= max);
        full.map_or(Ok(()), |(_, max)| Err(OwnerError::Change(BadChange::Full { max })))
    }

    /// Opens a window with these codes; it is on disk with its names, or not opened. Returns its end.
    fn open_with(
        &self,
        owner: &Owner,
        codes: &Codes,
        wish: &WindowWish,
        now_ms: u64,
    ) -> Result<u64, OwnerError> {
        let lifetime_ms = wish.lifetime_ms.unwrap_or(LIFETIME_MS);
        let _one_at_a_time = owner.keeping();
        let mut state = owner.state();
        let last = state.access.window.clone();
        let step = Window::open(codes, lifetime_ms, last.as_ref(), now_ms).map_err(OwnerError::Window)?;
        let window = persist(owner, &mut state, step)?;
        if let Err(taken) = self.register_window(owner.user, &window) {
            state.access.window = last;
            owner.keep(&state.access)?;
            return Err(taken);
        }
        let (host, port) = (wish.host.clone(), wish.port);
        state.terms = Some(Terms { host, port, admin: wish.admin, recovery: wish.recovery });
        state.window = Some(window);
        Ok(now_ms + lifetime_ms)
    }

    /// Applies the passage of time to every window, and ends leases of labels and granted paths once an hour. Call it
    /// every few seconds.
    pub fn tick(self: &Arc<Self>) {
        let now_ms = self.clocks.lasting_ms();
        let sweeps = self.sweep_is_due(now_ms);
        for user in self.users() {
            let ticked = Pairing::of(self).tick(user, now_ms);
            let tidied = ticked.and_then(|()| if sweeps { self.sweep(user, now_ms) } else { Ok(()) });
            if let Err(error) = tidied {
                tracing::warn!(user = %user.short(), error = %crate::chain(&error), "expired access was not removed");
            }
        }
    }

    fn sweep(&self, user: UserId, now_ms: u64) -> Result<(), OwnerError> {
        self.keep_recovery(user, now_ms)?;
        // Leases of labels last days and use the wall clock: a wrong clock must not end them.
        if self.clocks.doubt().is_some() { Ok(()) } else { self.sweep_devices(user, clock::epoch_ms()) }
    }

    fn sweep_devices(&self, user: UserId, now_ms: u64) -> Result<(), OwnerError> {
        let owner = self.owner(user)?;
        let one_at_a_time = owner.keeping();
        let mut access = owner.state().access.clone();
        let before = access.devices.revision();
        let swept = access.devices.sweep(now_ms);
        if access.devices.revision() == before {
            return Ok(());
        }
        owner.keep(&access)?;
        owner.state().access = access;
        drop(one_at_a_time);
        self.withdraw(user, swept.freed.into_iter().map(Name::Label));
        for device in swept.stale {
            tracing::info!(user = %user.short(), %device, "device was not here for 180 days");
        }
        Ok(())
    }

    /// Applies one event to the window; its record is on disk before this returns. `None`: no window is open.
    fn with_window<T>(
        &self,
        user: UserId,
        event: impl FnOnce(&mut Window) -> Step<T>,
    ) -> Result<Option<T>, OwnerError> {
        let Some(owner) = self.get(user) else { return Ok(None) };
        if owner.state().window.is_none() {
            return Ok(None);
        }
        let _one_at_a_time = owner.keeping();
        let mut state = owner.state();
        let Some(window) = &state.window else { return Ok(None) };
        let record = window.record();
        if state.access.window.as_ref() != Some(&record) {
            // An earlier event was not written, since the disk refused.
            let access = Access { window: Some(record), ..state.access.clone() };
            owner.keep(&access)?;
            state.access = access;
        }
        let Some(window) = &mut state.window else { return Ok(None) };
        let step = event(window);
        let moved = step.record().is_some();
        let answer = persist(&owner, &mut state, step)?;
        self.close_if_over(&mut state, user);
        drop(state);
        if moved {
            owner.tell();
        }
        Ok(Some(answer))
    }

    fn close_if_over(&self, state: &mut State, user: UserId) {
        if !state.access.window.as_ref().is_some_and(handshake::pairing::WindowRecord::is_over) {
            return;
        }
        if let Some(window) = &state.window {
            let selector = window.selector().map(Name::Selector);
            self.withdraw(user, [Name::Label(window.label())].into_iter().chain(selector));
        }
        state.terms = None;
    }

    pub(super) fn of_window<T>(
        &self,
        user: UserId,
        event: impl FnOnce(&mut Window) -> Step<Result<T, Code>>,
    ) -> Result<T, Code> {
        match self.with_window(user, event) {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(Code::WindowGone),
            Err(error) => {
                tracing::error!(user = %user.short(), error = %crate::chain(&error), "pairing not kept");
                Err(Code::Starting)
            }
        }
    }

    fn try_enrol(
        &self,
        owner: &Owner,
        connection: ConnectionId,
        enrol: &Enrol,
        now_ms: u64,
    ) -> Result<Tried, Code> {
        let failed = |error: OwnerError| {
            tracing::error!(user = %owner.user.short(), error = %crate::chain(&error), "device not enrolled");
            // The window is used up either way: another attempt needs another code.
            if matches!(error, OwnerError::Change(_)) { Code::NotApproved } else { Code::WindowGone }
        };
        let terms = owner.state().terms.clone();
        match self.of_window(owner.user, |window| window.enrol(connection, enrol, now_ms))? {
            Enrolment::Wait { until_ms } => Ok(Tried::Wait { until_ms }),
            Enrolment::Ready(device) => {
                let terms = terms.ok_or(Code::WindowGone)?;
                let enrolled = self.enrol(owner, *device, &terms, clock::epoch_ms()).map_err(failed)?;
                owner.tell();
                Ok(Tried::Enrolled(Box::new(enrolled)))
            }
        }
    }

    fn enrol(
        &self,
        owner: &Owner,
        device: handshake::pairing::NewDevice,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Enrolled, OwnerError> {
        let user = owner.user;
        let id = device.device.device_id();
        let (wrap_pub, label) = (device.wrap_pub, draw_label()?);
        let scopes = if terms.admin { Scopes::ALL } else { Scopes::PHONE };
        let new = NewDevice {
            spki: device.device,
            wrap_pub,
            label,
            name: device.name,
            platform: device.platform,
            scopes,
        };
        let one_at_a_time = owner.changing();
        self.resume(owner)?;
        if self.is_replaceable(owner) {
            self.undo_first_pairing(owner)?;
        }
        // Checked before anything is sealed: a key that a device has or had cannot be paired again, and a slot for it
        // would remain as a leftover or replace the slot of its own device.
        owner.state().access.devices.clone().enrol(new.clone(), now_ms).map_err(OwnerError::Change)?;
        let fresh = !self.people.store_folder(user).exists();
        let unattended = self.leases.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended;
        let head = if fresh && !unattended {
            self.enrol_first(owner, new, terms, now_ms)?
        } else if self.needs_signature(user)? {
            self.enrol_unsigned(owner, new, terms, now_ms)?
        } else {
            self.enrol_another(owner, new, terms, now_ms)?
        };
        drop(one_at_a_time);
        self.register(label, Route { user, kind: Kind::Native(id) })?;
        Ok(Enrolled {
            user_id: user,
            device_id: id,
            label,
            host: terms.host.clone(),
            port: terms.port,
            spki_r: *self.signing_key(user)?.spki(),
            next_pins: Vec::new(),
            scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
            head: Some(super::native::head_of(&head)),
        })
    }

    /// Enrols the first device: creates the store, with a new key. Until the table has the device nobody can open the
    /// store, nothing is accepted for it, and it is removed if the process ends.
    fn enrol_first(
        &self,
        owner: &Owner,
        new: NewDevice,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Head, OwnerError> {
        let (user, device) = (owner.user, new.spki.device_id());
        self.check_kept(owner)?;
        Intent::FirstPairing { device }.write(owner.folder())?;
        let held = Held { key: DataKey::random().map_err(OwnerError::Key)?, generation: 1 };
        let folder = self.people.store_folder(user);
        let store = Store::create(&folder, user, &held, &self.open_people.store_options());
        let store = store.map_err(OwnerError::Store)?;
        let mut slots = Slots::default();
        let batch = new_inbox_key(&mut slots)?;
        store.commit(batch).map_err(OwnerError::Commit)?;
        let head = store.head();
        drop(store);
        seal_for(&mut slots, owner, &new, terms, &held)?;
        slots.write(owner.folder())?;
        let survey = Store::survey(&folder).map_err(OwnerError::Store)?;
        self.change_access(user, |access| {
            access.untouched = Some(data_encoding::HEXLOWER.encode(&survey.destroyed_sha256));
            access.devices.enrol(new, now_ms).map_err(OwnerError::Change)
        })?;
        self.leases.keep(user, held).map_err(OwnerError::Call)?;
        end_pairing(owner);
        Ok(head)
    }

    /// Enrols a device for a store that exists, or that the host creates for itself. The table is changed before the
    /// slots, which the intent holds: the device has both or neither.
    fn enrol_another(
        &self,
        owner: &Owner,
        new: NewDevice,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Head, OwnerError> {
        let (user, device) = (owner.user, new.spki.device_id());
        self.check_kept(owner)?;
        let person = self.open_people.person(user).map_err(OwnerError::Call)?;
        let held = Locks::of(self).key_of(user)?;
        let mut slots = self.slots(user)?;
        seal_for(&mut slots, owner, &new, terms, &held)?;
        if slots.inbox().is_none() {
            let batch = new_inbox_key(&mut slots)?;
            person.commit(batch).map_err(OwnerError::Commit)?;
        }
        Intent::Pairing { device, slots: slots.clone() }.write(owner.folder())?;
        self.change_access(user, |access| access.devices.enrol(new, now_ms).map_err(OwnerError::Change))?;
        slots.write(owner.folder())?;
        end_pairing(owner);
        Ok(person.store.head())
    }

    /// Enrols a device of an owner whose devices sign: it gets its slot, and a phrase is in force, once one of them has
    /// signed for them.
    fn enrol_unsigned(
        &self,
        owner: &Owner,
        new: NewDevice,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Head, OwnerError> {
        let user = owner.user;
        let person = self.open_people.person(user).map_err(OwnerError::Call)?;
        terms.recovery.map_or(Ok(()), |phrase| self.wish_phrase(user, phrase))?;
        self.change_access(user, |access| access.devices.enrol(new, now_ms).map_err(OwnerError::Change))?;
        end_pairing(owner);
        Ok(person.store.head())
    }

    /// Whether a first phone was paired that never came, so that nobody can open the store and nothing is in it:
    /// another pairing takes the place of the first. The phone may not have got its answer.
    fn is_replaceable(&self, owner: &Owner) -> bool {
        let user = owner.user;
        let Some(untouched) = owner.state().access.untouched.clone() else { return false };
        let locked = matches!(self.leases.check_unlocked(user), Err(crate::CallError::Locked));
        let waits = self.waiting_uploads(user).is_ok_and(|(count, _)| count == 0);
        let survey = Store::survey(&self.people.store_folder(user));
        let same =
            survey.is_ok_and(|survey| data_encoding::HEXLOWER.encode(&survey.destroyed_sha256) == untouched);
        locked && waits && self.uploads_aside(user) == 0 && same
    }
}

/// Wraps the data key for a device that is being paired, and for the phrase that its owner has written down.
fn seal_for(
    slots: &mut Slots,
    owner: &Owner,
    new: &NewDevice,
    terms: &Terms,
    held: &Held,
) -> Result<(), OwnerError> {
    slots.seal(owner.user, Holder::Device(new.spki.device_id()), new.wrap_pub, held)?;
    terms.recovery.map_or(Ok(()), |phrase| slots.seal(owner.user, Holder::Recovery, phrase, held))
}

/// Draws the key of sealed uploads: its public half is in the slots, the other in the batch.
fn new_inbox_key(slots: &mut Slots) -> Result<Batch, OwnerError> {
    let inbox = InboxKey::random(&SystemRandom::new()).map_err(|_| OwnerError::NoRandomness)?;
    slots.set_inbox(inbox.public());
    let mut batch = Batch::new();
    batch.put_document(INBOX_KEY, inbox.to_bytes().expose().to_vec());
    Ok(batch)
}

/// The device is paired, whether or not the disk lets go of the intent: the next change does it.
fn end_pairing(owner: &Owner) {
    if let Err(error) = Intent::clear(owner.folder()) {
        let why = crate::chain(&error);
        tracing::warn!(user = %owner.user.short(), error = %why, "a pairing is finished, and its intent stays");
    }
}

enum Tried {
    Enrolled(Box<Enrolled>),
    Wait { until_ms: u64 },
}

/// Writes a window's record to disk before its answer is returned.
fn persist<T>(owner: &Owner, state: &mut State, step: Step<T>) -> Result<T, OwnerError> {
    let mut access = state.access.clone();
    let answer = step.after(|record, _| {
        access.window = Some(record.clone());
        owner.keep(&access)
    })?;
    state.access = access;
    Ok(answer)
}
