//! How names, keys and codes are written, for wires, cameras and people.
//!
//! * Invariants: what is read is written back as the same bytes; each value has one accepted form, except for letter
//!   case and look-alikes in what a person types.

mod bytes;
pub(crate) use bytes::{base64url, draw};
mod code;
mod label;
mod qr;
mod spki;

pub use bytes::{BadLength, Commit, DeviceId, Digest32, IdempotencyKey, Nonce, Pin, SessionId, WindowId};
pub use code::{BadCode, CODE_CHARS, Selector, TypedCode};
pub use label::{BadLabel, Label, server_name};
pub(crate) use qr::is_host;
pub use qr::{BadQr, QR_HOST_BYTES_MAX, QrCode};
pub use spki::{BadSpki, ED25519_SPKI_BYTES, KeyKind, P256_POINT_BYTES, P256_SPKI_BYTES, Spki, WrapPub};

/// Appends the length of `value`, 2 bytes big-endian, and then `value`, so that no two lists of values give the same
/// bytes.
///
/// # Panics
/// Where `value` has more than 65,535 bytes; a signed roster, the longest of them, is far shorter.
pub fn push_lp(out: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("what is signed or proven is far shorter than 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}
