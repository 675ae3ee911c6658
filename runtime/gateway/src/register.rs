//! The host's side of registering: it reports to a gateway which names lead to it, and each change of them.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lines::Lines;
use crate::messages::{Accepted, Answer, Challenge, Change, Changed, NAMES_PER_CHANGE_MAX, VERSION};
use crate::secret::{Exchange, GatewaySecret, Side, nonce};

/// Time for connecting, and for each answer of the gateway.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// A change is sent at least this often, even if it is empty, so that both sides see that the other is there.
const CHANGE_EVERY: Duration = Duration::from_secs(5);
/// Refused names are tried again after this: a host that comes back may be faster than the news that it had gone.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);
/// Pause between two attempts to connect: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// An open registration. Its names lead here until it is dropped, and a little longer.
pub struct Registration {
    lines: Lines<TcpStream>,
}

impl Registration {
    /// Registers a host whose callers are to be sent to `port`, at the address that it connects from.
    ///
    /// # Errors
    /// The error of the network; `PermissionDenied` where the other side does not know the secret.
    pub async fn open(to: SocketAddr, secret: &GatewaySecret, port: u16) -> io::Result<Self> {
        Self::over(TcpStream::connect(to).await?, secret, port).await
    }

    /// Like [`Self::open`], over an existing connection.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn over(socket: TcpStream, secret: &GatewaySecret, port: u16) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let mut lines = Lines::new(socket);
        let proving = async {
            let challenge: Challenge = lines.read().await?;
            if challenge.gateway != VERSION {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "a gateway of another version"));
            }
            let exchange = Exchange { gateway: challenge.nonce, host: nonce()?, port };
            let proof = secret.prove(Side::Host, &exchange);
            lines.write(&Answer { nonce: exchange.host, port, proof }).await?;
            let accepted: Accepted = lines.read().await?;
            if secret.is_proven(Side::Gateway, &exchange, &accepted.proof) {
                return Ok(());
            }
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "the gateway does not know the secret"))
        };
        answered(proving).await?;
        Ok(Self { lines })
    }

    /// Makes names lead here, and withdraws others. Returns the names to add that lead to another host, or that are not
    /// valid names. At most [`NAMES_PER_CHANGE_MAX`] of either.
    ///
    /// # Errors
    /// The error of the network: the registration is over.
    pub async fn change(&mut self, add: Vec<String>, withdraw: Vec<String>) -> io::Result<Vec<String>> {
        let exchange = async {
            self.lines.write(&Change { add, withdraw }).await?;
            self.lines.read::<Changed>().await
        };
        Ok(answered(exchange).await?.refused)
    }
}

async fn answered<T>(exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(ANSWER_WAIT, exchange).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// The names that lead to a host.
pub struct Names<F> {
    /// Returns all of them at this moment.
    pub all: F,
    /// Changes whenever the names do. The number itself has no meaning.
    pub changed: watch::Receiver<u64>,
}

/// Keeps a gateway informed of every name of this host, for ever. It tries again, with growing pauses, where a gateway
/// does not answer.
pub async fn keep_registered<F: Fn() -> Vec<String>>(
    mut names: Names<F>,
    to: SocketAddr,
    secret: GatewaySecret,
    port: u16,
) {
    let mut wait = RETRY.0;
    loop {
        let opened = answered(Registration::open(to, &secret, port)).await;
        let ended = match opened {
            Ok(registration) => {
                tracing::info!(gateway = %to, "registered");
                wait = RETRY.0;
                follow(registration, &mut names).await
            }
            Err(error) => error,
        };
        tracing::warn!(gateway = %to, error = %ended, "not registered");
        // The pause is random, so that hosts that lost their gateway at the same moment do not all come back at once.
        let spread = nonce().map_or(1.0, |nonce| 0.5 + f64::from(nonce.0[0]) / 256.0);
        tokio::time::sleep(wait.mul_f64(spread)).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Reports every change until the connection ends; returns the reason for its end.
async fn follow<F: Fn() -> Vec<String>>(mut registration: Registration, names: &mut Names<F>) -> io::Error {
    let mut told = HashSet::new();
    loop {
        names.changed.mark_unchanged();
        let wait = match tell(&mut registration, &mut told, (names.all)()).await {
            Ok(0) => CHANGE_EVERY,
            Ok(_) => REFUSED_AGAIN,
            Err(error) => return error,
        };
        tokio::select! {
            ended = registration.lines.has_ended() => {
                let kind = if ended { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
                return kind.into();
            }
            // Whichever comes first; the runtime outlives this task.
            _ = timeout(wait, names.changed.changed()) => {}
        }
    }
}

/// Reports what has changed; returns how many names lead to another host.
async fn tell(
    registration: &mut Registration,
    told: &mut HashSet<String>,
    names: Vec<String>,
) -> io::Result<usize> {
    let mut refused_count = 0;
    let names: HashSet<String> = names.into_iter().collect();
    let withdraw: Vec<String> = told.difference(&names).cloned().collect();
    let add: Vec<String> = names.difference(told).cloned().collect();
    for names in withdraw.chunks(NAMES_PER_CHANGE_MAX) {
        registration.change(Vec::new(), names.to_vec()).await?;
        names.iter().for_each(|name| {
            told.remove(name);
        });
    }
    for names in add.chunks(NAMES_PER_CHANGE_MAX) {
        let refused = registration.change(names.to_vec(), Vec::new()).await?;
        refused_count += refused.len();
        told.extend(names.iter().filter(|name| !refused.contains(name)).cloned());
    }
    if withdraw.is_empty() && add.is_empty() {
        registration.change(Vec::new(), Vec::new()).await?;
    }
    if refused_count > 0 {
        tracing::warn!(names = refused_count, "names lead to another host of the gateway");
    }
    Ok(refused_count)
}
