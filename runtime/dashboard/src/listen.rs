//! A port on the loopback, on both of its addresses.
//!
//! A browser that is told `localhost` tries `::1` and `127.0.0.1`. If only one of them were ours, another user of the
//! machine could take the other one, and would be handed the code of the link.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::net::TcpListener;

/// How many ports are tried.
const TRIES: usize = 32;

/// No port is free on both addresses of the loopback.
#[derive(Debug, thiserror::Error)]
#[error("no port of this machine is free on the loopback")]
pub struct NoPort(#[source] io::Error);

/// The sockets.
pub struct Listening {
    pub(crate) sockets: Vec<TcpListener>,
    port: u16,
}

impl Listening {
    /// Listens at a port on both addresses; 0: at any that is free.
    ///
    /// # Errors
    /// [`NoPort`].
    pub async fn at(port: u16) -> Result<Self, NoPort> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..if port == 0 { TRIES } else { 1 } {
            match both(port).await {
                Ok(listening) => return Ok(listening),
                Err(error) => last = error,
            }
        }
        Err(NoPort(last))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn both(port: u16) -> io::Result<Listening> {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = four.local_addr()?.port();
    let six = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(six) => Some(six),
        // Somebody has it, so that a browser might be theirs.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // This machine has no IPv6, so nobody can be there.
        Err(_) => None,
    };
    Ok(Listening { sockets: std::iter::once(four).chain(six).collect(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attack_188_a_port_whose_other_address_somebody_holds_is_not_used() {
        let Ok(theirs) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            #[allow(clippy::print_stdout, reason = "a test that is left out says so")]
            {
                println!("SKIPPED: this machine has no IPv6 on its loopback");
            }
            return;
        };
        let port = theirs.local_addr().expect("bound").port();
        assert!(Listening::at(port).await.is_err());
        let ours = Listening::at(0).await.expect("another port");
        assert_ne!(ours.port(), port);
        assert_eq!(ours.sockets.len(), 2);
        for socket in &ours.sockets {
            assert!(socket.local_addr().expect("bound").ip().is_loopback());
        }
    }
}
