//! The configuration file. `deploy/cellar.toml` explains every setting and holds every default.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime_program::logs::LogFormat;
use runtime_program::typed;
use runtime_user::{
    EngineKind, PACKAGE_BYTES_MAX, Policy, PublisherId, Rhythm, Runtime, SessionTerms, Settings,
};
use runtime_wire::tls::{Identity, IdentityError};
use serde::{Deserialize, Serialize};

use crate::acme::Acme;
use crate::http::{App, BodyLimits, Patience, Rate, ServerLimits};
use crate::port::NativeApp;

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

/// The certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A chain in PEM form; none: one is created at the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Names for the certificate that is created, besides `localhost`.
    pub names: Vec<String>,
}

/// What browsers see at people's own names: a certificate for all of them, such as `*.cellar.example`, and a street map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// A chain in PEM form; none: each name has a certificate of the host's own making, which no browser knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The server that gives each name a certificate of its own; none: no server is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// A street map for people's pages, a PMTiles file; none: they show outlines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<PathBuf>,
}

impl Web {
    /// The certificate and its key, as they are on the disk now; `None`: none is configured.
    ///
    /// # Errors
    /// [`IdentityError`] where they cannot be read, or do not belong together.
    pub fn identity(&self) -> Result<Option<Identity>, IdentityError> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let identity = Identity::load(certificate, key)?;
        // Each person's configuration is made later: what cannot be one is refused here.
        identity.server_config()?;
        Ok(Some(identity))
    }
}

/// The front for phones that cannot pair: it ends TLS for all people and identifies them by their tokens, so the
/// operator of the host can read what comes through it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Legacy {
    /// Whether the front is open.
    pub enabled: bool,
}

/// A gateway in front of this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Addresses whose statement of a caller's origin is trusted; connections from other addresses are taken as they
    /// are.
    pub trusted: Vec<std::net::IpAddr>,
    /// Where this host registers its names with the gateway, `HOST:PORT`; none: there is no gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register: Option<SocketAddr>,
    /// The file with the secret that this host shares with the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<PathBuf>,
}

/// Limits on requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest body, bytes.
    pub body_bytes_max: u64,
    /// All bodies held at one moment, bytes; one person's are at most half of it.
    pub bodies_bytes_max: u64,
    /// All bodies held at one moment that have not shown yet whose they are, bytes; those of one source are at most half
    /// of it.
    pub anonymous_bytes_max: u64,
    /// Time until a body has shown whose it is, ms.
    pub anonymous_ms: u64,
    /// Line and headers of a request, bytes.
    pub head_bytes_max: usize,
    /// Number of headers of a request.
    pub headers_max: usize,
    /// Connections at one moment, half of them for strangers. At least 2.
    pub connections_max: usize,
    /// Time for the first message of a client, ms.
    pub hello_ms: u64,
    /// Time for the TLS handshake, ms.
    pub handshake_ms: u64,
    /// Time for the head of a request, ms.
    pub head_ms: u64,
    /// Time between requests of one connection, ms.
    pub idle_ms: u64,
    /// Time between two pieces of a body, ms.
    pub body_pause_ms: u64,
    /// The minimum rate at which a caller must send a body or receive an answer, bytes a second.
    pub bytes_per_s_min: u64,
    /// The window over which that rate is averaged, ms.
    pub bytes_window_ms: u64,
    /// Time between two moments at which a caller receives a part of an answer, ms.
    pub write_pause_ms: u64,
    /// Time for requests under way when the host stops, ms.
    pub grace_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 * 1024 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            anonymous_bytes_max: 32 * 1024 * 1024,
            anonymous_ms: 120_000,
            head_bytes_max: 32 * 1024,
            headers_max: 64,
            connections_max: 1024,
            hello_ms: 3_000,
            handshake_ms: 10_000,
            head_ms: 10_000,
            idle_ms: 75_000,
            body_pause_ms: 30_000,
            bytes_per_s_min: 1_024,
            bytes_window_ms: 60_000,
            write_pause_ms: 60_000,
            grace_ms: 20_000,
        }
    }
}

/// The storage engine of people's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// One file for each person.
    Redb,
    /// One folder for each person; in builds with the feature `sled`.
    Sled,
}

/// People's stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct People {
    /// The engine of new stores.
    pub engine: Engine,
    /// Stores open at one moment.
    pub open_max: usize,
    /// A store that was not used for this long is closed, ms.
    pub idle_close_ms: u64,
    /// How long a store may be open after a device's last contact, for owners who give a lease, ms.
    pub lease_ms: u64,
    /// The same for owners whose phone unlocks the store only for a while, ms.
    pub phone_unlocked_ms: u64,
}

/// Cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cells {
    /// Threads that answer requests that only read, with as many again for requests that write; 0: as many as the machine has processors, at least 2.
    pub endpoint_threads: usize,
    /// Threads that run stages; 0: half as many as the machine has processors, at least 1.
    pub stage_threads: usize,
    /// Cells alive at one moment.
    pub slots: u32,
    /// Whether an instance may be kept for the next request of the same person.
    pub warm_instances: bool,
}

/// What people may install.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Packages {
    /// Whose cells: `any`, or a list of publishers' ids.
    pub publishers: Publishers,
    /// The largest package, bytes.
    pub bytes_max: usize,
    /// How many cells a person may have.
    pub per_person_max: usize,
    /// Whether people may bring packages of their own.
    pub own: bool,
    /// The folder of packages that may be installed where people may not bring their own; none: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// Whose cells may be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Publishers {
    /// Those of anybody.
    Any(Any),
    /// Those of these publishers.
    Only(BTreeSet<PublisherId>),
}

/// The word for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Any {
    /// `any`
    Any,
}

/// The pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Whether it runs by itself when data has arrived.
    pub automatic: bool,
    /// Time after the last put, ms.
    pub quiet_ms: u64,
    /// Time after the first put that no run has covered, ms; it applies where puts never pause.
    pub wait_max_ms: u64,
    /// Time between runs that process what an earlier run had to leave, ms.
    pub every_ms: u64,
    /// Whether locations are filtered by accuracy; the reference's default is no.
    pub accuracy_filtering: bool,
    /// A file with the stage list; none: the standard one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages: Option<PathBuf>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The format of lines.
    pub format: LogFormat,
    /// The lowest level that is logged; also `target=level` pairs.
    pub filter: String,
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

// The defaults of people's runtimes stand in `runtime_user::Settings`.

impl Default for People {
    fn default() -> Self {
        let Settings { engine, open_people_max, idle_close_ms, lease_ms, phone_unlocked_ms, .. } =
            Settings::at(PathBuf::new());
        let engine = match engine {
            EngineKind::Redb => Engine::Redb,
            EngineKind::Sled => Engine::Sled,
        };
        Self { engine, open_max: open_people_max, idle_close_ms, lease_ms, phone_unlocked_ms }
    }
}

impl Default for Cells {
    fn default() -> Self {
        let Settings { slots, warm_instances, .. } = Settings::at(PathBuf::new());
        Self { endpoint_threads: 0, stage_threads: 0, slots, warm_instances }
    }
}

impl Default for Packages {
    fn default() -> Self {
        let Policy { package_bytes_max, per_person_max, own, .. } = Policy::default();
        let publishers = Publishers::Any(Any::Any);
        Self { publishers, bytes_max: package_bytes_max, per_person_max, own, folder: None }
    }
}

impl Packages {
    fn policy(&self) -> Policy {
        Policy {
            publishers: match &self.publishers {
                Publishers::Any(Any::Any) => None,
                Publishers::Only(known) => Some(known.clone()),
            },
            package_bytes_max: self.bytes_max,
            per_person_max: self.per_person_max,
            own: self.own,
            folder: self.folder.clone(),
        }
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        let Settings { rhythm, accuracy_filtering, .. } = Settings::at(PathBuf::new());
        let ms = |seconds: f64| (seconds * 1e3) as u64;
        Self {
            automatic: true,
            quiet_ms: ms(rhythm.quiet_s),
            wait_max_ms: ms(rhythm.wait_max_s),
            every_ms: ms(rhythm.every_s),
            accuracy_filtering,
            stages: None,
        }
    }
}

impl Pipeline {
    fn rhythm(&self) -> Rhythm {
        let seconds = |ms: u64| ms as f64 / 1e3;
        Rhythm {
            quiet_s: seconds(self.quiet_ms),
            wait_max_s: seconds(self.wait_max_ms),
            every_s: seconds(self.every_ms),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
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
