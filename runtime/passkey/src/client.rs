//! The client data: what the browser itself says about a call of its authenticator, as JSON that is covered by the
//! signature.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use super::{BadPasskey, CHALLENGE_BYTES};

/// The longest client data, bytes.
pub const CLIENT_BYTES_MAX: usize = 4096;

/// The site for which a passkey counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site<'a> {
    /// The host name, which is the RP ID: no parent of it and no other.
    pub name: &'a str,
    /// The page's origin, `https://` and the name, with the port if it is not 443.
    pub origin: &'a str,
}

/// What the authenticator was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Create,
    Get,
}

/// The members that are looked at; browsers add others.
#[derive(Deserialize)]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

pub(crate) fn check(
    bytes: &[u8],
    purpose: Purpose,
    site: Site<'_>,
    challenge: &[u8; CHALLENGE_BYTES],
) -> Result<(), BadPasskey> {
    let data: ClientData = serde_json::from_slice(bytes).map_err(|_| BadPasskey::Form)?;
    let expected = match purpose {
        Purpose::Create => "webauthn.create",
        Purpose::Get => "webauthn.get",
    };
    if data.r#type != expected {
        return Err(BadPasskey::Client("purpose"));
    }
    if data.challenge != BASE64URL_NOPAD.encode(challenge) {
        return Err(BadPasskey::Client("challenge"));
    }
    if data.origin != site.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(BadPasskey::Client("page"));
    }
    Ok(())
}

/// The challenge that the data name.
pub(crate) fn challenge_of(bytes: &[u8]) -> Option<[u8; CHALLENGE_BYTES]> {
    let data: ClientData = serde_json::from_slice(bytes).ok()?;
    BASE64URL_NOPAD.decode(data.challenge.as_bytes()).ok()?.try_into().ok()
}
