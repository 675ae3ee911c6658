//! A gateway on the loopback, and hosts that register at it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use handshake::encoding::server_name;
use handshake::hello::Alert;
use runtime_gateway::{Gateway, GatewayLimits, GatewayParts, GatewaySecret, Names, keep_registered};
use runtime_phone::{Code, PhoneFile};
use runtime_user::UserId;
use tokio::task::JoinHandle;

use super::cloud::{Cloud, Wish, start_with};
use super::sockets::{plain_hello, told};

/// A gateway, its addresses, and the task that serves.
pub struct Gate {
    pub address: SocketAddr,
    pub register: SocketAddr,
    pub secret: GatewaySecret,
    pub folder: Arc<tempfile::TempDir>,
    serving: JoinHandle<()>,
}

/// A host that tells a gateway its names for as long as this lives.
pub struct Registered(JoinHandle<()>);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn gate() -> Gate {
    gate_with(None, None).await
}

/// In the place of another gateway, with its addresses and its secret; or in front of a host for older phones.
pub async fn gate_with(before: Option<Gate>, legacy: Option<SocketAddr>) -> Gate {
    gate_of(before, legacy, GatewayLimits::default()).await
}

/// As [`gate_with`], with limits of its own.
pub async fn gate_of(before: Option<Gate>, legacy: Option<SocketAddr>, limits: GatewayLimits) -> Gate {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (listen, register, folder) = match before {
        Some(gate) => {
            gate.serving.abort();
            let _ = gate.serving.await;
            (gate.address, gate.register, gate.folder)
        }
        None => (any, any, Arc::new(tempfile::tempdir().expect("a folder"))),
    };
    let secret = GatewaySecret::load_or_make(&folder.path().join("secret")).expect("a secret");
    let legacy = legacy.map(|address| address.to_string());
    let parts = GatewayParts { listen, register, secret: secret.clone(), legacy, limits };
    let gateway = Gateway::bind(parts).await.expect("two ports");
    let (address, register) = (gateway.address().expect("bound"), gateway.register_address().expect("bound"));
    let serving = tokio::spawn(gateway.serve(std::future::pending()));
    Gate { address, register, secret, folder, serving }
}

/// A host that takes the gateway's word on where callers come from.
pub async fn host_behind_a_gateway() -> Cloud {
    start_with(Wish { gateways: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Wish::default() }).await
}

impl Gate {
    /// Keeps a host registered.
    pub fn register(&self, cloud: &Cloud) -> Registered {
        let runtime = Arc::clone(&cloud.runtime);
        let port = cloud.address.port();
        let changed = runtime.owners().names_changed();
        let names = Names { all: move || runtime.owners().names(), changed };
        Registered(tokio::spawn(keep_registered(names, self.register, self.secret.clone(), port)))
    }

    /// Whether a name leads to a host that answers. A name that is asked for with no protocol of ours is refused there.
    pub async fn leads(&self, name: &str) -> bool {
        let answer = told(self.address, &plain_hello(&server_name(name, "127.0.0.1"))).await;
        !answer.is_empty() && answer != Alert::UnrecognizedName.record()
    }

    /// Waits until a name leads to a host, or no longer does.
    pub async fn until_leads(&self, name: &str, leads: bool) {
        for _ in 0..200 {
            if self.leads(name).await == leads {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never so: {name} leads somewhere: {leads}");
    }

    /// Waits until every label of a host leads there. A typed code's name comes with its window's label, and asking for
    /// it too often is held up.
    pub async fn knows(&self, cloud: &Cloud) {
        for name in cloud.runtime.owners().names().into_iter().filter(|name| !name.starts_with("p-")) {
            self.until_leads(&name, true).await;
        }
    }

    /// Pairs a phone through the gateway, which is also where it will connect.
    pub async fn pair(&self, cloud: &Cloud, user: UserId, typed: bool) -> PhoneFile {
        let port = self.address.port();
        let invitation = cloud.open_window_with(user, |wish| wish.port = port).await;
        self.knows(cloud).await;
        let code = match (typed, cloud.typed(&invitation)) {
            (true, Code::Typed { code, host, .. }) => Code::Typed { code, host, port },
            _ => cloud.scanned(&invitation),
        };
        let kind = handshake::encoding::KeyKind::P256;
        let file = cloud.pair_with(user, invitation.window, code, kind).await.expect("paired");
        self.knows(cloud).await;
        file
    }
}
