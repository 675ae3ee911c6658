//! An authenticator of software with its browser, for tests: it signs what it is told to, lies included.

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::{KeyKind, Spki};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::key::to_cose;
use super::{CHALLENGE_BYTES, Site};

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// One passkey.
pub struct Authenticator {
    /// Its id.
    pub id: Vec<u8>,
    pair: Pair,
    /// Its public key.
    pub key: Spki,
    /// The next counter; 0: it has none.
    pub counter: u32,
    /// Its flags: 0x05 says that a user was there and was verified.
    pub flags: u8,
}

impl Authenticator {
    /// A new passkey of that kind.
    pub fn new(kind: KeyKind) -> Self {
        let random = SystemRandom::new();
        let mut id = vec![0; 32];
        random.fill(&mut id).expect("randomness");
        let (pair, key) = match kind {
            KeyKind::P256 => {
                let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
                let point = pair.public_key().as_ref().try_into().expect("65 bytes");
                let key = Spki::from_p256_point(point).expect("a point");
                (Pair::P256(pair), key)
            }
            KeyKind::Ed25519 => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
                let key = Spki::from_ed25519(pair.public_key().as_ref().try_into().expect("32 bytes"));
                (Pair::Ed25519(pair), key.expect("a key"))
            }
        };
        Self { id, pair, key, counter: 0, flags: 0x05 }
    }

    fn data(&self, site: Site<'_>, attested: bool) -> Vec<u8> {
        let digest = ring::digest::digest(&ring::digest::SHA256, site.name.as_bytes());
        let mut data = digest.as_ref().to_vec();
        data.push(self.flags | if attested { 0x40 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        if attested {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
            data.extend(&self.id);
            data.extend(to_cose(&self.key));
        }
        data
    }

    /// What the browser hands in for a new passkey.
    pub fn register(&self, site: Site<'_>, challenge: &[u8; CHALLENGE_BYTES]) -> Value {
        json!({
            "client_data": text(client_data("webauthn.create", site, challenge).as_bytes()),
            "authenticator_data": text(&self.data(site, true)),
        })
    }

    /// What the browser hands in for an assertion.
    pub fn assert(&mut self, site: Site<'_>, challenge: &[u8; CHALLENGE_BYTES]) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        let client = client_data("webauthn.get", site, challenge);
        let data = self.data(site, false);
        let digest = ring::digest::digest(&ring::digest::SHA256, client.as_bytes());
        let message = [&data[..], digest.as_ref()].concat();
        let signature = match &self.pair {
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), &message).expect("signed").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
        };
        json!({
            "id": text(&self.id),
            "client_data": text(client.as_bytes()),
            "authenticator_data": text(&data),
            "signature": text(&signature),
        })
    }
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// What a browser writes about a call.
pub fn client_data(purpose: &str, site: Site<'_>, challenge: &[u8; CHALLENGE_BYTES]) -> String {
    let challenge = text(challenge);
    json!({ "type": purpose, "challenge": challenge, "origin": site.origin, "crossOrigin": false })
        .to_string()
}
