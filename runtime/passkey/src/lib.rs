//! Checks what a browser's authenticator says: a new passkey, and an assertion by one. Bytes in, decision out; no socket,
//! no clock, no state.
//!
//! * Of WebAuthn this is what the owner's page uses: ES256 and Ed25519, no attestation, user verification always. Each
//!   form that is taken has one encoding, so nothing parses CBOR: an authenticator writes the canonical form, and the key
//!   of either algorithm then has a fixed beginning and length.
//! * Invariants: a passkey counts for one site, which is one host name; an assertion counts for one challenge.
//! * Not here: which challenges are open and whose passkeys are known (`runtime/host`, `port/web`; `runtime/user`).

mod authenticator;
mod client;
mod key;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use authenticator::AUTHENTICATOR_BYTES_MAX;
pub use client::{CLIENT_BYTES_MAX, Site};
pub use key::{CREDENTIAL_BYTES_MAX, CREDENTIAL_BYTES_MIN, Credential, CredentialId};

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

use authenticator::AuthenticatorData;
use client::Purpose;
use handshake::encoding::{KeyKind, Spki};

/// The bytes of a challenge.
pub const CHALLENGE_BYTES: usize = 32;
/// The longest signature, bytes.
pub const SIGNATURE_BYTES_MAX: usize = 128;

/// Why a passkey or an assertion is not taken. It repeats nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPasskey {
    /// A part is no base64url, or has more bytes than it may have.
    #[error("a part of the authenticator's answer is missing, malformed or too long")]
    Form,
    /// The browser's data are for another purpose, challenge or page.
    #[error("the browser's answer is for another {0}")]
    Client(&'static str),
    /// The authenticator's data are for another site.
    #[error("the passkey is for another site than this host name")]
    Site,
    /// Nobody was there, or the authenticator did not check who.
    #[error("the authenticator did not verify its user")]
    Unverified,
    /// The key has another form than ES256 or Ed25519, or cannot sign.
    #[error("the passkey's key is neither of ES256 nor of Ed25519")]
    Key,
    /// Not signed by the passkey.
    #[error("the signature is not the passkey's")]
    Signature,
    /// The counter went back or stood still: there are two of this authenticator.
    #[error("the passkey's counter says {told} after {known}: it was copied")]
    Counter {
        /// The counter that was known.
        known: u32,
        /// The counter that was told.
        told: u32,
    },
}

/// What a browser hands in after it has made a passkey: texts in base64url without padding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The client data, as JSON that the browser wrote.
    pub client_data: String,
    /// The authenticator's data.
    pub authenticator_data: String,
}

/// What a browser hands in after a passkey has signed: texts in base64url without padding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The passkey's id.
    pub id: CredentialId,
    /// The client data, as JSON that the browser wrote.
    pub client_data: String,
    /// The authenticator's data.
    pub authenticator_data: String,
    /// The signature over the authenticator's data and the digest of the client data.
    pub signature: String,
}

/// What an authenticator said besides its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asserted {
    /// The counter; 0 where the passkey has none.
    pub counter: u32,
}

impl Registration {
    /// The new passkey, if the browser made it for this challenge and site, with a verified user. Who made the
    /// authenticator is neither asked for nor looked at.
    ///
    /// # Errors
    /// [`BadPasskey`].
    pub fn check(&self, site: Site<'_>, challenge: &[u8; CHALLENGE_BYTES]) -> Result<Credential, BadPasskey> {
        let client = decoded(&self.client_data, CLIENT_BYTES_MAX)?;
        client::check(&client, Purpose::Create, site, challenge)?;
        let bytes = decoded(&self.authenticator_data, AUTHENTICATOR_BYTES_MAX)?;
        let data = AuthenticatorData::parse(&bytes).ok_or(BadPasskey::Form)?;
        data.check(site)?;
        let (id, key) = data.attested.ok_or(BadPasskey::Form)?;
        let id = CredentialId::new(id).ok_or(BadPasskey::Form)?;
        Ok(Credential { id, key: key::of_cose(key).ok_or(BadPasskey::Key)?, counter: data.counter })
    }
}

impl Assertion {
    /// The challenge that the browser says it was made for; `None` if it says none. For finding an open challenge:
    /// [`Self::check`] compares it.
    pub fn challenge(&self) -> Option<[u8; CHALLENGE_BYTES]> {
        client::challenge_of(&decoded(&self.client_data, CLIENT_BYTES_MAX).ok()?)
    }

    /// Whether this passkey has signed for this challenge and site, with a verified user.
    ///
    /// # Errors
    /// [`BadPasskey`].
    pub fn check(
        &self,
        site: Site<'_>,
        challenge: &[u8; CHALLENGE_BYTES],
        known: &Credential,
    ) -> Result<Asserted, BadPasskey> {
        let client = decoded(&self.client_data, CLIENT_BYTES_MAX)?;
        client::check(&client, Purpose::Get, site, challenge)?;
        let bytes = decoded(&self.authenticator_data, AUTHENTICATOR_BYTES_MAX)?;
        let data = AuthenticatorData::parse(&bytes).ok_or(BadPasskey::Form)?;
        data.check(site)?;
        if self.id != known.id {
            return Err(BadPasskey::Signature);
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, &client);
        let signature = decoded(&self.signature, SIGNATURE_BYTES_MAX)?;
        verify(&known.key, &[&bytes, digest.as_ref()].concat(), &signature)?;
        // Passkeys that exist on several machines have no counter: theirs is always 0.
        if (data.counter, known.counter) != (0, 0) && data.counter <= known.counter {
            return Err(BadPasskey::Counter { known: known.counter, told: data.counter });
        }
        Ok(Asserted { counter: data.counter })
    }
}

fn verify(key: &Spki, message: &[u8], signature: &[u8]) -> Result<(), BadPasskey> {
    let algorithm: &dyn VerificationAlgorithm = match key.kind() {
        KeyKind::P256 => &ECDSA_P256_SHA256_ASN1,
        KeyKind::Ed25519 => &ED25519,
    };
    UnparsedPublicKey::new(algorithm, key::public_bytes(key))
        .verify(message, signature)
        .map_err(|_| BadPasskey::Signature)
}

fn decoded(text: &str, bytes_max: usize) -> Result<Vec<u8>, BadPasskey> {
    if text.len() > bytes_max.div_ceil(3) * 4 {
        return Err(BadPasskey::Form);
    }
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadPasskey::Form)?;
    if bytes.is_empty() || bytes.len() > bytes_max { Err(BadPasskey::Form) } else { Ok(bytes) }
}
