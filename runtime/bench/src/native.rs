//! A whole host on the loopback as `cellar serve` runs it, and phones that are paired with it.
//!
//! * The host reads callers' addresses from headers like those of a gateway: a loopback has one address, and no source
//!   may connect as often as a benchmark does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use handshake::device::{DeviceName, Platform};
use handshake::encoding::{KeyKind, QrCode};
use ring::rand::SystemRandom;
use runtime_user::{Runtime, Settings, UserId, WindowWish};
use tokio::sync::oneshot;

use super::BenchError;
use runtime_cells::BUILT_IN;
use runtime_host::Host;
use runtime_host::config::Config;
use runtime_phone::{self as phone, Code, PhoneFile, PhoneKeys};
use rustls::ServerConfig;

/// The gateways of a host that has none in front of it.
pub const NO_GATEWAYS: Vec<std::net::IpAddr> = Vec::new();

/// The host, and the threads that serve.
pub struct NativeHost {
    /// All people's runtimes.
    pub runtime: Arc<Runtime>,
    /// Also for clients that need one.
    pub tokio: tokio::runtime::Runtime,
}

pub(super) fn broken(error: impl std::fmt::Display) -> BenchError {
    BenchError::Network(error.to_string())
}

impl NativeHost {
    /// A host over that folder, without a port yet.
    pub fn open(folder: &Path) -> Result<Self, BenchError> {
        let runtime = Runtime::open(Settings::at(folder), BUILT_IN)?;
        let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { runtime, tokio })
    }

    /// Opens a port that trusts these gateways; it closes with the host.
    pub fn serve(&self, gateways: Vec<std::net::IpAddr>) -> Result<SocketAddr, BenchError> {
        self.serve_with(gateways, None)
    }

    /// As [`Self::serve`], with a front for phones that cannot pair.
    pub fn serve_with(
        &self,
        gateways: Vec<std::net::IpAddr>,
        legacy: Option<Arc<ServerConfig>>,
    ) -> Result<SocketAddr, BenchError> {
        let mut config = Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
        config.gateway.trusted = gateways;
        let host = self.tokio.block_on(Host::bind(&config, &self.runtime, legacy))?;
        let address = host.address();
        self.tokio.spawn(host.serve(std::future::pending()));
        Ok(address)
    }

    /// Adds a person whose phones hold the key.
    pub fn add(&self, name: &str) -> Result<UserId, BenchError> {
        Ok(self.runtime.people().add_owner(name, 0.0)?)
    }

    /// Pairs a phone at a port to which it connects directly.
    pub fn pair(&self, user: UserId, address: SocketAddr, kind: KeyKind) -> Result<PhoneFile, BenchError> {
        self.pair_with(user, address, kind, false)
    }

    /// As [`Self::pair`], for a phone that may lock the store.
    pub fn pair_admin(
        &self,
        user: UserId,
        address: SocketAddr,
        kind: KeyKind,
    ) -> Result<PhoneFile, BenchError> {
        self.pair_with(user, address, kind, true)
    }

    fn pair_with(
        &self,
        user: UserId,
        address: SocketAddr,
        kind: KeyKind,
        admin: bool,
    ) -> Result<PhoneFile, BenchError> {
        let host = address.ip().to_string();
        let port = address.port();
        let wish = WindowWish { host, port, lifetime_ms: None, typed: false, admin, recovery: None };
        let invitation =
            self.runtime.pairing().open(user, wish, self.runtime.clocks().lasting_ms()).map_err(broken)?;
        let code = Code::Scanned(QrCode::parse(&invitation.qr).map_err(broken)?);
        let keys = PhoneKeys::random(kind).map_err(broken)?;
        let name = DeviceName::new("bench").map_err(broken)?;
        let (show, shown) = oneshot::channel();
        let pairing = self.tokio.spawn(phone::pair(code, keys, name, Platform::Android, |_| {
            // Both ends belong to this program: there is no third party that comparing could reveal.
            let _ = show.send(());
        }));
        if self.tokio.block_on(shown).is_ok() {
            let answered = self.runtime.pairing().answer(
                user,
                invitation.window,
                true,
                self.runtime.clocks().lasting_ms(),
            );
            answered.map_err(broken)?;
        }
        self.tokio.block_on(pairing).map_err(broken)?.map_err(broken)
    }

    /// Ends the runtimes' threads.
    pub fn shutdown(self) {
        self.runtime.shutdown();
        self.tokio.shutdown_background();
    }
}

/// A new key that no device uses.
pub(super) fn key(kind: KeyKind) -> Result<handshake::keys::SigningKey, BenchError> {
    handshake::keys::SigningKey::generate(kind, &SystemRandom::new()).map_err(broken)
}
