//! The sections of the configuration file, with their defaults.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use runtime_program::logs::LogFormat;
use runtime_user::{EngineKind, Policy, PublisherId, Rhythm, Settings};
use runtime_wire::tls::{Identity, IdentityError};
use serde::{Deserialize, Serialize};

use crate::acme::Acme;

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
    pub(super) fn policy(&self) -> Policy {
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
    pub(super) fn rhythm(&self) -> Rhythm {
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
