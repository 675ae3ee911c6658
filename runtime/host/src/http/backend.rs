//! What answers behind the HTTP layer: people's runtimes, or something smaller in tests and measurements.

use std::sync::Arc;

use runtime_user::paths::Paths;
use runtime_user::{Answer, Call, CallError, DiskTrouble, NotRun, Receiving, Runtime, Stamp, UserId};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::service::now;

/// Everything that the routes need. The methods that are not `async` may block on the disk, so the HTTP layer calls
/// them on threads where that is allowed. The exception is `authenticate`, which only looks up, and reads a small file
/// at the first call for a person.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The paths that lead to cells.
    fn paths(&self) -> &Paths;
    /// The person whose token it is.
    fn authenticate(&self, token: &str) -> Option<UserId>;
    /// What the path of a receiver leads to. Only looks up, as [`Self::authenticate`] does.
    fn receiver(&self, segment: &str) -> Option<Receiving> {
        let _ = segment;
        None
    }
    /// Notes the day of a receiver's contact; whether that is on disk.
    fn note_receiver(&self, receiving: &Receiving, now_ms: u64) -> bool {
        let _ = (receiving, now_ms);
        true
    }
    /// The answer of an endpoint cell.
    fn call(&self, user: UserId, call: Call) -> impl Future<Output = Result<Answer, Refusal>> + Send;
    /// Runs what may wait for the disk, on a thread where it delays no socket. Bounds how much of one person's work is
    /// under way at once.
    fn in_turn<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, NotRun>> + Send;
    /// Tells in the person's audit that a device is shown documents by a route of the host's own; called before it is.
    fn tell(
        &self,
        user: UserId,
        route: &'static str,
        documents: &'static [&'static str],
        device: Option<&Stamp>,
    ) -> Result<(), Refusal>;
    /// All fields of the profile.
    fn profile(&self, user: UserId) -> Result<Map<String, Value>, Refusal>;
    /// Sets fields of the profile.
    fn update_profile(&self, user: UserId, fields: Map<String, Value>) -> Result<(), Refusal>;
    /// First and last moment of the diary, s.
    fn pipeline_range(&self, user: UserId) -> Result<(Option<f64>, Option<f64>), Refusal>;
    /// Up to when the diary is complete, s.
    fn pipeline_complete(&self, user: UserId) -> Result<Option<f64>, Refusal>;
}

/// People's runtimes.
impl Backend for Arc<Runtime> {
    fn paths(&self) -> &Paths {
        self.catalogue().paths()
    }

    fn authenticate(&self, token: &str) -> Option<UserId> {
        self.owners().authenticate(token)
    }

    fn receiver(&self, segment: &str) -> Option<Receiving> {
        self.owners().receiver(segment)
    }

    fn note_receiver(&self, receiving: &Receiving, now_ms: u64) -> bool {
        let noted = self.people().note_receiver(receiving, now_ms);
        if let Err(error) = &noted {
            let why = runtime_user::chain(error);
            tracing::warn!(user = %receiving.user.short(), error = %why, "a person's record is not written");
        }
        noted.is_ok()
    }

    async fn call(&self, user: UserId, call: Call) -> Result<Answer, Refusal> {
        Runtime::call(self, user, call).await.map_err(|error| refuse(user, &error))
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        user: UserId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotRun> {
        self.turns().run(user, work).await
    }

    fn tell(
        &self,
        user: UserId,
        route: &'static str,
        documents: &'static [&'static str],
        device: Option<&Stamp>,
    ) -> Result<(), Refusal> {
        let told = self.person(user).and_then(|person| person.tell_route(route, documents, device, now()));
        told.map_err(|error| refuse(user, &error))
    }

    fn profile(&self, user: UserId) -> Result<Map<String, Value>, Refusal> {
        self.person(user).and_then(|person| person.profile()).map_err(|error| refuse(user, &error))
    }

    fn update_profile(&self, user: UserId, fields: Map<String, Value>) -> Result<(), Refusal> {
        let person = self.person(user).map_err(|error| refuse(user, &error))?;
        person.update_profile(fields).map_err(|error| refuse(user, &error))
    }

    fn pipeline_range(&self, user: UserId) -> Result<(Option<f64>, Option<f64>), Refusal> {
        self.person(user).and_then(|person| person.pipeline_range()).map_err(|error| refuse(user, &error))
    }

    fn pipeline_complete(&self, user: UserId) -> Result<Option<f64>, Refusal> {
        self.person(user).and_then(|person| person.pipeline_complete()).map_err(|error| refuse(user, &error))
    }
}

/// The part of an error that the caller may see; the log gets the rest. A cell's own words may contain the person's
/// data, so they go to the person's audit log and nowhere else.
fn refuse(user: UserId, error: &CallError) -> Refusal {
    let (status, code) = (error.status(), error.code());
    if status >= 500 {
        match error {
            CallError::Cell(_) => {
                tracing::warn!(user = %user.short(), status, code, "call ended by its cell")
            }
            CallError::Overloaded(_) => tracing::warn!(user = %user.short(), status, code, "call refused"),
            _ => {
                let why = runtime_user::chain(error);
                tracing::error!(user = %user.short(), status, code, error = %why, "call failed");
            }
        }
    }
    let message = match error {
        CallError::Cell(_) => {
            "the cell that answers this path did not: nothing was stored, its owner finds why in the log"
                .to_owned()
        }
        _ if status == 503 => {
            let why = match error.disk() {
                Some(DiskTrouble::Full) => "the host's disk is full",
                Some(DiskTrouble::ReadOnly) => "the host's disk takes no writes",
                Some(DiskTrouble::Failing) => "the host's disk fails",
                None => "the host cannot answer now",
            };
            format!("{why}: nothing was stored, send it again later")
        }
        _ => error.to_string(),
    };
    Refusal { retry_after_s: error.retry_after_s(), ..Refusal::new(status, code, message) }
}
