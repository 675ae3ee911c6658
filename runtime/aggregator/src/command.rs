//! The command line of `cellar-aggregator`: what follows `cellar aggregator`, and what a host starts.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use ring::rand::SystemRandom;
use runtime_package::PublisherKey;
use runtime_program::logs::{self, LogFormat};
use runtime_program::{Failure, console, exit};
use runtime_study::{Answer, SEND_ASK_BYTES_MAX, STUDY_BYTES_MAX, SendAsk, SignedStudy, totals_told};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::collect::{CollectError, collect};
use crate::folder::{Folder, FolderError};
use crate::link::Link;
use crate::message::{Reply, Request};
use crate::server::Aggregator;

const PROGRAM: &str = "cellar";
/// Largest file of a publisher's key, bytes.
const KEY_FILE_BYTES_MAX: u64 = 16 << 10;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(name = "aggregator", about = "Add shares of contributions to studies over many hosts")]
pub struct Command {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the folder and the key of an aggregator, and print the key's name for studies
    #[command(after_help = "Example:\n  cellar aggregator init /var/lib/cellar-aggregator")]
    Init {
        /// The folder
        folder: PathBuf,
    },
    /// Admit a signed study that names this aggregator
    #[command(after_help = "Example:\n  cellar aggregator admit /var/lib/cellar-aggregator study.toml")]
    Admit {
        /// The folder
        folder: PathBuf,
        /// The signed study
        study: PathBuf,
    },
    /// Answer hosts, the other aggregator and researchers until it is stopped
    #[command(
        after_help = "Example:\n  cellar aggregator serve /var/lib/cellar-aggregator --listen 0.0.0.0:8450"
    )]
    Serve {
        /// The folder
        folder: PathBuf,
        /// Address and port; port 0 takes a free one, which is printed
        #[arg(long, value_name = "ADDR")]
        listen: SocketAddr,
        /// The format of log lines
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        log_format: LogFormat,
    },
    /// Show how many reports are counted, and how many were refused
    #[command(after_help = "Example:\n  cellar aggregator status /var/lib/cellar-aggregator")]
    Status {
        /// The folder
        folder: PathBuf,
    },
    /// Close an epoch, and add both shares of its totals: for the researcher
    #[command(after_help = "Example:\n  cellar aggregator result study.toml --key publisher.key --epoch 0")]
    Result {
        /// The signed study
        study: PathBuf,
        /// The researcher's key, which has signed the study
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Which epoch, from 0
        #[arg(long, value_name = "NUMBER")]
        epoch: u32,
    },
    /// Read one question of a host from the standard input, send its shares, and answer it on the standard output
    #[command(hide = true)]
    Send,
}

/// Reads the arguments of the process and carries them out.
pub fn main() -> ExitCode {
    exit::main(PROGRAM, |command: Command| {
        let json = command.json;
        match command.verb {
            Verb::Init { folder } => init(&folder, json),
            Verb::Admit { folder, study } => admit(&folder, &study, json),
            Verb::Serve { folder, listen, log_format } => serve(&folder, listen, log_format, json),
            Verb::Status { folder } => status(&folder, json),
            Verb::Result { study, key, epoch } => result(&study, &key, epoch, json),
            Verb::Send => send(),
        }
    })
}

fn show<T: Serialize>(json: bool, value: &T, words: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    if json { console::json(value) } else { console::line(words(value)) }
}

fn of_folder(error: &FolderError) -> Failure {
    let remedy = match error {
        FolderError::Disk { .. } => "name the folder that `cellar aggregator init` has made",
        FolderError::Key { .. } => "put back the file; without it, hosts do not know this aggregator again",
        FolderError::OtherAggregators { .. } => "give that key to the researcher for `aggregators`",
        _ => "ask the researcher for another file",
    };
    Failure::of(error, remedy)
}

fn init(folder: &Path, json: bool) -> Result<(), Failure> {
    let folder = Folder::open(folder, true).map_err(|error| of_folder(&error))?;
    show(json, &serde_json::json!({ "key": folder.key_name() }), |_| {
        format!("key = \"{}\"", folder.key_name())
    })
}

fn admit(folder: &Path, file: &Path, json: bool) -> Result<(), Failure> {
    let text = read(file, STUDY_BYTES_MAX as u64)?;
    let folder = Folder::open(folder, false).map_err(|error| of_folder(&error))?;
    let signed = folder.admit(&text).map_err(|error| of_folder(&error))?;
    let admitted = serde_json::json!({ "study": signed.study().name, "id": signed.id().to_string(),
        "publisher": signed.signed().publisher.to_string(), "words": signed.study().words() });
    show(json, &admitted, |_| {
        let head =
            format!("{} ({}), signed by {}", signed.study().name, signed.id(), signed.signed().publisher);
        [vec![head], signed.study().words()].concat().join("\n")
    })
}

fn serve(folder: &Path, listen: SocketAddr, format: LogFormat, json: bool) -> Result<(), Failure> {
    let _log = logs::start(format, "info").map_err(|error| Failure::of(&error, "report this"))?;
    let folder = Folder::open(folder, false).map_err(|error| of_folder(&error))?;
    let listener = TcpListener::bind(listen).map_err(|error| {
        Failure::new(format!("cannot listen at {listen}: {error}"), "choose another --listen")
    })?;
    let at = listener.local_addr().map_err(|error| Failure::of(&error, "report this"))?.to_string();
    folder.note_listening(&at).map_err(|error| of_folder(&error))?;
    let aggregator = Aggregator::open(folder, Arc::new(|_| {}));
    let aggregator =
        aggregator.map_err(|error| Failure::of(&error, "stop the other process that serves this folder"))?;
    // A closed stdout is no reason to stop.
    let _ = show(json, &serde_json::json!({ "listen": at }), |_| format!("listening at {at}"));
    let served = Arc::new(aggregator).serve(&listener);
    served.map_err(|error| Failure::of(&error, "report this"))
}

fn status(folder: &Path, json: bool) -> Result<(), Failure> {
    let folder = Folder::open(folder, false).map_err(|error| of_folder(&error))?;
    let text = match asked(&folder) {
        Some(text) => text,
        // Nobody serves it: the ledger is free.
        None => {
            let aggregator = Aggregator::open(folder, Arc::new(|_| {}));
            let aggregator =
                aggregator.map_err(|error| Failure::of(&error, "start or stop the aggregator"))?;
            let status = aggregator.status().map_err(|error| Failure::of(&error, "see the log"))?;
            serde_json::to_vec(&status).map_err(|error| Failure::of(&error, "report this"))?
        }
    };
    let status: Vec<serde_json::Value> =
        serde_json::from_slice(&text).map_err(|_| Failure::new("the status does not read", "report this"))?;
    show(json, &status, |status| {
        let line = |one: &serde_json::Value| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            format!(
                "{} epoch {}: {} as {}, {} counted, {} refused",
                text("study"),
                one["epoch"],
                text("state"),
                text("role"),
                one["people"],
                one["refused"]
            )
        };
        match status.is_empty() {
            true => "nothing is counted yet".to_owned(),
            false => status.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    })
}

/// What the process that serves the folder says.
fn asked(folder: &Folder) -> Option<Vec<u8>> {
    let to = runtime_study::Aggregator { address: folder.listens()?, key: folder.key_name() };
    match Link::connect(&to, folder.key()).ok()?.ask(&Request::Status).ok()? {
        Reply::Status(text) => Some(text),
        _ => None,
    }
}

fn result(file: &Path, key: &Path, epoch: u32, json: bool) -> Result<(), Failure> {
    let signed = SignedStudy::parse(&read(file, STUDY_BYTES_MAX as u64)?).map_err(|error| {
        Failure::of(&error, "name the signed study; docs/formats/study.md explains the form")
    })?;
    let key = read_key(key)?;
    let answer = collect(&signed, epoch, &key).map_err(|error| {
        let remedy = match &error {
            CollectError::OtherKey => "use the key with which the study was signed",
            CollectError::NoSuchEpoch { .. } => "name another --epoch",
            CollectError::NoAggregators => "`cellar study result` asks the host",
            _ => "ask again later: what was counted stays",
        };
        Failure::of(&error, remedy)
    })?;
    show(json, &answer, answer_told)
}

fn answer_told(answer: &Answer) -> String {
    let mut lines = vec![format!("{}, epoch {}", answer.name, answer.epoch)];
    lines.extend(totals_told(answer));
    lines.join("\n")
}

fn send() -> Result<(), Failure> {
    let remedy = "use a `cellar` of the same version, which starts this program itself";
    let mut text = Zeroizing::new(Vec::new());
    let read = io::stdin().take(SEND_ASK_BYTES_MAX as u64).read_to_end(&mut text);
    read.map_err(|error| Failure::of(&error, remedy))?;
    // The message of the parser would contain parts of the question.
    let ask: SendAsk = serde_json::from_slice(&text)
        .map_err(|_| Failure::new("the question of the host does not read", remedy))?;
    console::json(&crate::send::send(&ask))
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let unread =
        |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()), "name a file");
    let mut bytes = Vec::new();
    File::open(path).map_err(unread)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

fn read_key(path: &Path) -> Result<PublisherKey, Failure> {
    let unread =
        |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()), "name a key");
    let others = fs::metadata(path).map_err(unread)?.permissions().mode() & 0o077 != 0;
    if others {
        let what = format!("{} can be read by others", path.display());
        return Err(Failure::new(what, "if nobody has read it, make it yours alone with chmod 600"));
    }
    let text = Zeroizing::new(read(path, KEY_FILE_BYTES_MAX)?);
    let text = str::from_utf8(&text).map_err(|_| Failure::new("the key is no text", "name a key"))?;
    PublisherKey::from_file(text, &SystemRandom::new())
        .map_err(|error| Failure::of(&error, "`cellar cell keygen` makes the key of a new publisher"))
}
