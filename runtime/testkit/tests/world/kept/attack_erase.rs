//! Attack 87: an erasure, ended at every operation on a file.

use std::cell::RefCell;

use handshake::keys::Agree;
use runtime_host::admin::ErasePerson;
use runtime_user::{KeyMode, Receipt, Runtime, UserId};

use super::support::{Change, ask, content, copy, end, fill, folder, leftovers, open, pair, wrap_key};

struct Scene {
    ada: UserId,
    bert: UserId,
    receipts: RefCell<Vec<Receipt>>,
}

fn scene(runtime: &Runtime, unattended: bool) -> Scene {
    let ada = runtime.people().add_owner("Ada", 1.0).unwrap();
    let phone = pair(runtime, ada, Some(wrap_key().public())).unwrap();
    assert!(phone.connects(runtime, ada));
    fill(runtime, ada, "to be erased");
    if unattended {
        runtime.locks().set_mode(ada, KeyMode::Unattended).unwrap();
    }
    // What uploads to a locked store leave.
    let inbox = folder(runtime, ada).join("inbox");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("0000000000000000.sealed"), b"sealed").unwrap();
    let bert = runtime.people().add("Bert", 1.0).unwrap().0;
    fill(runtime, bert, "kept");
    Scene { ada, bert, receipts: RefCell::default() }
}

fn erase(runtime: &Runtime, scene: &Scene) -> Result<(), String> {
    let erased = ask(runtime, ErasePerson { person: "Ada".to_owned() })?;
    scene.receipts.borrow_mut().push(erased.receipt);
    Ok(())
}

#[test]
fn attack_87_an_erasure_is_killed_at_every_operation_and_finished_by_a_start_or_by_its_verb() {
    for unattended in [false, true] {
        let operations = Change {
            name: "erasure",
            prepare: &|runtime| scene(runtime, unattended),
            ready: &|_, _| {},
            change: &erase,
            check: &|runtime, Scene { ada, bert, .. }| {
                assert_eq!(content(runtime, *bert).as_deref(), Some("kept"), "nobody else is touched");
                let gone = runtime.people().standing(*ada).is_none();
                assert!(runtime.people().damage(*ada).is_none());
                assert_eq!(folder(runtime, *ada).exists(), !gone);
                if gone {
                    let left = leftovers(runtime);
                    assert!(left.is_empty(), "{left:?}");
                } else {
                    assert_eq!(runtime.people().is_suspended(*ada), Some(false), "or all of it is there");
                    assert_eq!(runtime.devices().list(*ada).unwrap().len(), 1);
                }
                gone
            },
            once: true,
        }
        .killed_everywhere();
        assert!(operations > 20, "{operations}");
    }
}

#[test]
fn attack_87_an_erasure_that_stopped_is_finished_by_the_name_and_tells_what_was_there() {
    let data = tempfile::tempdir().unwrap();
    let template = tempfile::tempdir().unwrap();
    let runtime = open(template.path());
    let made = scene(&runtime, false);
    end(runtime);
    copy(template.path(), data.path());
    let runtime = open(data.path());
    erase(&runtime, &made).unwrap();
    end(runtime);
    let whole = made.receipts.borrow_mut().pop().unwrap();
    assert_eq!((whole.slots, whole.slots_sha256.is_some()), (2, true));
    let mut resumed = 0;
    for at in 1.. {
        let data = tempfile::tempdir().unwrap();
        copy(template.path(), data.path());
        let runtime = open(data.path());
        let kill = runtime_store::testing::Kill::at(&data.path().join("people"), at);
        let stopped = erase(&runtime, &made).is_err();
        drop(kill);
        if !stopped {
            break;
        }
        let record = runtime.people().find("Ada").is_ok() || runtime.people().find_erasing("Ada").is_some();
        let receipt = folder(&runtime, made.ada).with_extension("erasing").join("receipt").exists();
        if record {
            erase(&runtime, &made).expect("finished by the name");
            let told = made.receipts.borrow_mut().pop().unwrap();
            if receipt {
                assert_eq!(told.slots_sha256, whole.slots_sha256, "operation {at}");
                resumed += 1;
            }
        }
        end(runtime);
    }
    assert!(resumed > 5, "{resumed}");
}
