//! Signatures: who published a package, through all changes of their key.

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::{BadSignature, CellId, Digest, PublicKey, PublisherId, SUCCESSIONS_MAX};

/// What stands before everything that is signed of a package.
pub(crate) const PACKAGE_DOMAIN: &[u8] = b"cellar/package/1\n";
/// What stands before everything that is signed of a succession.
pub(crate) const SUCCESSION_DOMAIN: &[u8] = b"cellar/succession/1\n";
/// The version of the section's form.
const VERSION: u8 = 1;
pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A new key, and the signature of the key before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// The new public key.
    pub key: [u8; KEY_BYTES],
    /// By the key before it.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Succession {
    /// What the key before it signs; `index` is 1 for the first succession.
    pub(crate) fn message(root: &[u8; KEY_BYTES], index: u8, key: &[u8; KEY_BYTES]) -> Vec<u8> {
        [SUCCESSION_DOMAIN, root, &[index], key].concat()
    }
}

/// The signature of a package, as it stands in the file: nothing in it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The publisher's first public key.
    pub root: [u8; KEY_BYTES],
    /// Changes of the key, the earliest first.
    pub successions: Vec<Succession>,
    /// By the last key.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// Who published a package, proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The publisher.
    pub publisher: PublisherId,
    /// How often the publisher has changed the key; 0: never.
    pub chain_len: usize,
    /// The key that signed this package.
    pub newest_key: PublicKey,
    /// The cell, the same in all of its versions.
    pub cell: CellId,
    /// What was signed.
    pub digest: Digest,
    /// All keys, the first one first; the last one is [`Self::newest_key`].
    pub keys: Vec<PublicKey>,
}

impl Verified {
    /// Whether this package comes from the same publisher, with the key that signed an earlier one of theirs or one that
    /// followed it: `chain_len` and `newest_key` are those of the earlier package. A key that was replaced can sign no
    /// further package for whoever has seen its successor.
    pub fn follows(&self, publisher: &PublisherId, chain_len: usize, newest_key: &PublicKey) -> bool {
        self.publisher == *publisher && self.keys.get(chain_len) == Some(newest_key)
    }
}

impl Signature {
    /// Reads the section's content; `None` where it is not of the form.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let (&[version], rest) = data.split_first_chunk()?;
        let (&root, rest) = rest.split_first_chunk()?;
        let (&[count], mut rest) = rest.split_first_chunk()?;
        let count = usize::from(count);
        if version != VERSION || count > SUCCESSIONS_MAX {
            return None;
        }
        let mut successions = Vec::with_capacity(count);
        for _ in 0..count {
            let (&key, behind) = rest.split_first_chunk()?;
            let (&signature, behind) = behind.split_first_chunk()?;
            successions.push(Succession { key, signature });
            rest = behind;
        }
        let signature = rest.try_into().ok()?;
        Some(Self { root, successions, signature })
    }

    /// The section's content before the signature itself.
    pub(crate) fn head(root: &[u8; KEY_BYTES], successions: &[Succession]) -> Vec<u8> {
        let count = u8::try_from(successions.len()).expect("SUCCESSIONS_MAX is below 256");
        let mut head = [&[VERSION][..], root, &[count]].concat();
        for succession in successions {
            head.extend_from_slice(&succession.key);
            head.extend_from_slice(&succession.signature);
        }
        head
    }

    /// What the last key signs: the content, and by whom it is.
    pub(crate) fn message(digest: Digest, head: &[u8]) -> Vec<u8> {
        [PACKAGE_DOMAIN, &digest.0, head].concat()
    }

    /// Checks all keys and signatures of a package.
    pub(crate) fn verify(&self, digest: Digest, name: &str) -> Result<Verified, BadSignature> {
        let message = Self::message(digest, &Self::head(&self.root, &self.successions));
        let keys = self.verify_message(&message)?;
        let (first, newest) = keys.first().zip(keys.last()).ok_or(BadSignature::Signature)?;
        Ok(Verified {
            publisher: PublisherId::of(first),
            chain_len: self.successions.len(),
            newest_key: *newest,
            cell: CellId::of(first, name),
            digest,
            keys: keys.clone(),
        })
    }

    /// Checks all keys, and that the last one has signed the message. All keys, the first one first: at least one.
    pub(crate) fn verify_message(&self, message: &[u8]) -> Result<Vec<PublicKey>, BadSignature> {
        let keys = check_chain(&self.root, &self.successions)?;
        match keys.last() {
            Some(newest) if is_signed(newest, message, &self.signature) => Ok(keys),
            _ => Err(BadSignature::Signature),
        }
    }
}

/// The keys of a chain, the first one first, if each is signed by the one before it.
pub(crate) fn check_chain(
    root: &[u8; KEY_BYTES],
    successions: &[Succession],
) -> Result<Vec<PublicKey>, BadSignature> {
    let mut keys = vec![PublicKey::parse(*root).ok_or(BadSignature::WeakKey { index: 0 })?];
    for (index, succession) in (1_u8..).zip(successions) {
        let at = usize::from(index);
        let key = PublicKey::parse(succession.key).ok_or(BadSignature::WeakKey { index: at })?;
        let message = Succession::message(root, index, &succession.key);
        let is_known = keys.contains(&key);
        if is_known || !keys.last().is_some_and(|old| is_signed(old, &message, &succession.signature)) {
            return Err(BadSignature::Succession { index: at });
        }
        keys.push(key);
    }
    Ok(keys)
}

fn is_signed(key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(message, signature).is_ok()
}
