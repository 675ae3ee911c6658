//! The people whose stores are open, and how a store is opened: a bounded number of stores, each open once.
//!
//! * Invariants: no store is open twice; a store is not opened while it is locked or its person suspended; a store
//!   that accepts no more commits is closed and opened again.
//! * Not here: who holds the keys, and for how long (`owner`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime_store::{Options, Store, Unattended};
use runtime_types::UserId;

use crate::error::{CallError, StartError};
use crate::owner::Leases;
use crate::people::person::Person;
use crate::people::{KeyMode, People};
use crate::settings::Settings;

/// The people whose stores are open.
pub struct OpenPeople {
    settings: Arc<Settings>,
    people: Arc<People>,
    leases: Arc<Leases>,
    host_key: Unattended,
    open: Mutex<HashMap<UserId, Slot>>,
}

/// One person, while their store is open. Its lock is held while the store is opened or closed.
type Slot = Arc<Mutex<Option<Arc<Person>>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenPeople {
    /// No store is open at first. Reads the host's key, and creates one if no store needs an earlier one.
    pub(crate) fn new(
        settings: Arc<Settings>,
        people: Arc<People>,
        leases: Arc<Leases>,
    ) -> Result<Self, StartError> {
        let host_key = host_key(&settings.data.join("host.key"), &people)?;
        Ok(Self { settings, people, leases, host_key, open: Mutex::default() })
    }

    /// The person; opens the store if it is closed. Opening reads the disk: call it from a thread that may block.
    pub(crate) fn person(&self, user: UserId) -> Result<Arc<Person>, CallError> {
        self.check_standing(user)?;
        loop {
            let slot = Arc::clone(lock(&self.open).entry(user).or_default());
            // Only callers for this person wait here.
            let mut held = lock(&slot);
            // If the store was closed meanwhile, its slot was removed: a store is open once.
            if !lock(&self.open).get(&user).is_some_and(|now| Arc::ptr_eq(now, &slot)) {
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

    /// Fails for people who are unknown, suspended or locked.
    pub(crate) fn check_standing(&self, user: UserId) -> Result<(), CallError> {
        match self.people.is_suspended(user) {
            None => Err(CallError::Nobody),
            Some(true) => Err(CallError::Suspended),
            Some(false) => self.leases.check_unlocked(user),
        }
    }

    pub(crate) fn store_options(&self) -> Options {
        Options { engine: self.settings.engine, ..Options::default() }
    }

    /// The host's own key, which opens the stores of unattended people.
    pub(crate) fn host_key(&self) -> &Unattended {
        &self.host_key
    }

    fn open_store(&self, user: UserId) -> Result<Store, CallError> {
        #[cfg(feature = "testing")]
        if let Some(crate::settings::TestStores(open)) = &self.settings.stores {
            return open(user).map_err(CallError::Open);
        }
        let (folder, options) = (self.people.store_folder(user), self.store_options());
        if self.leases.mode(user)? != KeyMode::Unattended {
            let held = self.leases.key(user).ok_or(CallError::Locked)?;
            return Store::open(&folder, user, &held, &options).map_err(CallError::Open);
        }
        let exists = folder.exists();
        let opened = if exists { Store::open } else { Store::create };
        opened(&folder, user, &self.host_key, &options).map_err(CallError::Open)
    }

    /// The person, if their store is open; never blocks for long.
    pub(crate) fn if_open(&self, user: UserId) -> Option<Arc<Person>> {
        let slot = Arc::clone(lock(&self.open).get(&user)?);
        let person = slot.try_lock().ok()?.clone()?;
        if person.store.is_poisoned() {
            // The store must be opened again, which may take a while.
            return None;
        }
        person.touch();
        Some(person)
    }

    /// If too many stores are open, closes the store that has been idle longest.
    pub(crate) fn make_room(&self, newcomer: UserId) {
        let open = lock(&self.open);
        if open.len() < self.settings.open_people_max {
            return;
        }
        let idle =
            |slot: &Slot| slot.try_lock().ok().and_then(|slot| slot.as_ref().map(|person| person.idle()));
        let longest = open
            .iter()
            .filter(|(user, _)| **user != newcomer)
            .filter_map(|(user, slot)| idle(slot).map(|idle| (idle, *user)))
            .max();
        drop(open);
        if let Some((_, user)) = longest {
            self.close(user);
        }
    }

    /// Closes a person's store if it is not in use at this moment; returns whether it is closed now.
    pub fn close(&self, user: UserId) -> bool {
        let Some(slot) = lock(&self.open).get(&user).cloned() else { return true };
        let Ok(mut held) = slot.try_lock() else { return false };
        if let Some(person) = held.take() {
            person.cool_down(true);
            // A run that is under way holds the person, and its store stays open with it.
            match Arc::try_unwrap(person) {
                Ok(person) => person.finish(),
                Err(busy) => {
                    *held = Some(busy);
                    return false;
                }
            }
        }
        let mut open = lock(&self.open);
        if open.get(&user).is_some_and(|now| Arc::ptr_eq(now, &slot)) {
            open.remove(&user);
        }
        true
    }

    /// Closes the stores of people without requests for a while, and drops instances that waited too long. Call it
    /// every few seconds.
    pub fn close_idle(&self) {
        let patience = Duration::from_millis(self.settings.idle_close_ms);
        let slots: Vec<_> = lock(&self.open).iter().map(|(user, slot)| (*user, Arc::clone(slot))).collect();
        for (user, slot) in slots {
            let person = slot.try_lock().ok().and_then(|slot| slot.clone());
            let Some(person) = person else { continue };
            person.cool_down(false);
            let is_idle = person.idle() >= patience;
            drop(person);
            if is_idle {
                drop(slot);
                self.close(user);
            }
        }
    }

    /// Closes every store that is not in use at this moment.
    pub(crate) fn close_all(&self) {
        let users: Vec<_> = lock(&self.open).keys().copied().collect();
        for user in users {
            self.close(user);
        }
    }

    /// How many people's stores are open.
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }
}

/// Drops a person whose store accepts no more commits, if it is not in use at this moment: the data on disk is opened
/// again. Until then reads continue.
fn close_poisoned(held: &mut Option<Arc<Person>>) {
    if let Some(person) = held.take() {
        person.cool_down(true);
        *held = Arc::try_unwrap(person).err();
    }
}

/// The host's key. A new one is drawn only if no existing store needs one.
fn host_key(path: &Path, people: &People) -> Result<Unattended, StartError> {
    let unattended = |user: &UserId| {
        people.standing(*user).is_some_and(|standing| standing.keys == KeyMode::Unattended)
            && Unattended::is_needed(&people.store_folder(*user))
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
        // A slot that cannot be parsed says nothing about the key; opening that person's store reports the slot.
        match keys.opens(&people.store_folder(user), user) {
            Ok(true) => return Ok(keys),
            Ok(false) => refuted = true,
            Err(_) => {}
        }
    }
    if refuted { Err(StartError::OtherHostKey { path, stores }) } else { Ok(keys) }
}
