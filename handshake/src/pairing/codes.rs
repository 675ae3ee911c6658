//! What the owner is shown when a window opens.

use crate::encoding::{Label, Pin, QrCode, TypedCode, WindowId, draw};
use crate::secret::Secret;
use crate::token::NoRandomness;
use ring::rand::SecureRandom;

/// A fresh window's name and secrets, before [`super::Window::open`] takes over what it needs of them. Whoever
/// keeps it after the codes were drawn on the screen keeps secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// The window.
    pub window: WindowId,
    /// Where phones that scan connect to, as the first part of the server name.
    pub label: Label,
    /// What the scanned code carries.
    pub secret: Secret<16>,
    /// The typed code; `None` where typing is not offered. Its selector has 20 bits only: draw again where the
    /// gateway has another window under it.
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

    /// The code to draw. `pin` is of the runtime's key, `host` and `port` are where the gateway listens, `replaces`
    /// says that the phone's present cloud is to be replaced.
    pub fn qr(&self, pin: Pin, host: String, port: u16, replaces: bool) -> QrCode {
        let (window, secret, label) = (self.window, self.secret.clone(), self.label);
        QrCode { replaces, window, secret, pin, label, port, host }
    }
}
