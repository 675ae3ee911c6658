//! Attacks by whoever writes the host's files or has its console, tried over real TCP and TLS: 90 to 94. What an
//! owner's devices have signed counts, whatever the tables say.

use crate::support::cloud;
use crate::support::folder;
use crate::support::phone;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cloud::{Cloud, Wish, everything, put_body, start, start_with};
use folder::{bring_back, copy};
use handshake::error::Code;
use handshake::keys::{Agree, InboxKey, Phrase, Slot};
use handshake::roster::{Change, Signed};
use handshake::session::{RosterDistrust, StoreState};
use handshake::token::Token;
use phone::key;
use ring::rand::SystemRandom;
use runtime_phone::{Native, Phone, PhoneError, PhoneFile};
use runtime_user::{KeyMode, OwnerError, RECOVERY_DELAY_MS, UserId};
use serde_json::{Value, json};

const START: f64 = 1_700_000_000.0;

async fn restarted(folder: Arc<tempfile::TempDir>, phones: &mut [&mut PhoneFile]) -> Cloud {
    restarted_as(folder, phones, false).await
}

async fn restarted_as(folder: Arc<tempfile::TempDir>, phones: &mut [&mut PhoneFile], legacy: bool) -> Cloud {
    let cloud = start_with(Wish { folder: Some(folder), legacy, ..Wish::default() }).await;
    for phone in phones {
        phone.state.port = cloud.address.port();
    }
    cloud
}

/// The same phone a second time.
fn twin(file: &PhoneFile) -> PhoneFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.json");
    file.store(&path).unwrap();
    PhoneFile::load(&path).unwrap()
}

async fn put(phone: &mut Native, at: f64, marker: &str) {
    let put = phone.post("/usercache/put", put_body(START + at, marker)).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
}

/// Somebody with one phone, which has signed for itself.
async fn settled(cloud: &Cloud) -> (UserId, PhoneFile) {
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    assert_eq!(phone.news.learnt.len(), 1, "the first roster");
    put(&mut phone, 0.0, "before").await;
    let file = cloud.connect(phone.file).await.file;
    assert_eq!(file.state.roster.as_ref().unwrap().roster().version, 1);
    (user, file)
}

fn read(folder: &Path, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
}

fn change(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let mut content = read(folder, file);
    change(&mut content);
    std::fs::write(folder.join(file), content.to_string()).unwrap();
}

fn distrust(refused: Result<Native, PhoneError>) -> RosterDistrust {
    match refused {
        Err(PhoneError::Distrust(handshake::session::Distrust::Roster(why))) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a session"),
    }
}

fn code_of(refused: Result<Native, PhoneError>) -> Code {
    match refused {
        Err(PhoneError::Code { code }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a session"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_90_an_inbox_key_written_into_slots_json_gets_no_upload() {
    let cloud = start().await;
    let (user, mut file) = settled(&cloud).await;
    let person = cloud.folder_of(user);
    let attacker = InboxKey::random(&SystemRandom::new()).unwrap();
    let folder = cloud.stop().await;
    let sound = read(&person, "slots.json")["inbox"].clone();
    change(&person, "slots.json", |slots| slots["inbox"] = serde_json::to_value(attacker.public()).unwrap());

    let cloud = restarted(folder, &mut [&mut file]).await;
    // The phone's hardware is locked: it uploads, and cannot open the store.
    let mut phone = Native::session(file).await.unwrap();
    assert_eq!(phone.grant.store, StoreState::Locked);
    put(&mut phone, 1.0, "while locked").await;
    let sealed = std::fs::read(person.join("inbox").join(format!("{:016x}.sealed", 0))).unwrap();
    let context = [user.0.as_slice(), &0_u64.to_be_bytes()].concat();
    assert!(attacker.open(&context, &mut sealed.clone()).is_err(), "it is not the attacker's to open");
    // The owner opens it, and finds it; the file says again what was signed.
    let mut phone = cloud.connect(phone.file).await;
    let found = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let found = String::from_utf8(found.body.to_vec()).unwrap();
    assert!(found.contains("before") && found.contains("while locked"), "{found}");
    assert_eq!(read(&person, "slots.json")["inbox"], sound);
    assert!(phone.news.unsigned.is_empty(), "{:?}", phone.news.unsigned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_90_a_chain_of_rosters_that_is_gone_or_the_attackers_own_gets_nothing_of_a_phone() {
    let cloud = start().await;
    let (user, mut file) = settled(&cloud).await;
    let person = cloud.folder_of(user);
    let folder = cloud.stop().await;
    let first = person.join("roster").join(format!("{:016x}", 1));
    let sound = std::fs::read(&first).unwrap();
    // A roster of the attacker's own, with the owner's phone and the attacker's device in it.
    let forged = {
        let mut roster = Signed::parse(&sound).unwrap().roster().clone();
        let device = key(handshake::encoding::KeyKind::P256);
        let wrap = handshake::keys::WrapKey::random(&SystemRandom::new()).unwrap();
        let mut own = roster.devices[0].clone();
        (own.id, own.spki, own.wrap_pub) = (device.spki().device_id(), *device.spki(), wrap.public());
        roster.author = handshake::roster::Author::Device(own.id);
        roster.devices.push(own);
        roster.devices.sort_by_key(|member| member.id);
        Signed::by_device(roster, &device, &SystemRandom::new()).unwrap()
    };
    let mut folder = folder;
    for (content, why) in [
        (None, RosterDistrust::Older { seen: 1, now: 0 }),
        (Some(forged.to_bytes()), RosterDistrust::Forked { version: 1 }),
        (Some(sound[..sound.len() - 1].to_vec()), RosterDistrust::Older { seen: 1, now: 0 }),
    ] {
        match content {
            None => std::fs::remove_file(&first).unwrap(),
            Some(content) => std::fs::write(&first, content).unwrap(),
        }
        let cloud = restarted(folder, &mut [&mut file]).await;
        assert_eq!(distrust(Native::open(twin(&file)).await), why);
        assert!(
            matches!(cloud.runtime.locks().state(user), Ok(runtime_user::LockState::Locked)),
            "no key was sent"
        );
        folder = cloud.stop().await;
    }
    std::fs::write(&first, &sound).unwrap();
    let cloud = restarted(folder, &mut [&mut file]).await;
    assert_eq!(cloud.connect(file).await.grant.store, StoreState::Unlocked);
}

/// What a phone with that token gets.
async fn by_token(cloud: &Cloud, token: Token) -> u16 {
    let shown = token.reveal().to_owned();
    let mut phone = Phone::connect(cloud.connect_string(token)).await.unwrap();
    let body = json!({ "user": shown, "key_list": ["background/location"], "start_time": 0, "end_time": 9e9,
        "key_time": "metadata.write_ts" });
    phone.post("/datastreams/find_entries/timestamp", body.to_string()).await.unwrap().status
}

fn plant(person: &Path, token: &Token) {
    change(person, "person.json", |record| {
        record["tokens"].as_array_mut().unwrap().push(token.hash().to_string().into());
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_91_a_token_digest_written_into_person_json_is_no_way_in() {
    let cloud = start_with(Wish { legacy: true, ..Wish::default() }).await;
    let (user, mut file) = settled(&cloud).await;
    let (other, theirs) = cloud.runtime.people().add("Boris", START).unwrap();
    assert_eq!(
        by_token(&cloud, Token::parse(theirs.reveal()).unwrap()).await,
        200,
        "the store was opened once"
    );
    let (one, two) = (cloud.folder_of(user), cloud.folder_of(other));
    let folder = cloud.stop().await;
    let [for_one, for_two] = [0; 2].map(|_| Token::random().unwrap());
    plant(&one, &for_one);
    plant(&two, &for_two);

    let cloud = restarted_as(folder, &mut [&mut file], true).await;
    assert_eq!(
        by_token(&cloud, Token::parse(for_one.reveal()).unwrap()).await,
        403,
        "of somebody with a phone"
    );
    assert_eq!(by_token(&cloud, Token::parse(for_two.reveal()).unwrap()).await, 403, "of somebody without");
    assert_eq!(by_token(&cloud, theirs).await, 200);
    // The owner's phone sees it, and says so.
    let phone = cloud.connect(file).await;
    assert_eq!(phone.news.unsigned, [Change::TokensAdded { count: 1 }]);
    // What the console makes works at once where nobody could sign for it, and elsewhere once a phone has.
    let runtime = &cloud.runtime;
    let token = runtime.people().new_token(other, None, true).unwrap();
    runtime.owners().vouch_unsigned(other).unwrap();
    assert_eq!(by_token(&cloud, token).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_92_an_old_slots_json_alone_locks_nobody_out_and_is_named_as_what_it_is() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let phrase = Phrase::random(&SystemRandom::new()).unwrap();
    let to = phrase.wrap_key().public();
    let invitation = cloud.open_window_with(user, |wish| wish.recovery = Some(to)).await;
    let code = cloud.scanned(&invitation);
    let kind = handshake::encoding::KeyKind::P256;
    let mine = cloud.pair_with(user, invitation.window, code, kind).await.unwrap();
    let mut mine = cloud.connect(mine).await.file;
    let lost = cloud.pair(user).await;
    let person = cloud.folder_of(user);
    let old = std::fs::read(person.join("slots.json")).unwrap();
    cloud.revoke(user, &lost).await;
    // At its next contact the phone signs that the other one is out, and keeps its own slot of the new key.
    mine = cloud.connect(mine).await.file;
    assert_eq!(Slot::parse(&mine.state.slot.unwrap().0).unwrap().generation(), 2);
    let folder = cloud.stop().await;
    std::fs::write(person.join("slots.json"), &old).unwrap();

    let cloud = restarted(folder, &mut [&mut mine]).await;
    let owners = cloud.runtime.owners();
    let refused = owners.begin_recovery(user, 0).unwrap_err();
    assert!(matches!(refused, OwnerError::OldSlots { slots: 1, store: 2 }), "{refused}");
    assert!(refused.to_string().contains("an older copy of the file was put back"), "{refused}");
    let without = PhoneFile {
        state: handshake::session::PhoneState { slot: None, ..mine.state.clone() },
        ..twin(&mine)
    };
    assert!(matches!(Native::open(without).await, Err(PhoneError::Slot)));
    // The phone opens it with the slot that it kept, and then there is one for everybody again.
    let phone = cloud.connect(mine).await;
    assert_eq!(phone.grant.store, StoreState::Unlocked);
    let recovery = owners.begin_recovery(user, 0).unwrap();
    assert_eq!(recovery.slot.generation(), 2);
    assert!(recovery.slot.open(&phrase.wrap_key(), &user.0).is_ok());
    cloud.lock(user).await;
    let again = PhoneFile {
        state: handshake::session::PhoneState { slot: None, ..phone.file.state.clone() },
        ..phone.file
    };
    assert_eq!(cloud.connect(again).await.grant.store, StoreState::Unlocked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_93_a_backup_that_was_put_back_revives_a_phone_and_the_others_say_so() {
    let cloud = start().await;
    let (user, mine) = settled(&cloud).await;
    let lost = cloud.pair(user).await;
    let mut lost = cloud.connect(lost).await.file;
    let (person, backup) = (cloud.folder_of(user), tempfile::tempdir().unwrap());
    let folder = cloud.stop().await;
    copy(&person, backup.path());
    let mut mine = mine;
    let cloud = restarted(folder, &mut [&mut mine, &mut lost]).await;
    mine = cloud.connect(mine).await.file;
    cloud.revoke(user, &lost).await;
    mine = cloud.connect(mine).await.file;
    let seen = mine.state.roster.as_ref().unwrap().roster().version;
    let folder = cloud.stop().await;
    bring_back(backup.path(), &person);

    let cloud = restarted(folder, &mut [&mut mine, &mut lost]).await;
    // The other phone's head is newer than the host's, which says so.
    assert_eq!(code_of(Native::open(twin(&mine)).await), Code::RolledBack);
    // One that has seen no head stops before it sends its key, and says why.
    mine.state.head = None;
    let why = distrust(Native::open(twin(&mine)).await);
    assert_eq!(why, RosterDistrust::Older { seen, now: seen - 1 });
    assert!(why.to_string().contains("an older copy was put back"), "{why}");
    // The whole folder is old, and nothing in it says so: the host lets the lost phone in.
    assert_eq!(cloud.connect(twin(&lost)).await.grant.store, StoreState::Unlocked);
    assert!(Native::open(mine).await.is_err(), "nor does it go on beside the other one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_93_tables_that_were_put_back_beside_the_store_are_replaced_by_what_the_store_has_seen() {
    let cloud = start().await;
    let (user, mine) = settled(&cloud).await;
    let lost = cloud.pair(user).await;
    let (mut mine, mut lost) = (cloud.connect(mine).await.file, cloud.connect(lost).await.file);
    let runtime = Arc::clone(&cloud.runtime);
    let changed = tokio::task::spawn_blocking(move || runtime.locks().set_mode(user, KeyMode::Unattended));
    changed.await.unwrap().unwrap();
    let mut phone = cloud.connect(mine).await;
    assert_eq!(phone.news.unsigned, [Change::UnattendedOn]);
    phone.approve().await.unwrap();
    mine = phone.file;
    let (person, backup) = (cloud.folder_of(user), tempfile::tempdir().unwrap());
    copy(&person, backup.path());
    cloud.revoke(user, &lost).await;
    mine = cloud.connect(mine).await.file;
    let folder = cloud.stop().await;
    for table in ["access.json", "slots.json", "person.json"] {
        std::fs::copy(backup.path().join(table), person.join(table)).unwrap();
    }
    bring_back(&backup.path().join("roster"), &person.join("roster"));

    let cloud = restarted(folder, &mut [&mut mine, &mut lost]).await;
    assert_eq!(code_of(Native::open(twin(&lost)).await), Code::NotApproved, "it was shut out");
    let phone = cloud.connect(mine).await;
    assert_eq!(phone.grant.store, StoreState::Unlocked);
    let back = |change: &Change| matches!(change, Change::DeviceAdded { id, .. } if *id == lost.state.device);
    assert!(phone.news.unsigned.iter().any(back), "the table has it again, and no phone signed that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_94_the_console_alone_adds_no_device_and_replaces_no_phrase() {
    let cloud = start().await;
    let (user, mine) = settled(&cloud).await;
    let person = cloud.folder_of(user);
    let phrase = Phrase::random(&SystemRandom::new()).unwrap();
    let to = phrase.wrap_key().public();
    let invitation = cloud.open_window_with(user, |wish| wish.recovery = Some(to)).await;
    let code = cloud.scanned(&invitation);
    let kind = handshake::encoding::KeyKind::P256;
    let theirs = cloud.pair_unsigned(user, invitation.window, code, kind).await.unwrap();
    // It is in the table, the console said yes to its digits, and it gets nothing.
    assert_eq!(code_of(Native::open(twin(&theirs)).await), Code::NotApproved);
    let holders = read(&person, "slots.json")["slots"].as_array().unwrap().len();
    assert_eq!(holders, 1, "the data key was wrapped for nobody else");
    assert!(!cloud.runtime.owners().has_recovery(user).unwrap());
    // Nor does a change of the key wrap it.
    let runtime = Arc::clone(&cloud.runtime);
    tokio::task::spawn_blocking(move || runtime.locks().rotate_key(user)).await.unwrap().unwrap();
    assert_eq!(read(&person, "slots.json")["slots"].as_array().unwrap().len(), 1);
    // The owner's phone says what happened, at its next contact.
    let mut phone = cloud.connect(mine).await;
    let added =
        |change: &Change| matches!(change, Change::DeviceAdded { id, .. } if *id == theirs.state.device);
    assert!(phone.news.unsigned.iter().any(added), "{:?}", phone.news.unsigned);
    assert!(phone.news.unsigned.contains(&Change::PhraseSet), "{:?}", phone.news.unsigned);
    // Where it was the owner, the phone signs, and both are in force.
    let signed = phone.approve().await.unwrap();
    assert!(signed.iter().any(added));
    assert_eq!(cloud.connect(theirs).await.grant.store, StoreState::Unlocked);
    assert!(cloud.runtime.owners().has_recovery(user).unwrap());
    assert_eq!(read(&person, "slots.json")["slots"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_94_revoking_first_does_not_make_the_phrases_delay_shorter() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let phrase = Phrase::random(&SystemRandom::new()).unwrap();
    let to = phrase.wrap_key().public();
    let invitation = cloud.open_window_with(user, |wish| wish.recovery = Some(to)).await;
    let code = cloud.scanned(&invitation);
    let kind = handshake::encoding::KeyKind::P256;
    let mine = cloud.pair_with(user, invitation.window, code, kind).await.unwrap();
    for signed in [false, true] {
        if signed {
            cloud.connect(twin(&mine)).await;
        } else {
            // Before the first contact there is no roster, and a device of the table counts, revoked or not.
            let recovery = cloud.runtime.owners().begin_recovery(user, 1_000).unwrap();
            assert_eq!(recovery.from_ms, Some(1_000 + RECOVERY_DELAY_MS));
        }
    }
    cloud.revoke(user, &mine).await;
    let owners = cloud.runtime.owners();
    let recovery = owners.begin_recovery(user, 5_000).unwrap();
    assert_eq!(recovery.from_ms, Some(5_000 + RECOVERY_DELAY_MS));
    let late = owners.begin_recovery(user, 5_000 + RECOVERY_DELAY_MS).unwrap();
    assert_eq!(late.from_ms, None);
    // After that day the phrase signs for the next phone.
    let theirs = {
        let invitation = cloud.open_window(user).await;
        let code = cloud.scanned(&invitation);
        cloud.pair_unsigned(user, invitation.window, code, kind).await.unwrap()
    };
    assert_eq!(code_of(Native::open(twin(&theirs)).await), Code::NotApproved);
    let (runtime, now_ms) = (Arc::clone(&cloud.runtime), 5_000 + RECOVERY_DELAY_MS);
    let signed = tokio::task::spawn_blocking(move || {
        let unsigned = runtime.unsigned(user, now_ms).unwrap().unwrap();
        let signed = Signed::by_phrase(unsigned.roster, &phrase, &SystemRandom::new()).unwrap();
        runtime.sign_by_phrase(user, signed, now_ms).unwrap();
        unsigned.changes
    });
    let signed = signed.await.unwrap();
    assert!(matches!(signed[0], Change::DeviceAdded { .. } | Change::DeviceRemoved { .. }), "{signed:?}");
    assert_eq!(signed.len(), 4, "one phone in, one out, and what the revocation changed: {signed:?}");
    assert_eq!(cloud.connect(theirs).await.grant.store, StoreState::Unlocked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_ended_between_a_signature_and_its_slots_makes_them_at_the_next_start() {
    let cloud = start().await;
    let (user, mut mine) = settled(&cloud).await;
    let person = cloud.folder_of(user);
    let before = tempfile::tempdir().unwrap();
    let invitation = cloud.open_window(user).await;
    let code = cloud.scanned(&invitation);
    let kind = handshake::encoding::KeyKind::P256;
    let mut theirs = cloud.pair_unsigned(user, invitation.window, code, kind).await.unwrap();
    let status = |cloud: &Cloud| {
        let devices = cloud.runtime.devices().list(user).unwrap();
        devices.into_iter().find(|device| device.id == theirs.state.device.to_string()).unwrap().status
    };
    assert_eq!(status(&cloud), "unsigned");
    std::fs::copy(person.join("slots.json"), before.path().join("slots.json")).unwrap();
    let mut phone = cloud.connect(mine).await;
    let folder = cloud.stop().await;
    let store = tempfile::tempdir().unwrap();
    copy(&person.join("store"), store.path());
    let cloud = restarted(folder, &mut [&mut phone.file]).await;
    let mut phone = cloud.connect(phone.file).await;
    phone.approve().await.unwrap();
    assert_eq!(status(&cloud), "active");
    let folder = cloud.stop().await;
    mine = phone.file;
    // The roster is on disk; the store has not seen it, and the slots are those from before.
    std::fs::copy(before.path().join("slots.json"), person.join("slots.json")).unwrap();
    bring_back(store.path(), &person.join("store"));
    mine.state.head = None;
    let cloud = restarted(folder, &mut [&mut mine, &mut theirs]).await;
    assert_eq!(cloud.connect(mine).await.grant.store, StoreState::Unlocked);
    cloud.lock(user).await;
    assert_eq!(cloud.connect(theirs).await.grant.store, StoreState::Unlocked, "with a slot of its own");
}

/// See `tests/fixtures/before-rosters/README.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_of_before_rosters_is_opened_and_the_first_phone_that_comes_signs_for_what_there_is() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/before-rosters");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    copy(&fixture.join("people"), &folder.path().join("people"));
    let user: UserId = "739f9310f3a465e65b2c53901fc9a08b".parse().unwrap();
    let person = folder.path().join("people/73").join(user.to_string());
    std::fs::set_permissions(person.join("runtime.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let [mut one, mut two] =
        ["one", "two"].map(|name| PhoneFile::load(&fixture.join(format!("{name}.json"))).unwrap());
    let phrase = Phrase::parse(&std::fs::read_to_string(fixture.join("phrase")).unwrap()).unwrap();

    let cloud = restarted(folder, &mut [&mut one, &mut two]).await;
    let mut phone = cloud.connect(one).await;
    assert_eq!(phone.news.learnt.len(), 1);
    let learnt = &phone.news.learnt[0];
    assert_eq!((learnt.version, learnt.by.as_str()), (1, "the device test phone"));
    let mut told: Vec<_> = learnt.changes.iter().map(|change| format!("{change:?}")).collect();
    told.iter_mut().for_each(|change| change.truncate(11));
    assert_eq!(told, ["DeviceAdded", "DeviceAdded", "PhraseSet", "TokensAdded"]);
    let found = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    assert!(String::from_utf8(found.body.to_vec()).unwrap().contains("here"));
    // The other phone, and the phrase of that time, which signs too.
    let other = cloud.connect(two).await;
    assert_eq!(other.grant.store, StoreState::Unlocked);
    let roster = other.file.state.roster.clone().unwrap();
    assert_eq!(roster.roster().phrase, Some(phrase.wrap_key().public()));
    let mut next = roster.roster().clone();
    (next.version, next.previous, next.author) = (2, roster.hash(), handshake::roster::Author::Phrase);
    let signed = Signed::by_phrase(next, &phrase, &SystemRandom::new()).unwrap();
    assert_eq!(signed.check_after(&roster), Ok(()));
    let folder = cloud.stop().await;
    let (mut one, mut two) = (phone.file, other.file);
    let cloud = restarted(folder, &mut [&mut one, &mut two]).await;
    for file in [one, two] {
        assert_eq!(cloud.connect(file).await.grant.store, StoreState::Unlocked);
    }
}
