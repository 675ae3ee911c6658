//! Where a verb works: a data folder and its configuration.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime_user::{Runtime, StartError};
use serde_json::Value;

use runtime_host::OpenError;
use runtime_host::admin::{Claim, Command, Door, ask, claim, execute};
use runtime_host::config::Config;
use runtime_program::Failure;
use runtime_wire::tls::{Identity, IdentityError};

/// A data folder and the configuration of the host that works on it.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Settings; deploy/cellar.toml explains every one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Place {
    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let remedy = "deploy/cellar.toml explains every setting";
        Config::read(self.config.as_deref()).map_err(|error| Failure::of(&error, remedy))
    }
}

/// The host's certificate: the operator's, or the one in the data folder, made if nobody was given a token yet.
pub(crate) fn identity(config: &Config, data: &Path, runtime: &Runtime) -> Result<Identity, Failure> {
    let identity = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Identity::load(certificate, key),
        // Whoever has a token was given the digest of the host's key with it.
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

/// Everybody's runtimes over a data folder that is this process's own.
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

/// Does a command here, or asks the host that has the folder to do it.
pub(crate) fn administer(place: &Place, command: Command) -> Result<Value, Failure> {
    let makes_the_folder = matches!(command, Command::Add { .. } | Command::Import { into: None, .. });
    if !makes_the_folder && !place.data.join("people").is_dir() {
        let what = format!("{} is no data folder of a host", place.data.display());
        return Err(Failure::new(what, "`cellar user add` or `cellar serve` makes one"));
    }
    let _lock = match reach(&place.data, &command)? {
        Reached::Folder(_) if matches!(&command, Command::Owner(command) if command.needs_host()) => {
            let what = format!("no host is running over {}", place.data.display());
            return Err(Failure::new(what, "start one: cellar serve --data DIR"));
        }
        Reached::Folder(lock) => lock,
        Reached::Host(answer) => return answer,
    };
    let config = place.config()?;
    let runtime = open_runtime(&config, &place.data)?;
    let identity = identity(&config, &place.data, &runtime)?;
    let address = config.public_address.clone().unwrap_or_else(|| config.listen.to_string());
    let door = Door { address, pin: identity.pin() };
    let done = execute(&runtime, &door, command);
    runtime.shutdown();
    done
}

enum Reached {
    /// Nobody uses the folder; it is ours while this file is open.
    Folder(File),
    /// The host that has the folder did it.
    Host(Result<Value, Failure>),
}

/// How long a host may take to start or to stop, or another verb to end, before a verb gives up.
const PATIENCE: Duration = Duration::from_secs(3);

fn reach(data: &Path, command: &Command) -> Result<Reached, Failure> {
    let begun = Instant::now();
    loop {
        let claimed = claim(data);
        let claimed = claimed.map_err(|error| Failure::of(&error, "name a folder that you may write to"))?;
        if let Claim::Ours(lock) = claimed {
            return Ok(Reached::Folder(lock));
        }
        match ask(data, command) {
            Ok(answer) => return Ok(Reached::Host(answer)),
            // Nothing was asked yet, so asking again does nothing twice.
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

/// What a person is told where the host's clock is not believed.
pub(crate) fn clock_line(answer: &Value) -> Option<String> {
    let doubt = answer["clock_doubt"].as_str()?;
    Some(format!("{doubt}: scheduled runs wait until it is right"))
}

/// A moment for people, UTC to the second; the number itself where it is out of every range.
pub(crate) fn moment(seconds: f64) -> String {
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return format!("{seconds}");
    }
    let whole = seconds as i64;
    let (days, of_day) = (whole.div_euclid(86_400), whole.rem_euclid(86_400));
    // Civil date of a day count: years begin in March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_read_as_dates() {
        assert_eq!(moment(0.0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_399.9), "2000-02-28 23:59:59 UTC");
        assert_eq!(moment(951_782_400.0), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(1_466_436_483.395), "2016-06-20 15:28:03 UTC");
        assert_eq!(moment(f64::NAN), "NaN");
    }
}
