//! `cellar phone`: puts and gets as a phone does, over TLS with a pinned key.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::moment;
use crate::failure::Failure;
use crate::phone::{Connect, Phone, PhoneError, entries_of, read_file};

/// What the phone does.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Put the entries of a dump or of a batch, in batches of a phone's size
    #[command(
        after_help = "Example:\n  cellar phone put --connect 'cellar://...' --state phone.txt --input day.json.gz\n  cellar phone put --state phone.txt --input more.json"
    )]
    Put {
        #[command(flatten)]
        /// Which host.
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
        /// Which host.
        link: Link,
        /// A stream; give several for more
        #[arg(long = "key", value_name = "KEY", required = true)]
        keys: Vec<String>,
        /// From when on, seconds since 1970
        #[arg(long, default_value_t = 0.0)]
        start: f64,
        /// Until when, seconds since 1970
        #[arg(long, default_value_t = 1e10)]
        end: f64,
        /// The time that the two bound
        #[arg(long, default_value = "metadata.write_ts", value_name = "FIELD")]
        key_time: String,
        /// The last entries, at most so many
        #[arg(long, value_name = "COUNT")]
        max_entries: Option<u64>,
    },
}

/// How the phone knows its host.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Link {
    /// What `cellar user add` printed
    #[arg(long, value_name = "STRING")]
    connect: Option<String>,
    /// A file that holds it; written where --connect is given too
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

impl Link {
    fn open(&self) -> Result<Connect, Failure> {
        let text = match (&self.connect, &self.state) {
            (Some(text), _) => text.clone(),
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

/// Does it.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, as_json: bool) -> Result<(), Failure> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "close other programs, and try again"))?;
    match verb {
        Verb::Put { link, input } => {
            let connect = link.open()?;
            let text = read_file(&input).map_err(|error| {
                Failure::new(
                    format!("cannot read {}: {error}", input.display()),
                    "name a JSON file, or one compressed with gzip",
                )
            })?;
            let entries = entries_of(&text).map_err(|error| {
                Failure::of(&error, "see `cellar phone put --help` for what a file may hold")
            })?;
            let batches = tokio.block_on(put(connect, &entries)).map_err(|error| failed(&error))?;
            if as_json {
                println!("{}", json!({ "entries": entries.len(), "batches": batches }));
            } else {
                println!("{} entries put in {batches} batches, all on the host's disk", entries.len());
            }
        }
        Verb::Get { link, keys, start, end, key_time, max_entries } => {
            let mut query =
                json!({ "key_list": keys, "start_time": start, "end_time": end, "key_time": key_time });
            if let Some(count) = max_entries {
                query["max_entries"] = count.into();
                query["trunc_method"] = "last".into();
            }
            let entries = tokio.block_on(get(link.open()?, query)).map_err(|error| failed(&error))?;
            if as_json {
                println!("{}", Value::from(entries));
            } else {
                entries.iter().for_each(|entry| println!("{}", tell(entry)));
            }
        }
    }
    Ok(())
}

async fn put(connect: Connect, entries: &[String]) -> Result<usize, PhoneError> {
    Phone::connect(connect).await?.put(entries).await
}

async fn get(connect: Connect, query: Value) -> Result<Vec<Value>, PhoneError> {
    Phone::connect(connect).await?.find_entries(query).await
}

fn failed(error: &PhoneError) -> Failure {
    let remedy = match error {
        PhoneError::Reach { .. } => "check that the host runs (`cellar serve`) and listens at that address",
        PhoneError::Tls { .. } => {
            "somebody else may answer there: use the connection string that the host prints"
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

/// One entry as one line: when, which stream, id, and the start of what it says.
fn tell(entry: &Value) -> String {
    let (metadata, data) = (&entry["metadata"], &entry["data"]);
    let times = ["ts", "start_ts", "enter_ts", "exit_ts"].iter().find_map(|name| data[name].as_f64());
    let time = times.or_else(|| metadata["write_ts"].as_f64()).unwrap_or(f64::NAN);
    let says: String = data.to_string().chars().take(160).collect();
    let id = entry["_id"]["$oid"].as_str().unwrap_or("-");
    format!("{}  {:32} {id}  {says}", moment(time), metadata["key"].as_str().unwrap_or("?"))
}
