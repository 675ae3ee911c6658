//! What a request has to show before anything else is looked at: that it names this host, and that this page sent it.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request};

use crate::http::Refusal;
use crate::http::service::names_host;

/// Who made a browser send a request, as the browser says.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request names the host of its connection, once, and no other.
pub(super) fn check_host<B>(request: &Request<B>, name: &str) -> Result<(), Refusal> {
    let one = request.headers().get_all(header::HOST).iter().count() <= 1;
    let named = one && names_host(request.uri(), request.headers(), name);
    if named { Ok(()) } else { Err(Refusal::wrong_authority()) }
}

/// The origin of a call of this page: `https://` and what `Host` names. A page of another name, port or scheme has
/// another one, a page without an origin says `null`, and no page can choose what its browser says.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<String, Refusal> {
    let refused = || Refusal::new(403, "wrong-origin", "only the page of this host name may call");
    let host = only(headers, &header::HOST).ok_or_else(refused)?;
    let origin = only(headers, &header::ORIGIN).ok_or_else(refused)?;
    let expected = format!("https://{}", host.to_str().map_err(|_| refused())?.to_ascii_lowercase());
    let same_site = headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin");
    let is_json = only(headers, &header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if origin.as_bytes() == expected.as_bytes() && same_site && is_json {
        Ok(expected)
    } else {
        Err(refused())
    }
}

/// A request without a body of this page: it names an origin with those of other pages alone.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let same_site = headers.get_all(FETCH_SITE).iter().all(|site| site == "same-origin");
    if same_site && !headers.contains_key(header::ORIGIN) {
        Ok(())
    } else {
        Err(Refusal::new(403, "wrong-origin", "only the page of this host name may call"))
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_none() { Some(first) } else { None }
}

/// All values of the cookie with that name. A page of a sibling name cannot set one that begins with `__Host-`; whatever
/// else stands beside the right one shuts nobody out.
pub(super) fn cookies<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';'))
        .filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
        .take(COOKIES_MAX)
}

/// Values of one cookie that are compared.
const COOKIES_MAX: usize = 8;

/// A cookie that this host name alone gets, over TLS alone, of which no script knows; `seconds`: how long, `None`: until
/// the browser ends.
pub(super) fn set_cookie(name: &str, value: &str, seconds: Option<u64>) -> String {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}")
}
