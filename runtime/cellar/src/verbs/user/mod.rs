//! `cellar user`: who has a runtime here.

mod app_config;
mod audit;
pub(crate) mod errors;
mod recovery;
mod tell;

pub(crate) use audit::runs_told;
use std::path::PathBuf;

use runtime_user::{KeyMode, Selection};

use super::{Options, Who, carry_out};
use runtime_host::admin::{
    AddPerson, ErasePerson, ExportPerson, ForgetSpan, ImportPerson, ListErrors, ListPeople, LockPerson,
    MakeToken, PersonStatus, PreviewForget, RetryErrors, SetAppConfig, SetKeys, ShowAudit, ShowDays,
    ShowHeat, ShowPerson, ShowPlaces, SuspendPerson, WatchPerson,
};
use runtime_program::Failure;
use runtime_program::when::When;

/// The commands about people.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Add a person and print what their phone needs to connect
    #[command(after_help = "Example:\n  cellar user add Ada")]
    Add {
        /// The person's name
        name: String,
        /// Let the host open their data by itself, and print a token for a phone that cannot pair
        #[arg(long)]
        unattended: bool,
    },
    /// Print another token for a phone that cannot pair
    #[command(
        after_help = "Example:\n  cellar user token Ada\n  cellar user token Ada --study our-study --revoke-others"
    )]
    Token {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Make the earlier tokens invalid
        #[arg(long)]
        revoke_others: bool,
        /// For an e-mission app: the study that its tokens name; shows the code that the app scans
        #[arg(long, value_name = "NAME")]
        study: Option<String>,
        /// The subgroup that the tokens name
        #[arg(long, value_name = "NAME", default_value = "default", requires = "study")]
        subgroup: String,
    },
    /// Give a person's e-mission app a newer configuration of its study at its next sync, such as another address
    #[command(
        after_help = "Example:\n  cellar user app-config Ada study.json\n  cellar user app-config Ada --remove"
    )]
    AppConfig {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// A JSON file as the app takes it; its `version` must be above the one that the phone has
        #[arg(value_name = "FILE", required_unless_present = "remove")]
        file: Option<PathBuf>,
        /// Let phones keep what they have
        #[arg(long, conflicts_with = "file")]
        remove: bool,
    },
    /// Show whether a person's data is open, who can open it, and what is waiting for it
    #[command(after_help = "Example:\n  cellar user status Ada")]
    Status(Who),
    /// Wait until something about a person changes
    #[command(after_help = "Example:\n  cellar user watch Ada --seconds 5")]
    Watch {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The mark of an earlier answer; without it, the answer comes at once
        #[arg(long, value_name = "MARK")]
        since: Option<String>,
        /// How long to wait at most, seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(..=25))]
        seconds: u64,
    },
    /// Show on which days of a span a person's phones reported, and of which time nothing is known
    #[command(after_help = "Example:\n  cellar user days Ada --from 2024-03-01 --to 2024-03-31")]
    Days {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The first day or moment
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: When,
        /// The last day or moment
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        to: When,
    },
    /// Show the names that a person gave to places
    #[command(after_help = "Example:\n  cellar user places Ada")]
    Places(Who),
    /// Count how often a person's phones were where, on a grid
    #[command(after_help = "Example:\n  cellar user heat Ada --from 2024-03-01 --to 2024-03-31 --side 32")]
    Heat {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The first day or moment
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: Option<When>,
        /// The last day or moment
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        to: Option<When>,
        /// The most cells of the grid in one direction
        #[arg(long, value_name = "COUNT", default_value_t = 32)]
        side: u32,
    },
    /// Close a person's data and wipe its key from memory
    #[command(after_help = "Example:\n  cellar user lock Ada")]
    Lock(Who),
    /// Open a person's data with the file of a phone that was paired on this machine
    #[command(after_help = "Example:\n  cellar user unlock Ada --state phone.json")]
    Unlock {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The file that `cellar phone pair` wrote
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
    },
    /// Change who can open a person's data
    #[command(after_help = "Example:\n  cellar user keys Ada --mode lease")]
    Keys {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// lease: the phones, each contact for a week; phone-unlocked: for an hour; unattended: the host at any time
        #[arg(long, value_enum)]
        mode: Mode,
    },
    /// Open a person's data with the 24 words of the recovery phrase, read from standard input
    #[command(after_help = "Example:\n  cellar user recover Ada")]
    Recover(Who),
    /// Say whether the 24 words of a recovery phrase, read from standard input, open a person's data; nothing is opened
    #[command(after_help = "Example:\n  cellar user check-phrase Ada")]
    CheckPhrase(Who),
    /// Sign with the recovery phrase for what no phone can sign for: the first phone after all others were lost
    #[command(after_help = "Example:\n  cellar user approve Ada")]
    Approve(Who),
    /// List all people
    #[command(after_help = "Example:\n  cellar user list")]
    List,
    /// Show a person's record, streams and disk use
    #[command(after_help = "Example:\n  cellar user show Ada")]
    Show(Who),
    /// Refuse a person's calls from now on; the data stays
    #[command(after_help = "Example:\n  cellar user suspend Ada")]
    Suspend(Who),
    /// Admit a suspended person again
    #[command(after_help = "Example:\n  cellar user resume Ada")]
    Resume(Who),
    /// Write everything that is stored about a person into one readable file, or an archive
    #[command(
        after_help = "Example:\n  cellar user export Ada --output ada.json\n  cellar user export Ada --output ada.zip"
    )]
    Export {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// A file that does not exist yet; where it ends with .zip, an archive that has the diary in every form, too
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Read an export as a new person, or a dump of entries into a person
    #[command(
        after_help = "Example:\n  cellar user import ada.json\n  cellar user import dump.json.gz --into Ada"
    )]
    Import {
        #[command(flatten)]
        /// The file to read.
        file: ImportFile,
        /// The person that a dump belongs to, by name or id
        #[arg(long, value_name = "PERSON")]
        into: Option<String>,
    },
    /// Remove what a person's phones sent about a span of time; the diary is recomputed without it
    #[command(
        after_help = "Example:\n  cellar user forget Ada --from 2024-03-05T08:00 --to 2024-03-05T12:00\n  cellar user forget Ada --from 1709622000 --to 1709636400 --keys 'background/*'"
    )]
    Forget {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The first day or moment: a date, a date with a time (2024-03-05T08:00, with or without an offset), or seconds since 1970
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: When,
        /// The last day or moment, which is part of the span
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        to: When,
        /// Only these streams, such as `background/location` or `manual/*`; none: all that phones fill
        #[arg(long, value_name = "KEY", num_args = 1..)]
        keys: Vec<String>,
        /// Only count what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Show which readings the diary does not show, and why; or have them judged again
    #[command(
        after_help = "Example:\n  cellar user errors Ada\n  cellar user errors Ada --list --stream 'background/*'\n  cellar user errors Ada --retry --reason 'time zone'"
    )]
    Errors {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Show each reading with its content, places included
        #[arg(long, conflicts_with = "retry")]
        list: bool,
        /// Put them back, so that the next run accepts them or sets them aside again
        #[arg(long)]
        retry: bool,
        /// Only those whose reason contains this text
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Only those of this stream, such as `background/location` or `background/*`
        #[arg(long, value_name = "KEY")]
        stream: Option<String>,
    },
    /// Show which cell read what of a person's data, over which span of time, how many entries, and how each run ended
    #[command(after_help = "Example:\n  cellar user audit Ada --since 2024-03-05 --cell datastreams-get")]
    Audit {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Only runs on or after this day or moment: a date, a date with a time, or seconds since 1970
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        since: Option<When>,
        /// Only runs of this cell
        #[arg(long, value_name = "NAME")]
        cell: Option<String>,
        /// Only the runs that made this entry: by which code, under which consent, from what
        #[arg(long, value_name = "ID", conflicts_with_all = ["since", "cell"])]
        entry: Option<String>,
        /// Follow the chain of all lines: whether one is missing or was changed
        #[arg(long)]
        verify: bool,
    },
    /// Destroy a person's key and everything that is stored about the person; this cannot be undone
    #[command(after_help = "Example:\n  cellar user erase Ada --yes")]
    Erase {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Confirm that you mean it
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// The file that an import reads.
#[derive(Debug, clap::Args)]
pub struct ImportFile {
    /// An export, or a JSON array of entries; also compressed with gzip
    #[arg(value_name = "FILE", required = true, conflicts_with = "input")]
    file: Option<PathBuf>,
    /// The option of earlier versions, which scripts still use.
    #[arg(long, value_name = "FILE", hide = true)]
    input: Option<PathBuf>,
}

impl ImportFile {
    fn path(self) -> PathBuf {
        self.file.or(self.input).expect("one of the two is required")
    }
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

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::Add { name, unattended } => carry_out(options, AddPerson { name, unattended }, tell::added),
        Verb::Token { who, revoke_others, study, subgroup } => {
            let study = study.map(|study| (study, subgroup));
            carry_out(options, MakeToken { person: who.name(), revoke_others, study }, tell::token)
        }
        Verb::AppConfig { who, file, remove: _ } => {
            let config = file.map(|file| app_config::read(&file)).transpose()?;
            carry_out(options, SetAppConfig { person: who.name(), config }, app_config::tell)
        }
        Verb::Status(who) => carry_out(options, PersonStatus { person: who.name() }, tell::status),
        Verb::Watch { who, since, seconds } => {
            let ask = WatchPerson { person: who.name(), since, wait_ms: seconds * 1_000 };
            carry_out(options, ask, tell::changes)
        }
        Verb::Days { who, from, to } => {
            carry_out(options, ShowDays { person: who.name(), from, to }, tell::days)
        }
        Verb::Places(who) => carry_out(options, ShowPlaces { person: who.name() }, tell::places),
        Verb::Heat { who, from, to, side } => {
            let ask = ShowHeat { person: who.name(), from, to, inside: None, side };
            carry_out(options, ask, tell::heat)
        }
        Verb::Lock(who) => carry_out(options, LockPerson { person: who.name() }, tell::status),
        Verb::Unlock { who, state } => {
            carry_out(options, recovery::unlocking(who.name(), &state)?, tell::status)
        }
        Verb::Keys { who, mode } => {
            carry_out(options, SetKeys { person: who.name(), mode: mode.into() }, tell::status)
        }
        Verb::Recover(who) => carry_out(options, recovery::recovering(who.name(), options)?, tell::status),
        Verb::CheckPhrase(who) => {
            carry_out(options, recovery::checking(who.name())?, |checked| tell::phrase(checked.opens))
        }
        Verb::Approve(who) => recovery::approving(&who.name(), options),
        Verb::List => carry_out(options, ListPeople {}, |people| tell::list(people)),
        Verb::Show(who) => carry_out(options, ShowPerson { person: who.name() }, tell::shown),
        Verb::Suspend(who) => suspend(who, true, options),
        Verb::Resume(who) => suspend(who, false, options),
        Verb::Export { who, output } => {
            let ask = ExportPerson { person: who.name(), output: absolute(output)? };
            carry_out(options, ask, tell::exported)
        }
        Verb::Import { file, into } => {
            carry_out(options, ImportPerson { into, input: absolute(file.path())? }, tell::imported)
        }
        Verb::Forget { who, from, to, keys, dry_run: true } => {
            carry_out(options, PreviewForget { person: who.name(), from, to, keys }, tell::would_forget)
        }
        Verb::Forget { who, from, to, keys, dry_run: false } => {
            carry_out(options, ForgetSpan { person: who.name(), from, to, keys }, tell::forgotten)
        }
        Verb::Errors { who, list, retry, reason, stream } => {
            let (person, selection) = (who.name(), Selection { reason, stream });
            match retry {
                true => carry_out(options, RetryErrors { person, selection }, errors::tell_retried),
                false => carry_out(options, ListErrors { person, selection, list }, errors::tell),
            }
        }
        Verb::Audit { who, since, cell, entry, verify } => {
            carry_out(options, ShowAudit { person: who.name(), since, cell, entry, verify }, audit::tell)
        }
        Verb::Erase { who, yes: _ } => carry_out(options, ErasePerson { person: who.name() }, tell::erased),
    }
}

fn suspend(who: Who, suspended: bool, options: &Options) -> Result<(), Failure> {
    carry_out(options, SuspendPerson { person: who.name(), suspended }, tell::suspended)
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path).map_err(|error| Failure::of(&error, "name the file with its whole path"))
}
