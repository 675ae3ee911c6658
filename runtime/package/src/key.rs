//! A publisher's private key, and the file that keeps it.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use handshake::encoding::{KeyKind, Spki};
use handshake::keys::SigningKey;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::parse::SIGNATURE;
use crate::signature::{KEY_BYTES, SIGNATURE_BYTES, check_chain};
use crate::walk::append;
use crate::{
    BadKeyFile, DocumentDomain, Package, PublicKey, PublisherId, SUCCESSIONS_MAX, SignError, Signature,
    SucceedError, Succession,
};

const VERSION: u32 = 1;

/// A publisher's private key, with the successions that led to it. Wiped when it is dropped, as far as `ring` permits.
pub struct PublisherKey {
    key: SigningKey,
    /// The same as in `key`.
    public: PublicKey,
    root: PublicKey,
    successions: Vec<Succession>,
}

/// The file of a key. JSON: `pkcs8` in base 64, the rest in hex.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeyFile {
    cellar_publisher_key: u32,
    pkcs8: Zeroizing<String>,
    root: String,
    #[serde(default)]
    successions: Vec<SuccessionText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuccessionText {
    key: String,
    signature: String,
}

impl PublisherKey {
    /// Draws the key of a new publisher.
    ///
    /// # Errors
    /// [`SignError::NoRandomness`].
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, SignError> {
        let key = SigningKey::generate(KeyKind::Ed25519, random).map_err(|_| SignError::NoRandomness)?;
        Self::first(key).ok_or(SignError::NoRandomness)
    }

    /// The key of a publisher who has never changed it, from PKCS#8 of Ed25519 with its public half.
    ///
    /// # Errors
    /// [`BadKeyFile::Key`].
    pub fn from_pkcs8(bytes: &[u8], random: &dyn SecureRandom) -> Result<Self, BadKeyFile> {
        let key = SigningKey::from_pkcs8(bytes, random).map_err(|_| BadKeyFile::Key)?;
        Self::first(key).ok_or(BadKeyFile::Key)
    }

    fn first(key: SigningKey) -> Option<Self> {
        let public = public_of(key.spki())?;
        Some(Self { key, public, root: public, successions: Vec::new() })
    }

    /// Reads the text of a key's file.
    ///
    /// # Errors
    /// [`BadKeyFile`]; no message has a part of the key.
    pub fn from_file(text: &str, random: &dyn SecureRandom) -> Result<Self, BadKeyFile> {
        let file: KeyFile = serde_json::from_str(text).map_err(|_| BadKeyFile::Form)?;
        if file.cellar_publisher_key != VERSION || file.successions.len() > SUCCESSIONS_MAX {
            return Err(BadKeyFile::Form);
        }
        let pkcs8 = BASE64.decode(file.pkcs8.trim().as_bytes()).map(Zeroizing::new);
        let mut key = Self::from_pkcs8(&pkcs8.map_err(|_| BadKeyFile::Form)?, random)?;
        let root = bytes_of::<KEY_BYTES>(&file.root).ok_or(BadKeyFile::Form)?;
        let succession = |text: &SuccessionText| {
            let key = bytes_of::<KEY_BYTES>(&text.key)?;
            Some(Succession { key, signature: bytes_of::<SIGNATURE_BYTES>(&text.signature)? })
        };
        let successions: Option<Vec<_>> = file.successions.iter().map(succession).collect();
        key.successions = successions.ok_or(BadKeyFile::Form)?;
        let keys = check_chain(&root, &key.successions).map_err(|_| BadKeyFile::Chain)?;
        match (keys.first(), keys.last()) {
            (Some(first), Some(last)) if *last == key.public => key.root = *first,
            _ => return Err(BadKeyFile::Chain),
        }
        Ok(key)
    }

    /// The text for the key's file, which is secret.
    pub fn to_file(&self) -> Zeroizing<String> {
        let successions = self.successions.iter().map(|succession| SuccessionText {
            key: HEXLOWER.encode(&succession.key),
            signature: HEXLOWER.encode(&succession.signature),
        });
        let file = KeyFile {
            cellar_publisher_key: VERSION,
            pkcs8: Zeroizing::new(BASE64.encode(self.key.pkcs8())),
            root: self.root.to_string(),
            successions: successions.collect(),
        };
        let mut text = Zeroizing::new(serde_json::to_string_pretty(&file).expect("texts are JSON"));
        text.push('\n');
        text
    }

    /// Signs a package; a signature that it has is replaced. Returns the whole file.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, package: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        let package = Package::parse(package)?;
        let head = Signature::head(self.root.as_bytes(), &self.successions);
        let message = Signature::message(package.digest(), &head);
        let signature = self.key.sign(&message, random).map_err(|_| SignError::NoRandomness)?;
        let mut bytes = package.content().to_vec();
        append(&mut bytes, SIGNATURE, &[&head, &signature]);
        // It may now be too large.
        Package::parse(&bytes)?;
        Ok(bytes)
    }

    /// Signs a text that is no package. Returns the signature with all keys, for [`crate::verify_document`].
    ///
    /// # Errors
    /// [`SignError::NoRandomness`].
    pub fn sign_document(
        &self,
        domain: DocumentDomain,
        document: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SignError> {
        let head = Signature::head(self.root.as_bytes(), &self.successions);
        let signature = self.key.sign(&domain.message(document, &head), random);
        Ok([head, signature.map_err(|_| SignError::NoRandomness)?].concat())
    }

    /// Hands over to a key that was drawn for it: what it signs from now on is this publisher's.
    ///
    /// # Errors
    /// [`SucceedError`].
    pub fn succeed(&self, new: Self, random: &dyn SecureRandom) -> Result<Self, SucceedError> {
        let is_known = |key: &PublicKey| {
            *key == self.root || self.successions.iter().any(|known| known.key == *key.as_bytes())
        };
        if !new.successions.is_empty() || is_known(&new.public) {
            return Err(SucceedError::NotFresh);
        }
        let index = self.successions.len() + 1;
        let index = u8::try_from(index).ok().filter(|index| usize::from(*index) <= SUCCESSIONS_MAX);
        let index = index.ok_or(SucceedError::TooMany)?;
        let message = Succession::message(self.root.as_bytes(), index, new.public.as_bytes());
        let signature = self.key.sign(&message, random).map_err(|_| SucceedError::NoRandomness)?;
        let signature = signature.try_into().map_err(|_| SucceedError::NoRandomness)?;
        let mut successions = self.successions.clone();
        successions.push(Succession { key: *new.public.as_bytes(), signature });
        Ok(Self { root: self.root, successions, ..new })
    }

    /// Whose key it is.
    pub fn publisher(&self) -> PublisherId {
        PublisherId::of(&self.root)
    }

    /// The publisher's first public key.
    pub fn root(&self) -> &PublicKey {
        &self.root
    }

    /// The public half of this key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// How often the publisher has changed the key.
    pub fn chain_len(&self) -> usize {
        self.successions.len()
    }
}

fn public_of(spki: &Spki) -> Option<PublicKey> {
    (spki.kind() == KeyKind::Ed25519)
        .then(|| spki.key_bytes().try_into().ok().and_then(PublicKey::parse))
        .flatten()
}

fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Prints the publisher.
impl fmt::Debug for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherKey({}, {} successions, ..)", self.publisher(), self.successions.len())
    }
}
