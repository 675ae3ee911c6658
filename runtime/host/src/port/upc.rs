//! Bodies and answers of the paths below `/.upc/`.

use std::time::Duration;

use bytes::Bytes;
use handshake::body::BODY_BYTES_MAX;
use handshake::error::Code;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Time for a whole body.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// A body of at most 16 KiB. It may contain a key, and is wiped.
pub(super) type SmallBody = Zeroizing<Vec<u8>>;

/// Reads a body within its limits.
///
/// # Errors
/// [`Code::Malformed`].
pub(super) async fn read_body(body: Incoming) -> Result<SmallBody, Code> {
    let whole = timeout(BODY_WAIT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let whole = whole.map_err(|_| Code::Malformed)?.map_err(|_| Code::Malformed)?;
    Ok(Zeroizing::new(whole.to_bytes().to_vec()))
}

/// How long to wait before the next attempt, s, where another attempt helps.
fn retry_s(code: Code) -> Option<u32> {
    match code {
        Code::RateLimited => Some(60),
        Code::Starting => Some(5),
        _ => None,
    }
}

/// The answer, or the code and nothing more.
pub(super) fn response(outcome: Result<SmallBody, Code>) -> Response<Full<Bytes>> {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, Bytes::copy_from_slice(&body)),
        Err(code) => refusal(code),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal's status and its body.
pub(super) fn refusal(code: Code) -> (StatusCode, Bytes) {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::FORBIDDEN);
    let body = serde_json::to_vec(&code.body(retry_s(code))).unwrap_or_default();
    (status, Bytes::from(body))
}
