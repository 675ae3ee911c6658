//! Adding, listing, showing and suspending people.

use runtime_program::{Failure, typed};
use runtime_user::people::{Damage, PersonRecord};
use runtime_user::{Area, Runtime, StreamKey, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::export::AREAS;
use super::remedy::{logged, of_people};
use crate::http::service::now;

/// Adds a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPerson {
    /// The person's name.
    pub name: String,
    /// Whether the host opens the store by itself, for a phone that cannot pair.
    pub unattended: bool,
}

/// The answer to [`AddPerson`].
#[derive(Serialize, Deserialize)]
pub struct Added {
    /// The person's id.
    pub id: String,
    /// The person's name.
    pub name: String,
    /// The connection string of a phone that cannot pair; only for unattended people. A secret, which is shown only
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
}

impl Ask for AddPerson {
    type Answer = Added;

    fn makes_folder(&self) -> bool {
        true
    }

    fn answer(self, context: &Context<'_>) -> Result<Added, Failure> {
        let (people, name) = (context.runtime.people(), typed::trimmed(&self.name));
        let (user, connect) = if self.unattended {
            let (user, token) = people.add(name, now()).map_err(logged)?;
            (user, Some(context.phone_address.connection(token.reveal())))
        } else {
            (people.add_owner(name, now()).map_err(logged)?, None)
        };
        Ok(Added { id: user.dashed(), name: name.to_owned(), connect })
    }
}

/// Lists all people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPeople {}

/// One person of the answer to [`ListPeople`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonLine {
    /// The person's id.
    pub id: String,
    /// The person's name.
    pub name: String,
    /// When they were added, s since 1970.
    pub created_ts: f64,
    /// Whether the person's calls are refused.
    pub suspended: bool,
    /// How many tokens are valid.
    pub tokens: usize,
    /// What is wrong with the person's files; the person may not be served then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
}

impl PersonLine {
    /// A person whose record does not read: only the id is known.
    fn nameless(user: UserId, damage: Damage) -> Self {
        let (id, name) = (user.dashed(), String::new());
        Self { id, name, created_ts: 0.0, suspended: false, tokens: 0, damage: Some(damage) }
    }

    fn of(runtime: &Runtime, record: &PersonRecord) -> Self {
        let user = record.id.parse::<UserId>();
        Self {
            damage: user.as_ref().ok().and_then(|user| runtime.owners().inspect(*user)),
            id: user.map_or_else(|_| record.id.clone(), |user| user.dashed()),
            name: record.name.clone(),
            created_ts: record.created_ts,
            suspended: record.suspended,
            tokens: record.tokens.len(),
        }
    }
}

impl Ask for ListPeople {
    type Answer = Vec<PersonLine>;

    fn answer(self, context: &Context<'_>) -> Result<Vec<PersonLine>, Failure> {
        let (runtime, people) = (context.runtime, context.runtime.people());
        let mut lines: Vec<_> =
            people.records().iter().map(|record| PersonLine::of(runtime, record)).collect();
        lines.extend(people.nameless().into_iter().map(|(user, damage)| PersonLine::nameless(user, damage)));
        lines.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(lines)
    }
}

/// Shows one person: the record, the streams and the use of the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPerson {
    /// The person, by name or id.
    pub person: String,
}

/// The answer to [`ShowPerson`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonShown {
    /// The same fields as in the list.
    #[serde(flatten)]
    pub person: PersonLine,
    /// The person's streams; for suspended and damaged people only the record is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Vec<StreamCount>>,
    /// The size of the store on disk; not for suspended and damaged people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_on_disk: Option<u64>,
}

/// The number of entries of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCount {
    /// `timeseries`, `usercache`, `errors` or `audit`.
    pub area: String,
    /// The stream.
    pub key: String,
    /// The number of entries.
    pub entries: u64,
}

impl StreamCount {
    pub(super) fn of(area: Area, key: &StreamKey, entries: u64) -> Self {
        Self { area: area_name(area).to_owned(), key: key.as_str().to_owned(), entries }
    }
}

impl Ask for ShowPerson {
    type Answer = PersonShown;

    fn answer(self, context: &Context<'_>) -> Result<PersonShown, Failure> {
        let record = context.runtime.people().show(typed::trimmed(&self.person));
        let record = record.map_err(|error| Failure::of(&error, of_people(&error)))?;
        let person = PersonLine::of(context.runtime, &record);
        if record.suspended || person.damage.is_some() {
            return Ok(PersonShown { person, streams: None, bytes_on_disk: None });
        }
        let reached = context.runtime.person(context.find(&self.person)?).map_err(logged)?;
        let streams = reached.store.snapshot().streams().into_iter();
        let streams = streams.map(|(stream, entries)| StreamCount::of(stream.area, &stream.key, entries));
        let streams = Some(streams.collect());
        Ok(PersonShown {
            person,
            streams,
            bytes_on_disk: Some(reached.store.bytes_on_disk().map_err(logged)?),
        })
    }
}

fn area_name(area: Area) -> &'static str {
    AREAS.iter().find(|(_, known)| *known == area).map_or("other", |(name, _)| name)
}

/// Refuses a person's calls, or admits them again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendPerson {
    /// The person, by name or id.
    pub person: String,
    /// Whether calls are refused from now on.
    pub suspended: bool,
}

/// The answer to [`SuspendPerson`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// The person's id.
    pub id: String,
    /// Whether calls are refused from now on.
    pub suspended: bool,
}

impl Ask for SuspendPerson {
    type Answer = Suspended;

    fn answer(self, context: &Context<'_>) -> Result<Suspended, Failure> {
        let (runtime, suspended) = (context.runtime, self.suspended);
        let user = context.find(&self.person)?;
        runtime.people().suspend(user, suspended).map_err(logged)?;
        if suspended {
            runtime.owners().look_again(user);
            runtime.open_people().close(user);
        } else if runtime.timetable().pending(user).is_some() {
            runtime.timetable().data_arrived(user);
        }
        Ok(Suspended { id: user.dashed(), suspended })
    }
}
