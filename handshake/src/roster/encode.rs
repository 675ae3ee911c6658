//! The bytes of a roster: one form for each content, so that two readers never see different things in one signature.
//!
//! ```text
//!  0  1  form, 1                       82  1  flags: bit 0, the host holds a key too
//!  1 16  user                          83  4  generation of the data key
//! 17  8  version                       87     LP(inbox key, 65 bytes or none)
//! 25 32  hash of the roster before            LP(key of the phrase, 65 bytes or none)
//! 57  8  moment, ms                     +  1  devices, at most 32; for each:
//! 65  1  author: 0 nobody, 1 device,          id (16) LP(key) wrap key (65) scopes (1) LP(name)
//!        2 phrase                       +  1  tokens, at most 64; for each: digest (32)
//! 66 16  the device, or zeros
//! ```
//!
//! Integers are big-endian. Scopes are bits in the order of [`Scope::ALL`](crate::device::Scope::ALL), from the lowest.

use super::content::{Author, Member, Roster, TOKENS_MAX};
use crate::device::{DEVICE_NAME_BYTES_MAX, DEVICES_MAX, DeviceName, Scopes};
use crate::encoding::{DeviceId, Digest32, P256_POINT_BYTES, P256_SPKI_BYTES, Spki, WrapPub, push_lp};
use crate::keys::InboxPub;
use runtime_types::UserId;
use std::collections::BTreeSet;

const FORM: u8 = 1;
const UNATTENDED: u8 = 1;
const FIXED_BYTES: usize = 87;
const MEMBER_BYTES_MAX: usize = 16 + 2 + P256_SPKI_BYTES + P256_POINT_BYTES + 1 + 2 + DEVICE_NAME_BYTES_MAX;
/// Longest roster in bytes.
pub const ROSTER_BYTES_MAX: usize =
    FIXED_BYTES + 2 * (2 + P256_POINT_BYTES) + (1 + DEVICES_MAX * MEMBER_BYTES_MAX) + (1 + TOKENS_MAX * 32);
const _: () = assert!(ROSTER_BYTES_MAX <= u16::MAX as usize);

/// Why bytes, or a content, are no roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRoster {
    /// Bytes are missing or left over.
    #[error("a roster of {bytes} bytes ends too early or too late")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// Made by a newer program.
    #[error("the roster has form {form}, {FORM} is known")]
    Form {
        /// The form.
        form: u8,
    },
    /// Version 0.
    #[error("versions count from 1")]
    Version,
    /// An unknown author, or a device named where none signs.
    #[error("the author is none of nobody, a device and the phrase")]
    Author,
    /// A flag or scope that this version does not know.
    #[error("the roster has a flag or a scope that is not known")]
    Unknown,
    /// A key that is none.
    #[error("the roster has a key that is no key")]
    Key,
    /// A name that a device may not have.
    #[error("the roster has a name that no device may have")]
    Name,
    /// Not in rising order, or a key that stands twice.
    #[error("the roster's devices or tokens are out of order, or a key stands twice")]
    Order,
    /// More entries than the limit.
    #[error(
        "a roster has at most {DEVICES_MAX} devices and {TOKENS_MAX} tokens, this one has {devices} and {tokens}"
    )]
    Full {
        /// The number of devices.
        devices: usize,
        /// The number of tokens.
        tokens: usize,
    },
}

impl Roster {
    /// The bytes that are signed, without the prefix.
    ///
    /// # Errors
    /// [`BadRoster::Full`], [`BadRoster::Order`] and [`BadRoster::Version`].
    pub fn encode(&self) -> Result<Vec<u8>, BadRoster> {
        self.check()?;
        let (kind, device) = match self.author {
            Author::Nobody => (0, [0; 16]),
            Author::Device(id) => (1, id.0),
            Author::Phrase => (2, [0; 16]),
        };
        let mut out = Vec::with_capacity(512);
        out.push(FORM);
        out.extend_from_slice(&self.user.0);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.previous.0);
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        out.push(kind);
        out.extend_from_slice(&device);
        out.push(if self.unattended { UNATTENDED } else { 0 });
        out.extend_from_slice(&self.generation.to_be_bytes());
        push_lp(&mut out, self.inbox.as_ref().map_or(&[], |key| key.as_bytes().as_slice()));
        push_lp(&mut out, self.phrase.as_ref().map_or(&[], |key| key.as_bytes().as_slice()));
        out.push(self.devices.len() as u8);
        for Member { id, spki, wrap_pub, scopes, name } in &self.devices {
            out.extend_from_slice(&id.0);
            push_lp(&mut out, spki.as_bytes());
            out.extend_from_slice(wrap_pub.as_bytes());
            out.push(scopes.bits());
            push_lp(&mut out, name.as_str().as_bytes());
        }
        out.push(self.tokens.len() as u8);
        self.tokens.iter().for_each(|token| out.extend_from_slice(&token.0));
        Ok(out)
    }

    /// Reads what [`Self::encode`] gives, and nothing else.
    ///
    /// # Errors
    /// [`BadRoster`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRoster> {
        let mut reader = Reader { left: bytes, bytes: bytes.len() };
        let [form] = reader.array()?;
        if form != FORM {
            return Err(BadRoster::Form { form });
        }
        let user = UserId(reader.array()?);
        let version = u64::from_be_bytes(reader.array()?);
        let previous = Digest32(reader.array()?);
        let at_ms = u64::from_be_bytes(reader.array()?);
        let author = reader.author()?;
        let [flags] = reader.array()?;
        if flags & !UNATTENDED != 0 {
            return Err(BadRoster::Unknown);
        }
        let generation = u32::from_be_bytes(reader.array()?);
        let inbox = reader.optional_key()?.map(|key| InboxPub::parse(key.as_bytes()));
        let inbox = inbox.transpose().map_err(|_| BadRoster::Key)?;
        let phrase = reader.optional_key()?;
        let [count] = reader.array()?;
        let devices = (0..count).map(|_| reader.member()).collect::<Result<_, _>>()?;
        let [count] = reader.array()?;
        let tokens = (0..count).map(|_| reader.array().map(Digest32)).collect::<Result<_, _>>()?;
        if !reader.left.is_empty() {
            return Err(BadRoster::Length { bytes: bytes.len() });
        }
        let unattended = flags & UNATTENDED != 0;
        let roster = Self {
            user,
            version,
            previous,
            at_ms,
            author,
            unattended,
            generation,
            inbox,
            phrase,
            devices,
            tokens,
        };
        roster.check()?;
        Ok(roster)
    }

    /// The rules that hold for a content whatever its bytes.
    fn check(&self) -> Result<(), BadRoster> {
        let (devices, tokens) = (self.devices.len(), self.tokens.len());
        if devices > DEVICES_MAX || tokens > TOKENS_MAX {
            return Err(BadRoster::Full { devices, tokens });
        }
        if self.version == 0 {
            return Err(BadRoster::Version);
        }
        let ids = self.devices.iter().map(|member| member.id);
        let rising = ids.is_sorted_by(|one, next| one < next);
        let keys: BTreeSet<_> = self.devices.iter().map(|member| member.spki).collect();
        let wraps = self.devices.iter().map(|member| member.wrap_pub).chain(self.phrase);
        let wraps: BTreeSet<_> = wraps.collect();
        let alone = keys.len() == devices && wraps.len() == devices + usize::from(self.phrase.is_some());
        if rising && alone && self.tokens.is_sorted_by(|one, next| one < next) {
            Ok(())
        } else {
            Err(BadRoster::Order)
        }
    }
}

/// Takes bytes from the front.
struct Reader<'b> {
    left: &'b [u8],
    bytes: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], BadRoster> {
        let (taken, left) =
            self.left.split_at_checked(count).ok_or(BadRoster::Length { bytes: self.bytes })?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRoster> {
        self.take(N)?.try_into().map_err(|_| BadRoster::Length { bytes: self.bytes })
    }

    fn lp(&mut self) -> Result<&'b [u8], BadRoster> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(length.into())
    }

    fn author(&mut self) -> Result<Author, BadRoster> {
        let ([kind], device) = (self.array()?, self.array()?);
        match (kind, device == [0; 16]) {
            (0, true) => Ok(Author::Nobody),
            (1, _) => Ok(Author::Device(DeviceId(device))),
            (2, true) => Ok(Author::Phrase),
            _ => Err(BadRoster::Author),
        }
    }

    fn optional_key(&mut self) -> Result<Option<WrapPub>, BadRoster> {
        let bytes = self.lp()?;
        let key = (!bytes.is_empty()).then(|| WrapPub::parse(bytes)).transpose();
        key.map_err(|_| BadRoster::Key)
    }

    fn member(&mut self) -> Result<Member, BadRoster> {
        let id = DeviceId(self.array()?);
        let spki = Spki::parse(self.lp()?).map_err(|_| BadRoster::Key)?;
        let wrap_pub = WrapPub::parse(self.take(P256_POINT_BYTES)?).map_err(|_| BadRoster::Key)?;
        let [bits] = self.array()?;
        let scopes = Scopes::from_bits(bits).ok_or(BadRoster::Unknown)?;
        let name = std::str::from_utf8(self.lp()?).map_err(|_| BadRoster::Name)?;
        let name = DeviceName::new(name).map_err(|_| BadRoster::Name)?;
        Ok(Member { id, spki, wrap_pub, scopes, name })
    }
}
