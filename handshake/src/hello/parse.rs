//! The content of a hello (RFC 8446, 4.1.2), once it is complete.

use super::{CertificateTypes, EXTENSIONS_MAX, Hello, PROTOCOLS_MAX, Refused};

const RANDOM_BYTES: usize = 32;
const SESSION_ID_BYTES_MAX: usize = 32;
const HOST_BYTES_MAX: usize = 253;
const HOST_PART_BYTES_MAX: usize = 63;
const VERSION_TLS13: [u8; 2] = [3, 4];
const TYPE_X509: u8 = 0;
const TYPE_RAW_KEY: u8 = 2;

mod extension {
    pub const SERVER_NAME: u16 = 0;
    pub const ALPN: u16 = 16;
    pub const CLIENT_CERTIFICATE_TYPE: u16 = 19;
    pub const SERVER_CERTIFICATE_TYPE: u16 = 20;
    pub const SUPPORTED_VERSIONS: u16 = 43;
}

pub(super) fn hello(body: &[u8]) -> Result<Hello, Refused> {
    let mut body = Bytes(body);
    body.take(2 + RANDOM_BYTES)?;
    if body.behind_u8()?.0.len() > SESSION_ID_BYTES_MAX {
        return Err(Refused::Length);
    }
    let suites = body.behind_u16()?.0.len();
    let compressions = body.behind_u8()?.0.len();
    if suites == 0 || !suites.is_multiple_of(2) || compressions == 0 {
        return Err(Refused::Length);
    }
    let mut hello = Hello::default();
    // Up to TLS 1.2 a hello may end here.
    if !body.is_empty() {
        let extensions = body.behind_u16()?;
        body.end()?;
        read_extensions(extensions, &mut hello)?;
    }
    Ok(hello)
}

fn read_extensions(mut bytes: Bytes<'_>, hello: &mut Hello) -> Result<(), Refused> {
    let mut kinds = Vec::new();
    while !bytes.is_empty() {
        if kinds.len() == EXTENSIONS_MAX {
            return Err(Refused::TooMany);
        }
        let kind = bytes.u16()?;
        kinds.push(kind);
        read_extension(kind, bytes.behind_u16()?, hello)?;
    }
    kinds.sort_unstable();
    match kinds.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Refused::DuplicateExtension { kind: pair[0] }),
        None => Ok(()),
    }
}

fn read_extension(kind: u16, mut bytes: Bytes<'_>, hello: &mut Hello) -> Result<(), Refused> {
    match kind {
        extension::SERVER_NAME => hello.server_name = Some(server_name(bytes.behind_u16()?)?),
        extension::ALPN => hello.alpn = protocols(bytes.behind_u16()?)?,
        extension::CLIENT_CERTIFICATE_TYPE => hello.client_certificate = types(bytes.behind_u8()?)?,
        extension::SERVER_CERTIFICATE_TYPE => hello.server_certificate = types(bytes.behind_u8()?)?,
        extension::SUPPORTED_VERSIONS => hello.supports_tls13 = offers_tls13(bytes.behind_u8()?)?,
        _ => return Ok(()),
    }
    bytes.end()
}

/// Exactly one name, of the only kind that there is (RFC 6066, 3).
fn server_name(mut list: Bytes<'_>) -> Result<String, Refused> {
    let kind = list.u8()?;
    let name = list.behind_u16()?.0;
    if kind != 0 || !list.is_empty() || !is_host(name) {
        return Err(Refused::ServerName);
    }
    Ok(String::from_utf8_lossy(name).to_ascii_lowercase())
}

fn is_host(name: &[u8]) -> bool {
    let part = |part: &[u8]| {
        (1..=HOST_PART_BYTES_MAX).contains(&part.len())
            && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !part.starts_with(b"-")
            && !part.ends_with(b"-")
    };
    name.len() <= HOST_BYTES_MAX && name.split(|byte| *byte == b'.').all(part)
}

fn protocols(mut list: Bytes<'_>) -> Result<Vec<Vec<u8>>, Refused> {
    let mut protocols = Vec::new();
    while !list.is_empty() {
        if protocols.len() == PROTOCOLS_MAX {
            return Err(Refused::TooMany);
        }
        let protocol = list.behind_u8()?.0;
        if protocol.is_empty() {
            return Err(Refused::Length);
        }
        protocols.push(protocol.to_vec());
    }
    if protocols.is_empty() { Err(Refused::Length) } else { Ok(protocols) }
}

fn types(list: Bytes<'_>) -> Result<CertificateTypes, Refused> {
    if list.is_empty() {
        return Err(Refused::Length);
    }
    Ok(CertificateTypes { x509: list.0.contains(&TYPE_X509), raw_key: list.0.contains(&TYPE_RAW_KEY) })
}

fn offers_tls13(list: Bytes<'_>) -> Result<bool, Refused> {
    if list.is_empty() || !list.0.len().is_multiple_of(2) {
        return Err(Refused::Length);
    }
    Ok(list.0.chunks_exact(2).any(|version| version == VERSION_TLS13))
}

/// Bytes that are read from the front; a missing byte gives [`Refused::Length`].
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Refused::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Refused> {
        self.take(1).map(|byte| byte[0])
    }

    fn u16(&mut self) -> Result<u16, Refused> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn behind_u8(&mut self) -> Result<Self, Refused> {
        let count = self.u8()?;
        self.take(count.into()).map(Self)
    }

    fn behind_u16(&mut self) -> Result<Self, Refused> {
        let count = self.u16()?;
        self.take(count.into()).map(Self)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Result<(), Refused> {
        if self.is_empty() { Ok(()) } else { Err(Refused::Length) }
    }
}
