//! A tile server that the owner has allowed: its origin, as it stands in the policy of the page.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of a host.
const HOST_BYTES_MAX: usize = 253;
/// Hosts that a browser reaches without TLS: they are this machine.
const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// The origin of a tile server: `https://`, a host of lower-case letters, digits, dots and hyphens, and perhaps a port. It
/// has no character that means something in a header or in a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TileServer(String);

/// What the page says when its owner allows a tile server, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The origin.
    pub origin: Option<TileServer>,
}

/// What is no origin of a tile server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tile server is `https://HOST` or `https://HOST:PORT`; without TLS it may only be on this machine")]
pub struct BadTileServer;

impl TileServer {
    /// The origin.
    pub fn origin(&self) -> &str {
        &self.0
    }
}

impl FromStr for TileServer {
    type Err = BadTileServer;

    fn from_str(text: &str) -> Result<Self, BadTileServer> {
        let (scheme, rest) = text.split_once("://").ok_or(BadTileServer)?;
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        };
        let is_reached = scheme == "https" || (scheme == "http" && LOCAL.contains(&host));
        let is_host = host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label);
        if is_reached && is_host && port.is_none_or(is_port) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadTileServer)
        }
    }
}

impl TryFrom<String> for TileServer {
    type Error = BadTileServer;

    fn try_from(text: String) -> Result<Self, BadTileServer> {
        text.parse()
    }
}

impl From<TileServer> for String {
    fn from(server: TileServer) -> Self {
        server.0
    }
}

impl fmt::Display for TileServer {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(is_known) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_port(port: &str) -> bool {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    is_number && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attack_173_nothing_but_one_origin_can_be_allowed() {
        for known in [
            "https://tile.example.org",
            "https://a.b-c.example.org:8443",
            "https://192.0.2.7",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(known.parse::<TileServer>().expect(known).origin(), known);
        }
        for bad in [
            "",
            "https://",
            "https://*",
            "https://*.example.org",
            "https:",
            "*",
            "'unsafe-inline'",
            "data:",
            "blob:",
            "http://tile.example.org",
            "http://localhost.example.org",
            "wss://tile.example.org",
            "https://tile.example.org/",
            "https://tile.example.org/path",
            "https://tile.example.org 'unsafe-inline'",
            "https://tile.example.org; script-src *",
            "https://tile.example.org,https://b.example.org",
            "https://tile.example.org\r\nset-cookie: a=b",
            "https://user@tile.example.org",
            "https://Tile.example.org",
            "https://tile..example.org",
            "https://.example.org",
            "https://tile.example.org.",
            "https://-tile.example.org",
            "https://tile-.example.org",
            "https://tile.example.org:",
            "https://tile.example.org:0",
            "https://tile.example.org:080",
            "https://tile.example.org:65536",
            "https://tile.example.org:443:443",
            "https://tile.example.org:*",
            "https://[::1]",
            "https://tïle.example.org",
            &format!("https://{}", "a".repeat(254)),
        ] {
            assert_eq!(bad.parse::<TileServer>(), Err(BadTileServer), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_allowed_has_no_character_of_a_policy(text in "(https|http)://[ -~]{1,40}") {
            if let Ok(server) = text.parse::<TileServer>() {
                let rest = server.origin().split_once("://").map_or("", |(_, rest)| rest);
                prop_assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte)));
            }
        }
    }
}
