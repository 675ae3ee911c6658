//! Recognises a host by its public key, without any certificate authority.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::provider;

/// SHA-256 of a host's public key (its SubjectPublicKeyInfo in DER). Public; prints as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// A text that is not a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pin has 64 hex digits")]
pub struct BadPin;

impl Pin {
    /// The pin of a certificate's key.
    ///
    /// # Errors
    /// Where the certificate does not parse.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let info = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &info).as_ref());
        Ok(Self(bytes))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Pin {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(BadPin);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(BadPin);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).map_err(|_| BadPin)?;
        }
        Ok(Self(bytes))
    }
}

/// Accepts a server whose key has the pin, whatever its name and dates, and no other. The signature over the handshake
/// is checked as always: a server that only presents the certificate does not have its key.
#[derive(Debug)]
struct PinnedServer {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Pin::of_certificate(end_entity)? == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS configuration of a phone that connects to the host with that pin: TLS 1.3, HTTP/1.1.
///
/// # Errors
/// Where the provider of cryptography does not support TLS 1.3; the one used here does.
pub fn pinned_client(pin: Pin) -> Result<Arc<ClientConfig>, Error> {
    let verifier = Arc::new(PinnedServer { pin, provider: provider() });
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_reads_what_it_prints() {
        let pin = Pin([0xa5; 32]);
        assert_eq!(pin.to_string().parse(), Ok(pin));
        assert_eq!("a5".parse::<Pin>(), Err(BadPin));
        assert_eq!("x".repeat(64).parse::<Pin>(), Err(BadPin));
    }
}
