//! The proof that this host answers for a name (tls-alpn-01, RFC 8737): a certificate with the digest of what the server
//! asked for, shown by a protocol of its own while the order for that name is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use runtime_types::UserId;
use runtime_wire::tls::provider;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// The protocol by which a server asks for the proof.
pub const ALPN: &[u8] = b"acme-tls/1";

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoProof {
    #[error("the certificate of the proof cannot be made")]
    Make(#[from] rcgen::Error),
    #[error("tls refuses the certificate of the proof")]
    Tls(#[from] rustls::Error),
}

struct Shown {
    user: UserId,
    name: String,
    config: Arc<ServerConfig>,
}

/// The proof that is shown at this moment.
#[derive(Default)]
pub(crate) struct Challenges(Mutex<Option<Shown>>);

impl Challenges {
    fn lock(&self) -> MutexGuard<'_, Option<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the proof with that digest at that name, until the answer is dropped.
    pub(crate) fn show(&self, user: UserId, name: &str, digest: &[u8]) -> Result<Showing<'_>, NoProof> {
        let config = config(name, digest)?;
        *self.lock() = Some(Shown { user, name: name.to_owned(), config });
        Ok(Showing(self))
    }

    /// The configuration that shows the proof for that name, and whose name it is; `None`: no proof of it is asked for.
    pub(crate) fn find(&self, name: &str) -> Option<(UserId, Arc<ServerConfig>)> {
        let shown = self.lock();
        let shown = shown.as_ref().filter(|shown| shown.name.eq_ignore_ascii_case(name))?;
        Some((shown.user, Arc::clone(&shown.config)))
    }
}

/// A proof that is shown.
pub(crate) struct Showing<'c>(&'c Challenges);

impl Drop for Showing<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

fn config(name: &str, digest: &[u8]) -> Result<Arc<ServerConfig>, NoProof> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = provider().key_provider.load_private_key(private)?;
    // Not checked against its key: TLS libraries do not read a certificate with an extension that they do not know.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], signer);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Whoever comes again asks again.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_there_for_its_name_alone_and_until_its_order_ends() {
        let (challenges, user) = (Challenges::default(), UserId([1; 16]));
        let showing = challenges.show(user, "label.host.example", &[7; 32]).expect("shown");
        let (whose, config) = challenges.find("Label.host.example").expect("names have no case");
        assert_eq!((whose, config.alpn_protocols.as_slice()), (user, &[ALPN.to_vec()][..]));
        for other in ["label.host.example.", "label.other.example", "label", "x.label.host.example", ""] {
            assert!(challenges.find(other).is_none(), "{other}");
        }
        drop(showing);
        assert!(challenges.find("label.host.example").is_none());
    }
}
