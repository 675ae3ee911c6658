//! Disks in memory that a test makes refuse, or end with the power, one for each person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use runtime_store::testing::{Parts, SimDisk};
use runtime_store::{Options, Store};
use runtime_user::{Settings, TestStores, UserId};

use crate::World;

/// Everybody's disk, by person.
#[derive(Clone, Default)]
pub struct Disks(Arc<Mutex<HashMap<UserId, SimDisk>>>);

impl Disks {
    /// The disk of a person; a new one where there was none.
    ///
    /// # Panics
    /// Where a test has panicked in the middle of this.
    pub fn of(&self, user: UserId) -> SimDisk {
        self.0.lock().expect("nothing panics while it is locked").entry(user).or_default().clone()
    }

    /// A world whose people's stores lie on these disks.
    ///
    /// # Panics
    /// Where the operating system refuses: a failure of the test.
    pub fn world(&self) -> World {
        self.world_with(|_| {})
    }

    /// The same with other settings.
    ///
    /// # Panics
    /// Where the operating system refuses: a failure of the test.
    pub fn world_with(&self, change: impl FnOnce(&mut Settings)) -> World {
        let disks = self.clone();
        World::with(move |settings| {
            change(settings);
            settings.stores = Some(TestStores(Arc::new(move |user| {
                let disk = disks.of(user);
                let is_new = disk.content("data.redb").is_empty();
                let parts = Parts { user, ..Parts::redb(&disk) };
                let open = if is_new { Store::create_on } else { Store::open_on };
                open(parts, &Options::default())
            })));
        })
    }
}
