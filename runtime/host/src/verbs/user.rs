//! `cellar user`: who has a runtime here.

use std::path::PathBuf;

use serde_json::Value;

use super::{Place, administer, moment, read_moment};
use crate::admin::Command;
use crate::failure::Failure;

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
    },
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
        after_help = "Example:\n  cellar user forget --data ~/cellar Ada --from 2024-03-05T08:00:00+01:00 --to 2024-03-05T12:00:00+01:00\n  cellar user forget --data ~/cellar Ada --from 1709622000 --to 1709636400 --keys 'background/*'"
    )]
    Forget {
        #[command(flatten)]
        /// Who.
        who: Who,
        /// The first moment: RFC 3339 or seconds since 1970
        #[arg(long, value_name = "TIME", value_parser = read_moment, allow_hyphen_values = true)]
        from: f64,
        /// The last moment
        #[arg(long, value_name = "TIME", value_parser = read_moment, allow_hyphen_values = true)]
        to: f64,
        /// Only these streams, such as `background/location` or `manual/*`; none: all that phones fill
        #[arg(long, value_name = "KEY", num_args = 1..)]
        keys: Vec<String>,
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
        Verb::Add { place, name } => (place, Command::Add { name }, tell_added),
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
        Verb::Erase { who, yes: _ } => (who.place, Command::Erase { user: who.user }, tell_erased),
    };
    let answer = administer(&place, command)?;
    println!("{}", if as_json { answer.to_string() } else { tell(&answer) });
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

fn tell_added(answer: &Value) -> String {
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
    format!("{} is erased", text(answer, "id"))
}
