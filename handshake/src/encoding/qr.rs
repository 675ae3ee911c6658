//! The text of the QR code that pairs a phone: `UPC1:` and the base 32 (upper case, no padding) of
//!
//! ```text
//!  0  1  version, 1              58 16  label of the pairing window
//!  1  1  flags, bit 0: replaces  74  2  port, big-endian
//!  2  8  window                  76  1  length h of the host, 1 to 63
//! 10 16  secret                  77  h  host: a-z, 0-9, dots, inner dashes
//! 26 32  pin of the runtime    77+h  4  CRC-32 (IEEE) of all before, big-endian: damage, not attacks
//! ```

use super::{Label, Pin, WindowId};
use crate::secret::Secret;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// Longest host in a code, in bytes.
pub const QR_HOST_BYTES_MAX: usize = 63;
const PREFIX: &str = "UPC1:";
const VERSION: u8 = 1;
const FLAG_REPLACES: u8 = 1;
const HOST_AT: usize = 77;
const CRC_BYTES: usize = 4;

/// The content of the QR code. Holds the secret of the window, which `Debug` hides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrCode {
    /// The phone already has a cloud, which this one replaces.
    pub replaces: bool,
    /// The window.
    pub window: WindowId,
    /// The secret; the phone proves with it that it scanned the code.
    pub secret: Secret<16>,
    /// The key that the runtime must have.
    pub pin: Pin,
    /// The label at which the window listens, as the first part of the server name.
    pub label: Label,
    /// TCP port.
    pub port: u16,
    /// Host name without the label, 1 to 63 bytes of lower-case letters, digits, dots and inner dashes.
    pub host: String,
}

/// Why a text is no code. It does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadQr {
    /// Not a code of this protocol.
    #[error("not a pairing code")]
    Prefix,
    /// The text after the prefix is not base 32.
    #[error("the pairing code is not base 32")]
    Base32,
    /// Made by a newer runtime.
    #[error("the pairing code has version {version}, this phone reads {VERSION}")]
    Version {
        /// The version.
        version: u8,
    },
    /// Bytes missing or left over.
    #[error("the pairing code has {bytes} bytes, which does not fit the host in it")]
    Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// Scanned wrongly.
    #[error("the pairing code is damaged")]
    Damaged,
    /// Flags that this version does not know.
    #[error("the pairing code has unknown flags {flags:#04x}")]
    Flags {
        /// All flags.
        flags: u8,
    },
    /// No host name, or port 0.
    #[error("the pairing code names no host that can be called")]
    Host,
}

impl QrCode {
    /// The text to draw.
    ///
    /// # Errors
    /// [`BadQr::Host`] where host or port could not be read back.
    pub fn encode(&self) -> Result<Zeroizing<String>, BadQr> {
        if self.port == 0 || !is_host(self.host.as_bytes()) {
            return Err(BadQr::Host);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(HOST_AT + QR_HOST_BYTES_MAX + CRC_BYTES));
        bytes.extend_from_slice(&[VERSION, if self.replaces { FLAG_REPLACES } else { 0 }]);
        bytes.extend_from_slice(&self.window.0);
        bytes.extend_from_slice(self.secret.expose());
        bytes.extend_from_slice(&self.pin.0);
        bytes.extend_from_slice(&self.label.0);
        bytes.extend_from_slice(&self.port.to_be_bytes());
        bytes.push(self.host.len() as u8);
        bytes.extend_from_slice(self.host.as_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        let text = Zeroizing::new(BASE32_NOPAD.encode(&bytes));
        Ok(Zeroizing::new(format!("{PREFIX}{}", *text)))
    }

    /// Reads what a camera saw, in any letter case.
    ///
    /// # Errors
    /// [`BadQr`].
    pub fn parse(text: &str) -> Result<Self, BadQr> {
        let head = text.get(..PREFIX.len()).ok_or(BadQr::Prefix)?;
        if !head.eq_ignore_ascii_case(PREFIX) {
            return Err(BadQr::Prefix);
        }
        let body = Zeroizing::new(text[PREFIX.len()..].to_ascii_uppercase());
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(body.as_bytes()).map_err(|_| BadQr::Base32)?);
        Self::read(&bytes)
    }

    fn read(bytes: &[u8]) -> Result<Self, BadQr> {
        let length = BadQr::Length { bytes: bytes.len() };
        let version = *bytes.first().ok_or(length)?;
        if version != VERSION {
            return Err(BadQr::Version { version });
        }
        let host_bytes = usize::from(*bytes.get(HOST_AT - 1).ok_or(length)?);
        if bytes.len() != HOST_AT + host_bytes + CRC_BYTES {
            return Err(length);
        }
        let (covered, crc) = bytes.split_at(HOST_AT + host_bytes);
        if crc32fast::hash(covered).to_be_bytes() != crc {
            return Err(BadQr::Damaged);
        }
        let host = &covered[HOST_AT..];
        let port = u16::from_be_bytes(array(&covered[74..76]));
        if covered[1] & !FLAG_REPLACES != 0 {
            return Err(BadQr::Flags { flags: covered[1] });
        }
        if port == 0 || !is_host(host) {
            return Err(BadQr::Host);
        }
        Ok(Self {
            replaces: covered[1] & FLAG_REPLACES != 0,
            window: WindowId(array(&covered[2..10])),
            secret: Secret::new(array(&covered[10..26])),
            pin: Pin(array(&covered[26..58])),
            label: Label(array(&covered[58..74])),
            port,
            host: String::from_utf8_lossy(host).into_owned(),
        })
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the layout's offsets are constants and the length was checked")
}

pub(crate) fn is_host(host: &[u8]) -> bool {
    let part = |part: &[u8]| {
        let inner = part.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        inner && !part.is_empty() && part[0] != b'-' && part[part.len() - 1] != b'-'
    };
    (1..=QR_HOST_BYTES_MAX).contains(&host.len()) && host.split(|byte| *byte == b'.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(host: &str) -> QrCode {
        let (window, secret) = (WindowId([9; 8]), Secret::new([7; 16]));
        let (pin, label) = (Pin([1; 32]), Label([2; 16]));
        QrCode { replaces: true, window, secret, pin, label, port: 443, host: host.to_owned() }
    }

    #[test]
    fn a_code_for_a_host_of_15_characters_has_159() {
        assert_eq!(code("cellar.exam.ple").encode().unwrap().len(), 159);
    }

    #[test]
    fn hosts_that_no_phone_could_call_are_neither_written_nor_read() {
        for host in ["", "-a", "a-", "a..b", ".a", "a.", "UPPER", "a b", "\u{e9}", &"a".repeat(64)] {
            assert_eq!(code(host).encode().err(), Some(BadQr::Host), "{host}");
        }
        assert!(code(&"a".repeat(63)).encode().is_ok());
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed_and_debug_hides_the_secret() {
        let text = code("host.example").encode().unwrap();
        let bytes = BASE32_NOPAD.decode(&text.as_bytes()[5..]).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let text = format!("upc1:{}", BASE32_NOPAD.encode(&bytes));
            assert!(QrCode::parse(&text).is_err(), "bit {bit}");
        }
        assert!(format!("{:?}", code("host.example")).contains("Secret(..)"));
    }

    proptest! {
        #[test]
        fn a_code_reads_what_it_writes(
            window: [u8; 8], secret: [u8; 16], label: [u8; 16], port in 1_u16..,
            host in "[a-z0-9]{1,20}(\\.[a-z0-9]{1,10}){0,3}", replaces: bool,
        ) {
            let code = QrCode {
                replaces, window: WindowId(window), secret: Secret::new(secret), pin: Pin([3; 32]),
                label: Label(label), port, host,
            };
            prop_assert_eq!(QrCode::parse(&code.encode().unwrap()).unwrap(), code);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(UPC1:)?\\PC{0,200}") {
            let _ = QrCode::parse(&text);
        }
    }
}
