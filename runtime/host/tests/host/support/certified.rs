//! A host whose names get certificates from the test's server, and browsers that know its authority alone.

use std::sync::Arc;
use std::time::Duration;

use handshake::encoding::server_name;
use runtime_acme::{Certificates, Pace, Settings, Status};
use runtime_host::acme::ACME_FOLDER;
use runtime_host::http::service::epoch_ms;
use runtime_user::UserId;
use runtime_wire::tls::provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::acme::Acme;
use super::cloud::{Cloud, Wish, start_with};
use super::sockets::named;

/// The name of the host, below which people's names are.
pub const HOST: &str = "host.example";

pub struct Certified {
    pub cloud: Cloud,
    pub certificates: Arc<Certificates>,
    keeping: JoinHandle<()>,
}

/// Pauses that a test can wait for.
pub fn pace() -> Pace {
    Pace {
        look: Duration::from_millis(20),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(100),
        issued_pause: Duration::ZERO,
        orders_per_hour: 10_000,
        order: Duration::from_secs(30),
        request: Duration::from_secs(10),
        poll: Duration::from_millis(5),
        first_wait: Duration::from_secs(8),
    }
}

/// A host in that folder, or in a new one.
pub async fn begin(acme: &Acme, folder: Option<Arc<tempfile::TempDir>>, pace: Pace) -> Certified {
    let mut wish = Wish { folder, ..Wish::default() };
    wish.config.public_address = Some(format!("{HOST}:443"));
    let cloud = start_with(wish).await;
    acme.looks_at(cloud.address);
    let settings = Settings {
        directory: acme.directory(),
        contact: vec!["mailto:operator@host.example".to_owned()],
        roots: Some(acme.roots()),
        folder: cloud.folder.path().join(ACME_FOLDER),
        pace,
    };
    let clock = Arc::new(|| Some(epoch_ms() / 1_000));
    let certificates = Arc::new(Certificates::new(settings, clock).expect("sound settings"));
    cloud.front.certify(Arc::clone(&certificates));
    let front = cloud.front.clone();
    let keeping = tokio::spawn(async move { front.keep_certificates().await });
    Certified { cloud, certificates, keeping }
}

impl Certified {
    pub fn name_of(&self, user: UserId) -> String {
        server_name(&self.cloud.runtime.owners().web_label(user).unwrap().to_string(), HOST)
    }

    /// The file with the person's certificate.
    pub fn file_of(&self, user: UserId) -> std::path::PathBuf {
        self.cloud.folder_of(user).join("web").join("acme.pem")
    }

    pub fn status(&self) -> Status {
        self.certificates.status()
    }

    /// Ends the host in the middle of whatever it does; the folder stays.
    pub async fn cut_off(self) -> Arc<tempfile::TempDir> {
        self.keeping.abort();
        let _ = self.keeping.await;
        self.cloud.stop().await
    }

    /// A browser at that name that knows the authority of what it is shown.
    #[track_caller]
    pub fn page(&self, acme: &Acme, name: &str) -> impl Future<Output = TlsStream<TcpStream>> {
        let browsing = self.browse(acme, name);
        async move {
            let opened = browsing.await;
            opened.unwrap_or_else(|error| panic!("{error}: {:?}", self.status()))
        }
    }

    /// The same, where the server holds the order for which that browser waits: it goes on to where it holds the next one.
    pub async fn first_page(&self, acme: &Acme, name: &str) -> TlsStream<TcpStream> {
        let held = async {
            acme.reached().await;
            acme.go();
        };
        tokio::join!(self.page(acme, name), held).0
    }

    /// A browser at that name; an error: it does not know the authority of what it is shown.
    pub async fn browse(&self, acme: &Acme, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        browse(self.cloud.address, acme, name).await
    }
}

pub async fn browse(
    port: std::net::SocketAddr,
    acme: &Acme,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(acme.authority().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let socket = TcpStream::connect(port).await?;
    TlsConnector::from(Arc::new(config)).connect(named(name), socket).await
}

/// The certificate of a connection.
pub fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Whether a connection answers; it stays open.
pub async fn answers(stream: &mut TlsStream<TcpStream>, name: &str) -> bool {
    let request = format!("GET /health HTTP/1.1\r\nhost: {name}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| *name == "content-length").expect("a length").1;
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
    head.starts_with("http/1.1 200 ")
}
