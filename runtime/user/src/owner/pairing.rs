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
use runtime_store::{Batch, DataKey, Held, Store};
use runtime_types::UserId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::access::{Owner, State, draw_label};
use super::drain::INBOX_KEY;
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
    owners: &'o Arc<Owners>,
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
        if Locks::of(self).state(owner.user).map_err(OwnerError::Call)? == LockState::Locked {
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

    fn of_window<T>(
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
        // Checked before anything is sealed: a key that a device has or had cannot be paired again, and a slot for it
        // would remain as a leftover or replace the slot of its own device.
        owner.state().access.devices.clone().enrol(new.clone(), now_ms).map_err(OwnerError::Change)?;
        // If the data key changed between slot and table, the device would be left without a slot.
        let one_at_a_time = owner.changing();
        self.give_slot(owner, id, wrap_pub, terms)?;
        self.change_access(user, |access| access.devices.enrol(new, now_ms).map_err(OwnerError::Change))?;
        drop(one_at_a_time);
        self.register(label, Route { user, kind: Kind::Native(id) })?;
        let person = self.open_people.person(user).map_err(OwnerError::Call)?;
        let head = person.store.head();
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

    /// Wraps the data key for a device; the caller prevents other changes of slots. If there is no store yet, creates
    /// it, with a new key unless the host holds the key.
    fn give_slot(
        &self,
        owner: &Owner,
        device: handshake::encoding::DeviceId,
        to: WrapPub,
        terms: &Terms,
    ) -> Result<(), OwnerError> {
        let user = owner.user;
        let store_folder = self.people.store_folder(user);
        let fresh = !store_folder.exists();
        let unattended = self.leases.mode(user).map_err(OwnerError::Call)? == KeyMode::Unattended;
        if fresh && unattended {
            // The host's slot is created with the store.
            self.open_people.person(user).map_err(OwnerError::Call)?;
        }
        let held = if fresh && !unattended {
            Held { key: DataKey::random().map_err(OwnerError::Key)?, generation: 1 }
        } else {
            Locks::of(self).key_of(user)?
        };
        // A pairing that broke off before the store was created left useless slots; every paired device has a store.
        self.check_kept(owner)?;
        let mut slots = if fresh && !unattended { Slots::default() } else { self.slots(user)? };
        slots.seal(user, Holder::Device(device), to, &held)?;
        if let Some(phrase) = terms.recovery {
            slots.seal(user, Holder::Recovery, phrase, &held)?;
        }
        let inbox = slots.inbox().is_none().then(|| InboxKey::random(&SystemRandom::new()));
        let inbox = inbox.transpose().map_err(|_| OwnerError::NoRandomness)?;
        slots.write(owner.folder())?;
        if fresh && !unattended {
            Store::create(&store_folder, user, &held, &self.open_people.store_options())
                .map_err(OwnerError::Store)?;
            self.leases.keep(user, held).map_err(OwnerError::Call)?;
        }
        let Some(inbox) = inbox else { return Ok(()) };
        let person = self.open_people.person(user).map_err(OwnerError::Call)?;
        let mut batch = Batch::new();
        batch.put_document(INBOX_KEY, inbox.to_bytes().expose().to_vec());
        person.commit(batch).map_err(OwnerError::Commit)?;
        slots.set_inbox(inbox.public());
        slots.write(owner.folder())
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
