//! A host without cells, phones without a network, and a change that is killed at every operation on a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use handshake::device::{DeviceName, Platform};
use handshake::encoding::{KeyKind, QrCode, WindowId, WrapPub};
use handshake::keys::{Agree, SigningKey, Slot, WrapKey};
use handshake::pairing::{Channel, ConnectionId, Me, Paired, Pairing};
use handshake::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};
use runtime_host::admin::{Ask, Context, PhoneAddress};
use runtime_store::testing::Kill;
use runtime_store::{Batch, DataKey, Held, KeyProvider, Store, Unattended};
use runtime_user::{KeyMode, LockState, OwnerError, Runtime, Settings, UserId, WindowWish};
use runtime_wire::tls::Identity;
use serde_json::Value;

pub const NOW_MS: u64 = 1_760_000_000_000;
const CONTENT: &str = "test/content";

/// A runtime over a folder, with nothing to run.
pub fn open(data: &Path) -> Arc<Runtime> {
    open_with(data, |_| {})
}

pub fn open_with(data: &Path, change: impl FnOnce(&mut Settings)) -> Arc<Runtime> {
    let mut settings = Settings::at(data);
    (settings.slots, settings.endpoint_threads, settings.stage_threads) = (2, 1, 1);
    settings.pipeline = Some("stage = []".to_owned());
    change(&mut settings);
    Identity::load_or_make(data, &[]).unwrap();
    Runtime::open(settings, &[]).expect("a host starts, whoever's files are damaged")
}

/// What lies beside people's folders and is not about to be removed by the next start.
pub fn leftovers(runtime: &Runtime) -> Vec<String> {
    let mut found = shelved(&runtime.settings().data);
    found.retain(|name| {
        let known = name.parse::<UserId>().is_ok_and(|user| runtime.people().standing(user).is_some());
        !known && !name.ends_with(".adding")
    });
    found
}

/// The names of all folders of people.
fn shelved(data: &Path) -> Vec<String> {
    let shelves = fs::read_dir(data.join("people")).unwrap();
    let entries = shelves.flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap());
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Ends a runtime and everything that it holds.
pub fn end(runtime: Arc<Runtime>) {
    runtime.shutdown();
    assert!(Arc::into_inner(runtime).is_some(), "nobody else holds the runtime");
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Carries out a command of the console.
pub fn ask<A: Ask>(runtime: &Runtime, ask: A) -> Result<A::Answer, String> {
    let pin = Identity::load_or_make(&runtime.settings().data, &[]).unwrap().pin();
    let phone_address = PhoneAddress { address: "127.0.0.1:8443".to_owned(), pin };
    let context = Context { runtime, phone_address: &phone_address };
    ask.answer(&context).map_err(|failure| format!("{failure:?}"))
}

pub fn folder(runtime: &Runtime, user: UserId) -> PathBuf {
    runtime.people().folder(user)
}

/// Stores something that can be found again.
pub fn fill(runtime: &Runtime, user: UserId, content: &str) {
    let mut batch = Batch::new();
    batch.put_document(CONTENT, content.as_bytes().to_vec());
    runtime.person(user).expect("open").store.commit(batch).expect("stored");
}

pub fn content(runtime: &Runtime, user: UserId) -> Option<String> {
    let person = runtime.person(user).ok()?;
    let content = person.store.snapshot().document(CONTENT).ok()??;
    Some(String::from_utf8(content.to_vec()).unwrap())
}

/// A phone that was paired.
pub struct Phone {
    pub key: SigningKey,
    pub wrap: WrapKey,
    pub paired: Paired,
}

pub fn wrap_key() -> WrapKey {
    WrapKey::random(&SystemRandom::new()).unwrap()
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Opens a window; a phone pairs in it, and its owner says yes.
pub fn pair(runtime: &Runtime, user: UserId, recovery: Option<WrapPub>) -> Result<Phone, String> {
    let (now_ms, random) = (runtime.clocks().lasting_ms(), SystemRandom::new());
    let wish = WindowWish {
        host: "127.0.0.1".to_owned(),
        port: 8443,
        lifetime_ms: None,
        typed: false,
        admin: false,
        recovery,
    };
    let told = |error: OwnerError| runtime_user::chain(&error);
    let pairing = runtime.pairing();
    // As `cellar pair --cancel` does.
    if let Ok(Some(open)) = pairing.status(user, now_ms) {
        let _ = pairing.answer(user, open.window, false, now_ms);
    }
    let invitation = pairing.open(user, wish, now_ms).map_err(told)?;
    let phone = claim(runtime, user, &invitation.qr, invitation.window, now_ms, &random);
    // Whatever came of it, the window is over.
    let _ = pairing.answer(user, invitation.window, false, now_ms);
    phone
}

fn claim(
    runtime: &Runtime,
    user: UserId,
    qr: &str,
    window: WindowId,
    now_ms: u64,
    random: &SystemRandom,
) -> Result<Phone, String> {
    let (key, wrap) = (SigningKey::generate(KeyKind::P256, random).unwrap(), wrap_key());
    let told = |error: OwnerError| runtime_user::chain(&error);
    let spki = *runtime.owners().signing_key(user).map_err(told)?.spki();
    let me =
        Me { device: *key.spki(), name: DeviceName::new("a phone").unwrap(), platform: Platform::Android };
    let mut exporter = [0; 32];
    random.fill(&mut exporter).unwrap();
    let exporter = || Secret::new(exporter);
    let said = Pairing::scanned(QrCode::parse(qr).unwrap(), me, random).unwrap();
    let (said, hello) = said.connected(spki, exporter()).unwrap();
    let connection = ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    let channel = Channel { connection, device: *key.spki(), runtime: spki, exporter: exporter() };
    let (pairing, code) = (runtime.pairing(), |code| format!("{code:?}"));
    let challenge = pairing.hello(user, channel, &hello, now_ms).map_err(code)?;
    let (proved, proof) = said.challenged(&challenge).unwrap();
    let claimed = pairing.proof(user, connection, &proof, now_ms).map_err(code)?;
    let confirmed = proved.claimed(&claimed).unwrap();
    pairing.answer(user, window, true, now_ms).map_err(told)?;
    let (sent, enrol) = confirmed.enrol(wrap.public());
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let enrolled = tokio.block_on(pairing.enrol(user, connection, enrol)).map_err(code)?;
    let paired = sent.enrolled(enrolled).unwrap();
    Ok(Phone { key, wrap, paired })
}

/// The data key that counts, as the holder of a wrap key gets it from the slots on disk.
pub fn key_for(runtime: &Runtime, user: UserId, holder: Option<&Phone>, wrap: &WrapKey) -> Option<Held> {
    let (person, store) = (folder(runtime, user), folder(runtime, user).join("store"));
    let generation = Store::key_generation(&store).ok()??;
    let slots: Value = serde_json::from_slice(&fs::read(person.join("slots.json")).ok()?).ok()?;
    let wanted = match holder {
        Some(phone) => serde_json::json!({ "device": phone.paired.device_id }),
        None => serde_json::json!("recovery"),
    };
    let slots = slots["slots"].as_array()?.iter().filter(|slot| slot["holder"] == wanted);
    let slots = slots.map(|slot| serde_json::from_value::<Slot>(slot["slot"].clone()).unwrap());
    let slot = slots.into_iter().find(|slot| slot.generation() == generation)?;
    let key = DataKey::from_bytes(*slot.open(wrap, &user.0).ok()?.expose());
    Store::opens_with(&store, user, &key).unwrap().then_some(Held { key, generation })
}

impl Phone {
    /// Whether this phone gets a key that opens the store.
    pub fn opens(&self, runtime: &Runtime, user: UserId) -> bool {
        key_for(runtime, user, Some(self), &self.wrap).is_some()
    }

    /// Whether this phone is let in.
    pub fn connects(&self, runtime: &Runtime, user: UserId) -> bool {
        runtime.devices().admit(user, self.paired.label, *self.key.spki(), NOW_MS).is_ok()
    }

    /// Supplies the data key, as a phone does after it has connected.
    pub fn unlock(&self, runtime: &Runtime, user: UserId) {
        assert!(self.connects(runtime, user), "the phone is let in");
        if runtime.locks().state(user).unwrap() == LockState::Locked {
            let held = key_for(runtime, user, Some(self), &self.wrap).expect("a slot that opens");
            runtime.unlock(user, held.generation, *held.key.expose()).expect("unlocked");
        }
    }
}

/// Whether the host can open the store by itself.
pub fn host_opens(runtime: &Runtime, user: UserId) -> bool {
    let store = folder(runtime, user).join("store");
    let host = Unattended::open(&runtime.settings().data.join("host.key")).unwrap().unwrap();
    let Ok(held) = host.unlock(&store, user) else { return false };
    Store::opens_with(&store, user, &held.key).unwrap()
}

pub fn mode(runtime: &Runtime, user: UserId) -> Option<KeyMode> {
    runtime.people().standing(user).map(|standing| standing.keys)
}

/// A change of a person who was prepared.
pub struct Change<'a, S> {
    pub name: &'a str,
    /// Makes the person; the folder is copied for each try.
    pub prepare: &'a dyn Fn(&Runtime) -> S,
    /// What the host has in memory before the change: an open store.
    pub ready: &'a dyn Fn(&Runtime, &S),
    /// The change itself, as its verb makes it.
    pub change: &'a dyn Fn(&Runtime, &S) -> Result<(), String>,
    /// What holds after a start wherever the change stopped; answers whether the state is the new one.
    pub check: &'a dyn Fn(&Runtime, &S) -> bool,
    /// Whether the same change may be refused once it was made.
    pub once: bool,
}

impl<S> Change<'_, S> {
    /// Kills the change at each of its operations on files: first with a start after it, then in a process that goes on.
    /// Returns how many operations there were.
    pub fn killed_everywhere(&self) -> u64 {
        let template = tempfile::tempdir().unwrap();
        let runtime = open(template.path());
        let scene = (self.prepare)(&runtime);
        end(runtime);
        for at in 1.. {
            let what = format!("{}, killed at operation {at}", self.name);
            for restarts in [true, false] {
                if !self.killed_at(template.path(), &scene, at, restarts, &what) {
                    assert!(at > 1, "{what}: no operation was seen");
                    return at - 1;
                }
            }
        }
        unreachable!("a change ends");
    }

    fn killed_at(&self, template: &Path, scene: &S, at: u64, restarts: bool, what: &str) -> bool {
        let data = tempfile::tempdir().unwrap();
        copy(template, data.path());
        let mut runtime = open(data.path());
        (self.ready)(&runtime, scene);
        let kill = Kill::at(&data.path().join("people"), at);
        let done = (self.change)(&runtime, scene);
        let struck = kill.struck();
        assert!(struck || done.is_ok(), "{what}: {done:?}");
        if restarts {
            end(runtime);
            drop(kill);
            runtime = open(data.path());
            let is_new = (self.check)(&runtime, scene);
            assert!(is_new || done.is_err(), "{what}: it was called done, and is not");
            let half = shelved(data.path()).into_iter().filter(|name| name.contains('.')).collect::<Vec<_>>();
            assert!(half.is_empty(), "{what}: a start leaves {half:?}");
            for user in runtime.people().users() {
                assert!(!folder(&runtime, user).join("intent").exists(), "{what}: an intent stays");
            }
            if is_new && self.once {
                end(runtime);
                return struck;
            }
            (self.ready)(&runtime, scene);
        } else {
            drop(kill);
        }
        let again = (self.change)(&runtime, scene);
        assert!(again.is_ok() || self.once, "{what}, restarts {restarts}: repeating it fails: {again:?}");
        assert!(
            (self.check)(&runtime, scene),
            "{what}, restarts {restarts}: repeated, {again:?}, and not made"
        );
        end(runtime);
        struck
    }
}
