//! `cellar phone`: pairs, puts and gets as a phone does, over TLS with pinned keys.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use handshake::device::{DeviceName, Platform, Scopes};
use handshake::encoding::{KeyKind, QrCode, TypedCode};
use handshake::error::Code as Refusal;
use handshake::transcript::CompareDigits;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Options, moment, moment_of_ms, show};
use runtime_phone::{Code, Connect, Native, News, Phone, PhoneError, PhoneFile, PhoneKeys, entries_of, pair};
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::read_text;
use runtime_program::typed;
use runtime_program::when::{Bound, When};

/// The commands of a phone.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Pair with a code that `cellar pair` shows
    #[command(
        after_help = "Example:\n  cellar phone pair --state phone.json --scan 'UPC1:...'\n  cellar phone pair --state phone.json --type 7K3M-... --host host.example:8443"
    )]
    Pair {
        /// The text of the scanned code
        #[arg(long, value_name = "TEXT", conflicts_with = "code", required_unless_present = "code")]
        scan: Option<String>,
        /// The code as a person types it
        #[arg(long = "type", value_name = "CODE", requires = "host")]
        code: Option<String>,
        /// The address of the host, for a typed code
        #[arg(long, value_name = "HOST:PORT")]
        host: Option<String>,
        /// The file for what the phone needs from now on; it contains private keys
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
        /// The name that the phone gives itself
        #[arg(long, default_value = "cellar phone")]
        name: String,
        /// The platform that the phone reports
        #[arg(long, value_enum, default_value_t = Kind::Other)]
        platform: Kind,
        /// The kind of the phone's key
        #[arg(long, value_enum, default_value_t = Key::P256)]
        key: Key,
    },
    /// Show what was changed of who may open the data, and sign for what no phone has signed
    #[command(
        after_help = "Example:\n  cellar phone approve --state phone.json\n  cellar phone approve --state phone.json --yes"
    )]
    Approve {
        /// The file that `cellar phone pair` wrote
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
        /// Sign without asking
        #[arg(long)]
        yes: bool,
    },
    /// Put the entries of a file, and read the diary
    #[command(after_help = "Example:\n  cellar phone sync --state phone.json --input day.json.gz")]
    Sync {
        #[command(flatten)]
        /// The host.
        link: Link,
        /// Like the file of put; without it only the diary is read
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Put the entries of a dump or of a batch, in batches of a phone's size
    #[command(
        after_help = "Example:\n  cellar phone put --connect 'cellar://...' --state phone.txt --input day.json.gz\n  cellar phone put --state phone.txt --input more.json"
    )]
    Put {
        #[command(flatten)]
        /// The host.
        link: Link,
        /// A JSON array of entries, or an object with `phone_to_server`; also compressed with gzip
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
    },
    /// Print entries
    #[command(
        after_help = "Example:\n  cellar phone get --state phone.txt --key segmentation/raw_trip --start 1466380800 --end 1466467200"
    )]
    Get {
        #[command(flatten)]
        /// The host.
        link: Link,
        /// A stream; the option can be given several times
        #[arg(long = "key", value_name = "KEY", required = true)]
        keys: Vec<String>,
        /// Only entries from this moment on: a date (of UTC), a date with a time, or seconds since 1970
        #[arg(long, value_name = "TIME", default_value = "0", allow_hyphen_values = true)]
        start: When,
        /// Only entries up to this moment; a date is the whole day
        #[arg(long, value_name = "TIME", default_value = "10000000000", allow_hyphen_values = true)]
        end: When,
        /// The time field that both bounds apply to
        #[arg(long, default_value = "metadata.write_ts", value_name = "FIELD")]
        key_time: String,
        /// At most this many entries, the last ones
        #[arg(long, value_name = "COUNT")]
        max_entries: Option<u64>,
    },
}

/// How the phone identifies its host.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Link {
    /// The connection string that `cellar user add` printed
    #[arg(long, value_name = "STRING")]
    connect: Option<String>,
    /// The file that `cellar phone pair` wrote; or a file for --connect, which is written where that is given too
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

impl Link {
    /// Connects the phone.
    async fn phone(&self) -> Result<Phone, Failure> {
        if let (None, Some(path)) = (&self.connect, &self.state)
            && let Ok(file) = PhoneFile::load(path)
        {
            let native = Native::open(file).await.map_err(|error| failed(&error))?;
            // What the runtime announced, such as another name or another key, is stored at once.
            native.file.store(path).map_err(|error| Failure::of(&error, "name a file that you may write"))?;
            tell_news(&native.news);
            return Ok(Phone::paired(native));
        }
        Phone::connect(self.open()?).await.map_err(|error| failed(&error))
    }

    /// Does something with the phone, and stores what the phone has learnt, however it ended: where the store stands.
    async fn kept<T>(
        &self,
        phone: &mut Phone,
        work: impl AsyncFnOnce(&mut Phone) -> Result<T, PhoneError>,
    ) -> Result<T, Failure> {
        let done = work(phone).await;
        if let (Some(file), Some(path)) = (phone.file(), &self.state) {
            file.store(path).map_err(|error| Failure::of(&error, "name a file that you may write"))?;
        }
        done.map_err(|error| failed(&error))
    }

    fn open(&self) -> Result<Connect, Failure> {
        let text = match (&self.connect, &self.state) {
            (Some(text), _) => typed::code(text).to_string(),
            (None, Some(path)) => fs::read_to_string(path).map_err(|error| {
                Failure::new(
                    format!("cannot read {}: {error}", path.display()),
                    "give --connect once, with --state",
                )
            })?,
            (None, None) => String::new(),
        };
        let connect: Connect = text.parse().map_err(|error| {
            Failure::of(&error, "`cellar user add` prints a connection string; quote it in a shell")
        })?;
        if let (Some(_), Some(path)) = (&self.connect, &self.state) {
            if PhoneFile::load(path).is_ok() {
                return Err(Failure::new(
                    format!("{} holds the keys of a paired phone", path.display()),
                    "name another --state for the connection string",
                ));
            }
            remember(path, &connect).map_err(|error| {
                Failure::new(
                    format!("cannot write {}: {error}", path.display()),
                    "name a file that you may write",
                )
            })?;
        }
        Ok(connect)
    }
}

fn remember(path: &Path, connect: &Connect) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", connect.reveal())
}

/// The output of a phone while it pairs.
#[derive(Serialize)]
struct Comparing {
    digits: String,
}

/// The output for a paired phone.
#[derive(Serialize)]
struct Paired {
    device: String,
    scopes: Scopes,
}

/// The entries that a phone has put.
#[derive(Serialize)]
struct Put {
    entries: usize,
    batches: usize,
}

/// The entries that a phone has put, and the trips that it received.
#[derive(Serialize)]
struct Synced {
    #[serde(flatten)]
    put: Put,
    trips: Vec<Value>,
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "close other programs, and try again"))?;
    match verb {
        Verb::Pair { scan, code, host, state, name, platform, key } => {
            let code = read_code(scan.as_deref(), code.as_deref(), host.as_deref())?;
            let name = DeviceName::new(typed::trimmed(&name))
                .map_err(|error| Failure::of(&error, "give another --name"))?;
            let keys = PhoneKeys::random(key.into()).map_err(|error| Failure::of(&error, "try again"))?;
            tokio.block_on(pair_as(&state, code, keys, name, platform.into(), options))
        }
        Verb::Approve { state, yes } => tokio.block_on(approve(&state, yes, options)),
        Verb::Sync { link, input } => {
            let entries = input.as_deref().map(read_entries).transpose()?.unwrap_or_default();
            let (batches, trips) = tokio.block_on(sync(&link, &entries))?;
            let synced = Synced { put: Put { entries: entries.len(), batches }, trips };
            show(options, &synced, |synced| {
                let lines = [tell_put(&synced.put)].into_iter().chain(synced.trips.iter().map(tell));
                lines.collect::<Vec<_>>().join("\n")
            })
        }
        Verb::Put { link, input } => {
            let entries = read_entries(&input)?;
            let batches = tokio.block_on(async {
                link.kept(&mut link.phone().await?, async |phone| phone.put(&entries).await).await
            })?;
            show(options, &Put { entries: entries.len(), batches }, tell_put)
        }
        Verb::Get { link, keys, start, end, key_time, max_entries } => {
            let (start, end) =
                (start.seconds(Bound::First, &TimeZone::UTC), end.seconds(Bound::Last, &TimeZone::UTC));
            let mut query =
                json!({ "key_list": keys, "start_time": start, "end_time": end, "key_time": key_time });
            if let Some(count) = max_entries {
                query["max_entries"] = count.into();
                query["trunc_method"] = "last".into();
            }
            let entries = tokio.block_on(async {
                link.kept(&mut link.phone().await?, async |phone| phone.find_entries(query).await).await
            })?;
            if options.json {
                return console::json(&entries);
            }
            entries
                .iter()
                .take_while(|_| console::has_reader())
                .try_for_each(|entry| console::line(tell(entry)))
        }
    }
}

/// Pairs, and stores in `state` what the phone needs from now on.
async fn pair_as(
    state: &Path,
    code: Code,
    keys: PhoneKeys,
    name: DeviceName,
    platform: Platform,
    options: &Options,
) -> Result<(), Failure> {
    // This comes before any request: if the keys could not be stored, the host would list a device that does not exist.
    PhoneFile::prepare(state).map_err(|error| {
        let why = runtime_user::chain(&error);
        Failure::new(
            format!("cannot keep the phone's keys in {}: {why}", state.display()),
            "name another --state, or remove that file if its phone is no longer used",
        )
    })?;
    let compare = |digits: CompareDigits| {
        let shown = show(options, &Comparing { digits: digits.to_string() }, |comparing| {
            format!(
                "Compare with what `cellar pair` shows, and let this phone in there: {}",
                comparing.digits
            )
        });
        // The owner may see the digits elsewhere, and decides.
        if let Err(error) = shown {
            console::note(format!("cellar: {error}"));
        }
    };
    let file = pair(code, keys, name, platform, compare).await.map_err(|error| failed(&error))?;
    file.store(state).map_err(|error| Failure::of(&error, "name a file that you may write"))?;
    let paired = Paired { device: file.state.device.to_string(), scopes: file.state.scopes };
    // The first phone signs at once for what there is; a further one waits for another's signature.
    match Native::open(file).await {
        Ok(native) => {
            native
                .file
                .store(state)
                .map_err(|error| Failure::of(&error, "name a file that you may write"))?;
        }
        Err(PhoneError::Code { code: Refusal::NotApproved }) => {
            console::note(
                "This phone gets nothing until another of your phones has signed for it: `cellar phone approve` there.",
            );
        }
        // It is paired all the same, and signs at its first contact.
        Err(error) => console::note(format!("cellar: {error}")),
    }
    show(options, &paired, |paired| format!("paired; this phone is {}", paired.device))
}

/// What changed of who may open the data, for the person; not part of any output.
fn tell_news(news: &News) {
    for learnt in &news.learnt {
        let (at, by) = (moment_of_ms(learnt.at_ms), &learnt.by);
        for change in &learnt.changes {
            console::note(format!("{at}: {change}; signed by {by}"));
        }
    }
    if news.unsigned.is_empty() {
        return;
    }
    console::note("The console of your host did this, and none of your phones has signed it:");
    for change in &news.unsigned {
        console::note(format!("  {change}"));
    }
    console::note("If it was you: `cellar phone approve`. If not: somebody else uses that console.");
}

/// What a phone has signed.
#[derive(Serialize)]
struct Approved {
    signed: Vec<String>,
}

/// Signs for what the console did, after the person was asked.
async fn approve(state: &Path, yes: bool, options: &Options) -> Result<(), Failure> {
    let file = PhoneFile::load(state);
    let file = file.map_err(|error| Failure::of(&error, "name what `cellar phone pair` wrote"))?;
    let mut native = Native::open(file).await.map_err(|error| failed(&error))?;
    let keep = |native: &Native| {
        native.file.store(state).map_err(|error| Failure::of(&error, "name a file that you may write"))
    };
    keep(&native)?;
    tell_news(&native.news);
    let waits = !native.news.unsigned.is_empty();
    if waits && !yes {
        console::text("Sign for this? [y/N] ")?;
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        read.map_err(|error| Failure::of(&error, "use a terminal, or --yes"))?;
        if !matches!(line.trim(), "y" | "Y" | "yes") {
            return Err(Failure::new(
                "nothing was signed",
                "revoke what you do not know, with `cellar device revoke`",
            ));
        }
    }
    let changes = if waits { native.approve().await.map_err(|error| failed(&error))? } else { Vec::new() };
    keep(&native)?;
    let approved = Approved { signed: changes.iter().map(ToString::to_string).collect() };
    show(options, &approved, |approved| match approved.signed.as_slice() {
        [] => "nothing waits for a signature".to_owned(),
        signed => format!("signed: {}", signed.join("; ")),
    })
}

fn tell_put(put: &Put) -> String {
    format!("{} entries put in {} batches, all on the host's disk", put.entries, put.batches)
}

/// The platform that a phone reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Android.
    Android,
    /// iOS.
    Ios,
    /// Another platform.
    Other,
}

impl From<Kind> for Platform {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Android => Self::Android,
            Kind::Ios => Self::Ios,
            Kind::Other => Self::Other,
        }
    }
}

/// The kind of a phone's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Key {
    /// The kind that phones have in hardware.
    P256,
    /// A kind in software.
    Ed25519,
}

impl From<Key> for KeyKind {
    fn from(key: Key) -> Self {
        match key {
            Key::P256 => Self::P256,
            Key::Ed25519 => Self::Ed25519,
        }
    }
}

fn read_code(scan: Option<&str>, code: Option<&str>, host: Option<&str>) -> Result<Code, Failure> {
    let again = "look at the code again";
    if let Some(text) = scan {
        let code = QrCode::parse(&typed::code(text));
        return code.map(Code::Scanned).map_err(|error| Failure::of(&error, again));
    }
    let code = TypedCode::parse(&typed::code(code.unwrap_or_default()));
    let code = code.map_err(|error| Failure::of(&error, again))?;
    let bad_host = || Failure::new("--host is no HOST:PORT", "`cellar pair` shows it beside the code");
    let (host, port) = host.and_then(typed::address).ok_or_else(bad_host)?;
    Ok(Code::Typed { code, host, port })
}

fn read_entries(input: &Path) -> Result<Vec<String>, Failure> {
    let text = read_text(input).map_err(|error| {
        Failure::new(
            format!("cannot read {}: {error}", input.display()),
            "name a JSON file, or one compressed with gzip",
        )
    })?;
    let remedy = "see `cellar phone put --help` for what a file may hold";
    entries_of(&text).map_err(|error| Failure::of(&error, remedy))
}

async fn sync(link: &Link, entries: &[String]) -> Result<(usize, Vec<Value>), Failure> {
    let mut phone = link.phone().await?;
    let batches = link.kept(&mut phone, async |phone| phone.put(entries).await).await?;
    let query = json!({
        "key_list": ["analysis/composite_trip"], "key_time": "data.end_ts",
        "start_time": 0, "end_time": 9_999_999_999_u64,
    });
    let trips = link.kept(&mut phone, async |phone| phone.find_entries(query).await).await?;
    Ok((batches, trips))
}

/// Connects as that phone, which opens the store if it is locked.
pub(super) fn unlock(state: &Path) -> Result<(), Failure> {
    let file = PhoneFile::load(state);
    let file = file.map_err(|error| Failure::of(&error, "name what `cellar phone pair` wrote"))?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "close other programs, and try again"))?;
    let native = tokio.block_on(Native::open(file)).map_err(|error| failed(&error))?;
    tell_news(&native.news);
    native.file.store(state).map_err(|error| Failure::of(&error, "name a file that you may write"))
}

pub(super) fn failed(error: &PhoneError) -> Failure {
    let remedy = match error {
        PhoneError::Reach { .. } => "check that the host runs (`cellar serve`) and listens at that address",
        PhoneError::Tls { .. } => {
            "somebody else may answer there: use the connection string that the host prints"
        }
        PhoneError::OtherRuntime => "connect to nobody there: ask who runs the host",
        PhoneError::Alert { .. } | PhoneError::Broken(_) if matches!(error.alert(), Some(49 | 112)) => {
            "pair again, with a code of `cellar pair`"
        }
        PhoneError::Code { code: Refusal::NotApproved } => {
            "use `cellar phone approve` with another of your phones, or `cellar user approve` with the recovery phrase"
        }
        PhoneError::Distrust(_) => {
            "send nothing there: ask whoever runs the host whether a backup was put back, and look at `cellar device list`"
        }
        PhoneError::Slot => "put the newest slots.json back, or use another phone or the recovery phrase",
        PhoneError::Pair { .. } | PhoneError::Code { .. } => {
            "`cellar pair` shows a fresh code; `cellar user status` the rest"
        }
        PhoneError::Refused { code, .. } if code == "suspended" => {
            "the host's owner lets people in again with `cellar user resume`"
        }
        PhoneError::Refused { status: 401 | 403, .. } => "get a connection string with `cellar user add`",
        PhoneError::Refused { status: 400..500, .. } => "change what the message names",
        _ => "try again; the host's log has more",
    };
    Failure::of(error, remedy)
}

/// One entry as one line: its time, its stream, its id, and the start of its content.
fn tell(entry: &Value) -> String {
    let (metadata, data) = (&entry["metadata"], &entry["data"]);
    let times = ["ts", "start_ts", "enter_ts", "exit_ts"].iter().find_map(|name| data[name].as_f64());
    let time = times.or_else(|| metadata["write_ts"].as_f64()).unwrap_or(f64::NAN);
    let says: String = data.to_string().chars().take(160).collect();
    let id = entry["_id"]["$oid"].as_str().unwrap_or("-");
    format!("{}  {:32} {id}  {says}", moment(time), metadata["key"].as_str().unwrap_or("?"))
}
