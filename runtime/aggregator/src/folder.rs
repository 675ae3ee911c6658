//! The folder of an aggregator: its key, its ledger, and the studies that its operator admits.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use handshake::encoding::KeyKind;
use handshake::keys::SigningKey;
use ring::rand::SystemRandom;
use runtime_study::{BadStudy, STUDY_BYTES_MAX, SignedStudy};
use zeroize::Zeroizing;

use crate::link::key_name;
use crate::scheme::Role;

const KEY_FILE: &str = "aggregator.key";
const LEDGER_FILE: &str = "ledger.redb";
const STUDIES: &str = "studies";
const LISTENS_FILE: &str = "listens";
const KEY_BYTES_MAX: u64 = 4096;

/// Why a folder of an aggregator cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The key.
    #[error("{} is no key of an aggregator", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// It is no study.
    #[error(transparent)]
    Study(#[from] BadStudy),
    /// The study does not name this aggregator.
    #[error("the study does not name this aggregator: its key is {key}")]
    OtherAggregators {
        /// The name of this aggregator's key.
        key: String,
    },
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Disk { path, source }
}

/// The folder of an aggregator.
pub struct Folder {
    path: PathBuf,
    key: SigningKey,
}

impl Folder {
    /// Opens a folder; with `make`, one that has no key yet gets one.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path, make: bool) -> Result<Self, FolderError> {
        let file = path.join(KEY_FILE);
        let random = SystemRandom::new();
        if make && !file.exists() {
            fs::create_dir_all(path.join(STUDIES)).map_err(disk(path))?;
            let key =
                SigningKey::generate(KeyKind::Ed25519, &random).map_err(|_| FolderError::NoRandomness)?;
            write(&file, key.pkcs8()).map_err(disk(&file))?;
        }
        let mut pkcs8 = Zeroizing::new(Vec::new());
        let opened = fs::File::open(&file).map_err(disk(&file))?;
        opened.take(KEY_BYTES_MAX).read_to_end(&mut pkcs8).map_err(disk(&file))?;
        let key = SigningKey::from_pkcs8(&pkcs8, &random).map_err(|_| FolderError::Key { path: file })?;
        Ok(Self { path: path.to_owned(), key })
    }

    /// The aggregator's key.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The name of its key, as studies have it.
    pub fn key_name(&self) -> String {
        key_name(self.key.spki())
    }

    /// Where the ledger is.
    pub fn ledger(&self) -> PathBuf {
        self.path.join(LEDGER_FILE)
    }

    /// Which of a study's two aggregators this is.
    pub fn role(&self, signed: &SignedStudy) -> Option<Role> {
        let [leader, helper] = signed.study().aggregators()?;
        let own = self.key_name();
        match (leader.key == own, helper.key == own) {
            (true, _) => Some(Role::Leader),
            (_, true) => Some(Role::Helper),
            _ => None,
        }
    }

    /// Admits a study: from now on its reports are counted here.
    ///
    /// # Errors
    /// [`FolderError`]. Nothing has changed.
    pub fn admit(&self, text: &[u8]) -> Result<SignedStudy, FolderError> {
        let signed = SignedStudy::parse(text)?;
        if self.role(&signed).is_none() {
            return Err(FolderError::OtherAggregators { key: self.key_name() });
        }
        let file = self.study_file(&signed.id().0);
        if !file.exists() {
            write(&file, text).map_err(disk(&file))?;
        }
        Ok(signed)
    }

    /// A study that was admitted. One that does not read, or is another one, is none.
    pub fn study(&self, id: &[u8; 32]) -> Option<SignedStudy> {
        let mut text = Vec::new();
        let file = fs::File::open(self.study_file(id)).ok()?;
        file.take(STUDY_BYTES_MAX as u64 + 1).read_to_end(&mut text).ok()?;
        SignedStudy::parse(&text).ok().filter(|signed| signed.id().0 == *id)
    }

    /// Every study that was admitted.
    pub fn studies(&self) -> Vec<SignedStudy> {
        let Ok(files) = fs::read_dir(self.path.join(STUDIES)) else { return Vec::new() };
        let id = |file: fs::DirEntry| -> Option<[u8; 32]> {
            let name = file.file_name();
            HEXLOWER.decode(name.to_str()?.strip_suffix(".toml")?.as_bytes()).ok()?.try_into().ok()
        };
        let ids = files.filter_map(|file| id(file.ok()?));
        let mut studies: Vec<_> = ids.filter_map(|id| self.study(&id)).collect();
        studies.sort_by_key(|signed| signed.id().0);
        studies
    }

    fn study_file(&self, id: &[u8; 32]) -> PathBuf {
        self.path.join(STUDIES).join(format!("{}.toml", HEXLOWER.encode(id)))
    }

    /// Notes where it listens, for `status`.
    ///
    /// # Errors
    /// [`FolderError::Disk`].
    pub fn note_listening(&self, address: &str) -> Result<(), FolderError> {
        let file = self.path.join(LISTENS_FILE);
        write(&file, address.as_bytes()).map_err(disk(&file))
    }

    /// Where it listens, if it does.
    pub fn listens(&self) -> Option<String> {
        fs::read_to_string(self.path.join(LISTENS_FILE)).ok()
    }
}

/// Writes a file as a whole, durably; only its owner may read it.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let half = path.with_extension("half");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}
