//! Attack 86: every change of keys, devices and people, ended at every operation on a file.

use std::cell::RefCell;

use handshake::keys::{Agree, WrapKey};
use runtime_host::admin::{ExportPerson, ImportPerson};
use runtime_user::{KeyMode, RECOVERY_DELAY_MS, Runtime, UserId};

use super::support::{Change, Phone, ask, content, end, fill, folder, host_opens, key_for, leftovers, mode};
use super::support::{open, pair, wrap_key};

fn owner(runtime: &Runtime) -> UserId {
    runtime.people().add_owner("Ada", 1.0).unwrap()
}

fn told(error: runtime_user::OwnerError) -> String {
    runtime_user::chain(&error)
}

/// An owner, two phones that came once, and a phrase.
struct Two {
    user: UserId,
    stays: Phone,
    lost: Phone,
    phrase: WrapKey,
}

fn two(runtime: &Runtime) -> Two {
    let (user, phrase) = (owner(runtime), wrap_key());
    let stays = pair(runtime, user, Some(phrase.public())).unwrap();
    assert!(stays.connects(runtime, user));
    let lost = pair(runtime, user, None).unwrap();
    assert!(lost.connects(runtime, user));
    fill(runtime, user, "kept");
    Two { user, stays, lost, phrase }
}

fn unlocked(runtime: &Runtime, two: &Two) {
    two.stays.unlock(runtime, two.user);
}

/// Whoever should can open the store, what was stored is there, and who was revoked is shut out of everything.
fn sound(runtime: &Runtime, two: &Two) -> bool {
    two.stays.unlock(runtime, two.user);
    assert!(two.stays.opens(runtime, two.user) && two.stays.connects(runtime, two.user));
    assert!(key_for(runtime, two.user, None, &two.phrase).is_some(), "the phrase opens");
    assert_eq!(content(runtime, two.user).as_deref(), Some("kept"));
    let in_it = two.lost.connects(runtime, two.user);
    assert_eq!(two.lost.opens(runtime, two.user), in_it, "table and slots say the same");
    !in_it
}

#[test]
fn attack_86_the_first_pairing_is_killed_at_every_operation() {
    for phrase in [false, true] {
        let phones = RefCell::new(Vec::new());
        let operations = Change {
            name: "first pairing",
            prepare: &owner,
            ready: &|_, _| phones.borrow_mut().clear(),
            change: &|runtime, user| {
                let recovery = phrase.then(wrap_key);
                let phone = pair(runtime, *user, recovery.as_ref().map(WrapKey::public))?;
                phones.borrow_mut().push((phone, recovery));
                Ok(())
            },
            check: &|runtime, user| {
                let phones = phones.borrow();
                let Some((phone, recovery)) = phones.last() else { return false };
                phone.unlock(runtime, *user);
                fill(runtime, *user, "kept");
                assert!(phone.opens(runtime, *user));
                let devices = runtime.devices().list(*user).unwrap().len();
                assert_eq!(devices, phones.len(), "nobody is in the table who got no answer");
                let opens = |key| key_for(runtime, *user, None, key).is_some();
                assert!(recovery.as_ref().is_none_or(opens), "the phrase of this pairing opens");
                true
            },
            once: true,
        }
        .killed_everywhere();
        assert!(operations > 25, "{operations}");
    }
}

#[test]
fn attack_86_the_pairing_of_another_phone_is_killed_at_every_operation() {
    struct Scene {
        two: Two,
        new: RefCell<Vec<(Phone, WrapKey)>>,
    }
    let operations = Change {
        name: "another phone",
        prepare: &|runtime| Scene { two: two(runtime), new: RefCell::default() },
        ready: &|runtime, scene| {
            scene.new.borrow_mut().clear();
            unlocked(runtime, &scene.two);
        },
        change: &|runtime, scene| {
            let phrase = wrap_key();
            let phone = pair(runtime, scene.two.user, Some(phrase.public()))?;
            scene.new.borrow_mut().push((phone, phrase));
            Ok(())
        },
        check: &|runtime, scene| {
            let Two { user, stays, lost, .. } = &scene.two;
            stays.unlock(runtime, *user);
            assert!(stays.opens(runtime, *user) && lost.opens(runtime, *user));
            assert_eq!(content(runtime, *user).as_deref(), Some("kept"));
            let new = scene.new.borrow();
            // Where the phone got no answer, its pairing may be in the table or not; the phrase goes with it.
            let paired = runtime.devices().list(*user).unwrap().len() > 2;
            let old_phrase = key_for(runtime, *user, None, &scene.two.phrase).is_some();
            assert_eq!(old_phrase, !paired, "one phrase opens: the old one until another phone is paired");
            let Some((phone, phrase)) = new.last() else { return false };
            assert!(phone.connects(runtime, *user) && phone.opens(runtime, *user));
            assert!(key_for(runtime, *user, None, phrase).is_some());
            true
        },
        once: true,
    }
    .killed_everywhere();
    assert!(operations > 15, "{operations}");
}

#[test]
fn attack_86_the_first_phone_of_an_unattended_person_is_killed_at_every_operation() {
    let phones = RefCell::new(Vec::new());
    Change {
        name: "first phone beside the host",
        prepare: &|runtime| {
            let user = runtime.people().add("Ada", 1.0).unwrap().0;
            fill(runtime, user, "kept");
            user
        },
        ready: &|_, _| phones.borrow_mut().clear(),
        change: &|runtime, user| {
            phones.borrow_mut().push(pair(runtime, *user, None)?);
            Ok(())
        },
        check: &|runtime, user| {
            assert!(host_opens(runtime, *user));
            assert_eq!(content(runtime, *user).as_deref(), Some("kept"));
            let phones = phones.borrow();
            let Some(phone) = phones.last() else { return false };
            assert!(phone.connects(runtime, *user) && phone.opens(runtime, *user));
            true
        },
        once: true,
    }
    .killed_everywhere();
}

#[test]
fn attack_86_a_revocation_is_killed_at_every_operation_and_said_again_shuts_out() {
    for unattended in [false, true] {
        let operations = Change {
            name: if unattended { "revocation beside the host" } else { "revocation" },
            prepare: &|runtime| {
                let two = two(runtime);
                if unattended {
                    runtime.locks().set_mode(two.user, KeyMode::Unattended).unwrap();
                }
                // What the lost phone could take away.
                let taken = key_for(runtime, two.user, Some(&two.lost), &two.lost.wrap).unwrap();
                (two, taken)
            },
            ready: &|runtime, (two, _)| unlocked(runtime, two),
            change: &|runtime, (two, _)| {
                runtime.devices().revoke(two.user, two.lost.paired.device_id, 1).map_err(told)
            },
            check: &|runtime, (two, taken)| {
                let revoked = sound(runtime, two);
                let store = folder(runtime, two.user).join("store");
                let opens = runtime_store::Store::opens_with(&store, two.user, &taken.key).unwrap();
                assert_eq!(opens, !revoked, "what it took away opens nothing once it is revoked");
                assert_eq!(host_opens(runtime, two.user), unattended);
                revoked
            },
            once: false,
        }
        .killed_everywhere();
        assert!(operations > 15, "{operations}");
    }
}

#[test]
fn attack_86_leaving_unattended_is_killed_at_every_operation() {
    let operations = Change {
        name: "leaving unattended",
        prepare: &|runtime| {
            let two = two(runtime);
            runtime.locks().set_mode(two.user, KeyMode::Unattended).unwrap();
            two
        },
        ready: &unlocked,
        change: &|runtime, two| runtime.locks().set_mode(two.user, KeyMode::Lease).map_err(told),
        check: &|runtime, two| {
            let owners = mode(runtime, two.user) == Some(KeyMode::Lease);
            let slot = folder(runtime, two.user).join("store/slot-unattended").exists();
            assert_eq!((host_opens(runtime, two.user), slot), (!owners, !owners));
            assert!(!sound(runtime, two));
            owners
        },
        once: false,
    }
    .killed_everywhere();
    assert!(operations > 25, "{operations}");
}

#[test]
fn attack_86_entering_unattended_is_killed_at_every_operation() {
    Change {
        name: "entering unattended",
        prepare: &two,
        ready: &unlocked,
        change: &|runtime, two| runtime.locks().set_mode(two.user, KeyMode::Unattended).map_err(told),
        check: &|runtime, two| {
            let hosts = mode(runtime, two.user) == Some(KeyMode::Unattended);
            assert_eq!(host_opens(runtime, two.user), hosts);
            assert!(!sound(runtime, two));
            hosts
        },
        once: false,
    }
    .killed_everywhere();
}

#[test]
fn attack_86_a_change_of_the_key_is_killed_at_every_operation() {
    for unattended in [false, true] {
        Change {
            name: "another data key",
            prepare: &|runtime| {
                let two = two(runtime);
                if unattended {
                    runtime.locks().set_mode(two.user, KeyMode::Unattended).unwrap();
                }
                let old = key_for(runtime, two.user, Some(&two.lost), &two.lost.wrap).unwrap();
                (two, old)
            },
            ready: &|runtime, (two, _)| unlocked(runtime, two),
            change: &|runtime, (two, _)| runtime.locks().rotate_key(two.user).map(drop).map_err(told),
            check: &|runtime, (two, old)| {
                assert!(!sound(runtime, two));
                assert_eq!(host_opens(runtime, two.user), unattended);
                let now = key_for(runtime, two.user, Some(&two.lost), &two.lost.wrap).unwrap();
                now.generation > old.generation
            },
            once: false,
        }
        .killed_everywhere();
    }
}

#[test]
fn attack_86_a_phrase_that_opens_and_changes_the_key_is_killed_at_every_operation() {
    Change {
        name: "recovery",
        prepare: &|runtime| {
            let two = two(runtime);
            runtime.locks().lock(two.user).unwrap();
            // The key is changed by whoever opens the store next.
            for phone in [&two.lost, &two.stays] {
                runtime.devices().revoke(two.user, phone.paired.device_id, 1).unwrap();
            }
            two
        },
        ready: &|runtime, two| {
            let asked_ms = runtime.clocks().lasting_ms();
            runtime.owners().begin_recovery(two.user, asked_ms).expect("there is a phrase");
        },
        change: &|runtime, two| {
            let held = key_for(runtime, two.user, None, &two.phrase).ok_or("the phrase opens nothing")?;
            // The phones that the console has revoked have a day to notice.
            let now_ms = runtime.clocks().lasting_ms() + 2 * RECOVERY_DELAY_MS;
            let opened = runtime.end_recovery(two.user, held.generation, *held.key.expose(), now_ms);
            opened.map_err(told)?;
            // The store is open also where the key could not be changed yet; this is about the key.
            match key_for(runtime, two.user, None, &two.phrase) {
                Some(held) if held.generation > 1 => Ok(()),
                _ => Err("the key is not changed yet".to_owned()),
            }
        },
        check: &|runtime, two| {
            let held = key_for(runtime, two.user, None, &two.phrase).expect("the phrase opens");
            assert!(!two.stays.connects(runtime, two.user) && !two.lost.opens(runtime, two.user));
            held.generation > 1
        },
        once: false,
    }
    .killed_everywhere();
}

#[test]
fn attack_86_labels_names_tokens_and_suspensions_are_killed_at_every_operation() {
    let change = |name,
                  change: &dyn Fn(&Runtime, &Two) -> Result<(), String>,
                  is_new: &dyn Fn(&Runtime, &Two) -> bool| {
        Change {
            name,
            prepare: &two,
            ready: &|runtime, two| {
                if runtime.people().is_suspended(two.user) == Some(false) {
                    unlocked(runtime, two);
                }
            },
            change,
            check: &|runtime, two| {
                let new = is_new(runtime, two);
                if runtime.people().is_suspended(two.user) == Some(false) {
                    assert!(!sound(runtime, two));
                }
                new
            },
            once: false,
        }
        .killed_everywhere()
    };
    let record = |runtime: &Runtime, two: &Two| runtime.people().show(&two.user.to_string()).unwrap();
    let lost = |two: &Two| two.lost.paired.device_id;
    change(
        "another label",
        &|runtime, two| runtime.devices().rotate_label(two.user, lost(two)).map(drop).map_err(told),
        &|runtime, _| runtime.owners().names().len() == 3,
    );
    change(
        "another name",
        &|runtime, two| runtime.devices().rename(two.user, lost(two), "old phone").map_err(told),
        &|runtime, two| runtime.devices().list(two.user).unwrap().iter().any(|it| it.name == "old phone"),
    );
    change(
        "a token",
        &|runtime, two| {
            let token = runtime.people().new_token(two.user, None, false);
            token.map(drop).map_err(|error| error.to_string())
        },
        &|runtime, two| !record(runtime, two).tokens.is_empty(),
    );
    change(
        "a suspension",
        &|runtime, two| runtime.people().suspend(two.user, true).map_err(|error| error.to_string()),
        &|runtime, two| record(runtime, two).suspended,
    );
}

#[test]
fn attack_86_adding_somebody_is_killed_at_every_operation() {
    Change {
        name: "adding",
        prepare: &owner,
        ready: &|_, _| {},
        change: &|runtime, _| runtime.people().add("Bert", 1.0).map(drop).map_err(|error| error.to_string()),
        check: &|runtime, ada| {
            assert!(runtime.people().standing(*ada).is_some());
            let records = runtime.people().records().into_iter().filter(|record| record.name == "Bert");
            let berts: Vec<UserId> = records.map(|record| record.id.parse().unwrap()).collect();
            berts.iter().for_each(|bert| fill(runtime, *bert, "served"));
            let left = leftovers(runtime);
            assert!(left.is_empty(), "{left:?}");
            !berts.is_empty()
        },
        once: true,
    }
    .killed_everywhere();
}

/// An export of somebody, and the id.
pub fn exported(content: &str) -> (tempfile::TempDir, UserId) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("elsewhere");
    std::fs::create_dir(&data).unwrap();
    let runtime = open(&data);
    let user = runtime.people().add("Ada", 1.0).unwrap().0;
    fill(&runtime, user, content);
    let output = folder.path().join("ada.json");
    ask(&runtime, ExportPerson { person: user.to_string(), output }).unwrap();
    end(runtime);
    (folder, user)
}

pub fn import(runtime: &Runtime, from: &tempfile::TempDir) -> Result<(), String> {
    let input = from.path().join("ada.json");
    ask(runtime, ImportPerson { into: None, input }).map(drop)
}

#[test]
fn attack_86_an_import_is_killed_at_every_operation() {
    let (file, user) = exported("brought along");
    let operations = Change {
        name: "import",
        prepare: &|runtime| owner(runtime),
        ready: &|_, _| {},
        change: &|runtime, _| import(runtime, &file),
        check: &|runtime, _| {
            let left = leftovers(runtime);
            assert!(left.is_empty(), "{left:?}");
            if runtime.people().standing(user).is_none() {
                return false;
            }
            assert_eq!(content(runtime, user).as_deref(), Some("brought along"));
            assert!(host_opens(runtime, user));
            true
        },
        once: true,
    }
    .killed_everywhere();
    assert!(operations > 20, "{operations}");
}
