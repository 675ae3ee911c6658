//! What can be done for people, as data: it travels through the socket or is done at once.

use std::path::PathBuf;

use handshake::token::AppForm;
use runtime_diary::Format;
use runtime_user::people::PersonRecord;
use runtime_user::{Area, AuditLine, Runtime, Selection, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{diary, export, import, zone};
use crate::http::service::now;
use runtime_program::Failure;
use runtime_program::typed;
use runtime_program::when::When;
use runtime_wire::tls::Pin;

/// One command. People are named by name or id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Adds a person.
    Add {
        /// What to call them.
        name: String,
        /// Whether the host opens the store by itself, for a phone that cannot pair.
        unattended: bool,
    },
    /// Gives a person another token.
    Token {
        /// Whom.
        user: String,
        /// Whether the ones before are of no use any more.
        revoke_others: bool,
        /// The study and the subgroup that an app wants a token to name; none: a token for `cellar phone`.
        study: Option<(String, String)>,
    },
    /// What owners ask: devices, pairing, locks.
    Owner(super::owner::OwnerCommand),
    /// Everybody.
    List,
    /// One person: record, streams, disk.
    Show {
        /// Who.
        user: String,
    },
    /// Refuses a person's calls, or lets them in again.
    Suspend {
        /// Who.
        user: String,
        /// Which of the two.
        suspended: bool,
    },
    /// Writes everything of a person into one file.
    Export {
        /// Who.
        user: String,
        /// Which file; absolute, and not there yet.
        output: PathBuf,
    },
    /// Writes a person's diary for other programs.
    ExportDiary {
        /// Whose.
        user: String,
        /// In which form.
        format: Format,
        /// Only trips that begin at this moment or later.
        from: Option<When>,
        /// Only trips that begin at this moment or earlier.
        to: Option<When>,
        /// Which file; absolute, and not there yet. None: into the answer.
        output: Option<PathBuf>,
    },
    /// Reads an export as a new person, or a dump into a person.
    Import {
        /// Into whom; none: the person of the export, who must not be here.
        into: Option<String>,
        /// Which file; absolute.
        input: PathBuf,
    },
    /// Removes what a person's phones sent of a span.
    Forget {
        /// Who.
        user: String,
        /// From this moment on.
        from: When,
        /// Up to this moment; included.
        to: When,
        /// Which streams; none: all that phones fill.
        keys: Vec<String>,
    },
    /// What of a person's readings the diary does not show, and why.
    Errors {
        /// Whose.
        user: String,
        /// Which of them.
        selection: Selection,
        /// Whether the entries themselves are told.
        list: bool,
    },
    /// Puts back what was set aside or marked invalid, to be judged again.
    RetryErrors {
        /// Whose.
        user: String,
        /// Which of them.
        selection: Selection,
    },
    /// Which cell read what of a person's data, and how each run ended.
    Audit {
        /// Whose.
        user: String,
        /// Only runs at this moment or later.
        since: Option<When>,
        /// Only runs of the cell of that name.
        cell: Option<String>,
    },
    /// Destroys a person's key, then everything else of them.
    Erase {
        /// Who.
        user: String,
    },
    /// Runs the pipeline.
    PipelineRun {
        /// Whose.
        user: String,
    },
    /// What the pipeline remembers.
    PipelineStatus {
        /// Whose.
        user: String,
    },
    /// Forgets what the pipeline made.
    PipelineReset {
        /// Whose.
        user: String,
        /// From which moment on; none: everything.
        from: Option<When>,
    },
}

/// Where phones reach the host: what a connection string is made of, the token aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// `HOST:PORT`
    pub address: String,
    /// The pin of the host's key.
    pub pin: Pin,
}

impl Door {
    /// The connection string with that token. It is a secret.
    pub fn connection(&self, token: &str) -> String {
        format!("cellar://{}/?token={token}&pin={}", self.address, self.pin)
    }
}

/// The answer to [`Command::Audit`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Whose.
    pub id: String,
    /// One for each run, the earliest first; the newest [`runtime_user::AUDIT_LINES_MAX`].
    pub runs: Vec<AuditLine>,
}

const SEE_LIST: &str = "`cellar user list` shows who is here";
const SEE_LOG: &str = "look into the host's log, and try again";

/// Does one command. Blocks on the disk.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn execute(runtime: &Runtime, door: &Door, command: Command) -> Result<Value, Failure> {
    match command {
        Command::Add { name, unattended: false } => {
            let user = runtime
                .people()
                .add_owner(typed::trimmed(&name), now())
                .map_err(|error| Failure::of(&error, SEE_LOG))?;
            Ok(json!({ "id": user.dashed(), "name": typed::trimmed(&name) }))
        }
        Command::Add { name, unattended: true } => {
            let (user, token) = runtime
                .people()
                .add(typed::trimmed(&name), now())
                .map_err(|error| Failure::of(&error, SEE_LOG))?;
            Ok(
                json!({ "id": user.dashed(), "name": typed::trimmed(&name), "connect": door.connection(token.reveal()) }),
            )
        }
        Command::Token { user, revoke_others, study } => {
            let id = find(runtime, &user)?;
            let form = |(study, subgroup): (String, String)| {
                AppForm::new(typed::trimmed(&study), typed::trimmed(&subgroup))
            };
            let form = study.map(form).transpose();
            let form = form.map_err(|error| Failure::of(&error, "give it another --study or --subgroup"))?;
            // Before the token: one that is made and not shown would be lost, and the others with it.
            let label = runtime.owners().web_label(id).map_err(|error| Failure::of(&error, SEE_LOG))?;
            let token = runtime.people().new_token(id, form.as_ref(), revoke_others);
            let token = token.map_err(|error| Failure::of(&error, SEE_LOG))?;
            let (host, port) = door.address.rsplit_once(':').unwrap_or((&door.address, "443"));
            // Below an address there are no names that an app could look up.
            let own = host.parse::<std::net::IpAddr>().is_err().then(|| {
                format!("https://{}:{port}/", handshake::encoding::server_name(&label.to_string(), host))
            });
            Ok(match form {
                Some(form) => json!({ "id": id.dashed(), "token": form.reveal(&token).as_str(), "own": own }),
                None => json!({ "id": id.dashed(), "connect": door.connection(token.reveal()), "own": own }),
            })
        }
        Command::Owner(command) => super::owner::execute(runtime, door, command),
        Command::List => {
            let records = runtime.people().records().map_err(|error| Failure::of(&error, SEE_LOG))?;
            Ok(records.iter().map(person).collect())
        }
        Command::Show { user } => show(runtime, &user),
        Command::Suspend { user, suspended } => {
            let id = find(runtime, &user)?;
            runtime.people().suspend(id, suspended).map_err(|error| Failure::of(&error, SEE_LOG))?;
            if suspended {
                runtime.owners().look_again(id);
                runtime.open_people().close(id);
            } else if runtime.timetable().pending(id).is_some() {
                runtime.timetable().data_arrived(id);
            }
            Ok(json!({ "id": id.dashed(), "suspended": suspended }))
        }
        Command::Export { user, output } => export::export(runtime, find(runtime, &user)?, &output),
        Command::ExportDiary { user, format, from, to, output } => {
            let user = find(runtime, &user)?;
            let span = zone::span(runtime, user, from.as_ref(), to.as_ref())?;
            diary::export(runtime, user, format, span, output.as_deref())
        }
        Command::Import { into, input } => {
            let into = into.map(|user| find(runtime, &user)).transpose()?;
            import::import(runtime, door, into, &input)
        }
        Command::Errors { user, selection, list } => {
            let id = find(runtime, &user)?;
            let report = runtime.diaries().errors(id, &selection, list, now());
            let report = report.map_err(|error| Failure::of(&error, SEE_LOG))?;
            let mut told = serde_json::to_value(report).map_err(|error| Failure::of(&error, SEE_LOG))?;
            told["id"] = id.dashed().into();
            Ok(told)
        }
        Command::RetryErrors { user, selection } => {
            let id = find(runtime, &user)?;
            let done = runtime.diaries().retry(id, &selection).map_err(|error| {
                Failure::of(&error, "say the same again: it goes on where it broke off, and nothing is lost")
            })?;
            let mut told = serde_json::to_value(done).map_err(|error| Failure::of(&error, SEE_LOG))?;
            told["id"] = id.dashed().into();
            Ok(told)
        }
        Command::Audit { user, since, cell } => {
            let id = find(runtime, &user)?;
            let [since, _] = zone::span(runtime, id, since.as_ref(), None)?;
            let person = runtime.person(id).map_err(|error| Failure::of(&error, SEE_LOG))?;
            let runs = person.audit(Some(since), cell.as_deref());
            let runs = runs.map_err(|error| Failure::of(&error, SEE_LOG))?;
            serde_json::to_value(Audit { id: id.dashed(), runs })
                .map_err(|error| Failure::of(&error, SEE_LOG))
        }
        Command::Erase { user } => {
            let id = find(runtime, &user)?;
            let receipt = runtime.erase(id).map_err(|error| {
                Failure::of(
                    &error,
                    "the person is suspended now; try again when nothing of theirs is running",
                )
            })?;
            Ok(json!({ "id": id.dashed(), "erased": true, "receipt": receipt }))
        }
        Command::PipelineRun { user } => {
            let report = runtime.pipelines().run(find(runtime, &user)?, now());
            let report = report.map_err(|error| Failure::of(&error, SEE_LOG))?;
            serde_json::to_value(report).map_err(|error| Failure::of(&error, SEE_LOG))
        }
        Command::PipelineStatus { user } => {
            let status = runtime.pipelines().status(find(runtime, &user)?);
            let status = status.map_err(|error| Failure::of(&error, SEE_LOG))?;
            serde_json::to_value(status).map_err(|error| Failure::of(&error, SEE_LOG))
        }
        Command::PipelineReset { user, from: None } => {
            let id = find(runtime, &user)?;
            let removed = runtime.pipelines().reset(id).map_err(|error| Failure::of(&error, SEE_LOG))?;
            Ok(json!({ "id": id.dashed(), "from": null, "removed": removed }))
        }
        Command::PipelineReset { user, from: Some(from) } => {
            let id = find(runtime, &user)?;
            let [from, _] = zone::span(runtime, id, Some(&from), None)?;
            runtime.pipelines().rewind(id, from).map_err(|error| Failure::of(&error, SEE_LOG))?;
            Ok(json!({ "id": id.dashed(), "from": from }))
        }
        Command::Forget { user, from, to, keys } => {
            let id = find(runtime, &user)?;
            let [from, to] = zone::span(runtime, id, Some(&from), Some(&to))?;
            let removed = runtime.diaries().forget(id, from..=to, &keys);
            let removed = removed.map_err(|error| {
                Failure::of(
                    &error,
                    "look into the host's log, and say the same again: it goes on where it broke off",
                )
            })?;
            Ok(json!({ "id": id.dashed(), "from": from, "to": to, "removed": removed }))
        }
    }
}

pub(super) fn find(runtime: &Runtime, user: &str) -> Result<UserId, Failure> {
    runtime.people().find(typed::trimmed(user)).map_err(|error| Failure::of(&error, SEE_LIST))
}

fn person(record: &PersonRecord) -> Value {
    let id = record.id.parse::<UserId>().map_or_else(|_| record.id.clone(), |user| user.dashed());
    json!({
        "id": id,
        "name": record.name,
        "created_ts": record.created_ts,
        "suspended": record.suspended,
        "tokens": record.tokens.len(),
    })
}

fn show(runtime: &Runtime, user: &str) -> Result<Value, Failure> {
    let record =
        runtime.people().show(typed::trimmed(user)).map_err(|error| Failure::of(&error, SEE_LIST))?;
    let mut shown = person(&record);
    if record.suspended {
        return Ok(shown);
    }
    let of_call = |error| Failure::of(&error, SEE_LOG);
    let reached = runtime.person(find(runtime, user)?).map_err(of_call)?;
    let streams = reached.store.snapshot().streams().into_iter().map(|(stream, count)| {
        json!({ "area": area_name(stream.area), "key": stream.key.as_str(), "entries": count })
    });
    shown["streams"] = streams.collect();
    let bytes = reached.store.bytes_on_disk().map_err(|error| Failure::of(&error, SEE_LOG))?;
    shown["bytes_on_disk"] = bytes.into();
    Ok(shown)
}

fn area_name(area: Area) -> &'static str {
    export::AREAS.iter().find(|(_, known)| *known == area).map_or("other", |(name, _)| name)
}
