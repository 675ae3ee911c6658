//! The proofs that both sides of a pairing exchange, and the digits that the owner compares.
//!
//! ```text
//! K_p, K_r = HKDF-SHA256(salt window, secret, "upc/pair/1 phone" | "upc/pair/1 runtime")
//! T        = SHA-256("upc/pair/1\0" LP(method) LP(window) LP(key of R) LP(key of D) LP(exporter) LP(commit) LP(nonce of R))
//! mac_p    = HMAC-SHA256(K_p, T nonce_p)
//! mac_r    = HMAC-SHA256(K_r, T nonce_p mac_p)
//! digits   = first 4 bytes of HMAC-SHA256(exporter, "sas" T nonce_p), big-endian, modulo 1,000,000
//! ```
//!
//! `T` contains both keys since a TLS 1.3 exporter does not cover the client's; it contains the method so that a typed
//! code is never accepted as a scanned one or the reverse.

use crate::encoding::{Commit, Nonce, TypedCode, WindowId, push_lp};
use crate::secret::Secret;
use ring::{digest, hkdf, hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// Label of the TLS exporter, no context, 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-upc-pair-1";
/// ALPN of a pairing connection.
pub const ALPN_PAIR: &[u8] = b"upc-pair/1";
/// How often a typed code is stretched.
pub const PBKDF2_ROUNDS: u32 = 100_000;
/// The most rounds that a phone agrees to compute, against a runtime that would keep it busy.
pub const PBKDF2_ROUNDS_MAX: u32 = 2_000_000;

/// How the phone got the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Method {
    /// Scanned: 128 bits and the runtime's pin.
    Qr,
    /// Typed: 75 bits, stretched.
    Typed,
}

/// A method that is not offered: 3 is reserved for a password-authenticated exchange, 4 for browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("method {0} is not offered")]
pub struct BadMethod(pub u8);

impl From<Method> for u8 {
    fn from(method: Method) -> Self {
        match method {
            Method::Qr => 1,
            Method::Typed => 2,
        }
    }
}

impl TryFrom<u8> for Method {
    type Error = BadMethod;
    fn try_from(number: u8) -> Result<Self, BadMethod> {
        match number {
            1 => Ok(Self::Qr),
            2 => Ok(Self::Typed),
            other => Err(BadMethod(other)),
        }
    }
}

/// The secret from which a window's keys are derived: the scanned secret, or the stretched typed code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PairingSecret {
    /// As scanned.
    Qr(Secret<16>),
    /// After PBKDF2; the code itself is not stored.
    Typed(Secret<32>),
}

impl PairingSecret {
    /// Stretches a typed code with PBKDF2-HMAC-SHA256 over the window as salt; takes tens of milliseconds.
    /// `None` where `rounds` is outside [`PBKDF2_ROUNDS`]..=[`PBKDF2_ROUNDS_MAX`].
    pub fn stretch(code: &TypedCode, window: WindowId, rounds: u32) -> Option<Self> {
        stretch(code.password(), window, rounds).map(Self::Typed)
    }

    /// The method of this secret.
    pub fn method(&self) -> Method {
        match self {
            Self::Qr(_) => Method::Qr,
            Self::Typed(_) => Method::Typed,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Qr(secret) => secret.expose(),
            Self::Typed(secret) => secret.expose(),
        }
    }
}

pub(crate) fn stretch(password: &[u8], window: WindowId, rounds: u32) -> Option<Secret<32>> {
    let rounds = Some(rounds).filter(|rounds| (PBKDF2_ROUNDS..=PBKDF2_ROUNDS_MAX).contains(rounds))?;
    let mut key = zeroize::Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::new(rounds)?, &window.0, password, &mut *key);
    Some(Secret::new(*key))
}

/// A 32-byte MAC. Compares in constant time.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mac(#[serde(with = "crate::encoding::base64url")] pub [u8; 32]);

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mac {}

impl std::hash::Hash for Mac {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// The six digits that the owner compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompareDigits(u32);

impl fmt::Display for CompareDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// SHA-256 of the phone's nonce.
pub fn commit_to(nonce: &Nonce) -> Commit {
    Commit(sha256(&[&nonce.0]))
}

/// The facts that one run of the protocol binds. Keys are DER, as TLS carried them.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// How the phone got the secret.
    pub method: Method,
    /// The window.
    pub window: WindowId,
    /// The runtime's key on this connection.
    pub spki_runtime: &'a [u8],
    /// The phone's key on this connection.
    pub spki_device: &'a [u8],
    /// The value that TLS exported on this connection under [`EXPORTER_LABEL`].
    pub exporter: &'a Secret<32>,
    /// The phone's commitment.
    pub commit: Commit,
    /// The runtime's nonce.
    pub nonce_runtime: Nonce,
}

/// The digest `T` and the other inputs of the proofs.
pub struct Transcript {
    digest: [u8; 32],
    key_phone: hmac::Key,
    key_runtime: hmac::Key,
    key_digits: hmac::Key,
}

impl Transcript {
    /// Binds the facts to the secret of the window.
    pub fn new(facts: &Facts<'_>, secret: &PairingSecret) -> Self {
        let mut bytes = b"upc/pair/1\0".to_vec();
        push_lp(&mut bytes, &[facts.method.into()]);
        push_lp(&mut bytes, &facts.window.0);
        push_lp(&mut bytes, facts.spki_runtime);
        push_lp(&mut bytes, facts.spki_device);
        push_lp(&mut bytes, facts.exporter.expose());
        push_lp(&mut bytes, &facts.commit.0);
        push_lp(&mut bytes, &facts.nonce_runtime.0);
        let digest = sha256(&[&bytes]);
        zeroize::Zeroize::zeroize(&mut bytes);
        let key = |info: &'static [u8]| {
            let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &facts.window.0).extract(secret.bytes());
            let info = [info];
            let okm =
                extracted.expand(&info, hmac::HMAC_SHA256).expect("32 bytes are within what HKDF gives");
            hmac::Key::from(okm)
        };
        Self {
            digest,
            key_phone: key(b"upc/pair/1 phone"),
            key_runtime: key(b"upc/pair/1 runtime"),
            key_digits: hmac::Key::new(hmac::HMAC_SHA256, facts.exporter.expose()),
        }
    }

    /// `T`.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The phone's proof.
    pub fn mac_phone(&self, nonce_phone: &Nonce) -> Mac {
        mac(&self.key_phone, &[&self.digest, &nonce_phone.0])
    }

    /// The runtime's proof, which also covers the phone's.
    pub fn mac_runtime(&self, nonce_phone: &Nonce, mac_phone: &Mac) -> Mac {
        mac(&self.key_runtime, &[&self.digest, &nonce_phone.0, &mac_phone.0])
    }

    /// The digits that both sides show.
    pub fn digits(&self, nonce_phone: &Nonce) -> CompareDigits {
        let mac = mac(&self.key_digits, &[b"sas", &self.digest, &nonce_phone.0]);
        let first = u32::from_be_bytes([mac.0[0], mac.0[1], mac.0[2], mac.0[3]]);
        CompareDigits(first % 1_000_000)
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Mac {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    Mac(bytes)
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    #[derive(Clone)]
    struct Inputs {
        method: Method,
        window: [u8; 8],
        runtime: Vec<u8>,
        device: Vec<u8>,
        exporter: [u8; 32],
        nonce_phone: [u8; 32],
        nonce_runtime: [u8; 32],
        secret: [u8; 16],
    }

    fn inputs() -> Inputs {
        Inputs {
            method: Method::Qr,
            window: [9; 8],
            runtime: vec![0x11; 44],
            device: vec![0x22; 91],
            exporter: [0x33; 32],
            nonce_phone: [1; 32],
            nonce_runtime: [2; 32],
            secret: [7; 16],
        }
    }

    fn proofs(inputs: &Inputs) -> (Transcript, Mac, Mac, CompareDigits) {
        let nonce = Nonce(inputs.nonce_phone);
        let facts = Facts {
            method: inputs.method,
            window: WindowId(inputs.window),
            spki_runtime: &inputs.runtime,
            spki_device: &inputs.device,
            exporter: &Secret::new(inputs.exporter),
            commit: commit_to(&nonce),
            nonce_runtime: Nonce(inputs.nonce_runtime),
        };
        let transcript = Transcript::new(&facts, &PairingSecret::Qr(Secret::new(inputs.secret)));
        let mac_phone = transcript.mac_phone(&nonce);
        let mac_runtime = transcript.mac_runtime(&nonce, &mac_phone);
        let digits = transcript.digits(&nonce);
        (transcript, mac_phone, mac_runtime, digits)
    }

    #[test]
    fn the_first_vector_of_the_specification_comes_out() {
        let (transcript, mac_phone, mac_runtime, digits) = proofs(&inputs());
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let want = "1b62290858b060bb590991457cc80b85853abdf9e2b7a71566030828a47a000f";
        assert_eq!(hex(transcript.digest()), want);
        let want = "562e2dd9b841080498a410aac2201d050358b4572236bf46aa057af7ad53880f";
        assert_eq!(hex(&mac_phone.0), want);
        let want = "6a81e0c2048815b2babab4c31cde31c3d0c305786ebddbd7fe8705793296ef10";
        assert_eq!(hex(&mac_runtime.0), want);
        assert_eq!(digits.to_string(), "246483");
    }

    #[test]
    fn a_typed_code_is_stretched_as_the_specification_says_and_not_at_any_price() {
        let window = WindowId([9; 8]);
        let key = stretch(b"7K3M9QX2T4PB8VD6", window, PBKDF2_ROUNDS).unwrap();
        let want = "da328fe6bade66d97320bc8239eacf85ba49864859cf06ad5abb9905910c4da7";
        assert_eq!(HEXLOWER.encode(key.expose()), want);
        for rounds in [0, 1, PBKDF2_ROUNDS - 1, PBKDF2_ROUNDS_MAX + 1, u32::MAX] {
            assert_eq!(stretch(b"7K3M9QX2T4PB8VD6", window, rounds), None, "{rounds} rounds");
        }
    }

    #[test]
    fn the_phones_proof_reflected_is_not_the_runtimes() {
        let (_, mac_phone, mac_runtime, _) = proofs(&inputs());
        assert_ne!(mac_phone, mac_runtime);
    }

    #[test]
    fn another_method_gives_other_proofs() {
        let typed = Inputs { method: Method::Typed, ..inputs() };
        assert_ne!(proofs(&typed).1, proofs(&inputs()).1);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_of_any_input_changes_both_proofs(which in 0_usize..7, bit in 0_usize..8 * 91) {
            let (_, mac_phone, mac_runtime, _) = proofs(&inputs());
            let mut other = inputs();
            let bytes: &mut [u8] = match which {
                0 => &mut other.window,
                1 => &mut other.runtime,
                2 => &mut other.device,
                3 => &mut other.exporter,
                4 => &mut other.nonce_phone,
                5 => &mut other.nonce_runtime,
                _ => &mut other.secret,
            };
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (_, other_phone, other_runtime, _) = proofs(&other);
            prop_assert_ne!(mac_phone, other_phone, "input {} bit {}", which, bit);
            prop_assert_ne!(mac_runtime, other_runtime, "input {} bit {}", which, bit);
        }
    }
}
