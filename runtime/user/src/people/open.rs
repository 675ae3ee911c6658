//! The people whose stores are open, and how a store is opened: a bounded number of stores, each open once.
//!
//! * Invariants: no store is open twice; a store is not opened while it is locked or its person suspended; a store
//!   that accepts no more commits is closed and opened again.
//! * Not here: who holds the keys, and for how long (`owner`).

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use runtime_store::{Options, Store, Unattended};
use runtime_types::UserId;

use crate::error::{CallError, StartError};
use crate::files;
use crate::owner::{Leases, identity};
use crate::people::person::{Closed, Person};
use crate::people::{KeyMode, People};
use crate::settings::Settings;

/// The people whose stores are open.
pub struct OpenPeople {
    settings: Arc<Settings>,
    people: Arc<People>,
    leases: Arc<Leases>,
    host_key: Unattended,
    open: Mutex<HashMap<UserId, Slot>>,
    /// People whose stores are to be closed and were being opened.
    unclosed: Mutex<BTreeSet<UserId>>,
}

/// One person, while their store is open. Its lock is held while the store is opened or closed.
type Slot = Arc<Mutex<Place>>;

/// Whether a person's store is open.
#[derive(Default)]
enum Place {
    #[default]
    Closed,
    Open(Arc<Person>),
    /// Runs use it, and the last of them closes it.
    Leaving(Weak<Person>, Arc<Closed>),
}

impl Place {
    fn open(&self) -> Option<&Arc<Person>> {
        if let Self::Open(person) = self { Some(person) } else { None }
    }
}

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
        Ok(Self { settings, people, leases, host_key, open: Mutex::default(), unclosed: Mutex::default() })
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
            if held.open().is_some_and(|person| person.store.is_poisoned()) {
                close_poisoned(&mut held);
            }
            if let Place::Leaving(person, closed) = &*held {
                match person.upgrade() {
                    Some(person) => {
                        person.goes_on();
                        *held = Place::Open(person);
                    }
                    // It is being closed at this moment.
                    None => closed.wait(),
                }
            }
            if let Place::Open(person) = &*held {
                person.touch();
                return Ok(Arc::clone(person));
            }
            *held = Place::Closed;
            let person = Arc::new(Person::new(user, self.open_store(user)?, self.settings.ahead_bytes_max));
            *held = Place::Open(Arc::clone(&person));
            return Ok(person);
        }
    }

    /// Fails for people who are unknown, damaged, suspended or locked.
    pub fn check_standing(&self, user: UserId) -> Result<(), CallError> {
        if let Some(damage) = self.people.damage(user) {
            return Err(CallError::Damaged(damage));
        }
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
        let person = Arc::clone(slot.try_lock().ok()?.open()?);
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
            |slot: &Slot| slot.try_lock().ok().and_then(|slot| slot.open().map(|person| person.idle()));
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
        match std::mem::take(&mut *held) {
            Place::Closed => {}
            Place::Leaving(_, closed) if closed.is_closed() => {}
            leaving @ Place::Leaving(..) => {
                *held = leaving;
                return false;
            }
            Place::Open(person) => {
                person.cool_down(true);
                // A run that is under way holds the person, and its store stays open with it.
                match Arc::try_unwrap(person) {
                    Ok(person) => person.finish(),
                    Err(busy) => {
                        *held = Place::Open(busy);
                        return false;
                    }
                }
            }
        }
        let mut open = lock(&self.open);
        if open.get(&user).is_some_and(|now| Arc::ptr_eq(now, &slot)) {
            open.remove(&user);
        }
        true
    }

    /// Closes a person's store at once or, if it is in use, by the end of the last run that uses it; returns whether it
    /// is closed now. Whoever may open it meanwhile goes on with the store that is open.
    pub(crate) fn close_after_runs(&self, user: UserId) -> bool {
        if self.close(user) {
            return true;
        }
        let Some(slot) = lock(&self.open).get(&user).cloned() else { return true };
        let Ok(mut held) = slot.try_lock() else {
            // It is being opened at this moment, which may take as long as the disk does.
            lock(&self.unclosed).insert(user);
            return false;
        };
        match std::mem::take(&mut *held) {
            Place::Open(person) => {
                let closed = person.finish_with_last_use();
                *held = Place::Leaving(Arc::downgrade(&person), Arc::clone(&closed));
                // The runs may have ended in between, and then this is the last use.
                drop(person);
                closed.is_closed()
            }
            place => {
                *held = place;
                false
            }
        }
    }

    /// The people whose stores could not be closed since the last call, because they were being opened.
    pub(crate) fn take_unclosed(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut *lock(&self.unclosed))
    }

    /// Closes the stores of people without requests for a while, and drops instances that waited too long. Call it
    /// every few seconds.
    pub fn close_idle(&self) {
        let patience = Duration::from_millis(self.settings.idle_close_ms);
        let slots: Vec<_> = lock(&self.open).iter().map(|(user, slot)| (*user, Arc::clone(slot))).collect();
        for (user, slot) in slots {
            let person = slot.try_lock().ok().and_then(|slot| slot.open().cloned());
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
        let slots: Vec<_> = lock(&self.open).values().cloned().collect();
        // A slot that is locked belongs to a store that is being opened or closed.
        let gone = |slot: &Slot| {
            slot.try_lock()
                .is_ok_and(|place| matches!(&*place, Place::Leaving(_, closed) if closed.is_closed()))
        };
        slots.iter().filter(|slot| !gone(slot)).count()
    }
}

/// Drops a person whose store accepts no more commits, if it is not in use at this moment: the data on disk is opened
/// again. Until then reads continue.
fn close_poisoned(held: &mut Place) {
    if let Place::Open(person) = std::mem::take(held) {
        person.cool_down(true);
        *held = Arc::try_unwrap(person).err().map_or(Place::Closed, Place::Open);
    }
}

/// The file that says by which key the host's slots are wrapped.
const HOST_KEY_ID_FILE: &str = "host.key.id";

/// The host's key. A new one is drawn only if no existing store needs one, damaged people's included.
fn host_key(path: &Path, people: &People) -> Result<Unattended, StartError> {
    let needs_one = |user: &UserId| Unattended::is_needed(&people.store_folder(*user));
    let needed: Vec<UserId> = people.everybody().into_iter().filter(needs_one).collect();
    let is_sealed = |user: &UserId| identity::needs_host_key(&people.folder(*user));
    let sealed: Vec<UserId> = people.everybody().into_iter().filter(is_sealed).collect();
    let id_path = path.with_file_name(HOST_KEY_ID_FILE);
    if needed.is_empty() && sealed.is_empty() {
        let key = Unattended::open_or_create(path).map_err(StartError::Key)?;
        keep_id(&id_path, &key);
        return Ok(key);
    }
    let (path, stores, runtimes): (PathBuf, _, _) = (path.to_owned(), needed.len(), sealed.len());
    let Some(key) = Unattended::open(&path).map_err(StartError::Key)? else {
        return Err(StartError::NoHostKey { path, stores, runtimes });
    };
    let mut refuted = false;
    for user in &sealed {
        match identity::opens(&people.folder(*user), *user, &key) {
            Some(true) => {
                keep_id(&id_path, &key);
                return Ok(key);
            }
            opened => refuted |= opened.is_some(),
        }
    }
    for user in needed {
        // A slot that cannot be parsed says nothing about the key; opening that person's store reports the slot.
        match key.opens(&people.store_folder(user), user) {
            Ok(true) => {
                keep_id(&id_path, &key);
                return Ok(key);
            }
            Ok(false) => refuted = true,
            Err(_) => {}
        }
    }
    // Each of these files may be damaged: only another key than before is a reason to serve nobody.
    if refuted && !is_of_id(&id_path, &key) {
        Err(StartError::OtherHostKey { path, stores, runtimes })
    } else {
        Ok(key)
    }
}

fn hex_id(key: &Unattended) -> String {
    data_encoding::HEXLOWER.encode(&key.id())
}

fn is_of_id(path: &Path, key: &Unattended) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() == hex_id(key))
}

/// Without the file, a damaged slot of the only unattended person looks like another host's key.
fn keep_id(path: &Path, key: &Unattended) {
    if is_of_id(path, key) {
        return;
    }
    if let Err(error) = files::replace(path, format!("{}\n", hex_id(key)).as_bytes()) {
        tracing::warn!(path = %path.display(), %error, "the id of the host's key is not written");
    }
}
