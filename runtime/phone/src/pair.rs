//! Pairs as a phone does: a scanned or typed code, six digits on both screens, and a file.

use std::sync::Arc;

use handshake::encoding::{QrCode, Spki, TypedCode};
use handshake::keys::Agree;
use handshake::pairing::{Challenge, Claimed, Enrolled, Me, Pairing};
use handshake::transcript::{ALPN_PAIR, CompareDigits};
use ring::rand::SystemRandom;

use crate::client::PhoneError;
use crate::link::{Call, Requests, secure};
use crate::state::{PhoneFile, PhoneKeys};
use handshake::device::{DeviceName, Platform};

/// The code that the person gave the phone.
pub enum Code {
    /// A scanned code.
    Scanned(QrCode),
    /// A typed code, and the address of the host.
    Typed {
        /// The code.
        code: TypedCode,
        /// A name or an IPv4 address.
        host: String,
        /// The port of the host.
        port: u16,
    },
}

/// How long one step may take, ms.
const STEP_MS: u64 = 15_000;
/// How long the owner may take, with the runtime's work after that, ms.
const APPROVAL_MS: u64 = 135_000;

/// Pairs. `show` receives the digits that the owner compares.
///
/// # Errors
/// [`PhoneError`] with the words that a phone would show; nothing is stored then.
pub async fn pair(
    code: Code,
    keys: PhoneKeys,
    name: DeviceName,
    platform: Platform,
    show: impl FnOnce(CompareDigits),
) -> Result<PhoneFile, PhoneError> {
    let me = Me { device: *keys.device.spki(), name, platform };
    let random = SystemRandom::new();
    let pairing = match code {
        Code::Scanned(code) => Pairing::scanned(code, me, &random)?,
        Code::Typed { code, host, port } => Pairing::typed(code, &host, port, me, &random)?,
    };
    let address = pairing.address().clone();
    let pin = address.pin;
    let call = Call {
        host: &address.host,
        port: address.port,
        server_name: &address.server_name,
        key: &keys.device,
        protocol: ALPN_PAIR,
        accepts: Arc::new(move |runtime: &Spki| pin.is_none_or(|pin| runtime.pin() == pin)),
    };
    let secured = secure(&call).await?;
    let (said, hello) = pairing.connected(secured.runtime, secured.exporter)?;
    let mut requests = Requests::one(secured.stream).await?;
    let name = &address.server_name;
    let challenge: Challenge = requests.ask(name, "/.upc/pair/1/hello", &hello, STEP_MS).await?;
    let (proved, proof) = said.challenged(&challenge)?;
    let claimed: Claimed = requests.ask(name, "/.upc/pair/1/proof", &proof, STEP_MS).await?;
    let confirmed = proved.claimed(&claimed)?;
    show(confirmed.digits());
    let (sent, enrol) = confirmed.enrol(keys.wrap.public());
    let enrolled: Enrolled = requests.ask(name, "/.upc/pair/1/enrol", &enrol, APPROVAL_MS).await?;
    Ok(keys.paired(sent.enrolled(enrolled)?))
}
