//! The first message of a TLS client, read before anything is decided: which name it asks for, and what it supports.
//!
//! [`HelloReader`] accepts bytes as they arrive. Its answer depends only on the bytes and never on how they were split,
//! and it comes with the earliest byte that settles it. Each byte is read once on its way in and once when the message
//! is complete, so that a caller who sends one byte at a time costs the same as any other.
//!
//! * Limits: 16 KiB in all, record headers included, [`EXTENSIONS_MAX`] extensions, [`PROTOCOLS_MAX`] protocols.
//!   Memory is at most twice what has arrived.
//! * Invariants: all lengths in a [`Hello`] are valid and no extension occurs twice; its server name is lower-case and
//!   made of letters, digits, dots and inner dashes.
//! * Not here: how long a caller may take (decided at the port), and where a connection goes (see [`crate::route`]).

mod alert;
mod parse;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use alert::Alert;

/// Most bytes of a hello with its record headers; the hybrid hellos of today have 1,700.
pub const HELLO_BYTES_MAX: usize = 16 * 1024;
/// Most extensions of a hello; browsers send about 20.
pub const EXTENSIONS_MAX: usize = 128;
/// Most protocols that a hello may offer; browsers offer 2.
pub const PROTOCOLS_MAX: usize = 16;

const RECORD_HEADER_BYTES: usize = 5;
const RECORD_BYTES_MAX: usize = 1 << 14;
const MESSAGE_HEADER_BYTES: usize = 4;
const TYPE_ALERT: u8 = 21;
const TYPE_HANDSHAKE: u8 = 22;
const MESSAGE_CLIENT_HELLO: u8 = 1;

/// What routing needs to know about a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// Lower-case host name, at most 253 bytes; `None` where the client gives none.
    pub server_name: Option<String>,
    /// Protocols in the client's order, 1 to 255 bytes each; empty where the extension is absent.
    pub alpn: Vec<Vec<u8>>,
    /// The ways in which the client accepts the server's identity.
    pub server_certificate: CertificateTypes,
    /// The ways in which the client can prove its identity, if asked.
    pub client_certificate: CertificateTypes,
    /// Whether TLS 1.3 is among the versions offered.
    pub supports_tls13: bool,
}

/// The proofs of identity that the client can accept or give (RFC 7250).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateTypes {
    /// X.509 certificates; also the meaning of an absent extension.
    pub x509: bool,
    /// Bare public keys.
    pub raw_key: bool,
}

impl Default for CertificateTypes {
    fn default() -> Self {
        Self { x509: true, raw_key: false }
    }
}

/// Why the bytes are not a hello that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The first byte is an upper-case letter, as in every HTTP request.
    #[error("plain http in place of tls")]
    PlainHttp,
    /// The framing of SSL 2.
    #[error("a hello of ssl 2")]
    Sslv2,
    /// An alert before any handshake message.
    #[error("an alert in place of a hello")]
    AlertFirst,
    /// Bytes of another protocol.
    #[error("not tls")]
    NotTls,
    /// A handshake message of another kind, or none yet known.
    #[error("a handshake message of kind {kind} in place of a hello")]
    NotClientHello {
        /// The kind, as TLS numbers them.
        kind: u8,
    },
    /// Another kind of record in the middle of the hello (RFC 8446, 5.1).
    #[error("a record of another kind within a hello")]
    Interleaved,
    /// A record without bytes (RFC 8446, 5.1).
    #[error("an empty record within a hello")]
    EmptyRecord,
    /// More bytes than [`HELLO_BYTES_MAX`], or a length that announces them.
    #[error("a hello of more than {HELLO_BYTES_MAX} bytes")]
    TooLarge,
    /// The record has more bytes than the hello.
    #[error("a record that does not end with the hello")]
    Unaligned,
    /// A length that leaves bytes over or exceeds its container, or an empty list that must not be empty.
    #[error("a length within the hello is wrong")]
    Length,
    /// The same extension twice.
    #[error("extension {kind} twice in a hello")]
    DuplicateExtension {
        /// The extension, as TLS numbers them.
        kind: u16,
    },
    /// More than [`EXTENSIONS_MAX`] extensions or [`PROTOCOLS_MAX`] protocols.
    #[error("a hello with too many extensions or protocols")]
    TooMany,
    /// A server name that is no host name, or several.
    #[error("the server name is no host name")]
    ServerName,
}

impl Refused {
    /// The alert to send before closing. `None`: no alert, since the caller does not speak TLS, or has itself given up.
    pub fn alert(self) -> Option<Alert> {
        match self {
            Self::PlainHttp | Self::Sslv2 | Self::AlertFirst | Self::NotTls => None,
            Self::ServerName => Some(Alert::UnrecognizedName),
            _ => Some(Alert::DecodeError),
        }
    }
}

/// The progress of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    NeedMore,
    /// The hello is complete.
    Hello(Hello),
    /// The bytes are no valid hello.
    Refused(Refused),
}

/// Reads one hello. The caller keeps the bytes, since the TLS library needs them too.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// Bytes received so far, headers of records included.
    received: usize,
    /// The header of the record that is being read.
    header: [u8; RECORD_HEADER_BYTES],
    header_bytes: usize,
    /// Bytes of that record still to come; 0 between records.
    record_left: usize,
    /// The message so far, with its header.
    message: Vec<u8>,
    answer: Option<Result<Hello, Refused>>,
}

impl HelloReader {
    /// A reader that has received nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts the next bytes. Bytes behind the hello are ignored; once there is an answer it does not change.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Progress {
        while self.answer.is_none() && !bytes.is_empty() {
            let taken = match self.record_left {
                0 => self.take_header(bytes[0]).map(|()| 1),
                left => self.take_message(&bytes[..left.min(bytes.len())]),
            };
            let settled = match taken {
                Err(refused) => Some(Err(refused)),
                Ok(taken) => {
                    bytes = &bytes[taken..];
                    self.received += taken;
                    self.settle()
                }
            };
            self.answer = settled;
        }
        match &self.answer {
            None => Progress::NeedMore,
            Some(Ok(hello)) => Progress::Hello(hello.clone()),
            Some(Err(refused)) => Progress::Refused(*refused),
        }
    }

    fn settle(&mut self) -> Option<Result<Hello, Refused>> {
        if self.message_bytes().is_some_and(|bytes| bytes == self.message.len()) {
            let message = std::mem::take(&mut self.message);
            return Some(parse::hello(&message[MESSAGE_HEADER_BYTES..]));
        }
        (self.received >= HELLO_BYTES_MAX).then_some(Err(Refused::TooLarge))
    }

    /// One byte of a record's header.
    fn take_header(&mut self, byte: u8) -> Result<(), Refused> {
        if self.header_bytes == 0 && byte != TYPE_HANDSHAKE {
            return Err(if self.received == 0 { refused_by_first(byte) } else { Refused::Interleaved });
        }
        self.header[self.header_bytes] = byte;
        self.header_bytes += 1;
        if self.header_bytes < RECORD_HEADER_BYTES {
            return Ok(());
        }
        self.header_bytes = 0;
        let [_, major, _, high, low] = self.header;
        // The minor version has no meaning (RFC 8446, 5.1): every client of TLS 1.3 sends a wrong one.
        if major != 3 {
            return Err(Refused::NotTls);
        }
        match usize::from(u16::from_be_bytes([high, low])) {
            0 => Err(Refused::EmptyRecord),
            bytes if bytes > RECORD_BYTES_MAX => Err(Refused::TooLarge),
            bytes => {
                self.record_left = bytes;
                self.check_alignment()
            }
        }
    }

    /// Accepts bytes within a record, at least one; returns how many it used.
    fn take_message(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let want = match self.message.len() {
            have if have < MESSAGE_HEADER_BYTES => 1,
            have => self.message_bytes().map_or(1, |whole| whole - have),
        };
        let taken = bytes.len().min(want).min(HELLO_BYTES_MAX - self.received);
        self.message.extend_from_slice(&bytes[..taken]);
        self.record_left -= taken;
        let kind = self.message[0];
        if kind != MESSAGE_CLIENT_HELLO {
            return Err(Refused::NotClientHello { kind });
        }
        if self.message.len() == MESSAGE_HEADER_BYTES {
            if self.message_bytes().is_some_and(|whole| whole > HELLO_BYTES_MAX - RECORD_HEADER_BYTES) {
                return Err(Refused::TooLarge);
            }
            self.check_alignment()?;
        }
        Ok(taken)
    }

    /// Length of the whole message, header included, once its header has arrived.
    fn message_bytes(&self) -> Option<usize> {
        let header = self.message.first_chunk::<MESSAGE_HEADER_BYTES>()?;
        Some(MESSAGE_HEADER_BYTES + (u32::from_be_bytes(*header) & 0x00ff_ffff) as usize)
    }

    /// A hello must end with its record (RFC 8446, 5.1), since keys change after it.
    fn check_alignment(&self) -> Result<(), Refused> {
        let left = self.message_bytes().map(|whole| whole - self.message.len());
        if left.is_some_and(|left| self.record_left > left) { Err(Refused::Unaligned) } else { Ok(()) }
    }
}

fn refused_by_first(byte: u8) -> Refused {
    match byte {
        TYPE_ALERT => Refused::AlertFirst,
        b'A'..=b'Z' => Refused::PlainHttp,
        0x80.. => Refused::Sslv2,
        _ => Refused::NotTls,
    }
}
