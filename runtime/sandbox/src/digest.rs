//! The identity of a cell's code.

use std::fmt;
use std::str::FromStr;

use ring::digest;

/// SHA-256 of a component's bytes: it identifies code in grants and errors, and is the key of every cache.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeDigest(pub [u8; 32]);

impl CodeDigest {
    /// Hashes a component. Costs about 1 ms for 2 MB: do not call it on the path of a request.
    pub fn of(wasm: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, wasm);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The first 12 hex digits: enough to tell cells apart in a log.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeDigest({self})")
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of 64 hex digits")]
pub struct BadDigest;

impl FromStr for CodeDigest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(BadDigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or(BadDigest)?;
            let low = char::from(pair[1]).to_digit(16).ok_or(BadDigest)?;
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_prints() {
        let digest = CodeDigest::of(b"");
        assert_eq!(digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!("e3".parse::<CodeDigest>(), Err(BadDigest));
        assert_eq!("é".repeat(32).parse::<CodeDigest>(), Err(BadDigest));
    }
}
