//! What a paired phone stores: its keys, and the identity of its runtime. One file with mode 600, replaced as a whole.
//!
//! A real phone keeps the two private keys in hardware; this one, on the command line, stores them in the file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use handshake::device::Scopes;
use handshake::encoding::KeyKind;
use handshake::keys::{SigningKey, WrapKey};
use handshake::pairing::Paired;
use handshake::secret::Secret;
use handshake::session::PhoneState;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A paired phone.
pub struct PhoneFile {
    /// The identity of its runtime, and what the phone has seen of it.
    pub state: PhoneState,
    /// The key that it presents in TLS.
    pub device: SigningKey,
    /// The key that opens its slot.
    pub wrap: WrapKey,
}

/// The private keys of a phone that is not paired yet.
pub struct PhoneKeys {
    /// The key that it presents in TLS.
    pub device: SigningKey,
    /// The key that opens its slot.
    pub wrap: WrapKey,
}

/// Why a phone's file cannot be used. The message contains nothing of the keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadPhoneFile {
    /// The operating system refused.
    #[error("the phone's file cannot be read or written")]
    Disk(#[from] io::Error),
    /// A file exists there already.
    #[error("there is something already, and it would be lost")]
    Taken,
    /// It is not a file that a pairing wrote.
    #[error("the file is none of a paired phone")]
    Unsound,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    paired: PhoneState,
    device_key: Zeroizing<String>,
    wrap_key: Secret<32>,
}

impl PhoneKeys {
    /// Generates both keys.
    ///
    /// # Errors
    /// Where the operating system provides no random bytes.
    pub fn random(kind: KeyKind) -> Result<Self, handshake::token::NoRandomness> {
        let random = SystemRandom::new();
        Ok(Self { device: SigningKey::generate(kind, &random)?, wrap: WrapKey::random(&random)? })
    }

    /// The paired phone with these keys.
    pub fn paired(self, paired: Paired) -> PhoneFile {
        let Paired { user_id, device_id, label, host, port, pin, next_pins, scopes, head } = paired;
        let state = PhoneState {
            user: user_id,
            device: device_id,
            label,
            previous_label: None,
            host,
            port,
            pin,
            next_pins,
            scopes: Scopes::known(&scopes),
            head,
            tells_heads: false,
            roster: None,
            slot: None,
        };
        PhoneFile { state, device: self.device, wrap: self.wrap }
    }
}

impl PhoneFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BadPhoneFile`].
    pub fn load(path: &Path) -> Result<Self, BadPhoneFile> {
        let text = Zeroizing::new(fs::read_to_string(path)?);
        Self::parse(&text).ok_or(BadPhoneFile::Unsound)
    }

    fn parse(text: &str) -> Option<Self> {
        let Wire { paired, device_key, wrap_key } = serde_json::from_str(text).ok()?;
        let pkcs8 = Zeroizing::new(BASE64URL_NOPAD.decode(device_key.as_bytes()).ok()?);
        let device = SigningKey::from_pkcs8(&pkcs8, &SystemRandom::new()).ok()?;
        Some(Self { state: paired, device, wrap: WrapKey::from_bytes(&wrap_key).ok()? })
    }

    /// Makes sure that a phone's file can be written there, and that none exists there already: the keys in it may be
    /// the only ones that open a person's data.
    ///
    /// # Errors
    /// [`BadPhoneFile`].
    pub fn prepare(path: &Path) -> Result<(), BadPhoneFile> {
        match fs::metadata(path) {
            Ok(found) if found.len() > 0 || !found.is_file() => return Err(BadPhoneFile::Taken),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let half = path.with_extension("half");
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        Ok(fs::remove_file(half)?)
    }

    /// Replaces the file: a crash leaves either the old one or the new one.
    ///
    /// # Errors
    /// [`BadPhoneFile::Disk`].
    pub fn store(&self, path: &Path) -> Result<(), BadPhoneFile> {
        let device_key = Zeroizing::new(BASE64URL_NOPAD.encode(self.device.pkcs8()));
        let wire = Wire { paired: self.state.clone(), device_key, wrap_key: self.wrap.to_bytes() };
        let text = Zeroizing::new(serde_json::to_string_pretty(&wire).map_err(io::Error::from)?);
        let half = path.with_extension("half");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(fs::rename(&half, path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handshake::encoding::{Label, Pin};
    use runtime_types::UserId;

    #[test]
    fn a_phone_is_the_same_after_it_was_put_away() {
        for kind in [KeyKind::Ed25519, KeyKind::P256] {
            let keys = PhoneKeys::random(kind).expect("randomness");
            let phone = keys.paired(Paired {
                user_id: UserId([1; 16]),
                device_id: handshake::encoding::DeviceId([2; 16]),
                label: Label([3; 16]),
                host: "host.example".to_owned(),
                port: 443,
                pin: Pin([4; 32]),
                next_pins: Vec::new(),
                scopes: vec!["usercache:put".to_owned()],
                head: None,
            });
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("phone.json");
            phone.store(&path).expect("written");
            let again = PhoneFile::load(&path).expect("read");
            assert_eq!((&again.state, again.device.spki()), (&phone.state, phone.device.spki()));
            assert_eq!(again.wrap.to_bytes(), phone.wrap.to_bytes());
            assert!(matches!(PhoneFile::prepare(&path), Err(BadPhoneFile::Taken)));
            assert!(PhoneFile::prepare(&folder.path().join("another.json")).is_ok());
            assert!(matches!(
                PhoneFile::prepare(&folder.path().join("no/folder")),
                Err(BadPhoneFile::Disk(_))
            ));
            assert!(matches!(PhoneFile::prepare(folder.path()), Err(BadPhoneFile::Taken)));
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
            fs::write(&path, "{}").expect("written");
            assert!(matches!(PhoneFile::load(&path), Err(BadPhoneFile::Unsound)));
        }
    }
}
