//! Proves to a server that gives certificates that this host answers for a name (tls-alpn-01, RFC 8737).
//!
//! * Invariants: only the name whose order is under way is proved, in full and as the settings have it; nothing is read
//!   from such a connection and nothing written to it.

use std::sync::Arc;
use std::time::Duration;

use handshake::hello::Hello;
use runtime_acme::{ALPN, Certificates};
use runtime_user::UserId;
use runtime_wire::peek::Rewound;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::front::ConnectionRefused;
use crate::http::server::Greeted;

/// How long the server may take to close.
const WAIT: Duration = Duration::from_secs(2);

/// Whose name a first message asks the proof of, and the configuration that gives it; `None`: it asks for none, or for
/// one that is not there.
pub(super) fn asked(
    certificates: Option<&Arc<Certificates>>,
    hello: &Hello,
) -> Option<(UserId, Arc<ServerConfig>)> {
    let [protocol] = hello.alpn.as_slice() else { return None };
    if protocol != ALPN {
        return None;
    }
    certificates?.challenge(hello.server_name.as_deref()?)
}

/// Shows the proof in the handshake, then ends the connection.
pub(super) async fn give(
    socket: Rewound<TcpStream>,
    config: Arc<ServerConfig>,
) -> Result<Greeted, ConnectionRefused> {
    let mut encrypted = TlsAcceptor::from(config).accept(socket).await?;
    if encrypted.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(ConnectionRefused::Protocol);
    }
    Ok(Greeted::Own(Box::new(move |_| {
        Box::pin(async move {
            // It may be gone already: it has seen what it came for.
            let _ = timeout(WAIT, encrypted.shutdown()).await;
        })
    })))
}
