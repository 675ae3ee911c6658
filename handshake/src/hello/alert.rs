//! The alerts that are sent in clear, before any handshake.

/// A fatal alert, with the number that TLS gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Alert {
    /// The client cannot identify itself, or verify the server, in the way that the name requires.
    HandshakeFailure = 40,
    /// What was sent is no hello.
    DecodeError = 50,
    /// Too old a version of TLS.
    ProtocolVersion = 70,
    /// No runtime has that name.
    UnrecognizedName = 112,
    /// None of the offered protocols is available under that name.
    NoApplicationProtocol = 120,
}

impl Alert {
    /// The number.
    pub fn description(self) -> u8 {
        self as u8
    }

    /// The whole record: 7 bytes to send before closing.
    pub fn record(self) -> [u8; 7] {
        const FATAL: u8 = 2;
        [super::TYPE_ALERT, 3, 3, 0, 2, FATAL, self.description()]
    }
}
