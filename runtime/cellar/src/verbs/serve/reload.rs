//! What changes while a host runs: settings that are read again, and certificates whose files were replaced.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime_host::admin::PhoneAddress;
use runtime_host::config::{Config, Web};
use runtime_host::port::PortFront;
use runtime_program::Failure;
use runtime_program::logs::Log;
use runtime_user::Runtime;
use runtime_wire::tls::{Identity, Pin};
use rustls::ServerConfig;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::{Args, Options, identity, web_identity};

/// How often the operator's files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// Applies settings that can change while a host runs: the log's filter, and the certificates of people's names and of
/// the front for phones that cannot pair.
pub(super) struct Reloader {
    pub(super) args: Args,
    pub(super) options: Options,
    pub(super) data: PathBuf,
    /// The settings with which everything else was started.
    pub(super) started: Config,
    pub(super) runtime: Arc<Runtime>,
    pub(super) log: Arc<Log>,
    pub(super) front: PortFront,
    pub(super) phone_address: watch::Sender<PhoneAddress>,
}

impl Reloader {
    /// Reloads each time it is asked to, and reads the certificates again when their files have changed.
    pub(super) async fn keep(self, mut shown: ShownFiles, asked: Arc<Notify>) {
        let this = Arc::new(self);
        loop {
            let is_asked = timeout(LOOK, asked.notified()).await.is_ok();
            let reloader = Arc::clone(&this);
            let step = move || {
                if is_asked {
                    reloader.asked(&mut shown);
                } else if shown.have_changed() {
                    reloader.follow(&shown);
                }
                shown
            };
            shown = match tokio::task::spawn_blocking(step).await {
                Ok(shown) => shown,
                Err(error) => {
                    tracing::error!(%error, "settings not reloaded");
                    ShownFiles::of(&this.started)
                }
            };
        }
    }

    fn asked(&self, shown: &mut ShownFiles) {
        match self.reload() {
            Ok(read) => {
                *shown = read;
                tracing::info!("settings reloaded");
            }
            Err(failure) => {
                tracing::error!(error = %failure, "settings not reloaded: the host goes on with those before");
            }
        }
    }

    /// Shows the certificates of files that have changed, with the settings of the last reload.
    fn follow(&self, shown: &ShownFiles) {
        match self.read_certificates(&shown.config) {
            Ok(read) => {
                self.show_certificates(read);
                tracing::info!("certificates have changed and were read again");
            }
            Err(failure) => {
                tracing::error!(error = %failure, "certificates have changed and cannot be used: the host goes on with those before");
            }
        }
    }

    /// Applies all of it, or nothing if any part cannot be read.
    fn reload(&self) -> Result<ShownFiles, Failure> {
        let config = self.args.config(&self.options)?;
        let shown = ShownFiles::of(&config);
        let read = self.read_certificates(&config)?;
        let filtered = self.log.set_filter(&config.log.filter);
        filtered.map_err(|error| Failure::of(&error, "change log.filter"))?;
        self.show_certificates(read);
        // The requested values are compared, not those that the system allowed.
        let restart = |config: &Config| Config {
            tls: self.started.tls.clone(),
            web: Web {
                acme: config.web.acme.clone(),
                map: config.web.map.clone(),
                ..self.started.web.clone()
            },
            log: self.started.log.clone(),
            limits: runtime_host::config::Limits {
                connections_max: self.started.limits.connections_max,
                ..config.limits.clone()
            },
            people: runtime_host::config::People {
                open_max: self.started.people.open_max,
                ..config.people.clone()
            },
            ..config.clone()
        };
        if restart(&config) != self.started {
            tracing::warn!("other settings have changed: they hold from the next start on");
        }
        Ok(shown)
    }

    /// Reads the certificates of these settings, as their files are now.
    fn read_certificates(&self, config: &Config) -> Result<Read, Failure> {
        let identity = identity(config, &self.data, &self.runtime)?;
        let tls = self.started.legacy.enabled.then(|| identity.server_config()).transpose();
        let tls =
            tls.map_err(|error| Failure::of(&error, "check that tls.key belongs to tls.certificate"))?;
        Ok(Read { pin: identity.pin(), legacy: tls, web: web_identity(config)? })
    }

    fn show_certificates(&self, read: Read) {
        if let Some(legacy) = read.legacy {
            self.front.show_legacy(legacy);
        }
        self.front.show_web(read.web);
        self.phone_address.send_modify(|phone_address| phone_address.pin = read.pin);
    }
}

/// Certificates that were read and can be shown.
struct Read {
    pin: Pin,
    legacy: Option<Arc<ServerConfig>>,
    web: Option<Identity>,
}

/// What the system says of a file: another one, or another content, says something else.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The operator's files of certificates and keys, and what the system said of them when they were read.
pub(super) struct ShownFiles {
    config: Config,
    read: Vec<Stamp>,
    /// What it said at the last look.
    seen: Vec<Stamp>,
}

impl ShownFiles {
    /// Those that these settings name, as they are now.
    pub(super) fn of(config: &Config) -> Self {
        let read = stamps(config);
        Self { config: config.clone(), seen: read.clone(), read }
    }

    /// Looks again. Whether they have changed since they were read, and no more since the last look: then all of them have
    /// probably been written.
    fn have_changed(&mut self) -> bool {
        let now = stamps(&self.config);
        let settled = now == self.seen && now != self.read;
        if settled {
            self.read.clone_from(&now);
        }
        self.seen = now;
        settled
    }
}

fn stamps(config: &Config) -> Vec<Stamp> {
    let (tls, web) = (&config.tls, &config.web);
    let paths = [&tls.certificate, &tls.key, &web.certificate, &web.key];
    let stamp = |path: &PathBuf| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    paths.into_iter().flatten().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_once_when_all_of_them_have_stopped_changing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, content: &str| fs::write(path(name), content).expect("written");
        write("chain", "1");
        write("key", "1");
        let mut config = Config::default();
        (config.web.certificate, config.web.key) = (Some(path("chain")), Some(path("key")));
        let mut shown = ShownFiles::of(&config);
        assert!(!shown.have_changed() && !shown.have_changed());
        write("chain", "22");
        assert!(!shown.have_changed(), "the key may come next");
        write("key", "22");
        assert!(!shown.have_changed(), "something else may");
        assert!(shown.have_changed());
        assert!(!shown.have_changed(), "once");
        // As programs do that renew: another file in its place. One that is gone for a moment has changed, too.
        fs::remove_file(path("key")).expect("removed");
        assert!(!shown.have_changed());
        write("other", "33");
        fs::rename(path("other"), path("key")).expect("moved");
        assert!(!shown.have_changed());
        assert!(shown.have_changed() && !shown.have_changed());
    }
}
