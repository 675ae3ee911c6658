//! `cellar user`: who has a runtime here.

use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use handshake::keys::{PHRASE_WORDS, Phrase, Slot};
use runtime_user::{KeyMode, Selection, UserId};
use serde_json::Value;

use super::{Place, administer, audit, errors, moment};
use runtime_host::admin::{Command, OwnerCommand};
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::typed;
use runtime_program::when::When;

/// What to do with people.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Add a person and print what their phone needs to connect
    #[command(after_help = "Example:\n  cellar user add --data ~/cellar Ada")]
    Add {
        #[command(flatten)]
        /// Where.
        place: Place,
        /// What to call them
        name: String,
        /// Let the host open their data by itself, and print a token for a phone that cannot pair
        #[arg(long)]
        unattended: bool,
    },
    /// Print another token for a phone that cannot pair
    #[command(
        after_help = "Example:\n  cellar user token --data ~/cellar Ada\n  cellar user token --data ~/cellar Ada --study our-study --revoke-others"
    )]
    Token {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// The tokens before it are of no use any more
        #[arg(long)]
        revoke_others: bool,
        /// For an e-mission app: the study that its tokens name; shows the code that the app scans
        #[arg(long, value_name = "NAME")]
        study: Option<String>,
        /// The subgroup that they name
        #[arg(long, value_name = "NAME", default_value = "default", requires = "study")]
        subgroup: String,
    },
    /// Show whether a person's data is open, who can open it, and what waits
    #[command(after_help = "Example:\n  cellar user status --data ~/cellar Ada")]
    Status(Who),
    /// Close a person's data and wipe its key from memory
    #[command(after_help = "Example:\n  cellar user lock --data ~/cellar Ada")]
    Lock(Who),
    /// Open a person's data with the file of a phone that was paired on this machine
    #[command(after_help = "Example:\n  cellar user unlock --data ~/cellar Ada --state phone.json")]
    Unlock {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// What `cellar phone pair` wrote
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
    },
    /// Change who can open a person's data
    #[command(after_help = "Example:\n  cellar user keys --data ~/cellar Ada --mode lease")]
    Keys {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// lease: the phones, each contact for a week; phone-unlocked: for an hour; unattended: the host at any time
        #[arg(long, value_enum)]
        mode: Mode,
    },
    /// Open a person's data with the 24 words of the recovery phrase, read from standard input
    #[command(after_help = "Example:\n  cellar user recover --data ~/cellar Ada")]
    Recover(Who),
    /// List everybody
    #[command(after_help = "Example:\n  cellar user list --data ~/cellar")]
    List {
        #[command(flatten)]
        /// Where.
        place: Place,
    },
    /// Show a person's record, streams and disk use
    #[command(after_help = "Example:\n  cellar user show --data ~/cellar Ada")]
    Show(Who),
    /// Refuse a person's calls from now on; the data stays
    #[command(after_help = "Example:\n  cellar user suspend --data ~/cellar Ada")]
    Suspend(Who),
    /// Let a suspended person in again
    #[command(after_help = "Example:\n  cellar user resume --data ~/cellar Ada")]
    Resume(Who),
    /// Write everything of a person into one readable file
    #[command(after_help = "Example:\n  cellar user export --data ~/cellar Ada --output ada.json")]
    Export {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// A file that is not there yet
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Read an export as a new person, or a dump of entries into a person
    #[command(
        after_help = "Example:\n  cellar user import --data ~/cellar --input ada.json\n  cellar user import --data ~/cellar --into Ada --input dump.json.gz"
    )]
    Import {
        #[command(flatten)]
        /// Where.
        place: Place,
        /// An export, or a JSON array of entries; also compressed with gzip
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// The person that a dump belongs to, by name or id
        #[arg(long, value_name = "USER")]
        into: Option<String>,
    },
    /// Remove what a person's phones sent of a span; the diary is made anew without it
    #[command(
        after_help = "Example:\n  cellar user forget --data ~/cellar Ada --from 2024-03-05T08:00 --to 2024-03-05T12:00\n  cellar user forget --data ~/cellar Ada --from 1709622000 --to 1709636400 --keys 'background/*'"
    )]
    Forget {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// The first day or moment: a date, a date with a time (2024-03-05T08:00, with or without an offset), or seconds since 1970
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: When,
        /// The last day or moment; it belongs to the span
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        to: When,
        /// Only these streams, such as `background/location` or `manual/*`; none: all that phones fill
        #[arg(long, value_name = "KEY", num_args = 1..)]
        keys: Vec<String>,
    },
    /// Show which readings the diary does not show, and why; or have them judged again
    #[command(
        after_help = "Example:\n  cellar user errors --data ~/cellar Ada\n  cellar user errors --data ~/cellar Ada --list --stream 'background/*'\n  cellar user errors --data ~/cellar Ada --retry --reason 'time zone'"
    )]
    Errors {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// Show each reading with what it says, places included
        #[arg(long, conflicts_with = "retry")]
        list: bool,
        /// Put them back, so that the next run takes them in or sets them aside again
        #[arg(long)]
        retry: bool,
        /// Only those whose reason has this text
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Only those of this stream, such as `background/location` or `background/*`
        #[arg(long, value_name = "KEY")]
        stream: Option<String>,
    },
    /// Show which cell read what of a person's data, over which span, how many, and how each run ended
    #[command(
        after_help = "Example:\n  cellar user audit --data ~/cellar Ada --since 2024-03-05 --cell datastreams-get"
    )]
    Audit {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// Only runs at this day or moment or later: a date, a date with a time, or seconds since 1970
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        since: Option<When>,
        /// Only runs of this cell
        #[arg(long, value_name = "NAME")]
        cell: Option<String>,
    },
    /// Destroy a person's key and everything of theirs; there is no way back
    #[command(after_help = "Example:\n  cellar user erase --data ~/cellar Ada --yes")]
    Erase {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// Say that you mean it
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// One person.
#[derive(Debug, clap::Args)]
pub struct Who {
    #[command(flatten)]
    place: Place,
    /// Name or id
    user: String,
}

/// Does it.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, as_json: bool) -> Result<(), Failure> {
    let absolute = |path: PathBuf| {
        std::path::absolute(&path).map_err(|error| Failure::of(&error, "name the file with its whole path"))
    };
    let (place, command, tell): (Place, Command, fn(&Value) -> String) = match verb {
        Verb::Add { place, name, unattended } => (place, Command::Add { name, unattended }, tell_added),
        Verb::Token { who, revoke_others, study, subgroup } => {
            let study = study.map(|study| (study, subgroup));
            (who.place, Command::Token { user: who.user, revoke_others, study }, tell_token)
        }
        Verb::Status(Who { place, user }) => {
            (place, Command::Owner(OwnerCommand::Status { user }), tell_status)
        }
        Verb::Lock(Who { place, user }) => (place, Command::Owner(OwnerCommand::Lock { user }), tell_status),
        Verb::Unlock { who, state } => {
            let command = unlocking(&who, &state)?;
            (who.place, command, tell_status)
        }
        Verb::Keys { who, mode } => {
            (who.place, Command::Owner(OwnerCommand::Keys { user: who.user, mode: mode.into() }), tell_status)
        }
        Verb::Recover(who) => {
            let command = recovering(&who)?;
            (who.place, command, tell_status)
        }
        Verb::List { place } => (place, Command::List, tell_list),
        Verb::Show(Who { place, user }) => (place, Command::Show { user }, tell_shown),
        Verb::Suspend(Who { place, user }) => {
            (place, Command::Suspend { user, suspended: true }, tell_suspended)
        }
        Verb::Resume(Who { place, user }) => {
            (place, Command::Suspend { user, suspended: false }, tell_suspended)
        }
        Verb::Export { who, output } => {
            (who.place, Command::Export { user: who.user, output: absolute(output)? }, tell_exported)
        }
        Verb::Import { place, input, into } => {
            (place, Command::Import { into, input: absolute(input)? }, tell_imported)
        }
        Verb::Forget { who, from, to, keys } => {
            (who.place, Command::Forget { user: who.user, from, to, keys }, tell_forgotten)
        }
        Verb::Errors { who, list, retry, reason, stream } => {
            let (selection, user) = (Selection { reason, stream }, who.user);
            match retry {
                true => (who.place, Command::RetryErrors { user, selection }, errors::tell_retried),
                false => (who.place, Command::Errors { user, selection, list }, errors::tell),
            }
        }
        Verb::Audit { who, since, cell } => {
            (who.place, Command::Audit { user: who.user, since, cell }, audit::tell)
        }
        Verb::Erase { who, yes: _ } => (who.place, Command::Erase { user: who.user }, tell_erased),
    };
    let answer = administer(&place, command)?;
    console::line(if as_json { answer.to_string() } else { tell(&answer) })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

/// Who can open a person's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The host.
    Unattended,
    /// The phones, for a week after each contact.
    Lease,
    /// The phones, for an hour after each contact.
    PhoneUnlocked,
}

impl From<Mode> for KeyMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Unattended => Self::Unattended,
            Mode::Lease => Self::Lease,
            Mode::PhoneUnlocked => Self::PhoneUnlocked,
        }
    }
}

/// Connects as the phone, which unlocks, since only the phone's key opens its slot.
fn unlocking(who: &Who, state: &Path) -> Result<Command, Failure> {
    super::phone::unlock(state)?;
    Ok(Command::Owner(OwnerCommand::Status { user: who.user.clone() }))
}

/// Opens the slot of the phrase here: the words themselves never reach the host.
fn recovering(who: &Who) -> Result<Command, Failure> {
    let begun =
        administer(&who.place, Command::Owner(OwnerCommand::RecoverBegin { user: who.user.clone() }))?;
    if let Some(from_ms) = begun["from_ms"].as_f64() {
        let what = format!("devices are active: the phrase opens the data from {} on", moment(from_ms / 1e3));
        return Err(Failure::new(what, "connect with one of them, revoke them, or try again then"));
    }
    let words = typed::read_words(&mut std::io::stdin().lock(), PHRASE_WORDS)
        .map_err(|error| Failure::of(&error, "give the words on standard input"))?;
    let phrase =
        Phrase::parse(&words).map_err(|error| Failure::of(&error, "type the 24 words in their order"))?;
    let unsound = || Failure::new("the host's slot does not read", "look into the host's log");
    let bytes = BASE64URL_NOPAD.decode(text(&begun, "slot").as_bytes()).map_err(|_| unsound())?;
    let slot = Slot::parse(&bytes).map_err(|_| unsound())?;
    let user: UserId = text(&begun, "id").parse().map_err(|_| unsound())?;
    let key = slot.open(&phrase.wrap_key(), &user.0);
    let key = key
        .map_err(|error| Failure::of(&error, "the phrase belongs to another store, or to an older backup"))?;
    Ok(Command::Owner(OwnerCommand::RecoverEnd {
        user: who.user.clone(),
        generation: slot.generation(),
        key,
    }))
}

/// How e-mission apps write the code that they scan to log in.
fn app_link(token: &str) -> String {
    format!("emission://login_token?token={token}")
}

fn tell_token(answer: &Value) -> String {
    let own = answer["own"].as_str().map_or_else(String::new, |own| {
        format!("\nAn app that takes any address reaches this person alone at {own}")
    });
    match answer["token"].as_str() {
        Some(token) => {
            // Where it is too long to draw, it can still be typed.
            let picture = super::pair::picture(&app_link(token)).unwrap_or_default();
            format!(
                "{picture}\nScan this with the app, or type, where it asks for a token; it is shown only now:\n{token}{own}"
            )
        }
        None => {
            let connect = text(answer, "connect");
            format!(
                "A phone that cannot pair connects with this secret, which is shown only now:\n{connect}{own}"
            )
        }
    }
}

fn tell_status(answer: &Value) -> String {
    let until =
        answer["until_ms"].as_f64().map_or_else(String::new, |ms| format!(" until {}", moment(ms / 1e3)));
    let store = match text(answer, "store") {
        "absent" => "there is no data yet: the first phone brings its key".to_owned(),
        "locked" => "locked: a paired phone opens it at its next contact".to_owned(),
        _ => format!("open{until}"),
    };
    let phrase =
        if answer["recovery_phrase"] == true { "there is a recovery phrase" } else { "no recovery phrase" };
    let waiting = match answer["waiting_uploads"].as_u64() {
        None | Some(0) => String::new(),
        Some(count) => format!("; {count} sealed uploads wait"),
    };
    let mut lines = vec![format!("{store} (keys: {}; {phrase}{waiting})", text(answer, "keys"))];
    if let Some(count @ 1..) = answer["set_aside"].as_u64() {
        lines.push(errors::set_aside_line(count, text(answer, "id")));
    }
    lines.extend(errors::arrival_lines(&answer["arrivals"]));
    lines.extend(super::clock_line(answer));
    lines.join("\n")
}

fn tell_added(answer: &Value) -> String {
    if answer["connect"].is_null() {
        let (name, id) = (text(answer, "name"), text(answer, "id"));
        return format!("{name} is {id}. Pair their phone: cellar pair --data DIR {name}");
    }
    format!(
        "{} is {}. Their phone connects with this secret, which is shown only now:\n{}",
        text(answer, "name"),
        text(answer, "id"),
        text(answer, "connect")
    )
}

fn person_line(person: &Value) -> String {
    let since = moment(person["created_ts"].as_f64().unwrap_or(f64::NAN));
    let state = if person["suspended"] == true { "  suspended" } else { "" };
    format!("{}  {:20} since {since}{state}", text(person, "id"), text(person, "name"))
}

fn tell_list(answer: &Value) -> String {
    match answer.as_array().map(Vec::as_slice) {
        None | Some([]) => "nobody is here: `cellar user add` adds people".to_owned(),
        Some(people) => people.iter().map(person_line).collect::<Vec<_>>().join("\n"),
    }
}

fn tell_shown(answer: &Value) -> String {
    let mut lines = vec![person_line(answer)];
    if let Some(bytes) = answer["bytes_on_disk"].as_u64() {
        lines.push(format!("{bytes} bytes on disk"));
    }
    for stream in answer["streams"].as_array().into_iter().flatten() {
        let entries = stream["entries"].as_u64().unwrap_or(0);
        lines.push(format!("  {:10} {:36} {entries:>9} entries", text(stream, "area"), text(stream, "key")));
    }
    lines.join("\n")
}

fn tell_suspended(answer: &Value) -> String {
    let state = if answer["suspended"] == true { "suspended: calls are refused" } else { "let in again" };
    format!("{} is {state}", text(answer, "id"))
}

fn counts(answer: &Value) -> String {
    let counts = answer["entries"].as_object().into_iter().flatten();
    counts.map(|(area, count)| format!("{count} in {area}")).collect::<Vec<_>>().join(", ")
}

fn tell_exported(answer: &Value) -> String {
    format!("{} written to {}: {}", text(answer, "id"), text(answer, "output"), counts(answer))
}

fn tell_imported(answer: &Value) -> String {
    let mut told = format!("{} imported: {}", text(answer, "id"), counts(answer));
    if let Some(count @ 1..) = answer["set_aside"].as_u64() {
        let id = text(answer, "id");
        told.push_str(&format!(
            "\n{count} entries could not be read and were set aside: cellar user errors {id} tells why"
        ));
    }
    if let Some(connect) = answer["connect"].as_str() {
        told.push_str("\nTheir phone connects with this secret, which is shown only now:\n");
        told.push_str(connect);
    }
    told
}

fn tell_forgotten(answer: &Value) -> String {
    let bound = |name: &str| moment(answer[name].as_f64().unwrap_or(f64::NAN));
    format!("{} entries removed, from {} to {}", answer["removed"], bound("from"), bound("to"))
}

fn tell_erased(answer: &Value) -> String {
    let receipt = &answer["receipt"];
    format!(
        "{} is erased: {} wrapped keys and {} bytes are destroyed; what opened them had the digests\n  slots    {}\n  keyring  {}",
        text(answer, "id"),
        receipt["slots"],
        receipt["bytes"],
        receipt["slots_sha256"].as_str().unwrap_or("-"),
        receipt["keyring_sha256"].as_str().unwrap_or("-")
    )
}
