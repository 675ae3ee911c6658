//! What carries the page's calls to the owner's runtime.

use std::pin::Pin;

use bytes::Bytes;
use serde::Serialize;

/// The way on which the page reaches the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The connection of a paired device, with that device's scopes.
    Device,
    /// The console of the host, which may do everything.
    Console,
    /// The console of the host, for its operator: nothing about any person.
    Operator,
}

/// What the page knows of its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// How it reaches the runtime.
    pub way: Way,
    /// The id of the device, 32 hex digits; none at the console.
    pub device: Option<String>,
    /// The device's scopes; empty at the console.
    pub scopes: Vec<String>,
    /// The commands that the page may give.
    pub commands: Vec<String>,
    /// Whether it can put entries, such as labels.
    pub puts: bool,
    /// Whether it can open a store that is locked.
    pub opens: bool,
}

/// The runtime's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Bytes,
}

/// Why a call got no answer of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotCarried {
    /// For the page: `shut-out`, `unreachable`, `distrust`, `not-here` or `failed`.
    pub code: &'static str,
    /// A sentence for the owner. Contains no personal data.
    pub message: String,
}

impl NotCarried {
    /// The way does not offer that.
    pub fn not_here(message: &str) -> Self {
        Self { code: "not-here", message: message.to_owned() }
    }
}

/// A call that waits for the runtime, beside others.
pub type Waiting = Pin<Box<dyn Future<Output = Result<Carried, NotCarried>> + Send>>;

/// Carries calls, one at a time; but those that wait for a change go on beside others.
pub trait Carrier: Send + 'static {
    /// What the page may know of the connection.
    fn about(&self) -> About;

    /// Gives a command of `docs/api.md`: a JSON object without the member `person`.
    fn ask(&mut self, command: Bytes) -> impl Future<Output = Result<Carried, NotCarried>> + Send;

    /// Puts entries, as a phone does: `{"phone_to_server": [...]}`.
    fn put(&mut self, batch: Bytes) -> impl Future<Output = Result<Carried, NotCarried>> + Send;

    /// Begins to give the command `watch`, whose answer comes when something changes.
    fn watch(&mut self, command: Bytes) -> impl Future<Output = Result<Waiting, NotCarried>> + Send {
        drop(command);
        async { Err(NotCarried::not_here("changes are not told here: ask again and again")) }
    }

    /// Opens a store that is locked.
    fn open(&mut self) -> impl Future<Output = Result<(), NotCarried>> + Send;
}
