//! Looks at a host's port as a server of ACME does (RFC 8737): a handshake at a name, by a protocol of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use runtime_wire::tls::provider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::sockets::named;
use super::ca::{alternative_name, has};

/// The protocol of such a look.
pub const ALPN: &[u8] = b"acme-tls/1";
/// `id-pe-acmeIdentifier`, critical, with an octet string of 32 bytes in one of 34.
const IDENTIFIER: [u8; 17] = [6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 0x1f, 1, 1, 0xff, 4, 0x22, 4, 0x20];

/// What stands before the coordinates of a public key of P-256: a bit string, and the form of a point.
const POINT: [u8; 4] = [3, 0x42, 0, 4];

/// Takes any certificate whose key signs: what is in it is looked at afterwards.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A signature by the key of a certificate with an extension that the TLS library does not know.
fn verify(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let at = certificate.windows(POINT.len()).position(|window| window == POINT);
    let point = at.and_then(|at| certificate.get(at + POINT.len() - 1..at + POINT.len() + 64));
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.expect("a key of P-256"));
    let valid = key.verify(message, signed.signature()).map(|()| HandshakeSignatureValid::assertion());
    valid.map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadSignature))
}

/// The certificate that is shown at that name by one of these protocols, and which of them it was.
pub async fn look(
    port: SocketAddr,
    name: &str,
    protocols: &[&[u8]],
) -> Result<(CertificateDer<'static>, Option<Vec<u8>>), std::io::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = TcpStream::connect(port).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(named(name), socket).await?;
    let tls = stream.get_ref().1;
    let shown = tls.peer_certificates().and_then(|chain| chain.first()).expect("a certificate").clone();
    Ok((shown.into_owned(), tls.alpn_protocol().map(<[u8]>::to_vec)))
}

/// Whether the port proves the name with this text.
pub async fn proves(port: SocketAddr, name: &str, authorization: &str) -> Result<(), String> {
    let looked = look(port, name, &[ALPN]).await;
    let (shown, protocol) = looked.map_err(|error| format!("no handshake at {name}: {error}"))?;
    let wanted = [&IDENTIFIER[..], digest(&SHA256, authorization.as_bytes()).as_ref()].concat();
    if protocol.as_deref() != Some(ALPN) {
        return Err("another protocol".to_owned());
    }
    if !has(&shown, &alternative_name(name)) {
        return Err("another name, or several".to_owned());
    }
    if has(&shown, &wanted) { Ok(()) } else { Err("another token or account".to_owned()) }
}
