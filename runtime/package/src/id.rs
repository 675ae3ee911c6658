//! Who made a package, and which cell it is: names that follow from a public key.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use handshake::encoding::Spki;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Characters of an id: 130 bits.
const ID_CHARS: usize = 26;
/// What stands before the key and the name of which a cell's id is made.
const CELL_DOMAIN: &[u8] = b"cellar/cell/1\n";

/// SHA-256 of the parts, one behind the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

fn id_of(parts: &[&[u8]]) -> String {
    let mut text = BASE32_NOPAD.encode(&sha256(parts)).to_ascii_lowercase();
    text.truncate(ID_CHARS);
    text
}

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has {ID_CHARS} of a-z and 2-7, a digest 64 hex digits")]
pub struct BadId;

macro_rules! id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let is_sound = text.len() == ID_CHARS
                    && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
                if is_sound { Ok(Self(text.to_owned())) } else { Err(BadId) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id! {
    /// A publisher: the first 26 characters of the SHA-256 of their first public key, in lower-case base 32.
    PublisherId
}

id! {
    /// A cell of a publisher, in all of its versions: 26 characters that follow from the publisher's first public key and
    /// the cell's name.
    CellId
}

impl PublisherId {
    /// The publisher whose first key this is.
    pub fn of(root: &PublicKey) -> Self {
        Self(id_of(&[root.as_bytes()]))
    }
}

impl CellId {
    /// The cell of that name of the publisher whose first key this is.
    pub fn of(root: &PublicKey, name: &str) -> Self {
        Self(id_of(&[CELL_DOMAIN, root.as_bytes(), name.as_bytes()]))
    }
}

/// A public key of Ed25519 that can sign; never one for which everybody can.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes 32 bytes; `None` if they are one of the few keys for which everybody can sign.
    pub fn parse(bytes: [u8; 32]) -> Option<Self> {
        Spki::from_ed25519(&bytes).ok().map(|_| Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The SHA-256 of what a package says: every byte before its signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl FromStr for Digest {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| BadId)?;
        bytes.try_into().map(Self).map_err(|_| BadId)
    }
}

impl TryFrom<String> for Digest {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_its_own_text_and_nothing_else() {
        let key = PublicKey::parse([7; 32]).expect("a key");
        let (publisher, cell) = (PublisherId::of(&key), CellId::of(&key, "modes"));
        assert_eq!(publisher.to_string().parse(), Ok(publisher.clone()));
        assert_eq!(cell.to_string().parse(), Ok(cell.clone()));
        assert_ne!(cell, CellId::of(&key, "mode"));
        for bad in ["", "a", &publisher.as_str().to_uppercase(), &"1".repeat(26), &"ä".repeat(13)] {
            assert_eq!(bad.parse::<PublisherId>(), Err(BadId), "{bad}");
        }
        let digest = Digest(sha256(&[b"abc"]));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("00".parse::<Digest>(), Err(BadId));
    }

    #[test]
    fn a_key_for_which_everybody_can_sign_is_none() {
        assert!(PublicKey::parse([0; 32]).is_none());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(PublicKey::parse(one).is_none());
    }
}
