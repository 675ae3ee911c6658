//! The host's certificate and key: provided by the operator, or created at the first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::pin::Pin;
use super::provider;

const CERTIFICATE_FILE: &str = "host.crt";
const KEY_FILE: &str = "host.tls.key";

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file contains no PEM of that kind.
    #[error("{} holds no {wanted} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should contain.
        wanted: &'static str,
        /// The cause.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The key that phones identify the host by is missing; with another key, it would be another host to them.
    #[error("{} is missing, and phones know this host by it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Other users can read the key.
    #[error("{} can be read by others: change its mode to 600", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// A certificate could not be created.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// Certificate and key do not belong together, or TLS refuses them.
    #[error("the certificate or its key is refused")]
    Tls(#[from] rustls::Error),
}

/// A certificate chain and its key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pin: Pin,
}

impl Identity {
    /// Reads an operator's certificate chain and key.
    ///
    /// # Errors
    /// [`IdentityError`] where either cannot be read.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let pem = |path: &Path, wanted| {
            let path = path.to_owned();
            move |source| match source {
                rustls::pki_types::pem::Error::Io(source) => IdentityError::File { path, source },
                source => IdentityError::Pem { path, wanted, source },
            }
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem(certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key, "private key"))?;
        let Some(first) = chain.first() else {
            let source = rustls::pki_types::pem::Error::NoItemsFound;
            return Err(IdentityError::Pem { path: certificate.to_owned(), wanted: "certificate", source });
        };
        let pin = Pin::of_certificate(first)?;
        Ok(Self { chain, key, pin })
    }

    /// Like [`Self::load_kept`]; where both files are missing, both are created, for `localhost` and `names`.
    ///
    /// # Errors
    /// [`IdentityError`] where they can be neither read nor created.
    pub fn load_or_make(folder: &Path, names: &[String]) -> Result<Self, IdentityError> {
        let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        if !is_there(&key)? && !is_there(&certificate)? {
            let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            // The key is written first: if a crash comes between the two, the next start completes the pair.
            write_key(folder, &pair, &key)?;
        }
        Self::load_kept(folder, names)
    }

    /// Reads `host.crt` and `host.tls.key` in a folder. A missing certificate is created again for its key, since
    /// phones know only the key; a missing key is never replaced.
    ///
    /// # Errors
    /// [`IdentityError::Missing`] where there is no key; others where the files cannot be used.
    pub fn load_kept(folder: &Path, names: &[String]) -> Result<Self, IdentityError> {
        let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        if !is_there(&key)? {
            return Err(IdentityError::Missing { path: key });
        }
        if fs::metadata(&key).map_err(of_file(&key))?.permissions().mode() & 0o077 != 0 {
            return Err(IdentityError::OpenToOthers { path: key });
        }
        if !is_there(&certificate)? {
            let text = Zeroizing::new(fs::read_to_string(&key).map_err(of_file(&key))?);
            make_certificate(&KeyPair::from_pem(&text)?, &certificate, names)?;
        }
        Self::load(&certificate, &key)
    }

    /// The digest of the public key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// The server configuration with this identity: TLS 1.3, and 1.2 for old phones; HTTP/1.1.
    ///
    /// # Errors
    /// [`IdentityError::Tls`] where certificate and key do not belong together.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }
}

/// Whether something of that name exists. A link without a target is a file that is not mounted, not one to be created.
fn is_there(path: &Path) -> Result<bool, IdentityError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(IdentityError::File { path: path.to_owned(), source }),
    }
}

fn of_file(path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::File { path, source }
}

fn write_key(folder: &Path, pair: &KeyPair, key: &Path) -> Result<(), IdentityError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(of_file(folder))?;
    let secret = Zeroizing::new(pair.serialize_pem());
    write_new(key, secret.as_bytes(), 0o600).map_err(of_file(key))
}

fn make_certificate(pair: &KeyPair, certificate: &Path, names: &[String]) -> Result<(), IdentityError> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    all.extend(names.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
    let mut params = CertificateParams::new(all)?;
    params.distinguished_name.push(DnType::CommonName, "cellar");
    let made = params.self_signed(pair)?;
    write_new(certificate, made.pem().as_bytes(), 0o644).map_err(of_file(certificate))
}

/// Writes a file completely or not at all; it is on disk when this returns.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let half = path.with_extension("new");
    match fs::remove_file(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_made_once_and_its_key_is_the_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Identity::load_or_make(folder.path(), &["host.example".to_owned()]).expect("made");
        let again = Identity::load_kept(folder.path(), &[]).expect("read");
        assert_eq!(first.pin(), again.pin());
        let mode = fs::metadata(folder.path().join("host.tls.key")).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(again.server_config().is_ok());
    }

    #[test]
    fn attack_102_a_key_of_the_host_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        Identity::load_or_make(folder.path(), &[]).expect("made");
        let key = folder.path().join("host.tls.key");
        for open in [0o666, 0o640, 0o604] {
            fs::set_permissions(&key, fs::Permissions::from_mode(open)).expect("set");
            let refused = Identity::load_or_make(folder.path(), &[]).err().expect("refused");
            assert!(matches!(&refused, IdentityError::OpenToOthers { path } if *path == key), "{refused}");
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
        Identity::load_or_make(folder.path(), &[]).expect("read");
    }

    #[test]
    fn a_damaged_certificate_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        Identity::load_or_make(folder.path(), &[]).expect("made");
        fs::write(folder.path().join("host.crt"), "nonsense").expect("written");
        let error = Identity::load_or_make(folder.path(), &[]).err().expect("refused");
        assert!(error.to_string().contains("host.crt"), "{error}");
    }

    #[test]
    fn a_lost_certificate_is_made_anew_for_its_key_and_a_lost_key_never_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("host.crt"), folder.path().join("host.tls.key"));
        let made = || Identity::load_or_make(folder.path(), &[]);
        let kept = || Identity::load_kept(folder.path(), &[]);
        let pin = made().expect("made").pin();
        fs::remove_file(&certificate).expect("removed");
        let again = kept().expect("made for the key");
        assert_eq!(again.pin(), pin);
        assert!(again.server_config().is_ok());

        let bytes = fs::read(&key).expect("a key");
        fs::remove_file(&key).expect("removed");
        for refused in [made(), kept()] {
            let refused = refused.err().expect("refused");
            assert!(refused.to_string().contains("host.tls.key"), "{refused}");
        }
        fs::remove_file(&certificate).expect("removed");
        assert!(matches!(kept(), Err(IdentityError::Missing { .. })));
        // A link to a place where nothing is mounted now.
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &key).expect("linked");
        assert!(matches!(made(), Err(IdentityError::File { .. })));
        fs::remove_file(&key).expect("removed");
        for half in [&b""[..], &bytes[..bytes.len() / 2]] {
            fs::write(&key, half).expect("written");
            assert!(made().is_err());
            assert_eq!(fs::read(&key).expect("there"), half, "what is there is never replaced");
        }
        assert!(!certificate.exists());
    }

    #[test]
    fn another_key_than_the_certificates_is_refused() {
        let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        Identity::load_or_make(one.path(), &[]).expect("made");
        Identity::load_or_make(other.path(), &[]).expect("made");
        let mixed = Identity::load(&one.path().join("host.crt"), &other.path().join("host.tls.key"));
        assert!(mixed.expect("both read").server_config().is_err());
    }
}
