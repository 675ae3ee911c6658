//! The codes that the owner sees when a window opens.

use crate::encoding::{Label, Pin, QrCode, TypedCode, WindowId, draw};
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::rand::SecureRandom;

/// A fresh window's name and secrets, from which [`super::Window::open`] takes what it needs. Drop it once the codes
/// are on the screen, since it holds secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// The window.
    pub window: WindowId,
    /// The label to which phones that scan connect, as the first part of the server name.
    pub label: Label,
    /// The secret in the scanned code.
    pub secret: Secret<16>,
    /// The typed code; `None` where typing is not offered. Its selector has only 20 bits: draw again where the gateway
    /// has another window under it.
    pub typed: Option<TypedCode>,
}

impl Codes {
    /// Draws codes; `typed` says whether typing is offered.
    ///
    /// # Errors
    /// [`NoRandomness`] where `random` refuses.
    pub fn random(typed: bool, random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        Ok(Self {
            window: WindowId(draw(random)?),
            label: Label(draw(random)?),
            secret: Secret::new(draw(random)?),
            typed: typed.then(|| TypedCode::random(random)).transpose()?,
        })
    }

    /// The QR code to show. `pin` is of the runtime's key, the gateway listens at `host` and `port`, `replaces` says
    /// that the phone's present cloud is to be replaced.
    pub fn qr(&self, pin: Pin, host: String, port: u16, replaces: bool) -> QrCode {
        let (window, secret, label) = (self.window, self.secret.clone(), self.label);
        QrCode { replaces, window, secret, pin, label, port, host }
    }
}
