//! What a change of several files is about to do, on disk before its first effect, so that a process that ends on the
//! way leaves nothing half done: the change is finished, or undone, at the next start or by the next change.
//!
//! `intent` in the person's folder: the SHA-256 of the second line as 64 hex digits, then one line of JSON. It holds
//! nothing that opens the store. A change of a single file needs no intent: it takes place or it does not.
//!
//! * Invariants: there is at most one intent for each person; whoever changes slots, keys or the table of devices together
//!   first finishes what it says, under [`super::access::Owner::changing`].

use std::path::{Path, PathBuf};

use handshake::encoding::DeviceId;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::OwnerError;
use super::slots::Slots;
use crate::files;
use crate::people::{Damage, KeyMode};

/// The file's name in a person's folder.
pub(crate) const INTENT_FILE: &str = "intent";

/// A change that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Intent {
    /// The person is erased.
    Erase,
    /// The first phone is paired: the store is created for it. Undone unless the table has the device.
    FirstPairing { device: DeviceId },
    /// A first pairing is undone: its store holds nothing.
    UndoFirstPairing,
    /// A phone is paired with a store that exists: once the table has the device, these are the slots.
    Pairing { device: DeviceId, slots: Slots },
    /// The key is taken from the host: changed, and the host's slot removed. Always finished.
    LeaveUnattended { to: KeyMode },
    /// The host gets a slot. Finished if it has one that opens the store, else undone.
    EnterUnattended,
}

fn path(folder: &Path) -> PathBuf {
    folder.join(INTENT_FILE)
}

fn sum(line: &str) -> String {
    digest(&SHA256, line.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Intent {
    /// Reads the intent in a person's folder; `None`: nothing is under way.
    ///
    /// # Errors
    /// [`Damage`] if the file is not what was written.
    pub fn read(folder: &Path) -> Result<Option<Self>, Damage> {
        let path = path(folder);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| Damage::unreadable(&path, &error))?,
        };
        let text = std::str::from_utf8(&text).ok();
        let line = text.and_then(|text| text.strip_suffix('\n')?.split_once('\n'));
        let Some((_, line)) = line.filter(|(told, line)| *told == sum(line)) else {
            return Err(Damage::new(&path, "is cut or changed"));
        };
        serde_json::from_str(line).map(Some).map_err(|error| Damage::unparsed(&path, &error))
    }

    /// Records the intent, in place of the one before; on disk when this returns.
    pub fn write(&self, folder: &Path) -> Result<(), OwnerError> {
        let path = path(folder);
        let line = serde_json::to_string(self).expect("keys, names and bytes as texts");
        let text = format!("{}\n{line}\n", sum(&line));
        files::replace(&path, text.as_bytes()).map_err(|source| OwnerError::Disk { path, source })
    }

    /// The change is finished or undone.
    pub fn clear(folder: &Path) -> Result<(), OwnerError> {
        let path = path(folder);
        files::remove(&path).map_err(|source| OwnerError::Disk { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_reads_back_and_a_changed_one_is_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Intent::read(folder.path()), Ok(None)));
        let device = DeviceId([3; 16]);
        Intent::Pairing { device, slots: Slots::default() }.write(folder.path()).expect("written");
        let read = Intent::read(folder.path()).expect("sound");
        assert!(matches!(read, Some(Intent::Pairing { device: it, .. }) if it == device));
        let sound = std::fs::read(path(folder.path())).expect("there");
        for cut in 0..sound.len() {
            std::fs::write(path(folder.path()), &sound[..cut]).expect("written");
            assert!(Intent::read(folder.path()).is_err(), "cut to {cut} bytes");
            let mut flipped = sound.clone();
            flipped[cut] ^= 1;
            std::fs::write(path(folder.path()), flipped).expect("written");
            assert!(Intent::read(folder.path()).is_err(), "byte {cut} flipped");
        }
        Intent::clear(folder.path()).expect("removed");
        Intent::clear(folder.path()).expect("nothing to do");
        assert!(matches!(Intent::read(folder.path()), Ok(None)));
    }
}
