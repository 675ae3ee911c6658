//! A cloud with one window, and phones that speak to it in bytes.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

use handshake::body;
use handshake::device::{DeviceName, Platform};
use handshake::encoding::{Spki, TypedCode, WrapPub};
use handshake::error::Code;
use handshake::pairing::{
    Challenge, Channel, Claimed, Codes, ConnectionId, Enrol, Enrolment, Hello, LIFETIME_MS, Me, OwnerError,
    Pairing, Proof, Step, Window, WindowRecord,
};
use handshake::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;

pub const NOW_MS: u64 = 1_790_000_000_000;
pub const HOST: &str = "cellar.example";

/// The runtime's key.
pub fn runtime() -> Spki {
    ed25519(200)
}

pub fn ed25519(number: u8) -> Spki {
    Spki::from_ed25519(&[number; 32]).unwrap()
}

pub fn p256(number: u8) -> Spki {
    Spki::from_p256_point(&point(number)).unwrap()
}

pub fn wrap_pub(number: u8) -> WrapPub {
    WrapPub::parse(&point(number)).unwrap()
}

fn point(number: u8) -> [u8; 65] {
    let secret = p256::SecretKey::from_slice(&[number; 32]).unwrap();
    secret.public_key().to_sec1_bytes().as_ref().try_into().unwrap()
}

/// The connection with this number, with an exporter that no other has.
pub fn channel(number: u8, device: Spki) -> Channel {
    let connection = ConnectionId(number.into());
    Channel { connection, device, runtime: runtime(), exporter: exporter(number) }
}

pub fn exporter(number: u8) -> Secret<32> {
    Secret::new([number; 32])
}

pub fn me(device: Spki) -> Me {
    Me { device, name: DeviceName::new("Anna's phone").unwrap(), platform: Platform::Android }
}

/// The value that the other side reads from what this side writes.
pub fn wire<T: Serialize + DeserializeOwned>(body: &T) -> T {
    body::read(&serde_json::to_vec(body).unwrap()).unwrap()
}

/// One person's runtime as far as pairing goes: the window, and the record on its disk.
pub struct Cloud {
    pub codes: Codes,
    pub window: Window,
    pub disk: Option<WindowRecord>,
    pub now_ms: u64,
}

impl Cloud {
    /// A cloud with a window that has just been opened.
    pub fn new(typed: bool) -> Self {
        Self::with(Codes::random(typed, &SystemRandom::new()).unwrap())
    }

    pub fn with(codes: Codes) -> Self {
        let mut disk = None;
        let window = persisted(Window::open(&codes, LIFETIME_MS, None, NOW_MS).unwrap(), &mut disk);
        Self { codes, window, disk, now_ms: NOW_MS }
    }

    pub fn hello(&mut self, channel: Channel, hello: &Hello) -> Result<Challenge, Code> {
        self.hello_with(channel, hello, &SystemRandom::new())
    }

    pub fn hello_with(
        &mut self,
        channel: Channel,
        hello: &Hello,
        random: &dyn SecureRandom,
    ) -> Result<Challenge, Code> {
        let answer = persisted(self.window.hello(channel, &wire(hello), self.now_ms, random), &mut self.disk);
        answer.map(|challenge| wire(&challenge))
    }

    pub fn proof(&mut self, connection: u8, proof: &Proof) -> Result<Claimed, Code> {
        let connection = ConnectionId(connection.into());
        let answer = persisted(self.window.proof(connection, &wire(proof), self.now_ms), &mut self.disk);
        answer.map(|claimed| wire(&claimed))
    }

    pub fn enrol(&mut self, connection: u8, enrol: &Enrol) -> Result<Enrolment, Code> {
        let connection = ConnectionId(connection.into());
        persisted(self.window.enrol(connection, &wire(enrol), self.now_ms), &mut self.disk)
    }

    pub fn approve(&mut self) -> Result<(), OwnerError> {
        persisted(self.window.approve(self.codes.window, self.now_ms), &mut self.disk)
    }

    pub fn reject(&mut self) -> Result<(), OwnerError> {
        persisted(self.window.reject(self.codes.window, self.now_ms), &mut self.disk)
    }

    pub fn bad(&self) -> u8 {
        self.disk.as_ref().unwrap().bad
    }

    /// A phone whose camera has read the code.
    pub fn scanned_by(&self, device: Spki) -> Pairing {
        let code = self.codes.qr(runtime().pin(), HOST.to_owned(), 443, false);
        Pairing::scanned(code, me(device), &SystemRandom::new()).unwrap()
    }

    /// A phone into which the code was typed.
    pub fn typed_into(&self, device: Spki) -> Pairing {
        let code = TypedCode::parse(&self.codes.typed.as_ref().unwrap().reveal()).unwrap();
        Pairing::typed(code, HOST, 443, me(device), &SystemRandom::new()).unwrap()
    }
}

/// The answer, after the record is on disk.
pub fn persisted<T>(step: Step<T>, disk: &mut Option<WindowRecord>) -> T {
    let kept: Result<T, Infallible> = step.after(|record, _| {
        *disk = Some(record.clone());
        Ok(())
    });
    kept.unwrap()
}
