//! Commands about people: carried out here, or by the host that holds the data folder.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime_user::{Runtime, StartError};
use serde::Serialize;

use super::options::Options;
use runtime_host::OpenError;
use runtime_host::admin::{Ask, Claim, Context, PhoneAddress, ask, claim};
use runtime_host::config::Config;
use runtime_map::MapFile;
use runtime_program::{Failure, console};
use runtime_wire::tls::{Identity, IdentityError};

/// The host's certificate: the operator's, or the one in the data folder, which is created if no token was given out
/// yet.
pub(crate) fn identity(config: &Config, data: &Path, runtime: &Runtime) -> Result<Identity, Failure> {
    let identity = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Identity::load(certificate, key),
        // The holder of a token was given the digest of the host's key with it, so that key must stay.
        _ if runtime.people().has_tokens() => Identity::load_kept(data, &config.tls.names),
        _ => Identity::load_or_make(data, &config.tls.names),
    };
    identity.map_err(|error| {
        let remedy = match &error {
            IdentityError::Missing { .. } => {
                "put it back from where you keep it, or name a certificate in [tls]"
            }
            _ => "check the tls settings and the data folder",
        };
        Failure::of(&error, remedy)
    })
}

/// Opens a street map for the page; `None`: there is none.
pub(crate) fn street_map(path: Option<&Path>) -> Result<Option<MapFile>, Failure> {
    let remedy = "name a PMTiles file of version 3, such as one that `pmtiles extract` wrote, which this user may read";
    path.map(MapFile::open).transpose().map_err(|error| Failure::of(&error, remedy))
}

/// Opens all people's runtimes over a data folder that belongs to this process.
pub(crate) fn open_runtime(config: &Config, data: &Path) -> Result<Arc<Runtime>, Failure> {
    runtime_host::open_runtime(config, data).map_err(|error| {
        let start = match &error {
            OpenError::Start(start) => start,
            _ => return Failure::of(&error, "check pipeline.stages"),
        };
        let remedy = match start {
            StartError::Sandbox(_) => "raise what the system allows this process",
            StartError::Catalogue(_) => "build the binary again with `cargo xtask cells`",
            StartError::Plan(_) | StartError::NoSuchCell { .. } => "check pipeline.stages",
            StartError::System(_) => "check the data folder and its rights, and the limit on threads",
            _ => "put back what the line names, from where you keep it; deploy/runbook.md says more",
        };
        Failure::of(&error, remedy)
    })
}

/// Carries out a command here, or asks the host that holds the folder to do it.
pub(crate) fn administer<A: Ask>(options: &Options, command: A) -> Result<A::Answer, Failure> {
    let (session, answer) = Session::begin(options, command)?;
    session.end();
    answer
}

/// The folder for several commands, one after the other: this process has it, or a host.
pub(crate) enum Session {
    /// The folder is locked for this process.
    Here { _lock: File, runtime: Arc<Runtime>, phone_address: Box<PhoneAddress> },
    /// A host holds that folder.
    Host(std::path::PathBuf),
}

impl Session {
    /// Carries out the first command, and stays ready for further ones. The inner result is that of the command.
    ///
    /// # Errors
    /// [`Failure`] where nobody can carry out a command.
    pub(crate) fn begin<A: Ask>(
        options: &Options,
        command: A,
    ) -> Result<(Self, Result<A::Answer, Failure>), Failure> {
        let data = options.data()?;
        if !command.makes_folder() && !data.join("people").is_dir() {
            let what = format!("{} is no data folder of a host", data.display());
            return Err(Failure::new(what, "`cellar user add` or `cellar serve` makes one"));
        }
        let lock = match reach(&data, &command)? {
            Reached::Folder(_) if A::NEEDS_HOST => {
                let what = format!("no host is running over {}", data.display());
                return Err(Failure::new(what, "start one: cellar serve"));
            }
            Reached::Folder(lock) => lock,
            Reached::Host(answer) => return Ok((Self::Host(data), answer)),
        };
        let config = options.config()?;
        let runtime = open_runtime(&config, &data)?;
        let identity = identity(&config, &data, &runtime)?;
        let address = config.public_address.clone().unwrap_or_else(|| config.listen.to_string());
        let phone_address = Box::new(PhoneAddress { address, pin: identity.pin() });
        let session = Self::Here { _lock: lock, runtime, phone_address };
        let answer = session.ask(command);
        Ok((session, answer))
    }

    /// Carries out a further command.
    ///
    /// # Errors
    /// [`Failure`] with the remedy.
    pub(crate) fn ask<A: Ask>(&self, command: A) -> Result<A::Answer, Failure> {
        match self {
            Self::Here { runtime, phone_address, .. } => command.answer(&Context { runtime, phone_address }),
            Self::Host(data) => match ask(data, &command) {
                Ok(answer) => answer,
                Err(error) => {
                    let what = format!("the host over {} does not answer any more", data.display());
                    Err(Failure::new(format!("{what}: {error}"), "start it, and run the same command again"))
                }
            },
        }
    }

    /// Closes what this process has opened.
    pub(crate) fn end(self) {
        if let Self::Here { runtime, .. } = self {
            runtime.shutdown();
        }
    }
}

/// Carries out a command and prints its answer, as text made by `tell` or as JSON.
pub(crate) fn carry_out<A: Ask>(
    options: &Options,
    command: A,
    tell: impl FnOnce(&A::Answer) -> String,
) -> Result<(), Failure> {
    show(options, &administer(options, command)?, tell)
}

/// Prints an answer, as text made by `tell` or as a line of JSON.
pub(crate) fn show<T: Serialize>(
    options: &Options,
    answer: &T,
    tell: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if !options.json {
        return console::line(tell(answer));
    }
    // The answer is converted to a value first, since JSON texts within it may have line breaks.
    console::json(&serde_json::to_value(answer).map_err(|error| Failure::of(&error, "report this"))?)
}

enum Reached<T> {
    /// No other process uses the folder; it is locked for this one while the file is open.
    Folder(File),
    /// The host that holds the folder carried out the command.
    Host(Result<T, Failure>),
}

/// How long a verb waits for a host to start or stop, or for another verb to end, before it gives up.
const PATIENCE: Duration = Duration::from_secs(3);

fn reach<A: Ask>(data: &Path, command: &A) -> Result<Reached<A::Answer>, Failure> {
    let begun = Instant::now();
    loop {
        let claimed = claim(data);
        let claimed = claimed.map_err(|error| Failure::of(&error, "name a folder that you may write to"))?;
        if let Claim::Ours(lock) = claimed {
            return Ok(Reached::Folder(lock));
        }
        match ask(data, command) {
            Ok(answer) => return Ok(Reached::Host(answer)),
            // No command was sent yet, so asking again does nothing twice.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
                    && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => {
                let what = format!("another process uses {} and does not answer: {error}", data.display());
                return Err(Failure::new(what, "wait until it ends, or stop it"));
            }
        }
    }
}

/// The line that is shown where the host's clock is not trusted.
pub(crate) fn clock_line(doubt: Option<&String>) -> Option<String> {
    Some(format!("{}: scheduled runs wait until it is right", doubt?))
}
