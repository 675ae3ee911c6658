//! Each person's TLS configurations, built at the first connection and kept for the next: building one costs more than
//! a handshake.
//!
//! * Invariants: a configuration belongs to one person and one protocol; dropping it drops its sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use handshake::encoding::{Spki, server_name};
use handshake::route::ALPN_CONNECT;
use handshake::transcript::ALPN_PAIR;
use runtime_acme::{Certificates, Subject, read_certificate};
use runtime_user::{Runtime, UserId};
use rustls::ServerConfig;

use runtime_wire::tls::{Accepts, Identity, IdentityError, raw_server};

/// Number of people whose configurations are kept; each takes some tens of KiB with its sessions.
const PEOPLE_MAX: usize = 256;
/// The certificate of a person's own name with its key, where a server has issued one.
const CERTIFICATE_FILE: &str = "acme.pem";

/// Which of a person's configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    Pair,
    Native,
    Web,
}

struct Kept {
    config: Arc<ServerConfig>,
    used: Instant,
}

/// Why a person cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("the person's key cannot be used")]
    Key(#[from] runtime_user::OwnerError),
    #[error("tls refuses the person's key")]
    Tls(#[from] rustls::Error),
    #[error("the person's certificate cannot be used")]
    Identity(#[from] IdentityError),
}

/// All people's configurations.
pub struct Configs {
    runtime: Arc<Runtime>,
    /// The part after the label in the names of this host.
    host: String,
    kept: Mutex<HashMap<(UserId, Purpose), Kept>>,
    /// The operator's certificate for the names of all people.
    web: Mutex<Option<Arc<Identity>>>,
    /// Certificates of single names, from a server; not set: none are asked for.
    certificates: OnceLock<Arc<Certificates>>,
    /// How often a certificate has changed.
    changes: AtomicU64,
}

impl Configs {
    /// An empty set.
    pub fn new(runtime: Arc<Runtime>, host: String) -> Self {
        let (kept, web) = (Mutex::default(), Mutex::default());
        Self { runtime, host, kept, web, certificates: OnceLock::new(), changes: AtomicU64::new(0) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(UserId, Purpose), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person's configuration for this purpose. May read the disk.
    pub(super) fn get(&self, user: UserId, purpose: Purpose) -> Result<Arc<ServerConfig>, ConfigError> {
        if let Some(config) = self.ready(user, purpose) {
            return Ok(config);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let config = self.make(user, purpose)?;
        let mut kept = self.lock();
        if changes != self.changes.load(Ordering::SeqCst) {
            // It may have been made of what has just been replaced.
            return Ok(config);
        }
        if kept.len() >= PEOPLE_MAX {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key);
            oldest.and_then(|key| kept.remove(&key));
        }
        kept.insert((user, purpose), Kept { config: Arc::clone(&config), used: Instant::now() });
        Ok(config)
    }

    /// The configuration, if it is kept.
    pub(super) fn ready(&self, user: UserId, purpose: Purpose) -> Option<Arc<ServerConfig>> {
        let mut kept = self.lock();
        let kept = kept.get_mut(&(user, purpose))?;
        kept.used = Instant::now();
        Some(Arc::clone(&kept.config))
    }

    /// Drops a person's configurations, and with them every session that could be resumed: a device was revoked, or the
    /// person is gone.
    pub fn forget(&self, user: UserId) {
        self.lock().retain(|(owner, _), _| *owner != user);
    }

    /// Replaces the certificate for the names of all people; configurations are made anew for the connections that come.
    pub(super) fn show_web(&self, identity: Option<Identity>) {
        *self.web.lock().unwrap_or_else(PoisonError::into_inner) = identity.map(Arc::new);
        let mut kept = self.lock();
        self.changes.fetch_add(1, Ordering::SeqCst);
        kept.retain(|(_, purpose), _| *purpose != Purpose::Web);
    }

    /// Takes certificates for people's own names from there; a second time it changes nothing.
    pub(super) fn certify(&self, certificates: Arc<Certificates>) {
        let _ = self.certificates.set(certificates);
    }

    /// Where certificates for people's own names come from, if they do.
    pub(super) fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.get()
    }

    /// The person's own name, and where its certificate is kept. May read and write the disk.
    pub(super) fn subject(&self, user: UserId) -> Result<Subject, ConfigError> {
        let name = server_name(&self.runtime.owners().web_label(user)?.to_string(), &self.host);
        let file = self.runtime.people().folder(user).join("web").join(CERTIFICATE_FILE);
        Ok(Subject { user, name, file })
    }

    /// The names that have had a certificate before. Reads the disk.
    pub(super) fn certified(&self) -> Vec<Subject> {
        let records = self.runtime.people().records();
        let users = records.iter().filter_map(|record| record.id.parse().ok());
        let has_one =
            |user: &UserId| self.runtime.people().folder(*user).join("web").join(CERTIFICATE_FILE).exists();
        users.filter(has_one).filter_map(|user| self.subject(user).ok()).collect()
    }

    /// The person's name has another certificate; connections that are open are kept.
    pub(super) fn renewed(&self, user: UserId) {
        let mut kept = self.lock();
        self.changes.fetch_add(1, Ordering::SeqCst);
        kept.remove(&(user, Purpose::Web));
    }

    fn make(&self, user: UserId, purpose: Purpose) -> Result<Arc<ServerConfig>, ConfigError> {
        if purpose == Purpose::Web {
            let shown = self.web.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // One certificate, and a key for tickets of each person's own.
            if let Some(identity) = shown {
                return Ok(identity.server_config()?);
            }
            let subject = self.subject(user)?;
            if self.certificates.get().is_some()
                && let Ok((identity, _)) = read_certificate(&subject.file, &subject.name)
            {
                return Ok(identity.server_config()?);
            }
            let folder = self.runtime.people().folder(user).join("web");
            return Ok(Identity::load_or_make(&folder, &[subject.name])?.server_config()?);
        }
        let key = self.runtime.owners().signing_key(user)?;
        let config = match purpose {
            // A device presents its future key; whether it is admitted is decided by the pairing.
            Purpose::Pair => raw_server(key.pkcs8(), key.spki(), ALPN_PAIR, Arc::new(|_: &Spki| true), false),
            _ => raw_server(key.pkcs8(), key.spki(), ALPN_CONNECT, self.devices_of(user), true),
        };
        Ok(config?)
    }

    fn devices_of(&self, user: UserId) -> Accepts {
        let runtime = Arc::downgrade(&self.runtime);
        Arc::new(move |spki: &Spki| {
            runtime.upgrade().is_some_and(|runtime| runtime.devices().knows(user, spki))
        })
    }
}
