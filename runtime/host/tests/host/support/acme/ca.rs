//! The authority of the test's server: its own certificate, and those that it gives.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use runtime_host::http::service::epoch_ms;
use runtime_wire::tls::provider;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

pub struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// From when to when a certificate is valid, from now on, s.
#[derive(Clone, Copy)]
pub struct Validity {
    pub since_s: u64,
    pub for_s: u64,
}

struct PublicKey(Vec<u8>);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).expect("made").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The configuration of its own server.
    pub fn server(&self) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a certificate")
    }

    /// The chain for a request, which must be signed by its key and have that name alone; `name` is written into it.
    pub fn certify(&self, request: &[u8], asked: &str, name: &str, validity: Validity) -> Option<String> {
        let (info, signature) = yasna::parse_der(request, |parts| {
            parts.read_sequence(|parts| {
                let info = parts.next().read_der()?;
                parts.next().read_der()?;
                Ok((info, parts.next().read_bitvec_bytes()?.0))
            })
        })
        .ok()?;
        let spki = yasna::parse_der(&info, |parts| {
            parts.read_sequence(|parts| {
                parts.next().read_der()?;
                parts.next().read_der()?;
                let spki = parts.next().read_der()?;
                while parts.read_optional(|rest| rest.read_der())?.is_some() {}
                Ok(spki)
            })
        })
        .ok()?;
        let point = spki.get(spki.len().checked_sub(65)?..)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&info, &signature).ok()?;
        if !has(&info, &alternative_name(asked)) {
            return None;
        }
        let mut params = CertificateParams::new([name.to_owned()]).ok()?;
        let epoch = date_time_ymd(1970, 1, 1);
        let now = Duration::from_millis(epoch_ms());
        params.not_before = epoch + now - Duration::from_secs(validity.since_s);
        params.not_after = epoch + now + Duration::from_secs(validity.for_s);
        let leaf = params.signed_by(&PublicKey(point.to_vec()), &self.issuer).ok()?.pem();
        Some(format!("{leaf}{}", self.pem))
    }
}

/// The names of a certificate that is for one name alone, as they stand in it.
pub fn alternative_name(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a short name");
    [&[0x30, length + 2, 0x82, length], name.as_bytes()].concat()
}

pub fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
