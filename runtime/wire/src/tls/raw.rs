//! TLS 1.3 with raw public keys on both sides (RFC 7250): no names, no dates, no authority. A peer is identified by its
//! key alone.
//!
//! * Invariants: a key has one of the two shapes of [`Spki`] before any signature is checked; a configuration serves
//!   one person, with its own session cache; a pairing connection leaves nothing that could be resumed; no 0-RTT.
//! * Resumption does not ask the verifier again, so the code that serves a connection looks the device up after *every*
//!   handshake.
//! * Not here: which key belongs to whom (`handshake`, `runtime/user`).

use std::fmt;
use std::sync::Arc;

use handshake::encoding::Spki;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    ServerConfig, SignatureScheme,
};

use super::provider;

/// Sessions that one person's devices may resume.
const SESSIONS_MAX: usize = 256;

/// Decides which keys pass the handshake.
pub type Accepts = Arc<dyn Fn(&Spki) -> bool + Send + Sync>;

/// A key in the form that TLS needs: its private half in PKCS#8 and its public half as the other side sees it.
fn certified(pkcs8: &[u8], spki: &Spki) -> Result<Arc<CertifiedKey>, Error> {
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
    let signer = provider().key_provider.load_private_key(private)?;
    let shown = CertificateDer::from(spki.as_bytes().to_vec());
    Ok(Arc::new(CertifiedKey::new(vec![shown], signer)))
}

/// The configuration with which one person's runtime serves a protocol (its ALPN name): with its own key, for devices
/// that `accepts` admits. `resumable` decides whether a device gets tickets.
///
/// # Errors
/// Where the key is not valid.
pub fn raw_server(
    pkcs8: &[u8],
    spki: &Spki,
    protocol: &[u8],
    accepts: Accepts,
    resumable: bool,
) -> Result<Arc<ServerConfig>, Error> {
    let key = certified(pkcs8, spki)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Peer { accepts, provider: provider() }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    config.alpn_protocols = vec![protocol.to_vec()];
    config.max_early_data_size = 0;
    if resumable {
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// The configuration with which a device connects: with its own key, to a runtime that `accepts` admits.
///
/// # Errors
/// Where the key is not valid.
pub fn raw_client(
    pkcs8: &[u8],
    spki: &Spki,
    protocol: &[u8],
    accepts: Accepts,
) -> Result<Arc<ClientConfig>, Error> {
    let key = certified(pkcs8, spki)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Peer { accepts, provider: provider() }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    config.alpn_protocols = vec![protocol.to_vec()];
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

/// The key of the peer after a handshake, full or resumed; `None` where it has neither of the two shapes.
pub fn peer_key(certificates: Option<&[CertificateDer<'_>]>) -> Option<Spki> {
    match certificates {
        Some([only]) => Spki::parse(only).ok(),
        _ => None,
    }
}

/// Checks the peer's key. Both sides use it: a key means the same on either.
struct Peer {
    accepts: Accepts,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

impl Peer {
    fn look(&self, shown: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), Error> {
        // The shape is checked before any arithmetic with the key.
        let spki = Spki::parse(shown).map_err(|_| Error::from(CertificateError::BadEncoding))?;
        if more.is_empty() && (self.accepts)(&spki) {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }

    /// The signature schemes of the two key shapes.
    fn schemes() -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// TLS 1.2 is never offered, so this is never called.
fn no_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled)
}

/// The checks of a raw key's signature that both sides make: two traits need the same.
macro_rules! checks_of_a_bare_key {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _certificate: &CertificateDer<'_>,
            _signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(no_tls12())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.signature(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Self::schemes()
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ClientCertVerifier for Peer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.look(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    checks_of_a_bare_key!();
}

impl ServerCertVerifier for Peer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.look(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    checks_of_a_bare_key!();
}
