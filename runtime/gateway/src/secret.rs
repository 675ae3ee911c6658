//! The secret that a gateway and its hosts share, and the proofs that are made with it. The secret itself is never
//! sent.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use handshake::encoding::{Digest32, Nonce};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Fewest characters of a secret; a generated one has 64.
const CHARACTERS_MIN: usize = 32;
/// Largest file of a secret, bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// Why there is no secret. The message contains nothing of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read or created.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Other users may read it.
    #[error("{} can be read by others: change its mode to 600", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// It is too short or too long to be a secret.
    #[error("{} holds no secret: 32 characters at least, 4096 bytes at most", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
    },
}

/// The side that gives the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Host,
    Gateway,
}

/// The input of both proofs: both sides' nonces, and the port to which the host wants its callers sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub gateway: Nonce,
    pub host: Nonce,
    pub port: u16,
}

impl Exchange {
    fn transcript(&self, side: Side) -> Vec<u8> {
        let mut out = match side {
            Side::Host => b"cellar/gateway/1 host\0".to_vec(),
            Side::Gateway => b"cellar/gateway/1 gateway\0".to_vec(),
        };
        out.extend_from_slice(&self.gateway.0);
        out.extend_from_slice(&self.host.0);
        out.extend_from_slice(&self.port.to_be_bytes());
        out
    }
}

/// The shared secret. `Debug` prints nothing of it.
#[derive(Clone)]
pub struct GatewaySecret(hmac::Key);

impl std::fmt::Debug for GatewaySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GatewaySecret(..)")
    }
}

impl GatewaySecret {
    /// Reads a file that only its owner may read; white space around the secret is ignored.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let file = |source| SecretError::File { path: path.to_owned(), source };
        let opened = fs::File::open(path).map_err(file)?;
        if opened.metadata().map_err(file)?.permissions().mode() & 0o077 != 0 {
            return Err(SecretError::OpenToOthers { path: path.to_owned() });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
        opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(file)?;
        let secret = text.trim_ascii();
        if secret.len() < CHARACTERS_MIN || text.len() as u64 > FILE_BYTES_MAX {
            return Err(SecretError::Unsound { path: path.to_owned() });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Like [`Self::load`]; where there is no such file, one is created, with 32 random bytes in hex digits.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn load_or_make(path: &Path) -> Result<Self, SecretError> {
        match make(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(SecretError::File { path: path.to_owned(), source: error })
            }
            _ => Self::load(path),
        }
    }

    pub(super) fn prove(&self, side: Side, exchange: &Exchange) -> Digest32 {
        let tag = hmac::sign(&self.0, &exchange.transcript(side));
        let mut proof = [0; 32];
        proof.copy_from_slice(tag.as_ref());
        Digest32(proof)
    }

    /// Whether the proof is valid. Compares in constant time.
    pub(super) fn is_proven(&self, side: Side, exchange: &Exchange, proof: &Digest32) -> bool {
        hmac::verify(&self.0, &exchange.transcript(side), &proof.0).is_ok()
    }
}

/// 32 random bytes.
pub(super) fn nonce() -> io::Result<Nonce> {
    let mut bytes = [0; 32];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| io::Error::other("no random bytes from the operating system"))?;
    Ok(Nonce(bytes))
}

fn make(path: &Path) -> io::Result<()> {
    let bytes = Zeroizing::new(nonce()?.0);
    let text = Zeroizing::new(HEXLOWER.encode(&*bytes));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_made_proves_to_who_has_a_copy_of_the_file_and_to_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        let made = GatewaySecret::load_or_make(&first).expect("made");
        let copy = GatewaySecret::load_or_make(&first).expect("read");
        let other = GatewaySecret::load_or_make(&second).expect("made");
        let exchange = Exchange { gateway: Nonce([1; 32]), host: Nonce([2; 32]), port: 8443 };
        let proof = made.prove(Side::Host, &exchange);
        assert!(copy.is_proven(Side::Host, &exchange, &proof));
        assert!(!other.is_proven(Side::Host, &exchange, &proof));
        assert!(!copy.is_proven(Side::Gateway, &exchange, &proof), "a proof is one side's");
        for changed in [
            Exchange { gateway: Nonce([3; 32]), ..exchange },
            Exchange { host: Nonce([3; 32]), ..exchange },
            Exchange { port: 8444, ..exchange },
        ] {
            assert!(!copy.is_proven(Side::Host, &changed, &proof), "{changed:?}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_too_short_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "7".repeat(64)).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(GatewaySecret::load(&path), Err(SecretError::OpenToOthers { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        assert!(GatewaySecret::load(&path).is_ok());
        for text in [format!(" {}\n", "7".repeat(31)), "7".repeat(4097)] {
            fs::write(&path, text).expect("written");
            assert!(matches!(GatewaySecret::load(&path), Err(SecretError::Unsound { .. })));
        }
    }
}
