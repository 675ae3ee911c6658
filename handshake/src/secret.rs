//! Secret bytes: wiped when dropped, hidden from `Debug`, compared in constant time.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::hash::{Hash, Hasher};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `N` secret bytes, in memory of their own: moving the value leaves no copy of them on a stack.
///
/// It serialises, in base64url, since a record that must survive a restart may contain it: such a record is secret too.
#[derive(Clone)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes. The caller must wipe its copy.
    pub fn new(bytes: [u8; N]) -> Self {
        Self(Box::new(bytes))
    }

    /// The bytes, for the one use that needs them. Never log them.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0[..].ct_eq(&other.0[..]).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

/// For a model checker that stores visited states; no table of the product is keyed by a secret.
impl<const N: usize> Hash for Secret<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<const N: usize> Serialize for Secret<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&self.0[..]));
        serializer.serialize_str(&text)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Secret<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| de::Error::custom("not base64url"))?;
        if bytes.len() != N {
            return Err(de::Error::custom(format_args!("not {N} bytes")));
        }
        let mut secret = Self(Box::new([0; N]));
        secret.0.copy_from_slice(&bytes);
        Ok(secret)
    }
}
