//! Keys that are no device's: attack 22.

use std::sync::Arc;

use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use handshake::pairing::WindowState;
use handshake::transcript::ALPN_PAIR;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use runtime_wire::tls::{provider, raw_client};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, Signer};
use rustls::{ClientConfig, Error, SignatureAlgorithm, SignatureScheme};

use super::cloud::start;
use super::pairing::{honest_in, nobody_enrolled, window};
use super::phone::{encrypt, ended_with, key, network, scanned};

const BAD_CERTIFICATE: Option<u8> = Some(42);
const DECRYPT_ERROR: Option<u8> = Some(51);
const CERTIFICATE_REQUIRED: Option<u8> = Some(116);

/// Signs, whatever the other side would take.
#[derive(Debug, Clone)]
enum Signs {
    With(Arc<dyn rustls::sign::SigningKey>, SignatureScheme),
    /// Always the same 64 bytes.
    Constant([u8; 64]),
}

impl Signs {
    fn ecdsa(pkcs8: &[u8], scheme: SignatureScheme) -> Self {
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
        Self::With(provider().key_provider.load_private_key(private).unwrap(), scheme)
    }

    fn p256(key: &SigningKey) -> Self {
        Self::ecdsa(key.pkcs8(), SignatureScheme::ECDSA_NISTP256_SHA256)
    }

    fn ed25519(key: &SigningKey) -> Self {
        Self::ecdsa(key.pkcs8(), SignatureScheme::ED25519)
    }
}

impl rustls::sign::SigningKey for Signs {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        match self {
            Self::With(key, scheme) => key.choose_scheme(&[*scheme]),
            Self::Constant(_) => Some(Box::new(self.clone())),
        }
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Signs {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Constant(signature) => Ok(signature.to_vec()),
            Self::With(..) => Err(Error::General("signs with its key".to_owned())),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Shows those bytes as its key; `None`: has none.
#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn client(shown: Option<(Vec<u8>, Signs)>) -> Arc<ClientConfig> {
    let any = key(KeyKind::Ed25519);
    let sound = raw_client(any.pkcs8(), any.spki(), ALPN_PAIR, Arc::new(|_| true)).unwrap();
    let mut config = ClientConfig::clone(&sound);
    let shown = shown
        .map(|(spki, signs)| Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], Arc::new(signs))));
    config.client_auth_cert_resolver = Arc::new(Shows(shown));
    Arc::new(config)
}

/// DER of an element whose content has that many bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match length {
        0..=127 => bytes.push(length as u8),
        128..=255 => bytes.extend([0x81, length as u8]),
        _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    [bytes, content.to_vec()].concat()
}

/// A SubjectPublicKeyInfo with that algorithm and that key.
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let key = der(0x03, &[&[0], key].concat());
    der(0x30, &[der(0x30, algorithm), key].concat())
}

const OID_RSA: [u8; 13] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const OID_P256: [u8; 19] =
    [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const OID_P384: [u8; 16] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22];
const OID_SECP256K1: [u8; 16] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x0a];
const OID_X25519: [u8; 5] = [6, 3, 0x2b, 0x65, 0x6e];
const OID_ED25519: [u8; 5] = [6, 3, 0x2b, 0x65, 0x70];
const OID_ED448: [u8; 5] = [6, 3, 0x2b, 0x65, 0x71];

fn rsa(modulus_bytes: usize) -> Vec<u8> {
    let numbers = [der(2, &vec![0x7f; modulus_bytes]), der(2, &[1, 0, 1])].concat();
    spki(&OID_RSA, &der(0x30, &numbers))
}

/// Points of Ed25519 whose order is at most 8: whoever shows one signs whatever it likes without any private key.
fn weak_points() -> Vec<[u8; 32]> {
    let hex = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let points = hex.map(|hex| {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        <[u8; 32]>::try_from(bytes.as_slice()).unwrap()
    });
    let other_sign = points.map(|mut point| {
        point[31] |= 0x80;
        point
    });
    [points, other_sign].concat()
}

/// Everything that is shown, what it is, and the alert that ends it.
fn strangers() -> Vec<(String, Vec<u8>, Signs, Option<u8>)> {
    let (ed25519, p256) = (key(KeyKind::Ed25519), key(KeyKind::P256));
    let with_ed = || Signs::ed25519(&ed25519);
    let with_p256 = || Signs::p256(&p256);
    let random = SystemRandom::new();
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, p384.as_ref(), &random).unwrap();
    let with_p384 = Signs::ecdsa(p384.as_ref(), SignatureScheme::ECDSA_NISTP384_SHA384);
    let sound = p256.spki().as_bytes().to_vec();
    let point = p256.spki().key_bytes().to_vec();
    let altered = |at: usize, to: u8| {
        let mut bytes = sound.clone();
        bytes[at] = to;
        bytes
    };
    let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    let mut bad = vec![
        ("P-384, and rightly signed", spki(&OID_P384, pair.public_key().as_ref()), with_p384),
        ("RSA of 2048 bits", rsa(256), with_ed()),
        ("RSA of 16384 bits", rsa(2048), with_ed()),
        ("RSA that would take minutes", rsa(15 * 1024), with_ed()),
        ("Ed448", spki(&OID_ED448, &[7; 57]), with_ed()),
        ("X25519", spki(&OID_X25519, ed25519.spki().key_bytes()), with_ed()),
        ("secp256k1", spki(&OID_SECP256K1, &point), with_p256()),
        ("a compressed point", spki(&OID_P256, &compressed), with_p256()),
        ("a point in the hybrid form", altered(26, 6), with_p256()),
        ("a point off the curve", altered(90, sound[90] ^ 1), with_p256()),
        ("a point of zeros", spki(&OID_P256, &[&[4], [0; 64].as_slice()].concat()), with_p256()),
        ("a point of zeros, unmarked", spki(&OID_P256, &[0; 65]), with_p256()),
        ("a point at infinity", spki(&OID_P256, &[0]), with_p256()),
        (
            "coordinates beyond the field",
            spki(&OID_P256, &[&[4], [0xff; 64].as_slice()].concat()),
            with_p256(),
        ),
        ("one byte too many", [sound.as_slice(), &[0]].concat(), with_p256()),
        ("one byte too few", sound[..90].to_vec(), with_p256()),
        ("a length that lies", altered(1, 0x58), with_p256()),
        ("one byte", vec![0x30], with_p256()),
        ("no DER at all", vec![0xff; 91], with_p256()),
        ("Ed25519 with 33 bytes", spki(&OID_ED25519, &[7; 33]), with_ed()),
    ]
    .into_iter()
    .map(|(what, shown, signs)| (what.to_owned(), shown, signs, BAD_CERTIFICATE))
    .collect::<Vec<_>>();
    for (number, point) in weak_points().into_iter().enumerate() {
        // The neutral point as R and 0 as S: right for every message under the neutral point, and for one message in
        // two, four or eight under the others.
        let mut signature = [0; 64];
        signature[0] = 1;
        let what = format!("weak point {number}, signed by nobody");
        bad.push((what, spki(&OID_ED25519, &point), Signs::Constant(signature), BAD_CERTIFICATE));
    }
    let victims = [key(KeyKind::P256), key(KeyKind::Ed25519)];
    bad.push((
        "another's P-256 key".to_owned(),
        victims[0].spki().as_bytes().to_vec(),
        with_p256(),
        DECRYPT_ERROR,
    ));
    bad.push((
        "another's Ed25519 key".to_owned(),
        victims[1].spki().as_bytes().to_vec(),
        with_ed(),
        DECRYPT_ERROR,
    ));
    bad.push(("nothing".to_owned(), Vec::new(), with_ed(), BAD_CERTIFICATE));
    bad
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_22_keys_of_other_kinds_and_no_keys() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let invitation = cloud.open_window(user).await;
    let name = scanned(&invitation).server_name;
    for (number, (what, shown, signs, alert)) in strangers().into_iter().enumerate() {
        let from = network(u8::try_from(number).unwrap());
        let connected = encrypt(from, cloud.address, &name, client(Some((shown, signs)))).await;
        assert_eq!(ended_with(connected).await, alert, "{what}");
    }
    let connected = encrypt(network(200), cloud.address, &name, client(None)).await;
    assert_eq!(ended_with(connected).await, CERTIFICATE_REQUIRED, "no key");
    assert_eq!(window(&cloud, user), (WindowState::Open, 0, 0));
    nobody_enrolled(&cloud, user);
    honest_in(&cloud, user, &invitation).await;
}
