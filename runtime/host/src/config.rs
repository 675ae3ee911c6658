//! The configuration file. `deploy/cellar.toml` explains every setting and holds every default.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime_program::typed;
use runtime_user::{EngineKind, PACKAGE_BYTES_MAX, Runtime, SessionTerms, Settings};
use serde::{Deserialize, Serialize};

use crate::http::{App, BodyLimits, Patience, Rate, ServerLimits};
use crate::port::NativeApp;

mod sections;

pub use sections::{
    Any, Cells, Engine, Gateway, Legacy, Limits, Log, Packages, People, Pipeline, Publishers, Tls, Web,
};

/// How many requests a second a device may make on one connection.
pub const REQUESTS_PER_S: u32 = 50;

/// All settings. A setting that a file omits has its default; an unknown setting in a file is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The data folder; none: the command line or `CELLAR_DATA` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// The address that phones are given, `HOST:PORT`; none: the address that the host listens at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// The certificate of the front for phones that cannot pair.
    pub tls: Tls,
    /// People's own names, for browsers.
    pub web: Web,
    /// The front for phones that cannot pair.
    pub legacy: Legacy,
    /// A gateway in front of this host.
    pub gateway: Gateway,
    /// Limits on requests.
    pub limits: Limits,
    /// People's stores.
    pub people: People,
    /// Cells.
    pub cells: Cells,
    /// What people may install.
    pub packages: Packages,
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            data: None,
            public_address: None,
            tls: Tls::default(),
            web: Web::default(),
            legacy: Legacy::default(),
            gateway: Gateway::default(),
            limits: Limits::default(),
            people: People::default(),
            cells: Cells::default(),
            packages: Packages::default(),
            pipeline: Pipeline::default(),
            log: Log::default(),
        }
    }
}

/// Why a configuration is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or has a setting that does not exist or has another type.
    #[error("{} is not a configuration", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The cause, with the line.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{setting} is {value}: {why}")]
    Value {
        /// The setting, such as `limits.head_bytes_max`.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What the value should be.
        why: &'static str,
    },
}

/// The program that compiles cells which people install.
const COMPILER: &str = "cellar-cell-compiler";
/// The program that draws noise for studies, beside this one.
const STUDIES: &str = "cellar-studies";
/// The program that sends shares to aggregators, beside this one.
const AGGREGATOR: &str = "cellar-aggregator";

impl Config {
    /// Reads a file; none: the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] that names the file and the line, or the setting.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let file = |source| ConfigError::File { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(file)?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Toml { path: path.to_owned(), source: Box::new(source) })?;
        config.public_address = config.public_address.map(|address| typed::trimmed(&address).to_owned());
        config.check()?;
        Ok(config)
    }

    /// Checks whether the values make sense together.
    ///
    /// # Errors
    /// [`ConfigError::Value`] with the first value that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Limits { body_bytes_max, bodies_bytes_max, head_bytes_max, headers_max, connections_max, .. } =
            self.limits;
        let rules = [
            (
                head_bytes_max < 8192,
                "limits.head_bytes_max",
                head_bytes_max.to_string(),
                "it must be at least 8192",
            ),
            (headers_max == 0, "limits.headers_max", headers_max.to_string(), "it must be at least 1"),
            (
                // Half of them are for strangers.
                connections_max < 2,
                "limits.connections_max",
                connections_max.to_string(),
                "it must be at least 2",
            ),
            (
                self.limits.bytes_per_s_min == 0,
                "limits.bytes_per_s_min",
                "0".to_owned(),
                "it must be at least 1: whoever sends nothing would be waited for without end",
            ),
            (
                // Bytes that are encrypted together arrive together.
                self.limits.bytes_window_ms < self.limits.body_pause_ms.max(self.limits.write_pause_ms),
                "limits.bytes_window_ms",
                self.limits.bytes_window_ms.to_string(),
                "it must not be less than limits.body_pause_ms and limits.write_pause_ms",
            ),
            (
                // The bodies of one person take at most half.
                body_bytes_max > bodies_bytes_max / 2,
                "limits.body_bytes_max",
                body_bytes_max.to_string(),
                "it must not be larger than half of limits.bodies_bytes_max",
            ),
            (
                self.tls.certificate.is_some() != self.tls.key.is_some(),
                "tls",
                "half a pair".to_owned(),
                "certificate and key come together",
            ),
            (
                self.web.certificate.is_some() != self.web.key.is_some(),
                "web",
                "half a pair".to_owned(),
                "certificate and key come together",
            ),
            (
                self.web.certificate.is_some() && self.web.acme.is_some(),
                "web",
                "two certificates".to_owned(),
                "one for all names, or acme for each of them, but not both",
            ),
            (
                self.gateway.register.is_some() != self.gateway.secret.is_some(),
                "gateway",
                "half of it".to_owned(),
                "register and secret come together",
            ),
            (
                self.pipeline.wait_max_ms < self.pipeline.quiet_ms,
                "pipeline.wait_max_ms",
                self.pipeline.wait_max_ms.to_string(),
                "it must not be less than pipeline.quiet_ms",
            ),
            (
                // Data that cannot be read is tried again and again, but not all the time.
                self.pipeline.every_ms < self.pipeline.quiet_ms.max(60_000),
                "pipeline.every_ms",
                self.pipeline.every_ms.to_string(),
                "it must be at least 60000 and not less than pipeline.quiet_ms",
            ),
            (
                self.packages.bytes_max > PACKAGE_BYTES_MAX,
                "packages.bytes_max",
                self.packages.bytes_max.to_string(),
                "no package has more than 33554432",
            ),
            (
                // It would change nothing, and whoever wrote it expects that it does.
                self.packages.own && self.packages.folder.is_some(),
                "packages.folder",
                "set".to_owned(),
                "it counts only with `own = false`",
            ),
            (self.people.open_max == 0, "people.open_max", "0".to_owned(), "it must be at least 1"),
            (
                self.people.engine == Engine::Sled && !cfg!(feature = "sled"),
                "people.engine",
                "sled".to_owned(),
                "this binary was built without it: build with `--features sled`",
            ),
        ];
        let broken = rules.into_iter().find(|(broken, ..)| *broken);
        let broken = broken.map(|(_, setting, value, why)| (setting, value, why));
        let fault = || self.web.acme.as_ref().and_then(|acme| acme.fault(&self.public_host()));
        match broken.or_else(fault) {
            Some((setting, value, why)) => Err(ConfigError::Value { setting, value, why }),
            None => Ok(()),
        }
    }

    /// The settings of people's runtimes.
    ///
    /// # Errors
    /// [`ConfigError::File`] where the stage list cannot be read.
    pub fn runtime(&self, data: &Path) -> Result<Settings, ConfigError> {
        let defaults = Settings::at(data);
        let pipeline = self.pipeline.stages.as_ref().map(|path| {
            fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.clone(), source })
        });
        let or_default = |count: usize, default: usize| if count == 0 { default } else { count };
        Ok(Settings {
            engine: match self.people.engine {
                Engine::Redb => EngineKind::Redb,
                Engine::Sled => EngineKind::Sled,
            },
            open_people_max: self.people.open_max,
            idle_close_ms: self.people.idle_close_ms,
            lease_ms: self.people.lease_ms,
            phone_unlocked_ms: self.people.phone_unlocked_ms,
            endpoint_threads: or_default(self.cells.endpoint_threads, defaults.endpoint_threads),
            stage_threads: or_default(self.cells.stage_threads, defaults.stage_threads),
            slots: self.cells.slots,
            warm_instances: self.cells.warm_instances,
            accuracy_filtering: self.pipeline.accuracy_filtering,
            pipeline: pipeline.transpose()?,
            rhythm: self.pipeline.rhythm(),
            policy: self.packages.policy(),
            built_s: runtime_cells::built_s(),
            // Without it, cells that were compiled before still run.
            compiler: runtime_program::beside_this(COMPILER).ok().filter(|program| program.is_file()),
            studies: runtime_program::beside_this(STUDIES).ok().filter(|program| program.is_file()),
            aggregator: runtime_program::beside_this(AGGREGATOR).ok().filter(|program| program.is_file()),
            ..defaults
        })
    }

    /// The host of the address that phones are given.
    pub fn public_host(&self) -> String {
        let told = self.public_address.as_deref().and_then(|address| address.rsplit_once(':'));
        told.map_or_else(|| self.listen.ip().to_string(), |(host, _)| host.to_owned())
    }

    /// The address that phones are given by a host that listens there, `HOST:PORT`.
    pub fn phones_reach(&self, address: SocketAddr) -> String {
        self.public_address.clone().unwrap_or_else(|| reachable(address).to_string())
    }

    /// The part that answers paired devices.
    pub fn native(&self, app: Arc<App<Arc<Runtime>>>) -> NativeApp {
        let terms =
            SessionTerms { body_bytes_max: self.limits.body_bytes_max, requests_per_s_max: REQUESTS_PER_S };
        NativeApp { app, terms, patience: self.server().patience }
    }

    /// Limits on connections.
    pub fn server(&self) -> ServerLimits {
        let limits = &self.limits;
        ServerLimits {
            connections_max: limits.connections_max,
            hello_ms: limits.hello_ms,
            handshake_ms: limits.handshake_ms,
            head_bytes_max: limits.head_bytes_max,
            headers_max: limits.headers_max,
            patience: Patience {
                head_ms: limits.head_ms,
                idle_ms: limits.idle_ms,
                write_ms: limits.write_pause_ms,
                rate: self.rate(),
            },
            grace_ms: limits.grace_ms,
        }
    }

    /// Limits on the size and the duration of a body.
    pub fn bodies(&self) -> BodyLimits {
        let limits = &self.limits;
        BodyLimits {
            bytes_max: limits.body_bytes_max,
            pause_ms: limits.body_pause_ms,
            rate: self.rate(),
            // A source has half of it.
            anonymous_bytes_max: limits.anonymous_bytes_max / 2,
            anonymous_ms: limits.anonymous_ms,
        }
    }

    fn rate(&self) -> Rate {
        let Limits { bytes_per_s_min, bytes_window_ms, .. } = self.limits;
        Rate { bytes_per_s_min, window_ms: bytes_window_ms }
    }
}

/// Where a phone on this machine reaches a host that listens on all addresses.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

#[cfg(test)]
mod tests;
