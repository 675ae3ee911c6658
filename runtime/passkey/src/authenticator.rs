//! The authenticator's data: whose site, what was checked, how often, and in a registration the new key.
//!
//! ```text
//! SHA-256 of the site (32) ‖ flags (1) ‖ counter (4) ‖ [AAGUID (16) ‖ length (2) ‖ id ‖ key] ‖ [extensions]
//! ```

use super::BadPasskey;
use super::client::Site;

/// The longest data that are read, bytes: an id of the longest kind, a key and room for extensions.
pub const AUTHENTICATOR_BYTES_MAX: usize = 2048;

const HEAD_BYTES: usize = 37;
const AAGUID_BYTES: usize = 16;
/// Somebody touched the authenticator.
const USER_PRESENT: u8 = 0x01;
/// It checked who: by a finger, a face or a PIN.
const USER_VERIFIED: u8 = 0x04;
/// The passkey may exist on several machines.
const MAY_BE_COPIED: u8 = 0x08;
/// It does.
const IS_COPIED: u8 = 0x10;
/// A new key follows.
const ATTESTED: u8 = 0x40;

/// Data that were read.
pub(crate) struct AuthenticatorData<'a> {
    site: &'a [u8],
    flags: u8,
    pub(crate) counter: u32,
    /// The id, and the key with what may follow it.
    pub(crate) attested: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads data; `None`: they are too short for what their flags say.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (site, rest_of_head) = head.split_at(32);
        let flags = rest_of_head[0];
        let counter = u32::from_be_bytes(rest_of_head[1..].try_into().ok()?);
        let attested = if flags & ATTESTED == 0 {
            None
        } else {
            let (length, rest) = rest.split_at_checked(AAGUID_BYTES)?.1.split_at_checked(2)?;
            let length = u16::from_be_bytes(length.try_into().ok()?);
            Some(rest.split_at_checked(usize::from(length))?)
        };
        Some(Self { site, flags, counter, attested })
    }

    /// Whether they are for this site, with a verified user.
    pub(crate) fn check(&self, site: Site<'_>) -> Result<(), BadPasskey> {
        let expected = ring::digest::digest(&ring::digest::SHA256, site.name.as_bytes());
        if expected.as_ref() != self.site {
            return Err(BadPasskey::Site);
        }
        let verified = USER_PRESENT | USER_VERIFIED;
        if self.flags & verified != verified {
            return Err(BadPasskey::Unverified);
        }
        if self.flags & (MAY_BE_COPIED | IS_COPIED) == IS_COPIED {
            return Err(BadPasskey::Form);
        }
        Ok(())
    }
}
