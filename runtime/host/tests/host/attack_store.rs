//! Attacks by whoever has the disk, or had a phone, tried over real TCP and TLS: 76 and 77. (75 and 78 are tried on the
//! sealed values themselves, in `runtime/store`.)

use crate::support::cloud;
use crate::support::folder;
use crate::support::pairing;
use crate::support::phone;

use std::path::Path;
use std::sync::Arc;

use cloud::{Cloud, Wish, put_body, start, start_with};
use folder::{bring_back, copy};
use handshake::encoding::{DeviceId, KeyKind};
use handshake::error::Code;
use handshake::keys::{Agree, SigningKey, Slot, WrapKey};
use handshake::pairing::{Enrol, Enrolled};
use handshake::session::StoreState;
use pairing::{answer, devices, honest_anew};
use phone::{Hand, Refused, key, scanned};
use ring::rand::SystemRandom;
use runtime_host::http::service::epoch_ms;
use runtime_phone::{Native, PhoneError, PhoneFile};
use runtime_user::{LockState, OwnerError, UserId};
use serde_json::Value;

const START: f64 = 1_700_000_000.0;

async fn restarted(folder: Arc<tempfile::TempDir>, phones: &mut [&mut PhoneFile]) -> Cloud {
    let cloud = start_with(Wish { folder: Some(folder), ..Wish::default() }).await;
    // Another port than before: a phone finds it by what it was told, so the test tells it.
    for phone in phones {
        phone.state.port = cloud.address.port();
    }
    cloud
}

async fn put(cloud: &Cloud, file: PhoneFile, at: f64) -> PhoneFile {
    let mut phone = cloud.connect(file).await;
    let put = phone.post("/usercache/put", put_body(START + at, "here")).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
    // The next session tells the head.
    cloud.connect(phone.file).await.file
}

fn again(file: &PhoneFile) -> PhoneFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.json");
    file.store(&path).unwrap();
    PhoneFile::load(&path).unwrap()
}

fn code_of(refused: Result<Native, PhoneError>) -> Code {
    match refused {
        Err(PhoneError::Code { code }) => code,
        Err(PhoneError::Distrust(distrust)) => distrust.code().unwrap(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a session"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_76_an_older_snapshot_of_the_store_in_place_of_the_newest() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut file = put(&cloud, file, 0.0).await;
    let mut other = honest_anew(&cloud, user).await;
    let person = cloud.folder_of(user);
    let (old, folder) = (tempfile::tempdir().unwrap(), cloud.stop().await);
    copy(&person, old.path());
    let cloud = restarted(folder, &mut [&mut file, &mut other]).await;
    let seen_before = file.state.head.unwrap();
    let mut file = put(&cloud, file, 1.0).await;
    let seen = file.state.head.unwrap();
    assert!(seen.seq > seen_before.seq && seen.hash != seen_before.hash);

    let folder = cloud.stop().await;
    let newest = tempfile::tempdir().unwrap();
    copy(&person, newest.path());
    bring_back(old.path(), &person);
    let cloud = restarted(folder, &mut [&mut file, &mut other]).await;
    for _ in 0..2 {
        // The head of a locked store cannot be told; once the phone has opened it, it shows.
        assert_eq!(code_of(Native::open(again(&file)).await), Code::RolledBack);
    }
    assert_eq!(file.state.head, Some(seen));
    // A phone that has not seen the newer one has lost nothing.
    let mut other = cloud.connect(other).await.file;

    // As many commits as the phone has seen, but others.
    let mut at = 2.0;
    while other.state.head.unwrap().seq < seen.seq {
        other = put(&cloud, other, at).await;
        at += 1.0;
    }
    assert_eq!(other.state.head.unwrap().seq, seen.seq, "or the attack is another one");
    assert_ne!(other.state.head.unwrap().hash, seen.hash);
    assert_eq!(code_of(Native::open(again(&file)).await), Code::RolledBack);

    // The newest again: nothing is held against it.
    let folder = cloud.stop().await;
    bring_back(newest.path(), &person);
    let cloud = restarted(folder, &mut [&mut file]).await;
    assert!(cloud.connect(file).await.file.state.head.unwrap().follows(seen));
}

/// The file of slots.
fn slots(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("slots.json")).unwrap()).unwrap()
}

/// Whose slots there are.
fn holders(folder: &Path) -> Vec<Value> {
    let slots = slots(folder)["slots"].clone();
    slots.as_array().unwrap().iter().map(|slot| slot["holder"]["device"].clone()).collect()
}

fn written(device: DeviceId) -> Value {
    serde_json::to_value(device).unwrap()
}

/// A try to open the store with a key, from the console.
async fn unlock(
    cloud: &Cloud,
    user: UserId,
    generation: u32,
    key: [u8; 32],
) -> Result<LockState, OwnerError> {
    let runtime = Arc::clone(&cloud.runtime);
    tokio::task::spawn_blocking(move || runtime.unlock(user, generation, key)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_77_the_slot_of_a_revoked_device_put_back() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let (stays, lost, spare) = (cloud.pair(user).await, cloud.pair(user).await, cloud.pair(user).await);
    let (mut stays, mut lost) = (stays, lost);
    let person = cloud.folder_of(user);
    let taken = slots(&person)["slots"].as_array().unwrap().clone();
    let taken =
        taken.into_iter().find(|slot| slot["holder"]["device"] == written(lost.state.device)).unwrap();
    let slot = slot_of(&cloud, user, lost.state.device).unwrap();
    cloud.revoke(user, &lost).await;
    assert_eq!(holders(&person), [written(stays.state.device), written(spare.state.device)]);

    let folder = cloud.stop().await;
    let mut file = slots(&person);
    file["slots"].as_array_mut().unwrap().push(taken.clone());
    std::fs::write(person.join("slots.json"), file.to_string()).unwrap();
    let cloud = restarted(folder, &mut [&mut stays, &mut lost]).await;
    let refused = Native::open(again(&lost)).await.err().unwrap();
    assert!(matches!(refused, PhoneError::Alert { description: 112, .. }), "{refused}");
    assert!(slot_of(&cloud, user, lost.state.device).is_none(), "none of the key that counts");
    // The phone still opens what was taken; what is in it opens nothing, whoever hands it over, under either number.
    let udk = slot.open(&lost.wrap, &user.0).unwrap();
    for generation in [slot.generation(), slot.generation() + 1] {
        let refused = unlock(&cloud, user, generation, *udk.expose()).await;
        assert!(matches!(refused, Err(OwnerError::WrongKey)), "{refused:?}");
    }
    assert_eq!(cloud.runtime.locks().state(user).unwrap(), LockState::Locked);

    // Nor does the next change of the key wrap it for whoever the file names.
    let stays = put(&cloud, stays, 0.0).await;
    cloud.revoke(user, &spare).await;
    assert_eq!(holders(&person), [written(stays.state.device)]);
    assert!(slot_of(&cloud, user, lost.state.device).is_none());
    // And the other phone goes on.
    cloud.lock(user).await;
    let phone = cloud.connect(stays).await;
    assert_eq!(phone.grant.store, StoreState::Unlocked);
}

/// Everything but the owner's judgement goes right: the phone is let in with those two keys.
async fn pair_again(
    cloud: &Cloud,
    user: UserId,
    key: &Arc<SigningKey>,
    wrap: &WrapKey,
) -> Result<Enrolled, Refused> {
    let invitation = cloud.open_window_with(user, |wish| wish.typed = false).await;
    let way = scanned(&invitation);
    let mut phone = Hand::connect(cloud.address, &way.server_name, key).await.unwrap();
    phone.claim(&way).await.unwrap();
    answer(cloud, user, &invitation, true).unwrap();
    phone.post("enrol", &Enrol { wrap_pub: wrap.public() }).await
}

/// What a device is given to open, of the key that counts.
fn slot_of(cloud: &Cloud, user: UserId, device: DeviceId) -> Option<Slot> {
    let person = cloud.folder_of(user);
    let generation = runtime_store::Store::key_generation(&person.join("store")).unwrap()?;
    let all = slots(&person);
    let own =
        all["slots"].as_array().unwrap().iter().filter(|slot| slot["holder"]["device"] == written(device));
    own.map(|kept| serde_json::from_value::<Slot>(kept["slot"].clone()).unwrap())
        .find(|slot| slot.generation() == generation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_77_a_key_that_was_shut_out_or_is_in_use_pairs_again() {
    const REFUSED: (u16, Code) = (403, Code::NotApproved);
    let random = SystemRandom::new();
    let cloud = start().await;
    let user = cloud.add("Ada");
    let stays = cloud.pair(user).await;
    let (lost, wrap) = (key(KeyKind::P256), WrapKey::random(&random).unwrap());
    let enrolled = pair_again(&cloud, user, &lost, &wrap).await.unwrap();
    let (runtime, device) = (Arc::clone(&cloud.runtime), enrolled.device_id);
    let revoked = tokio::task::spawn_blocking(move || runtime.devices().revoke(user, device, epoch_ms()));
    revoked.await.unwrap().unwrap();
    let person = cloud.folder_of(user);
    let (before, known) = (slots(&person), devices(&cloud, user));

    let fresh = || (key(KeyKind::P256), WrapKey::random(&random).unwrap());
    let in_use = SigningKey::from_pkcs8(stays.device.pkcs8(), &random).unwrap();
    assert_eq!(pair_again(&cloud, user, &lost, &fresh().1).await, Err(REFUSED), "a key that was shut out");
    assert_eq!(pair_again(&cloud, user, &fresh().0, &wrap).await, Err(REFUSED), "a wrap key that was");
    assert_eq!(pair_again(&cloud, user, &Arc::new(in_use), &fresh().1).await, Err(REFUSED), "a key in use");
    assert_eq!(pair_again(&cloud, user, &fresh().0, &stays.wrap).await, Err(REFUSED), "a wrap key in use");
    assert_eq!(slots(&person), before, "no slot was left behind, none was replaced");
    assert_eq!(devices(&cloud, user), known);
    cloud.lock(user).await;
    assert_eq!(cloud.connect(stays).await.grant.store, StoreState::Unlocked);
}
