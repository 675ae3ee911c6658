//! A roster with its signature, and what may follow what.
//!
//! ```text
//! signed    = "upc/roster/1\0" roster                 by the author's key in the roster before; where that has
//!                                                     neither device nor phrase, and in the first, in the roster itself
//! hash      = SHA-256("upc/roster/1\0" roster)
//! on a wire = LP(roster) LP(signature)                no signature where nobody signs
//! ```
//!
//! The hash leaves out the signature, since an ECDSA signature has a second valid form: two forms are not two rosters.

use super::content::{Author, Roster, RosterMark};
use super::encode::{BadRoster, ROSTER_BYTES_MAX};
use crate::encoding::{Digest32, Spki, push_lp};
use crate::keys::{Phrase, SIGNATURE_BYTES_MAX, SigningKey, verify_signature};
use crate::token::NoRandomness;
use crate::transcript::sha256;
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SecureRandom;
use runtime_types::UserId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const PREFIX: &[u8] = b"upc/roster/1\0";
/// Longest roster with its signature in bytes.
pub const SIGNED_ROSTER_BYTES_MAX: usize = 2 + ROSTER_BYTES_MAX + 2 + SIGNATURE_BYTES_MAX;

/// A roster with its signature. The form is valid; whether the signature is, [`Self::check_first`] and
/// [`Self::check_after`] say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signed {
    roster: Roster,
    body: Vec<u8>,
    signature: Vec<u8>,
}

/// Why bytes are no signed roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSignedRoster {
    /// Bytes are missing or left over.
    #[error("{bytes} bytes are no roster with a signature, which has at most {SIGNED_ROSTER_BYTES_MAX}")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// The roster itself is invalid.
    #[error(transparent)]
    Roster(#[from] BadRoster),
    /// The system returned no random bytes for a signature.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why a roster does not follow another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BadStep {
    /// The roster of somebody else.
    #[error("the roster is another person's")]
    OtherPerson,
    /// Not the next version.
    #[error("the roster has version {version}, {want} was due")]
    Version {
        /// Its version.
        version: u64,
        /// The version that was due.
        want: u64,
    },
    /// Another predecessor than the known one.
    #[error("roster {version} follows another than the known one")]
    Previous {
        /// Its version.
        version: u64,
    },
    /// The key's generation is lower than before.
    #[error("roster {version} has an older data key than the roster before")]
    Generation {
        /// Its version.
        version: u64,
    },
    /// Signed by a device, or by a phrase, that was not in the roster before; or by nobody although somebody could.
    #[error("the author of roster {version} was not in the roster before")]
    Author {
        /// Its version.
        version: u64,
    },
    /// A signature by another key or over other bytes.
    #[error("the signature of roster {version} is wrong")]
    Signature {
        /// Its version.
        version: u64,
    },
}

impl Signed {
    /// A roster whose author is a device, signed by the key that the device has in the roster before.
    ///
    /// # Errors
    /// [`BadSignedRoster`].
    pub fn by_device(
        roster: Roster,
        key: &SigningKey,
        random: &dyn SecureRandom,
    ) -> Result<Self, BadSignedRoster> {
        Self::new(roster, |message| key.sign(message, random))
    }

    /// A roster whose author is the recovery phrase.
    ///
    /// # Errors
    /// [`BadSignedRoster`].
    pub fn by_phrase(
        roster: Roster,
        phrase: &Phrase,
        random: &dyn SecureRandom,
    ) -> Result<Self, BadSignedRoster> {
        Self::new(roster, |message| phrase.sign(message, random))
    }

    /// A roster that nobody signs.
    ///
    /// # Errors
    /// [`BadSignedRoster::Roster`].
    pub fn by_nobody(roster: Roster) -> Result<Self, BadSignedRoster> {
        Self::new(roster, |_| Ok(Vec::new()))
    }

    fn new(
        roster: Roster,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, NoRandomness>,
    ) -> Result<Self, BadSignedRoster> {
        let body = roster.encode()?;
        let signature = sign(&message(&body))?;
        Ok(Self { roster, body, signature })
    }

    /// Reads the bytes that [`Self::to_bytes`] gives.
    ///
    /// # Errors
    /// [`BadSignedRoster`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSignedRoster> {
        let wrong = BadSignedRoster::Length { bytes: bytes.len() };
        if bytes.len() > SIGNED_ROSTER_BYTES_MAX {
            return Err(wrong);
        }
        let (body, rest) = split_lp(bytes).ok_or(wrong)?;
        let (signature, rest) = split_lp(rest).ok_or(wrong)?;
        if !rest.is_empty() || signature.len() > SIGNATURE_BYTES_MAX {
            return Err(wrong);
        }
        let roster = Roster::parse(body)?;
        Ok(Self { roster, body: body.to_vec(), signature: signature.to_vec() })
    }

    /// Both parts, each behind its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.body.len() + self.signature.len());
        push_lp(&mut out, &self.body);
        push_lp(&mut out, &self.signature);
        out
    }

    /// The content.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The hash that the roster after this one contains.
    pub fn hash(&self) -> Digest32 {
        Digest32(sha256(&[PREFIX, &self.body]))
    }

    /// Version and hash.
    pub fn mark(&self) -> RosterMark {
        RosterMark { version: self.roster.version, hash: self.hash() }
    }

    /// Checks that this is a valid first roster of that person: signed by a device that is in it, or by nobody where
    /// it has no device.
    ///
    /// # Errors
    /// [`BadStep`].
    pub fn check_first(&self, user: UserId) -> Result<(), BadStep> {
        let Roster { version, previous, author, .. } = self.roster;
        if self.roster.user != user {
            return Err(BadStep::OtherPerson);
        }
        if version != 1 {
            return Err(BadStep::Version { version, want: 1 });
        }
        if previous != Digest32([0; 32]) {
            return Err(BadStep::Previous { version });
        }
        match author {
            // A phrase has no roster before that would name it.
            Author::Phrase => Err(BadStep::Author { version }),
            Author::Nobody if !self.roster.devices.is_empty() => Err(BadStep::Author { version }),
            _ => self.check_signature(&self.roster),
        }
    }

    /// Checks that this roster may follow `before`: its author is in `before`, or nobody is.
    ///
    /// # Errors
    /// [`BadStep`].
    pub fn check_after(&self, before: &Self) -> Result<(), BadStep> {
        let (version, known) = (self.roster.version, &before.roster);
        if self.roster.user != known.user {
            return Err(BadStep::OtherPerson);
        }
        let want = known.version.saturating_add(1);
        if version != want {
            return Err(BadStep::Version { version, want });
        }
        if self.roster.previous != before.hash() {
            return Err(BadStep::Previous { version });
        }
        if self.roster.generation < known.generation {
            return Err(BadStep::Generation { version });
        }
        match (self.roster.author, known.has_signer()) {
            (Author::Nobody, true) => Err(BadStep::Author { version }),
            // The first device of somebody whose rosters nobody could sign until now signs as in a first roster.
            (Author::Device(_), false) => self.check_signature(&self.roster),
            _ => self.check_signature(known),
        }
    }

    /// Checks the signature with the author's key in `by`.
    fn check_signature(&self, by: &Roster) -> Result<(), BadStep> {
        let version = self.roster.version;
        let signer = match self.roster.author {
            Author::Nobody if self.signature.is_empty() => return Ok(()),
            Author::Nobody => return Err(BadStep::Signature { version }),
            Author::Device(id) => by.device(id).map(|member| member.spki),
            Author::Phrase => by.phrase.as_ref().map(Spki::from_wrap_pub),
        };
        let signer = signer.ok_or(BadStep::Author { version })?;
        verify_signature(&signer, &message(&self.body), &self.signature)
            .map_err(|_| BadStep::Signature { version })
    }
}

/// Checks a chain from the roster that is known, and returns its end. Rosters of the chain that are not newer than the
/// known one are an error: whoever asks says where the chain is to begin.
///
/// # Errors
/// [`BadStep`].
pub fn follow<'c>(known: &'c Signed, chain: &'c [Signed]) -> Result<&'c Signed, BadStep> {
    chain.iter().try_fold(known, |before, next| next.check_after(before).map(|()| next))
}

fn message(body: &[u8]) -> Vec<u8> {
    [PREFIX, body].concat()
}

fn split_lp(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// In JSON its bytes in base64url.
impl Serialize for Signed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL_NOPAD.encode(&self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes =
            BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| de::Error::custom("not base64url"))?;
        Self::parse(&bytes).map_err(de::Error::custom)
    }
}

/// A roster that is not signed yet; in JSON its bytes in base64url.
impl Serialize for Roster {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = self.encode().map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&BASE64URL_NOPAD.encode(&body))
    }
}

impl<'de> Deserialize<'de> for Roster {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes =
            BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| de::Error::custom("not base64url"))?;
        Self::parse(&bytes).map_err(de::Error::custom)
    }
}
