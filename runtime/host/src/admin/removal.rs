//! Removing what phones sent, and erasing a person.

use runtime_program::when::When;
use runtime_program::{Failure, typed};
use runtime_user::Receipt;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::people::StreamCount;
use super::remedy::logged;
use super::zone;

/// Removes what a person's phones sent about a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetSpan {
    /// The person, by name or id.
    pub person: String,
    /// From this moment on.
    pub from: When,
    /// Up to this moment, which is included.
    pub to: When,
    /// The streams to remove from; empty: all that phones fill.
    pub keys: Vec<String>,
}

/// The answer to [`ForgetSpan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    /// The person's id.
    pub id: String,
    /// The first moment, s since 1970.
    pub from: f64,
    /// The last moment, s since 1970.
    pub to: f64,
    /// Entries removed.
    pub removed: u64,
}

impl Ask for ForgetSpan {
    type Answer = Forgotten;

    fn answer(self, context: &Context<'_>) -> Result<Forgotten, Failure> {
        let user = context.find(&self.person)?;
        let [from, to] = zone::span(context.runtime, user, Some(&self.from), Some(&self.to))?;
        let removed = context.runtime.diaries().forget(user, from..=to, &self.keys).map_err(|error| {
            Failure::of(
                &error,
                "look into the host's log, and give the same command again: it goes on where it stopped",
            )
        })?;
        Ok(Forgotten { id: user.dashed(), from, to, removed })
    }
}

/// Asks what [`ForgetSpan`] would remove; nothing is removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewForget {
    /// The person, by name or id.
    pub person: String,
    /// From this moment on.
    pub from: When,
    /// Up to this moment, which is included.
    pub to: When,
    /// The streams to remove from; empty: all that phones fill.
    pub keys: Vec<String>,
}

/// The answer to [`PreviewForget`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WouldForget {
    /// The person's id.
    pub id: String,
    /// The first moment, s since 1970.
    pub from: f64,
    /// The last moment, s since 1970.
    pub to: f64,
    /// How many entries would be removed. What was computed from them would go, too, and be computed anew without them.
    pub entries: u64,
    /// The same by stream.
    pub streams: Vec<StreamCount>,
}

impl Ask for PreviewForget {
    type Answer = WouldForget;

    fn answer(self, context: &Context<'_>) -> Result<WouldForget, Failure> {
        let user = context.find(&self.person)?;
        let [from, to] = zone::span(context.runtime, user, Some(&self.from), Some(&self.to))?;
        let found = context.runtime.diaries().would_forget(user, from..=to, &self.keys).map_err(logged)?;
        let streams = found.into_iter().map(|(area, key, entries)| StreamCount::of(area, &key, entries));
        let streams: Vec<_> = streams.collect();
        let entries = streams.iter().map(|stream| stream.entries).sum();
        Ok(WouldForget { id: user.dashed(), from, to, entries, streams })
    }
}

/// Destroys a person's keys, then everything else that is stored about the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasePerson {
    /// The person, by name or id.
    pub person: String,
}

/// The answer to [`ErasePerson`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The person's id.
    pub id: String,
    /// Always true: the person is erased.
    pub erased: bool,
    /// What was destroyed.
    pub receipt: Receipt,
}

impl Ask for ErasePerson {
    type Answer = Erased;

    fn answer(self, context: &Context<'_>) -> Result<Erased, Failure> {
        // Somebody who is not here any more may not be wholly erased.
        let begun = || context.runtime.people().find_erasing(typed::trimmed(&self.person));
        let user = context.find(&self.person).or_else(|unknown| {
            begun().ok_or_else(|| {
                // The last of an erasure has no name any more.
                context.runtime.owners().finish_erasing();
                unknown
            })
        })?;
        let receipt = context.runtime.erase(user).map_err(|error| {
            Failure::of(
                &error,
                "the person is not served any more; give the same command again, or start the host again: either goes on where it stopped",
            )
        })?;
        Ok(Erased { id: user.dashed(), erased: true, receipt })
    }
}
