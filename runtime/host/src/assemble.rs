//! The one way to assemble a host: `cellar serve`, the demonstration, benchmarks and tests all use it.
//!
//! Assembly has two steps, since a program may have things to do between them: [`open_runtime`] opens all people's
//! runtimes over a data folder, and [`Host::bind`] opens the port in front of them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use runtime_acme::Certificates;
use runtime_user::{Runtime, StartError};
use rustls::ServerConfig;

use crate::config::{Config, ConfigError};
use crate::http::receivers::ReceiverRates;
use crate::http::{App, Budget, Server};
use crate::port::{PageFiles, PortFront, PortParts};

/// Why no runtime was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The stage list of the configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The runtime does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Opens all people's runtimes over a data folder, with the built-in cells. This process must hold the folder's lock
/// ([`crate::admin::claim`]). Reads the disk.
///
/// # Errors
/// [`OpenError`].
pub fn open_runtime(config: &Config, data: &Path) -> Result<Arc<Runtime>, OpenError> {
    Ok(Runtime::open(config.runtime(data)?, runtime_cells::BUILT_IN)?)
}

/// A host whose port is open: connections queue in the operating system until it serves.
pub struct Host {
    front: PortFront,
    server: Server<PortFront>,
    app: Arc<App<Arc<Runtime>>>,
    address: SocketAddr,
}

impl Host {
    /// Opens the port that the configuration names. `legacy` is the TLS configuration of the front for phones that
    /// cannot pair; `None`: that front is closed.
    ///
    /// # Errors
    /// The error of the operating system: the address is in use, or is not one of this machine.
    pub async fn bind(
        config: &Config,
        runtime: &Arc<Runtime>,
        legacy: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let budget = Budget::new(config.limits.bodies_bytes_max, config.limits.anonymous_bytes_max);
        let (limits, receivers) = (config.bodies(), ReceiverRates::default());
        let app = Arc::new(App { backend: Arc::clone(runtime), limits, budget, receivers });
        let front = PortFront::new(PortParts {
            runtime: Arc::clone(runtime),
            host: config.public_host(),
            legacy,
            gateways: config.gateway.trusted.clone(),
            native: Arc::new(config.native(Arc::clone(&app))),
            limits: config.server(),
        });
        let server = Server::bind(config.listen, front.clone(), config.server()).await?;
        let address = server.address()?;
        front.tell_address(config.phones_reach(address));
        Ok(Self { front, server, app, address })
    }

    /// The address that it listens at; where the configuration has port 0, the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves these files of the owner's page at people's own names.
    #[must_use]
    pub fn with_page(self, files: PageFiles) -> Self {
        self.front.bring_page(files);
        self
    }

    /// Takes certificates for people's own names from there.
    #[must_use]
    pub fn with_certificates(self, certificates: Arc<Certificates>) -> Self {
        self.front.certify(certificates);
        self
    }

    /// The front that greets callers; its certificate can be replaced while the host serves.
    pub fn front(&self) -> PortFront {
        self.front.clone()
    }

    /// Serves until `stop` resolves, then lets the requests that are under way end within the grace period.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let front = self.front.clone();
        let keeping = tokio::spawn(async move { front.keep_certificates().await });
        self.server.serve(self.app, stop).await;
        keeping.abort();
        // An order that was under way is dropped before the folder is released.
        let _ = keeping.await;
    }
}
