//! A phone's wrap key in software: the side of the agreement that opens its slot.

use super::agree::{Agree, BadPrivateKey, PrivateKey};
use crate::encoding::WrapPub;
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::rand::SecureRandom;

/// A P-256 key pair that only opens slots: signatures are made with another key.
#[derive(Debug)]
pub struct WrapKey(PrivateKey);

impl WrapKey {
    /// Draws one.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        PrivateKey::random(random).map(Self)
    }

    /// Reads the private half that [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`BadPrivateKey`] for 0 and for a number that is not below the order of the curve.
    pub fn from_bytes(bytes: &Secret<32>) -> Result<Self, BadPrivateKey> {
        PrivateKey::from_bytes(bytes.expose()).map(Self)
    }

    /// The private half, big-endian, for the file in which the phone stores it.
    pub fn to_bytes(&self) -> Secret<32> {
        self.0.to_bytes()
    }
}

/// Never refuses.
impl Agree for WrapKey {
    fn public(&self) -> WrapPub {
        *self.0.public()
    }

    fn agree(&self, ephemeral: &WrapPub) -> Option<Secret<32>> {
        Some(self.0.agree(ephemeral))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn a_key_comes_back_from_its_bytes_and_shows_its_public_half_alone() {
        let key = WrapKey::random(&SystemRandom::new()).unwrap();
        let again = WrapKey::from_bytes(&key.to_bytes()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(format!("{key:?}"), format!("WrapKey({:?}, ..)", key.public()));
        assert_eq!(WrapKey::from_bytes(&Secret::new([0; 32])).err(), Some(BadPrivateKey));
    }
}
