//! Waiting until something about a person changes: one call that lasts in the place of many that ask.

use runtime_program::Failure;
use runtime_user::{Runtime, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};

/// Waits until something about a person changes: entries are stored, the store is opened or closed, a device loses its
/// access, a pairing makes progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchPerson {
    /// The person, by name or id.
    pub person: String,
    /// The mark of an earlier answer; none: the answer comes at once.
    pub since: Option<String>,
    /// How long to wait at most, ms; no call waits longer than [`runtime_user::WATCH_MS_MAX`].
    pub wait_ms: u64,
}

/// The answer to [`WatchPerson`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The person's id.
    pub id: String,
    /// The mark now. It says nothing but that it is another one.
    pub mark: String,
    /// Whether something changed; false: the time is over.
    pub changed: bool,
}

impl Changes {
    fn new(user: UserId, since: Option<&str>, mark: String) -> Self {
        Self { id: user.dashed(), changed: since != Some(mark.as_str()), mark }
    }
}

impl Ask for WatchPerson {
    type Answer = Changes;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<Changes, Failure> {
        let user = context.find(&self.person)?;
        let watch = context.runtime.watch(user).map_err(|error| crowded(&error))?;
        let since = self.since.as_deref();
        Ok(Changes::new(user, since, watch.changed_blocking(since, self.wait_ms)))
    }
}

impl WatchPerson {
    /// The same without a thread that waits.
    pub(crate) async fn answer_later(self, runtime: &Runtime, user: UserId) -> Result<Changes, Failure> {
        let watch = runtime.watch(user).map_err(|error| crowded(&error))?;
        let since = self.since.as_deref();
        Ok(Changes::new(user, since, watch.changed(since, self.wait_ms).await))
    }
}

fn crowded(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(error, "close a page of this person, or wait half a minute")
}
