//! Registries, by the protocol of the OCI distribution specification.

use std::sync::Once;
use std::time::Duration;

use oci_client::client::{
    Certificate, CertificateEncoding, ClientConfig, ClientProtocol, Config, ImageLayer,
};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use tokio::time::timeout;
use zeroize::{Zeroize, Zeroizing};

use crate::artifact::{
    Artifact, BadArtifact, CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, check, digest_of, layer_of,
};
use crate::gate::{Allowed, Bounds, Gate, Host, Stopped};

/// How many characters of a registry's own words are shown.
const SAID_CHARS_MAX: usize = 200;
const PROGRAM: &str = concat!("cellar/", env!("CARGO_PKG_VERSION"));

/// How a registry is reached.
#[derive(Default)]
pub struct Access {
    /// Without TLS: only for a registry on this machine.
    pub plain: bool,
    /// Who logs in; `None`: nobody.
    pub login: Option<Login>,
    /// Further hosts that the registry may send to, `HOST[:PORT]`, with TLS.
    pub also: Vec<String>,
    /// The only authorities that are trusted, PEM; `None`: those of the system.
    pub authorities: Option<Vec<u8>>,
    /// How much and how long.
    pub bounds: Bounds,
}

/// A name and its password.
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Zeroizing<String>,
}

/// Why a registry did not take or give a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Without TLS, but not on this machine.
    #[error("{host} is not this machine: it is reached without TLS by nobody")]
    PlainElsewhere {
        /// The registry.
        host: String,
    },
    /// A host that is none.
    #[error("{text} is no HOST or HOST:PORT")]
    Host {
        /// What was named.
        text: String,
    },
    /// A manifest is put under a tag.
    #[error("a package is pushed under a tag, not under a digest")]
    NoTag,
    /// It would send to somewhere that was not named.
    #[error("the registry sends to {place}, which was not named: no request was sent there")]
    Elsewhere {
        /// Scheme and host.
        place: String,
    },
    /// More came than a package and what belongs to it have.
    #[error("the registry sent more than {limit_bytes} bytes")]
    TooMuch {
        /// The limit.
        limit_bytes: u64,
    },
    /// It took too long.
    #[error("the registry took longer than {limit_ms} ms")]
    TooLong {
        /// The limit.
        limit_ms: u64,
    },
    /// No connection.
    #[error("cannot reach {host}")]
    Unreachable {
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It wants another login.
    #[error("the registry refuses this login, or wants one")]
    Login,
    /// It has nothing under the reference.
    #[error("the registry has nothing under that reference")]
    NotThere,
    /// What it has is no package, or other than what it is called.
    #[error("what the registry gave is no package")]
    Artifact(#[from] BadArtifact),
    /// Something else.
    #[error("the registry did not do it: {said}")]
    Answer {
        /// What happened, in the registry's words or the client's, shortened.
        said: String,
    },
    /// The operating system gives no port, or the client cannot be set up.
    #[error("this machine did not do it")]
    System(#[source] std::io::Error),
}

/// Puts an artifact under a reference; returns the digest of the manifest.
pub(crate) async fn push(
    reference: &Reference,
    access: &Access,
    artifact: &Artifact,
) -> Result<String, RemoteError> {
    if reference.tag().is_none() || reference.digest().is_some() {
        return Err(RemoteError::NoTag);
    }
    within(reference, access, async |client, auth| {
        client.auth(reference, auth, RegistryOperation::Push).await.map_err(refused)?;
        let layer = ImageLayer::new(artifact.layer.clone(), LAYER_TYPE.to_owned(), None);
        let config = Config::new(artifact.config.clone(), CONFIG_TYPE.to_owned(), None);
        let pushed = client.push(reference, &[layer], config, auth, Some(artifact.manifest.clone())).await;
        pushed.map_err(refused)?;
        // What it has under the tag now.
        let (manifest, _) =
            client.pull_manifest_raw(reference, auth, &[MANIFEST_TYPE]).await.map_err(refused)?;
        let found = layer_of(&manifest)?.digest;
        let told = artifact.manifest.layers[0].digest.clone();
        if found != told {
            return Err(RemoteError::Artifact(BadArtifact::Digest {
                what: "the pushed package",
                told,
                found,
            }));
        }
        Ok(digest_of(&manifest))
    })
    .await
}

/// Gets what is under a reference; its digests hold.
pub(crate) async fn pull(reference: &Reference, access: &Access) -> Result<Vec<u8>, RemoteError> {
    within(reference, access, async |client, auth| {
        client.auth(reference, auth, RegistryOperation::Pull).await.map_err(refused)?;
        let manifest = client.pull_manifest_raw(reference, auth, &[MANIFEST_TYPE]).await;
        let (manifest, _) = manifest.map_err(refused)?;
        if let Some(digest) = reference.digest() {
            check("the manifest", digest, &manifest)?;
        }
        let layer = layer_of(&manifest)?;
        let mut bytes = Vec::new();
        client.pull_blob(reference, &layer, &mut bytes).await.map_err(refused)?;
        check("the package", &layer.digest, &bytes)?;
        Ok(bytes)
    })
    .await
}

/// How a registry is logged in to, as the client wants it: in texts that wipe nothing of themselves. This one is wiped
/// when it is dropped; the client's own copies of it are wiped by the allocator of the program.
struct Secret(RegistryAuth);

impl Secret {
    fn of(login: Option<&Login>) -> Self {
        Self(match login {
            Some(login) => RegistryAuth::Basic(login.username.clone(), login.password.to_string()),
            None => RegistryAuth::Anonymous,
        })
    }

    fn wipe(&mut self) {
        match &mut self.0 {
            RegistryAuth::Basic(_, secret) | RegistryAuth::Bearer(secret) => secret.zeroize(),
            RegistryAuth::Anonymous => {}
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Does something with a client that can only go through a gate, within the bounds.
async fn within<T>(
    reference: &Reference,
    access: &Access,
    work: impl AsyncFnOnce(&Client, &RegistryAuth) -> Result<T, RemoteError>,
) -> Result<T, RemoteError> {
    let bounds = access.bounds;
    let gate = Gate::open(allowed(reference, access)?, bounds).await.map_err(RemoteError::System)?;
    let client = client(&gate, access)?;
    let auth = Secret::of(access.login.as_ref());
    let done = timeout(Duration::from_millis(bounds.total_ms), work(&client, &auth.0)).await;
    match (gate.stopped(), done) {
        // What the client says of it is less exact.
        (Some(Stopped::Elsewhere(place)), _) => Err(RemoteError::Elsewhere { place }),
        (Some(Stopped::TooMuch), _) => Err(RemoteError::TooMuch { limit_bytes: bounds.received_bytes_max }),
        (Some(Stopped::Unreachable(host, source)), _) => {
            Err(RemoteError::Unreachable { host: host.to_string(), source })
        }
        (None, Err(_)) => Err(RemoteError::TooLong { limit_ms: bounds.total_ms }),
        (None, Ok(done)) => done,
    }
}

fn allowed(reference: &Reference, access: &Access) -> Result<Allowed, RemoteError> {
    let plain = access.plain;
    let host = |text: &str, port| {
        Host::parse(text, port).ok_or_else(|| RemoteError::Host { text: text.chars().take(120).collect() })
    };
    let registry = host(reference.resolve_registry(), if plain { 80 } else { 443 })?;
    if plain && !registry.is_this_machine() {
        return Err(RemoteError::PlainElsewhere { host: registry.to_string() });
    }
    let also = access.also.iter().map(|text| host(text, 443)).collect::<Result<_, _>>()?;
    Ok(Allowed { registry, plain, also })
}

fn client(gate: &Gate, access: &Access) -> Result<Client, RemoteError> {
    // The client asks the process for its cryptography.
    static RING: Once = Once::new();
    RING.call_once(|| {
        // Whoever was first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let authority = |pem: &Vec<u8>| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone() };
    let config = ClientConfig {
        protocol: if access.plain { ClientProtocol::Http } else { ClientProtocol::Https },
        tls_certs_only: access.authorities.iter().map(authority).collect(),
        platform_resolver: None,
        read_timeout: Some(Duration::from_millis(access.bounds.silence_ms)),
        connect_timeout: Some(Duration::from_millis(access.bounds.silence_ms)),
        user_agent: PROGRAM,
        https_proxy: Some(gate.proxy()),
        http_proxy: Some(gate.proxy()),
        no_proxy: None,
        ..ClientConfig::default()
    };
    // Not `Client::new`: that falls back to a client without all of this.
    Client::try_from(config).map_err(|error| RemoteError::System(std::io::Error::other(error)))
}

/// What the client says, with its own words and those of a registry shortened and without control characters.
fn refused(error: OciDistributionError) -> RemoteError {
    use OciDistributionError as Oci;
    match &error {
        Oci::UnauthorizedError { .. }
        | Oci::AuthenticationFailure(_)
        | Oci::ServerError { code: 401 | 403, .. } => RemoteError::Login,
        Oci::ImageManifestNotFoundError(_) | Oci::ServerError { code: 404, .. } => RemoteError::NotThere,
        Oci::RegistryError { envelope, .. } => match envelope.errors.first().map(|first| &first.code) {
            Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => RemoteError::Login,
            Some(OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::BlobUnknown) => {
                RemoteError::NotThere
            }
            _ => said(&error),
        },
        Oci::DigestError(oci_client::errors::DigestError::VerificationError { expected, actual }) => {
            let (told, found) = (shortened(expected), shortened(actual));
            RemoteError::Artifact(BadArtifact::Digest { what: "an answer", told, found })
        }
        _ => said(&error),
    }
}

fn said(error: &OciDistributionError) -> RemoteError {
    let mut all = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        all.push_str(": ");
        all.push_str(&source.to_string());
        cause = source.source();
    }
    RemoteError::Answer { said: shortened(&all) }
}

fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SAID_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_wiped_when_a_registry_was_asked() {
        let login = Login { username: "anna".to_owned(), password: Zeroizing::new("secret word".to_owned()) };
        let mut secret = Secret::of(Some(&login));
        assert!(secret.0 == RegistryAuth::Basic("anna".to_owned(), "secret word".to_owned()));
        secret.wipe();
        assert!(secret.0 == RegistryAuth::Basic("anna".to_owned(), String::new()));
        assert!(Secret::of(None).0 == RegistryAuth::Anonymous);
    }
}
