//! The three requests of a pairing, on one connection: `/.upc/pair/1/hello`, `proof` and `enrol`.
//!
//! * Invariants: the end of every connection is reported to its window; a request that is none of the three changes
//!   nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use handshake::body;
use handshake::error::Code;
use handshake::pairing::{APPROVAL_MS, Channel, ConnectionId, Enrol, Hello, LIFETIME_MS_RANGE, Proof};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime_user::{Runtime, UserId};
use serde::Serialize;
use tokio::time::timeout;

use super::upc::{self, SmallBody};
use crate::http::server::{Encrypted, Stopped};
use crate::http::service::told;

/// Longest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Time for the head of a request.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// Long enough for the slowest owner: the longest lifetime of a window plus twice the time for an approval.
const CONNECTION_MAX: Duration = Duration::from_millis(*LIFETIME_MS_RANGE.end() + 2 * APPROVAL_MS);

/// The next number of a connection; numbers are unique for the life of the process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// A number that no other connection has.
pub(super) fn next_connection() -> ConnectionId {
    ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed))
}

struct Pairing {
    runtime: Arc<Runtime>,
    user: UserId,
    channel: Channel,
}

impl Drop for Pairing {
    fn drop(&mut self) {
        let (runtime, user, connection) = (Arc::clone(&self.runtime), self.user, self.channel.connection);
        // This may wait for the disk; nothing waits for its result.
        tokio::task::spawn_blocking(move || {
            runtime.pairing().connection_lost(user, connection, runtime.clocks().lasting_ms())
        });
    }
}

/// Serves a pairing connection to its end.
pub(super) async fn serve(
    encrypted: Encrypted,
    runtime: Arc<Runtime>,
    user: UserId,
    channel: Channel,
    mut stopped: Stopped,
) {
    let pairing = Arc::new(Pairing { runtime, user, channel });
    let service = service_fn(move |request| {
        let pairing = Arc::clone(&pairing);
        async move { Ok::<_, Infallible>(answer(&pairing, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(encrypted), service);
    tokio::select! {
        ended = timeout(CONNECTION_MAX, connection) => {
            if let Ok(Err(error)) = ended {
                tracing::debug!(%error, "pairing connection ended");
            }
        }
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn answer(pairing: &Pairing, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let outcome = match (request.method(), path.strip_prefix("/.upc/pair/1/")) {
        (&Method::POST, Some(step @ ("hello" | "proof" | "enrol"))) => {
            let body = upc::read_body(request.into_body()).await;
            match body {
                Ok(body) => pairing.step(step, &body).await,
                Err(code) => Err(code),
            }
        }
        _ => Err(Code::Malformed),
    };
    if let Err(code) = outcome {
        tracing::info!(user = %pairing.user.short(), %code, "pairing step refused");
    }
    upc::response(outcome)
}

impl Pairing {
    async fn step(&self, step: &str, body: &SmallBody) -> Result<SmallBody, Code> {
        let (runtime, user, now_ms) =
            (Arc::clone(&self.runtime), self.user, self.runtime.clocks().lasting_ms());
        let connection = self.channel.connection;
        match step {
            "hello" => {
                let (hello, channel): (Hello, _) = (body::read(body)?, self.channel.clone());
                let said = move || runtime.pairing().hello(user, channel, &hello, now_ms);
                json(&told(self.runtime.turns().run_for_strangers(user, said).await)?)
            }
            "proof" => {
                let proof: Proof = body::read(body)?;
                let shown = move || runtime.pairing().proof(user, connection, &proof, now_ms);
                json(&told(self.runtime.turns().run_for_strangers(user, shown).await)?)
            }
            _ => {
                let enrol: Enrol = body::read(body)?;
                json(&runtime.pairing().enrol(user, connection, enrol).await?)
            }
        }
    }
}

/// An answer as JSON.
pub(super) fn json(answer: &impl Serialize) -> Result<SmallBody, Code> {
    serde_json::to_vec(answer).map(SmallBody::from).map_err(|_| Code::Starting)
}
