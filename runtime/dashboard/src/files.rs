//! Answers to requests for the page's files.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use runtime_map::TileServer;

use crate::assets::{self, Asset};
use crate::headers;

/// The answer to a browser that asks for a file of the page with these headers, with all headers that protect the page;
/// `None`: there is no such file. `tiles`: the tile server that the owner has allowed. For a host that serves the page at a
/// person's own name.
pub fn page_file(path: &str, asked: &HeaderMap, tiles: Option<&TileServer>) -> Option<Response<Bytes>> {
    let mut answer = answer(path, asked, tiles)?;
    headers::add(answer.headers_mut());
    Some(answer)
}

/// The same without those headers, but for the policy where it differs.
pub(crate) fn answer(path: &str, asked: &HeaderMap, tiles: Option<&TileServer>) -> Option<Response<Bytes>> {
    let asset = assets::find(path)?;
    if let Some(tiles) = tiles.filter(|_| asset.is_page()) {
        return Some(allowing(asset, tiles));
    }
    let packed = asset.packed.filter(|_| takes_gzip(asked));
    let tag = tag_of(asset, packed.is_some());
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let mut answer = Response::new(match (known, packed) {
        (true, _) => Bytes::new(),
        (false, packed) => Bytes::from_static(packed.unwrap_or(asset.plain)),
    });
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let keep = if asset.is_immutable() { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if packed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(answer)
}

/// The page itself with another policy. A browser keeps nothing of it: what it kept would be the same text with the policy
/// of another day.
fn allowing(asset: &Asset, tiles: &TileServer) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(asset.plain));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers::allow(headers, tiles);
    answer
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let all = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.trim().split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.next() != Some("q=0")
    })
}

/// A tag of the content, and of its coding.
fn tag_of(asset: &Asset, packed: bool) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, asset.plain);
    let digits = data_encoding::BASE64URL_NOPAD.encode(&digest.as_ref()[..12]);
    format!("\"{digits}{}\"", if packed { "-gzip" } else { "" })
}
