use std::collections::{HashMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use runtime_types::{Area, Stream, StreamKey, UserId};

use super::*;
use crate::Clock;

const USER: UserId = UserId([7; 16]);

struct SetClock(Mutex<f64>);

impl Clock for SetClock {
    fn now_s(&self) -> f64 {
        *self.0.lock().unwrap()
    }
}

fn stream(name: &str) -> Stream {
    Stream { area: Area::Timeseries, key: StreamKey::parse(name).unwrap() }
}

#[test]
fn a_host_key_file_is_drawn_once_and_must_be_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host-key");
    let first = Unattended::open_or_create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = first.create(folder.path(), USER).unwrap();
    let again = Unattended::open_or_create(&path).unwrap().unlock(folder.path(), USER).unwrap();
    assert_eq!(key.key.expose(), again.key.expose());
    assert_eq!((key.generation, again.generation), (1, 1));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Unattended::open_or_create(&path), Err(KeyError::OpenToOthers { mode: 0o640, .. })));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "only the key file and the slot are left");
}

#[test]
fn a_slot_opens_for_its_owner_alone_and_with_no_bit_changed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Unattended::open_or_create(&folder.path().join("host-key")).unwrap();
    keys.create(folder.path(), USER).unwrap();
    assert!(matches!(keys.unlock(folder.path(), UserId([8; 16])), Err(KeyError::WrongKey { .. })));
    let other = Unattended::open_or_create(&folder.path().join("other-key")).unwrap();
    assert!(matches!(other.unlock(folder.path(), USER), Err(KeyError::WrongKey { .. })));
    let path = folder.path().join(unattended::SLOT_FILE);
    let slot = std::fs::read(&path).unwrap();
    for bit in 0..slot.len() * 8 {
        let mut changed = slot.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &changed).unwrap();
        assert!(keys.unlock(folder.path(), USER).is_err(), "bit {bit}");
    }
    std::fs::write(&path, &slot[..slot.len() - 1]).unwrap();
    assert!(matches!(keys.unlock(folder.path(), USER), Err(KeyError::Unsound { .. })));
}

fn held(generation: u32) -> Held {
    Held { key: DataKey::random().unwrap(), generation }
}

#[test]
fn a_keyring_comes_back_whole_and_no_changed_bit_opens() {
    let file = MemoryFile::default();
    let held = held(3);
    let mut keyring = Keyring::new(3).unwrap();
    assert!(keyring.ensure(&stream("a/b"), 24_000).unwrap());
    assert!(!keyring.ensure(&stream("a/b"), 24_000).unwrap());
    assert!(keyring.ensure(&stream("a/b"), -1).unwrap());
    assert_eq!(keyring.destroy(|_, month| month == -1), [2]);
    keyring.save(USER, &held.key, &file).unwrap();
    assert_eq!(generation_in(&file).unwrap(), Some(3));
    let again = Keyring::load(USER, &held, &file).unwrap();
    assert_eq!(*again.encode(), *keyring.encode());
    assert_eq!(again.doomed(), [2]);
    assert!(Keyring::load(UserId([8; 16]), &held, &file).is_err());
    let sound = file.read().unwrap().unwrap();
    for bit in 0..sound.len() * 8 {
        let mut changed = sound.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        file.replace(&changed).unwrap();
        let error = Keyring::load(USER, &held, &file).map(drop).unwrap_err();
        match bit / 8 {
            0..4 => assert!(matches!(error, KeyError::Unsound { .. }), "bit {bit}: {error:?}"),
            4..8 => {
                let named = 3 ^ 1 << (bit - 32);
                let other =
                    matches!(error, KeyError::OtherGeneration { keyring, held: 3 } if keyring == named);
                assert!(other, "bit {bit}: {error:?}");
                // Also for a caller that assumes it.
                let believing = Held { generation: named, ..held.copy() };
                let error = Keyring::load(USER, &believing, &file).map(drop).unwrap_err();
                assert!(matches!(error, KeyError::WrongKeyring { .. }), "bit {bit}: {error:?}");
            }
            _ => assert!(matches!(error, KeyError::WrongKeyring { .. }), "bit {bit}: {error:?}"),
        }
    }
    for (cut, generation) in [(7, None), (8, Some(3))] {
        file.replace(&sound[..cut]).unwrap();
        assert!(matches!(Keyring::load(USER, &held, &file), Err(KeyError::Unsound { .. })));
        assert_eq!(generation_in(&file).ok(), generation.map(Some));
    }
}

#[test]
fn a_rotated_keyring_has_other_keys_for_what_comes_and_those_in_use_for_what_is_there() {
    let (stream, file) = (stream("a/b"), MemoryFile::default());
    let mut first = Keyring::new(1).unwrap();
    first.ensure(&stream, 24_000).unwrap();
    first.ensure(&stream, 24_001).unwrap();
    let [old, unused] = [24_000, 24_001].map(|month| first.current(&stream, month).unwrap().number);
    let mut second = first.rotated(2, &HashSet::from([old])).unwrap();
    assert!(second.current(&stream, 24_000).is_none());
    assert!(second.numbered(&stream, 24_000, old).is_some());
    assert!(second.numbered(&stream, 24_001, unused).is_none(), "it has sealed nothing that stands");
    assert!(second.ensure(&stream, 24_000).unwrap());
    let new = second.current(&stream, 24_000).unwrap().number;
    assert!(![old, unused, first.meta.number, second.meta.number].contains(&new));
    assert_ne!(first.meta.secret.0, second.meta.secret.0);
    assert_eq!(second.with_meta_before().unwrap().meta.secret.0, first.meta.secret.0);

    let held = held(2);
    second.save(USER, &held.key, &file).unwrap();
    let mut again = Keyring::load(USER, &held, &file).unwrap();
    assert_eq!(*again.encode(), *second.encode());
    assert!(again.forget_meta_before());
    assert!(!again.forget_meta_before());
    assert!(again.with_meta_before().is_none());
    assert_eq!(again.destroy(|_, _| true), [old, new], "retired keys too");
}

#[test]
fn a_sealed_value_opens_only_where_it_was_put_and_as_it_was() {
    let clock = Arc::new(SetClock(Mutex::new(0.0)));
    let (sealer, opener) = (Sealer::new(USER, clock).unwrap(), Opener::new(USER));
    let key = SealKey { number: 1, generation: 1, secret: Secret::random().unwrap() };
    let about = About { key: b"k1", context: b"c" };
    let (sealed, id) = sealer.seal(&key, &about, b"plain").unwrap();
    assert_eq!(header_id(&sealed), Some(id));
    assert_eq!(opener.open(&key, &about, &mut sealed.clone()), Some(b"plain".as_slice()));
    let elsewhere = [
        About { key: b"k2", context: b"c" },
        About { key: b"k1", context: b"d" },
        About { key: b"k1c", context: b"" },
    ];
    for about in elsewhere {
        assert_eq!(opener.open(&key, &about, &mut sealed.clone()), None);
    }
    assert_eq!(Opener::new(UserId([9; 16])).open(&key, &about, &mut sealed.clone()), None);
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opener.open(&key, &about, &mut changed), None, "bit {bit}");
    }
}

#[test]
fn the_sealing_subkey_changes_every_minute_and_with_a_clock_set_back() {
    let clock = Arc::new(SetClock(Mutex::new(1000.0)));
    let sealer = Sealer::new(USER, clock.clone()).unwrap();
    let key = SealKey { number: 1, generation: 1, secret: Secret::random().unwrap() };
    let boot_at = |now_s: f64| -> [u8; 16] {
        *clock.0.lock().unwrap() = now_s;
        let (_, id) = sealer.seal(&key, &About { key: b"", context: b"" }, b"").unwrap();
        id[..16].try_into().unwrap()
    };
    let (first, same, next) = (boot_at(1000.0), boot_at(1059.0), boot_at(1060.0));
    assert_eq!(first, same);
    assert_ne!(same, next);
    assert_ne!(boot_at(1000.0), next);
}

#[test]
fn attack_78_a_running_machine_that_is_cloned_uses_no_nonce_for_two_values() {
    let clock = Arc::new(SetClock(Mutex::new(0.0)));
    let here = Sealer::new(USER, clock).unwrap();
    let key = SealKey { number: 1, generation: 1, secret: Secret::random().unwrap() };
    here.seal(&key, &About { key: b"k", context: b"" }, b"before").unwrap();
    let there = here.cloned();
    let mut nonces = HashMap::new();
    for (side, sealer) in [("here", &here), ("there", &there)] {
        for number in 0..200 {
            // Some values and places are the same on both sides, as after a clone, and the others differ.
            let plain = if number % 3 == 0 { "the same".to_owned() } else { format!("{side} {number}") };
            let place = if number % 2 == 0 { "place" } else { side };
            let about = About { key: place.as_bytes(), context: b"" };
            let (sealed, id) = sealer.seal(&key, &about, plain.as_bytes()).unwrap();
            let (boot, nonce) = (id[..16].to_vec(), sealed[26..38].to_vec());
            let sealed_before = nonces.insert((boot, nonce), (number, place, plain.clone(), sealed.clone()));
            if let Some(before) = sealed_before {
                assert_eq!(before, (number, place, plain, sealed), "a nonce protects two values");
            }
        }
    }
    let again = (0..200).filter(|number| number % 6 == 0).count();
    assert_eq!(nonces.len(), 400 - again, "only the same value at the same place has the same nonce");
}
