//! What an owner's devices have signed: who may connect and who can open the data. Nothing that only the files say
//! counts against it.
//!
//! ```text
//! people/<2 hex>/<32 hex>/
//!   roster/<16 hex>   a signed roster by its version, see `handshake::roster`; the newest of an unbroken chain counts
//!   roster/wish       a recovery phrase that the console made and no device has signed yet
//! store               a document of the runtime's own: the newest roster that was in force while the store was open
//! ```
//!
//! * Invariants: once there is a roster, a device, a token, an inbox key or a holder of the data key that it does not
//!   name gets nothing, whatever the files say; a roster is on disk, and in the open store, before it is acknowledged;
//!   an older or another chain on disk is replaced by the store's own copy as soon as the store is open.
//! * Not here: the form of a roster and who may sign it (`handshake`), the tables themselves (`access`, `slots`).

mod disk;
mod holders;
mod propose;
mod sign;
mod store;
mod vouch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handshake::keys::InboxPub;
use handshake::roster::Signed;
use runtime_types::UserId;

use super::OwnerError;

pub use sign::Unsigned;

/// How many of a person's rosters stay on disk. A phone that was away for more cannot be shown what lies between.
pub const ROSTERS_KEPT: usize = 256;

/// What is known of one person's rosters, without reading the disk.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The newest one.
    newest: Option<Arc<Signed>>,
    /// Whether it was compared with the copy in the open store.
    compared: bool,
    /// The inbox key that this process has put into the open store: no file vouches for it, and none has to.
    inbox: Option<InboxPub>,
}

/// Everybody's rosters.
#[derive(Default)]
pub(crate) struct Rosters {
    known: Mutex<HashMap<UserId, Known>>,
}

impl Rosters {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, user: UserId) -> Option<Known> {
        self.lock().get(&user).cloned()
    }

    /// Forgets what is known: of somebody who was erased.
    pub fn forget(&self, user: UserId) {
        self.lock().remove(&user);
    }
}

impl super::Owners {
    /// Whether the files were compared with the open store since the process started.
    pub(crate) fn roster_is_compared(&self, user: UserId) -> bool {
        self.rosters.get(user).is_some_and(|known| known.compared)
    }

    /// The newest roster; `None`: there is none. Reads the disk at the first call for a person.
    pub(crate) fn roster(&self, user: UserId) -> Result<Option<Arc<Signed>>, OwnerError> {
        if let Some(known) = self.rosters.get(user) {
            return Ok(known.newest);
        }
        let chain = disk::read(&self.people.folder(user), user)?;
        let newest = chain.last().cloned().map(Arc::new);
        let mut all = self.rosters.lock();
        // Another caller may have read, and changed, it meanwhile.
        let known = all.entry(user).or_insert(Known { newest, compared: false, inbox: None });
        Ok(known.newest.clone())
    }
}
