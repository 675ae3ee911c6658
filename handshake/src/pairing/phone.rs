//! The phone's side of a pairing, as a chain of types: each step consumes the one before it, so that none can be left
//! out, repeated, or used with another run's values. No sockets and no clock: the phone's app connects, calls the three
//! endpoints and shows the digits.
//!
//! ```text
//! Pairing ─ TLS is through, Hello ─▶ SaidHello ─ Challenge, Proof ─▶ SentProof ─ Claimed ─▶ Confirmed
//!    Confirmed ─ digits shown, Enrol ─▶ SentEnrol ─ Enrolled ─▶ Paired
//! ```
//!
//! * Invariants: nothing is sent to a runtime with another key than the scanned code's; the wrap key is not sent before
//!   the runtime's proof was right; an error ends the run, and the next one has a fresh nonce.
//! * Not here: what a phone does about a cloud that it had before.

use super::messages::{Challenge, Claimed, Enrol, Enrolled, Hello, Proof, WindowName};
use crate::device::{DeviceName, Platform};
use crate::encoding::{
    DeviceId, KeyKind, Label, Nonce, Pin, QrCode, Spki, TypedCode, WindowId, WrapPub, is_host, server_name,
};
use crate::error::Code;
use crate::keys::Head;
use crate::secret::Secret;
use crate::transcript::{
    CompareDigits, Facts, Mac, PBKDF2_ROUNDS, PBKDF2_ROUNDS_MAX, PairingSecret, Transcript, commit_to,
};
use ring::rand::SecureRandom;
use runtime_types::UserId;
use serde::{Deserialize, Serialize};

/// The phone itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Me {
    /// The key that it uses in TLS.
    pub device: Spki,
    /// The name that the owner sees.
    pub name: DeviceName,
    /// The platform that the owner sees.
    pub platform: Platform,
}

/// The address to connect to, with ALPN `upc-pair/1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name to resolve.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Server name for TLS.
    pub server_name: String,
    /// The key that the runtime must have; `None`: any, until the runtime's proof. TLS may check it too;
    /// [`Pairing::connected`] does.
    pub pin: Option<Pin>,
}

/// Why the phone stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// No host name, no port, or the system returned no random bytes.
    #[error("the address cannot be called or the machine has no randomness")]
    CannotCall,
    /// The key on the connection is not the one in the code. Nothing was sent.
    #[error("the runtime has another key than the code says")]
    OtherRuntime,
    /// The challenge is for another window than the scanned one.
    #[error("the challenge is for another window")]
    OtherWindow,
    /// Too few rounds to be secure, or more than a phone should compute.
    #[error("a typed code is stretched {PBKDF2_ROUNDS} to {PBKDF2_ROUNDS_MAX} times, not {iterations}")]
    Stretch {
        /// The number that the runtime asked for.
        iterations: u32,
    },
    /// The runtime did not prove that it knows the code. Nothing was enrolled.
    #[error("the runtime has not proved that it knows the code")]
    RuntimeProof,
    /// The last answer is about another phone or another runtime.
    #[error("what was enrolled is not this phone with this runtime")]
    OtherEnrolment,
    /// The runtime refused, or [`crate::body::read`] could not read its answer.
    #[error("the runtime answers {0}")]
    Refused(Code),
}

impl From<Code> for PairError {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}

impl PairError {
    /// The message for the person; `None`: no message, the phone tries again by itself.
    pub fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::CannotCall => "Your cloud is not at this address",
            Self::OtherRuntime => "Not your cloud. Nothing was sent",
            Self::RuntimeProof | Self::OtherEnrolment => "Not your cloud. Nothing was enrolled",
            Self::OtherWindow | Self::Stretch { .. } => "Code not accepted",
            Self::Refused(code) => return words_of(code),
        })
    }
}

fn words_of(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::DeviceUnknown => "This phone was removed. Pair again",
        Code::ScopeMissing => "Not permitted for this phone",
        Code::WindowGone => "Code expired. Make a new one",
        Code::ProofWrong => "Code not accepted",
        Code::WindowClaimed => "Another phone used this code. Cancel on the dashboard",
        Code::NotApproved => "Not approved",
        Code::RolledBack => "Your cloud has lost data. Look at the dashboard",
        Code::VersionRetired | Code::Malformed => "Update the app",
        Code::StoreLocked | Code::RateLimited | Code::WrongAuthority | Code::Starting => return None,
    })
}

/// A code was read, nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pairing {
    me: Me,
    nonce: Nonce,
    address: Address,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    Scanned(WindowId, PairingSecret),
    Typed(TypedCode),
}

impl Pairing {
    /// Begins with a scanned code.
    ///
    /// # Errors
    /// [`PairError::CannotCall`] where `random` refuses.
    pub fn scanned(code: QrCode, me: Me, random: &dyn SecureRandom) -> Result<Self, PairError> {
        let QrCode { window, secret, pin, label, port, host, .. } = code;
        let source = Source::Scanned(window, PairingSecret::Qr(secret));
        Self::new(source, label.to_string(), host, port, Some(pin), me, random)
    }

    /// Begins with a typed code and the host that the person typed beside it.
    ///
    /// # Errors
    /// [`PairError::CannotCall`] where host or port are invalid, or `random` refuses.
    pub fn typed(
        code: TypedCode,
        host: &str,
        port: u16,
        me: Me,
        random: &dyn SecureRandom,
    ) -> Result<Self, PairError> {
        let label = code.selector().server_label();
        Self::new(Source::Typed(code), label, host.to_ascii_lowercase(), port, None, me, random)
    }

    fn new(
        source: Source,
        label: String,
        host: String,
        port: u16,
        pin: Option<Pin>,
        me: Me,
        random: &dyn SecureRandom,
    ) -> Result<Self, PairError> {
        if port == 0 || !is_host(host.as_bytes()) {
            return Err(PairError::CannotCall);
        }
        let nonce = Nonce::random(random).map_err(|_| PairError::CannotCall)?;
        let address = Address { server_name: server_name(&label, &host), host, port, pin };
        Ok(Self { me, nonce, address, source })
    }

    /// The address to connect to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The TLS handshake is done: `runtime` is its key, `exporter` is what TLS exports under
    /// [`crate::transcript::EXPORTER_LABEL`]. Returns M1.
    ///
    /// # Errors
    /// [`PairError::OtherRuntime`]; close the connection then.
    pub fn connected(self, runtime: Spki, exporter: Secret<32>) -> Result<(SaidHello, Hello), PairError> {
        let expected = self.address.pin.is_none_or(|pin| pin == runtime.pin());
        if !expected || runtime.kind() != KeyKind::Ed25519 {
            return Err(PairError::OtherRuntime);
        }
        let Self { me, nonce, source, .. } = self;
        let window = match &source {
            Source::Scanned(window, _) => WindowName::Scanned(*window),
            Source::Typed(code) => WindowName::Typed(code.selector()),
        };
        let Me { device, name, platform } = me;
        let hello = Hello { window, commit: commit_to(&nonce), name, platform };
        Ok((SaidHello { device, nonce, source, runtime, exporter }, hello))
    }
}

/// M1 was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SaidHello {
    device: Spki,
    nonce: Nonce,
    source: Source,
    runtime: Spki,
    exporter: Secret<32>,
}

impl SaidHello {
    /// M2 arrived. Returns M3; with a typed code this computes for tens of milliseconds, at most for a second or two.
    ///
    /// # Errors
    /// [`PairError::OtherWindow`] and [`PairError::Stretch`].
    pub fn challenged(self, challenge: &Challenge) -> Result<(SentProof, Proof), PairError> {
        let Self { device, nonce, source, runtime, exporter } = self;
        let iterations = challenge.kdf.iterations;
        let too_odd = PairError::Stretch { iterations };
        if !(PBKDF2_ROUNDS..=PBKDF2_ROUNDS_MAX).contains(&iterations) {
            return Err(too_odd);
        }
        let secret = match source {
            Source::Scanned(window, secret) if window == challenge.window => secret,
            Source::Scanned(..) => return Err(PairError::OtherWindow),
            Source::Typed(code) => {
                PairingSecret::stretch(&code, challenge.window, iterations).ok_or(too_odd)?
            }
        };
        let facts = Facts {
            method: secret.method(),
            window: challenge.window,
            spki_runtime: runtime.as_bytes(),
            spki_device: device.as_bytes(),
            exporter: &exporter,
            commit: commit_to(&nonce),
            nonce_runtime: challenge.nonce,
        };
        let transcript = Transcript::new(&facts, &secret);
        let mac = transcript.mac_phone(&nonce);
        let (expected, digits) = (transcript.mac_runtime(&nonce, &mac), transcript.digits(&nonce));
        Ok((SentProof { device, runtime, expected, digits }, Proof { nonce, mac }))
    }
}

/// M3 was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SentProof {
    device: Spki,
    runtime: Spki,
    expected: Mac,
    digits: CompareDigits,
}

impl SentProof {
    /// M4 arrived.
    ///
    /// # Errors
    /// [`PairError::RuntimeProof`].
    pub fn claimed(self, claimed: &Claimed) -> Result<Confirmed, PairError> {
        let Self { device, runtime, expected, digits } = self;
        if claimed.mac != expected {
            return Err(PairError::RuntimeProof);
        }
        Ok(Confirmed { device, runtime, digits, approve_by_s: claimed.approve_by_s })
    }
}

/// The runtime knows the code too. Show [`Self::digits`] until M6.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Confirmed {
    device: Spki,
    runtime: Spki,
    digits: CompareDigits,
    approve_by_s: u32,
}

impl Confirmed {
    /// The digits that the owner compares.
    pub fn digits(&self) -> CompareDigits {
        self.digits
    }

    /// How long the owner has to approve, in seconds.
    pub fn approve_by_s(&self) -> u32 {
        self.approve_by_s
    }

    /// Returns M5, which is answered once the owner has approved. `wrap_pub` is of a key that stays in the phone.
    pub fn enrol(self, wrap_pub: WrapPub) -> (SentEnrol, Enrol) {
        let Self { device, runtime, .. } = self;
        (SentEnrol { device, runtime }, Enrol { wrap_pub })
    }
}

/// M5 was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SentEnrol {
    device: Spki,
    runtime: Spki,
}

impl SentEnrol {
    /// M6 arrived.
    ///
    /// # Errors
    /// [`PairError::OtherEnrolment`] where it names another phone or another runtime than this connection's.
    pub fn enrolled(self, enrolled: Enrolled) -> Result<Paired, PairError> {
        let Enrolled { user_id, device_id, label, host, port, spki_r, next_pins, scopes, head } = enrolled;
        if spki_r != self.runtime || device_id != self.device.device_id() {
            return Err(PairError::OtherEnrolment);
        }
        let pin = spki_r.pin();
        Ok(Paired { user_id, device_id, label, host, port, pin, next_pins, scopes, head })
    }
}

/// What the phone stores. It contains no secret: the only secret is the device's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Paired {
    /// The owner of the runtime.
    #[serde(with = "crate::device::user_id")]
    pub user_id: UserId,
    /// The id by which the runtime names this phone.
    pub device_id: DeviceId,
    /// The label to connect to, as the first part of the server name.
    pub label: Label,
    /// The rest of the server name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The key that the runtime must have.
    pub pin: Pin,
    /// Keys that the runtime may change to.
    pub next_pins: Vec<Pin>,
    /// What this phone may do.
    pub scopes: Vec<String>,
    /// The newest entry of the store's chain that this phone has seen.
    pub head: Option<Head>,
}

#[cfg(test)]
mod tests;
