//! Signed requests of RFC 8555, 6.2: signature, nonce and address are checked.

use std::collections::HashSet;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

/// An account's public key.
#[derive(Clone, PartialEq)]
pub struct Jwk {
    x: String,
    y: String,
}

impl Jwk {
    fn of(value: &Value) -> Option<Self> {
        let is_p256 = value["kty"] == "EC" && value["crv"] == "P-256";
        let part = |name: &str| value[name].as_str().map(str::to_owned);
        is_p256.then_some(Self { x: part("x")?, y: part("y")? })
    }

    fn point(&self) -> Option<Vec<u8>> {
        let part = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        Some([vec![4], part(&self.x)?, part(&self.y)?].concat())
    }

    /// RFC 7638.
    pub fn thumbprint(&self) -> String {
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        BASE64URL_NOPAD.encode(digest(&SHA256, text.as_bytes()).as_ref())
    }
}

/// A request that was signed.
pub struct Signed {
    pub key: Jwk,
    /// The account; none: the request has the key itself.
    pub account: Option<usize>,
    /// Null for a request that only reads.
    pub payload: Value,
}

/// Reads a request to that address; the error is the kind of problem.
pub fn open(
    body: &[u8],
    url: &str,
    nonces: &mut HashSet<String>,
    accounts: &[Jwk],
) -> Result<Signed, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "malformed")?;
    let text = |name: &str| body[name].as_str().ok_or("malformed");
    let decoded = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "malformed");
    let (protected, payload) = (text("protected")?, text("payload")?);
    let header: Value = serde_json::from_slice(&decoded(protected)?).map_err(|_| "malformed")?;
    if header["alg"] != "ES256" || header["url"] != url {
        return Err("unauthorized");
    }
    if !nonces.remove(header["nonce"].as_str().unwrap_or_default()) {
        return Err("badNonce");
    }
    let (key, account) = match header["kid"].as_str() {
        Some(kid) => {
            let number = kid.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
            let number = number.filter(|number| *number < accounts.len()).ok_or("accountDoesNotExist")?;
            (accounts[number].clone(), Some(number))
        }
        None => (Jwk::of(&header["jwk"]).ok_or("badPublicKey")?, None),
    };
    let point = key.point().ok_or("badPublicKey")?;
    let signature = decoded(text("signature")?)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(format!("{protected}.{payload}").as_bytes(), &signature)
        .map_err(|_| "unauthorized")?;
    let payload = decoded(payload)?;
    let payload = if payload.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&payload).map_err(|_| "malformed")?
    };
    Ok(Signed { key, account, payload })
}
