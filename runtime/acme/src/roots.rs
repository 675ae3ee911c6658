//! Which authorities vouch for the server that gives certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime_wire::tls::provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Why the server cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The operator's file cannot be used.
    #[error("{} holds no certificates in PEM form", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: pem::Error,
    },
    /// The address of the directory is not one of `https` with a host.
    #[error("{0} is not the address of a directory: it begins with https:// and a host")]
    Address(String),
    /// The system has none, or the file has none that can be used.
    #[error("there is no authority by which to recognise the acme server")]
    None,
    /// TLS refuses them.
    #[error("tls refuses the authorities by which to recognise the acme server")]
    Tls(#[from] rustls::Error),
}

/// How the server is connected to: TLS with a certificate of an authority in that file; `None`: of the system's.
pub(crate) fn client(file: Option<&Path>) -> Result<Arc<ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(match file {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| RootsError::File { path: path.to_owned(), source })?,
        None => rustls_native_certs::load_native_certs().certs,
    });
    if roots.is_empty() {
        return Err(RootsError::None);
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
