//! A browser in the place of a phone, up to the owner's answer: the code of a pairing window that its owner types into the
//! page lets that browser make its first passkey.
//!
//! * The connection proves the host to the browser by its certificate, so the browser sends the code itself. The host
//!   then plays the phone's part against the window: the same proofs are counted and written, the same limits hold, and the
//!   owner compares the same six digits. Instead of a device, nothing is enrolled: the window is used up.

use handshake::device::{DeviceName, Platform};
use handshake::encoding::{TypedCode, WrapPub};
use handshake::error::Code;
use handshake::pairing::{self, Channel, ConnectionId, Enrol, Enrolment, Me, PairError};
use handshake::secret::Secret;
use ring::agreement::{ECDH_P256, EphemeralPrivateKey};
use ring::rand::{SecureRandom, SystemRandom};
use runtime_types::UserId;
use zeroize::Zeroizing;

use super::pairing::Pairing;

/// How the claim of a browser is named to its owner.
const NAME: &str = "a browser";

/// A browser that has proved the code and waits for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserClaim {
    /// Six digits, which the console shows too.
    pub digits: String,
    /// How long the owner has to approve, s.
    pub approve_by_s: u32,
}

impl Pairing<'_> {
    /// Claims the open window with its typed code. Computes for tens of milliseconds; reads and writes the disk. The
    /// caller never used the number of this connection before, and tells [`Self::connection_lost`] of its end.
    ///
    /// # Errors
    /// [`Code::WindowGone`] if no window has this code's first part, [`Code::ProofWrong`] for a wrong code, which counts,
    /// [`Code::WindowClaimed`] if somebody else has claimed it.
    pub fn browser_claims(
        self,
        user: UserId,
        connection: ConnectionId,
        code: TypedCode,
        now_ms: u64,
    ) -> Result<BrowserClaim, Code> {
        let random = SystemRandom::new();
        let runtime = *self.owners.signing_key(user).map_err(|_| Code::Starting)?.spki();
        let mut drawn = Zeroizing::new([0; 32]);
        random.fill(&mut *drawn).map_err(|_| Code::Starting)?;
        // Both sides are in this process: what two ends of a connection share is drawn here.
        let exporter = || Secret::new(*drawn);
        let name = DeviceName::new(NAME).map_err(|_| Code::Malformed)?;
        let me = Me { device: runtime, name, platform: Platform::Other };
        let failed = |error| match error {
            PairError::Refused(code) => code,
            PairError::RuntimeProof => Code::ProofWrong,
            _ => Code::Starting,
        };
        let side = pairing::Pairing::typed(code, "browser.internal", 443, me, &random).map_err(failed)?;
        let (said, hello) = side.connected(runtime, exporter()).map_err(failed)?;
        let channel = Channel { connection, device: runtime, runtime, exporter: exporter() };
        let challenge = self.hello(user, channel, &hello, now_ms)?;
        let (sent, proof) = said.challenged(&challenge).map_err(failed)?;
        let claimed = self.proof(user, connection, &proof, now_ms)?;
        let confirmed = sent.claimed(&claimed).map_err(failed)?;
        Ok(BrowserClaim { digits: confirmed.digits().to_string(), approve_by_s: confirmed.approve_by_s() })
    }

    /// Whether the owner has approved the browser of that connection; then the window is used up. Reads and writes the
    /// disk.
    ///
    /// # Errors
    /// [`Code::NotApproved`] if the owner refused or took too long; [`Code::WindowGone`] if the window is over.
    pub fn browser_is_approved(
        self,
        user: UserId,
        connection: ConnectionId,
        now_ms: u64,
    ) -> Result<bool, Code> {
        let enrol = Enrol { wrap_pub: nobodys_key().ok_or(Code::Starting)? };
        let answered = self.owners.of_window(user, |window| window.enrol(connection, &enrol, now_ms))?;
        Ok(matches!(answered, Enrolment::Ready(_)))
    }
}

/// A key to which nothing is ever wrapped: the window's last message has one.
fn nobodys_key() -> Option<WrapPub> {
    let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
    WrapPub::parse(key.compute_public_key().ok()?.as_ref()).ok()
}
