//! Answers that refuse a request: a status, a short code for programs, a sentence for a phone's developer.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use runtime_user::BadHead;
use serde_json::json;

use super::pace::Rate;
use super::scan::BadBody;

/// Why a request is refused. Its message goes to the caller, so it contains no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct Refusal {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// The code for programs, such as `unknown-token`.
    pub code: Cow<'static, str>,
    /// The sentence for people.
    pub message: Cow<'static, str>,
    /// When to try again, s.
    pub retry_after_s: Option<u32>,
    /// The methods that the route supports, where the method was wrong.
    pub allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal without further headers.
    pub fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), retry_after_s: None, allow: None }
    }

    /// The same with the advice to try again later.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The path is not a route of this host.
    pub fn unknown_route() -> Self {
        let message = "no such route: docs/operator.md lists them in the section \"Routes\"; a base URL that ends in / may be followed by another /";
        Self::new(404, "unknown-route", message)
    }

    /// The route supports other methods.
    pub fn wrong_method(allow: &'static str) -> Self {
        let message = format!("this route takes {allow} alone");
        Self { allow: Some(allow), ..Self::new(405, "wrong-method", message) }
    }

    /// The request does not say who is calling.
    pub fn no_user() -> Self {
        let message = "say who is calling: a member `user` with the token in the body, or `Authorization: Bearer TOKEN`";
        Self::new(401, "no-user", message)
    }

    /// The token belongs to no person.
    pub fn unknown_token() -> Self {
        let message = "nobody here has that token: the owner of the host makes one with `cellar user add`, and may have revoked this one";
        Self::new(403, "unknown-token", message)
    }

    /// Too many bad tokens came from this source; `wait_ms` until the next one is checked.
    pub fn too_many_tokens(wait_ms: u64) -> Self {
        let message = "too many tokens that are nobody's were shown: nothing was stored, send it again later";
        let seconds = u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        Self::new(429, "too-many-tokens", message).retry_after(seconds)
    }

    /// A path of a receiver that leads nowhere, or no longer.
    pub fn unknown_receiver() -> Self {
        let message = "nothing receives at this address: nothing was stored; `cellar receiver add` makes another address";
        Self::new(404, "unknown-receiver", message)
    }

    /// As for a token, in the words for a receiver.
    pub(super) fn of_receiver(self) -> Self {
        if self.status == 403 { Self::unknown_receiver() } else { self }
    }

    /// Too many requests came of one receiver; `wait_ms` until the next one is accepted.
    pub fn receiver_too_often(wait_ms: u64) -> Self {
        let message = "too many requests of this device: nothing was stored, send it again later";
        let seconds = u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        Self::new(429, "receiver-too-often", message).retry_after(seconds)
    }

    /// The request names another host than the connection.
    pub fn wrong_authority() -> Self {
        let message = "the request names another host than the connection: open one for that host";
        Self::new(421, "wrong-authority", message)
    }

    /// The header and the body name two different tokens.
    pub fn two_users() -> Self {
        Self::new(403, "two-users", "the Authorization header and the body's `user` are different people's")
    }

    /// The body is over the limit.
    pub fn too_large(limit_bytes: u64) -> Self {
        let message =
            format!("the body is over the limit of {limit_bytes} bytes: send it in several requests");
        Self::new(413, "body-too-large", message)
    }

    /// The body is compressed.
    pub fn encoded() -> Self {
        Self::new(415, "content-encoding", "send the body as it is, without a Content-Encoding")
    }

    /// The body arrived more slowly than the slowest permitted rate; `arrived_bytes` of it had arrived.
    pub fn slow_body(rate: Rate, arrived_bytes: u64) -> Self {
        let Rate { bytes_per_s_min, window_ms } = rate;
        let message = format!(
            "the body came at less than {bytes_per_s_min} bytes a second over {window_ms} ms ({arrived_bytes} bytes had come): nothing was stored, send it again"
        );
        Self::new(408, "slow-body", message)
    }

    /// No byte of the body arrived for `limit_ms`; `arrived_bytes` of it had arrived.
    pub fn paused_body(limit_ms: u64, arrived_bytes: u64) -> Self {
        let message = format!(
            "nothing came of the body for {limit_ms} ms ({arrived_bytes} bytes had come): nothing was stored, send it again"
        );
        Self::new(408, "slow-body", message)
    }

    /// The body had not shown within `limit_ms` whose it is.
    pub fn slow_token(limit_ms: u64) -> Self {
        let message = format!(
            "the body did not say within {limit_ms} ms who is calling: nothing was stored, send `user` first in the body, or `Authorization: Bearer TOKEN`"
        );
        Self::new(408, "slow-token", message)
    }

    /// The body had not shown within `limit_bytes` whose it is.
    pub fn late_token(limit_bytes: u64) -> Self {
        let message = format!(
            "the first {limit_bytes} bytes of the body do not say who is calling: nothing was stored, send `user` first in the body, or `Authorization: Bearer TOKEN`"
        );
        Self::new(413, "late-token", message)
    }

    /// The body broke off.
    pub fn broken_body() -> Self {
        Self::new(
            400,
            "broken-body",
            "the body ended before its length, or is wrongly chunked: nothing was stored",
        )
    }

    /// The head of a request for a cell is too long.
    pub fn bad_head(bad: &BadHead) -> Self {
        let (status, code) = match bad {
            BadHead::LongQuery { .. } => (414, "query-too-long"),
            _ => (431, "header-too-long"),
        };
        Self::new(status, code, bad.to_string())
    }

    /// The host is at its limit for now.
    pub fn overloaded() -> Self {
        let message = "the host has no room for this body now: nothing was stored, send it again later";
        Self::new(503, "overloaded", message).retry_after(5)
    }
}

impl From<BadBody> for Refusal {
    fn from(bad: BadBody) -> Self {
        Self::new(400, "bad-json", bad.to_string())
    }
}

/// Headers of every answer: caches keep nothing of it, and browsers do not guess its type.
pub(super) fn response(status: StatusCode, content_type: &str) -> hyper::http::response::Builder {
    let content_type = HeaderValue::from_str(content_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// The refusal's headers and its JSON body.
pub(crate) fn parts(refusal: &Refusal) -> (hyper::http::response::Builder, Bytes) {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = response(status, "application/json");
    if let Some(seconds) = refusal.retry_after_s {
        builder = builder.header(header::RETRY_AFTER, seconds);
    }
    if let Some(allow) = refusal.allow {
        builder = builder.header(header::ALLOW, allow);
    }
    let body = json!({ "error": { "code": refusal.code, "message": refusal.message } });
    (builder, Bytes::from(body.to_string()))
}
