//! The connection string: the address of a host, the token to show, and the key to expect.

use std::fmt;
use std::str::FromStr;

use handshake::token::{BadToken, Token};

use runtime_wire::tls::{BadPin, Pin};

/// Everything a phone needs: `cellar://HOST:PORT/?token=TOKEN&pin=PIN`. Holds the token, so `Debug` prints none of it.
pub struct Connect {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who is calling.
    pub token: Token,
    /// SHA-256 of the host's public key.
    pub pin: Pin,
}

/// Why a text is not a connection string. The message contains nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadConnect {
    /// It has another form.
    #[error("a connection string is cellar://HOST:PORT/?token=TOKEN&pin=PIN")]
    Form,
    /// Its port is not valid.
    #[error("the port of the connection string is no number from 1 to 65535")]
    Port,
    /// Its token is not valid.
    #[error("the token of the connection string does not read")]
    Token(#[source] BadToken),
    /// Its pin is not valid.
    #[error("the pin of the connection string does not read")]
    Pin(#[source] BadPin),
}

impl Connect {
    /// The text, for the one moment in which it is shown or stored in a phone's own file. Never log it.
    pub fn reveal(&self) -> String {
        format!("cellar://{}/?token={}&pin={}", self.authority(), self.token.reveal(), self.pin)
    }

    /// `HOST:PORT`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connect({})", self.authority())
    }
}

impl FromStr for Connect {
    type Err = BadConnect;

    fn from_str(text: &str) -> Result<Self, BadConnect> {
        let rest = text.trim().strip_prefix("cellar://").ok_or(BadConnect::Form)?;
        let (authority, query) = rest.split_once('?').ok_or(BadConnect::Form)?;
        let (host, port) = authority.trim_end_matches('/').rsplit_once(':').ok_or(BadConnect::Form)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['/', '@', '[', ']']) {
            return Err(BadConnect::Form);
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(BadConnect::Port)?;
        let (mut token, mut pin) = (None, None);
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("token", value)) => token = Some(Token::parse(value).map_err(BadConnect::Token)?),
                Some(("pin", value)) => pin = Some(value.parse().map_err(BadConnect::Pin)?),
                _ => {}
            }
        }
        let (token, pin) = token.zip(pin).ok_or(BadConnect::Form)?;
        Ok(Self { host: host.to_owned(), port, token, pin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn it_reads_what_it_prints() {
        for host in ["host.example", "127.0.0.1", "[::1]"] {
            let text = format!("cellar://{host}:8443/?token={}&pin={PIN}", "7".repeat(38));
            let connect: Connect = text.parse().expect("sound");
            assert_eq!(connect.reveal(), text);
            assert!(!format!("{connect:?}").contains("777"));
        }
    }

    #[test]
    fn what_is_none_is_refused_without_showing_the_token() {
        let token = "7".repeat(38);
        let table = [
            (String::new(), BadConnect::Form),
            (format!("https://h:1/?token={token}&pin={PIN}"), BadConnect::Form),
            (format!("cellar://h/?token={token}&pin={PIN}"), BadConnect::Form),
            (format!("cellar://h:0/?token={token}&pin={PIN}"), BadConnect::Port),
            (format!("cellar://h:1/?token={token}"), BadConnect::Form),
            (format!("cellar://h:1/?token={token}&pin=ab"), BadConnect::Pin(BadPin)),
            (format!("cellar://h:1/?token=777&pin={PIN}"), BadConnect::Token(BadToken::Length { chars: 3 })),
        ];
        for (text, want) in table {
            let error = text.parse::<Connect>().err();
            assert_eq!(error, Some(want), "{text}");
        }
    }
}
