//! Answers with the headers that each of them has.

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use runtime_user::Taken;
use serde::Serialize;

use crate::http::Refusal;
use crate::http::page::Shown;
use crate::http::refusal::parts;

/// An answer to a call is data: nothing loads, runs or frames it, and no other page reads it.
const OF_CALLS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
/// A browser that has once seen a valid certificate here asks for one for half a year, without a button to go on.
const ONLY_TLS: &str = "max-age=15552000";

fn protect(headers: &mut HeaderMap) {
    for (name, value) in OF_CALLS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
}

/// A file, with the headers that it came with.
pub(super) fn file(mut response: Response<Bytes>) -> Shown {
    protect(response.headers_mut());
    Shown { response, taken: None }
}

/// A part of the map, with the headers that it came with, whose memory may be counted.
pub(super) fn part(response: Response<Bytes>, taken: Option<Taken>) -> Shown {
    Shown { taken, ..file(response) }
}

/// JSON whose memory may be counted.
pub(super) fn counted(body: Bytes, taken: Option<Taken>) -> Shown {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    protect(headers);
    Shown { response, taken }
}

/// JSON.
pub(super) fn json(value: &impl Serialize) -> Result<Shown, Refusal> {
    let body =
        serde_json::to_vec(value).map_err(|_| Refusal::new(500, "no-answer", "the answer is no JSON"))?;
    Ok(counted(body.into(), None))
}

/// The same answer with a cookie.
pub(super) fn with_cookie(mut shown: Shown, cookie: &str) -> Result<Shown, Refusal> {
    let cookie = HeaderValue::from_str(cookie);
    let cookie = cookie.map_err(|_| Refusal::new(500, "no-answer", "the cookie is no header"))?;
    shown.response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(shown)
}

/// A refusal.
pub(super) fn refused(refusal: &Refusal) -> Shown {
    let (builder, body) = parts(refusal);
    let mut response = builder.body(body).unwrap_or_else(|_| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    protect(response.headers_mut());
    Shown { response, taken: None }
}
