//! The headers that every answer has.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use runtime_map::TileServer;

/// What the page may load and do: its own files and calls, nothing of anybody else, no script or style within its text,
/// and no text turned into elements but by the library that draws the page, nor into the address of a script but that of
/// the map's worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; worker-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types svelte-trusted-html default";
/// What stands in it for the calls that the page may make.
const CALLS: &str = "connect-src 'self'";

const ALL: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
    ),
];

/// Lets the page ask that tile server, too.
pub(crate) fn allow(headers: &mut HeaderMap, tiles: &TileServer) {
    let policy = POLICY.replace(CALLS, &format!("{CALLS} {tiles}"));
    // The origin of a tile server has no character that a header may not have.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Adds them. What is not told to be cached otherwise is not stored.
pub(crate) fn add(headers: &mut HeaderMap) {
    for (name, value) in ALL {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
