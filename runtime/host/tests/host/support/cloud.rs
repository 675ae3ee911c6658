//! A host on the loopback as `cellar serve` runs it: everybody's runtimes behind one port, and phones of ours.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use handshake::device::{DeviceName, Platform};
use handshake::encoding::{KeyKind, Label, QrCode, TypedCode, WindowId};
use handshake::keys::SigningKey;
use handshake::roster::Signed;
use handshake::session::{RosterRequest, SignRequest};
use handshake::token::Token;
use runtime_host::Host;
use runtime_host::config::Config;
use runtime_host::http::service::epoch_ms;
use runtime_host::port::PortFront;
use runtime_phone::{Code, Connect, Native, PhoneError, PhoneFile, PhoneKeys, pair};
use runtime_user::catalogue::BuiltIn;
use runtime_user::{Invitation, KeyMode, PairingStatus, Runtime, UserId, WindowWish};
use runtime_wire::tls::Identity;
use serde_json::json;
use tokio::sync::oneshot;

/// A host, its folder, and the task that serves.
pub struct Cloud {
    pub runtime: Arc<Runtime>,
    pub address: SocketAddr,
    pub folder: Arc<tempfile::TempDir>,
    pub front: PortFront,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

/// How a test wants its host.
#[derive(Clone)]
pub struct Wish {
    pub config: Config,
    pub legacy: bool,
    pub gateways: Vec<IpAddr>,
    pub folder: Option<Arc<tempfile::TempDir>>,
    /// `None`: those that are part of this binary.
    pub cells: Option<Vec<BuiltIn>>,
    /// The program that compiles cells.
    pub compiler: Option<PathBuf>,
}

impl Default for Wish {
    fn default() -> Self {
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        config.pipeline.automatic = false;
        Self { config, legacy: false, gateways: Vec::new(), folder: None, cells: None, compiler: None }
    }
}

pub async fn start() -> Cloud {
    start_with(Wish::default()).await
}

pub async fn start_with(wish: Wish) -> Cloud {
    let folder = wish.folder.unwrap_or_else(|| Arc::new(tempfile::tempdir().expect("a folder")));
    let mut config = wish.config;
    config.gateway.trusted = wish.gateways;
    let mut settings = config.runtime(folder.path()).expect("sound settings");
    settings.compiler = wish.compiler.or(settings.compiler);
    let cells = wish.cells.unwrap_or_else(|| runtime_cells::BUILT_IN.to_vec());
    let opened = tokio::task::spawn_blocking(move || Runtime::open(settings, &cells)).await;
    let runtime = opened.expect("no panic").expect("a runtime");
    let identity = Identity::load_or_make(folder.path(), &[]).expect("a certificate");
    let legacy = wish.legacy.then(|| identity.server_config().expect("sound"));
    let host = Host::bind(&config, &runtime, legacy).await.expect("a port");
    let (address, front) = (host.address(), host.front());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(host.serve(async { drop(stopped.await) }));
    Cloud { runtime, address, folder, front, stop: Some(stop), serving: Some(serving) }
}

impl Cloud {
    /// Stops serving; the folder stays as long as somebody holds it.
    pub async fn stop(mut self) -> Arc<tempfile::TempDir> {
        drop(self.stop.take());
        self.serving.take().expect("served until now").await.expect("no panic");
        let runtime = Arc::clone(&self.runtime);
        tokio::task::spawn_blocking(move || runtime.shutdown()).await.expect("no panic");
        Arc::clone(&self.folder)
    }

    /// What somebody types in who has a token.
    pub fn connect_string(&self, token: Token) -> Connect {
        let pin = Identity::load_or_make(self.folder.path(), &[]).expect("a certificate").pin();
        let host = self.address.ip().to_string();
        Connect { host, port: self.address.port(), token, pin }
    }

    /// Somebody whose phones hold the key.
    pub fn add(&self, name: &str) -> UserId {
        self.runtime.people().add_owner(name, 1_700_000_000.0).expect("added")
    }

    pub fn folder_of(&self, user: UserId) -> PathBuf {
        self.runtime.people().folder(user)
    }

    pub async fn open_window(&self, user: UserId) -> Invitation {
        self.open_window_with(user, |_| {}).await
    }

    pub async fn open_window_with(&self, user: UserId, change: impl FnOnce(&mut WindowWish)) -> Invitation {
        let mut wish = WindowWish {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: self.address.port(),
            lifetime_ms: None,
            typed: true,
            admin: false,
            recovery: None,
        };
        change(&mut wish);
        let runtime = Arc::clone(&self.runtime);
        let opened =
            tokio::task::spawn_blocking(move || runtime.pairing().open(user, wish, epoch_ms())).await;
        opened.expect("no panic").expect("a window")
    }

    /// How the pairing stands.
    pub fn pairing(&self, user: UserId) -> Option<PairingStatus> {
        self.runtime.pairing().status(user, epoch_ms()).expect("read")
    }

    pub fn scanned(&self, invitation: &Invitation) -> Code {
        Code::Scanned(QrCode::parse(&invitation.qr).expect("our own code"))
    }

    pub fn typed(&self, invitation: &Invitation) -> Code {
        let text = invitation.typed.as_ref().expect("typing is offered");
        let code = TypedCode::parse(text).expect("our own code");
        Code::Typed { code, host: "127.0.0.1".to_owned(), port: self.address.port() }
    }

    /// Pairs an honest phone; its owner compares the digits.
    pub async fn pair(&self, user: UserId) -> PhoneFile {
        let invitation = self.open_window(user).await;
        let code = self.scanned(&invitation);
        self.pair_with(user, invitation.window, code, KeyKind::P256).await.expect("paired")
    }

    /// As [`Self::pair_unsigned`]; if the person's devices have to sign for the phone, one that was paired here does.
    pub async fn pair_with(
        &self,
        user: UserId,
        window: WindowId,
        code: Code,
        kind: KeyKind,
    ) -> Result<PhoneFile, PhoneError> {
        let file = self.pair_unsigned(user, window, code, kind).await?;
        let runtime = Arc::clone(&self.runtime);
        tokio::task::spawn_blocking(move || sign_for_newcomers(&runtime, user)).await.expect("no panic");
        let pkcs8 = file.device.pkcs8().to_vec();
        let mut paired = PAIRED.lock().expect("no test panics while it holds this");
        paired.entry(user).or_default().push((file.state.label, pkcs8));
        Ok(file)
    }

    /// Pairs with that code, and approves if both sides show the same digits.
    pub async fn pair_unsigned(
        &self,
        user: UserId,
        window: WindowId,
        code: Code,
        kind: KeyKind,
    ) -> Result<PhoneFile, PhoneError> {
        let (show, shown) = oneshot::channel();
        let keys = PhoneKeys::random(kind).expect("randomness");
        let name = DeviceName::new("test phone").expect("a name");
        let phone = tokio::spawn(pair(code, keys, name, Platform::Android, |digits| {
            let _ = show.send(digits.to_string());
        }));
        if let Ok(digits) = shown.await {
            let claim = self.pairing(user).and_then(|status| status.claim).expect("somebody waits");
            let same = claim.digits == digits;
            self.runtime.pairing().answer(user, window, same, epoch_ms()).expect("answered");
        }
        phone.await.expect("no panic")
    }

    /// A paired phone with a session, its store unlocked.
    pub async fn connect(&self, file: PhoneFile) -> Native {
        Native::open(file).await.expect("a session")
    }

    pub async fn lock(&self, user: UserId) {
        let runtime = Arc::clone(&self.runtime);
        let locked = tokio::task::spawn_blocking(move || runtime.locks().lock(user)).await;
        locked.expect("no panic").expect("locked");
    }

    pub async fn revoke(&self, user: UserId, file: &PhoneFile) {
        let (runtime, device) = (Arc::clone(&self.runtime), file.state.device);
        let revoked =
            tokio::task::spawn_blocking(move || runtime.devices().revoke(user, device, epoch_ms())).await;
        revoked.expect("no panic").expect("revoked");
    }
}

/// Label and key of every phone that was paired here, to sign for those that come later.
type Paired = HashMap<UserId, Vec<(Label, Vec<u8>)>>;
static PAIRED: LazyLock<Mutex<Paired>> = LazyLock::new(Mutex::default);

/// A device that the newest roster names signs for what the table has.
fn sign_for_newcomers(runtime: &Arc<Runtime>, user: UserId) {
    let paired =
        PAIRED.lock().expect("no test panics while it holds this").get(&user).cloned().unwrap_or_default();
    let random = ring::rand::SystemRandom::new();
    for (label, pkcs8) in paired {
        let key = SigningKey::from_pkcs8(&pkcs8, &random).expect("it was paired");
        let Ok(admission) = runtime.devices().admit(user, label, *key.spki(), epoch_ms()) else { continue };
        if runtime.devices().vouched(&admission).is_err() {
            continue;
        }
        let known = runtime.rosters_for(&admission, RosterRequest { after: None }).expect("read");
        // Before a phone's first contact there is no roster, and it signs for everybody then.
        let Some(newest) = known.signed.last() else { return };
        let after = Some(newest.roster().version);
        let told = runtime.rosters_for(&admission, RosterRequest { after }).expect("read");
        let Some(proposal) = told.pending else { return };
        let signed = Signed::by_device(proposal, &key, &random).expect("signed");
        runtime.sign_roster(&admission, SignRequest { signed }).expect("taken");
        return;
    }
}

/// A put of one location, as a phone's body.
pub fn put_body(write_ts: f64, marker: &str) -> bytes::Bytes {
    let entry = json!({
        "metadata": {
            "key": "background/location", "type": "sensor-data", "platform": "android",
            "write_ts": write_ts, "time_zone": "UTC",
        },
        "data": { "latitude": 46.5, "longitude": 6.5, "ts": write_ts, "accuracy": 10.0, "altitude": 300.0,
                  "bearing": 0.0, "sensed_speed": 0.0, "filter": "time", "elapsedRealtimeNanos": 1, "note": marker },
    });
    json!({ "phone_to_server": [entry] }).to_string().into()
}

/// A query for every entry of the usercache's stream that [`put_body`] fills.
pub fn everything() -> bytes::Bytes {
    json!({
        "key_list": ["background/location"], "key_time": "metadata.write_ts",
        "start_time": 0, "end_time": 9_999_999_999_u64,
    })
    .to_string()
    .into()
}

/// Waits until something is so, looking again now and then; fails a test that would hang.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never so: {what}");
}

/// Whether the person's key is the host's.
pub fn is_unattended(cloud: &Cloud, user: UserId) -> bool {
    cloud.runtime.people().standing(user).is_some_and(|standing| standing.keys == KeyMode::Unattended)
}
