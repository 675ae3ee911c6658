//! Pairing windows: opening one, watching it, and answering the phone that waits.

use handshake::encoding::{WindowId, WrapPub};
use handshake::pairing::WindowState;
use runtime_program::{Failure, typed};
use runtime_user::{PairingStatus, WindowWish};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::ask::{Ask, Context};
use super::remedy::of_owner;

/// Opens a pairing window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenPairing {
    /// The person, by name or id.
    pub person: String,
    /// How long the window stays open, ms; none: five minutes.
    pub lifetime_ms: Option<u64>,
    /// Whether the code may be typed.
    pub typed: bool,
    /// Whether the device may list the other devices, and lock the store.
    pub admin: bool,
    /// The public half of a recovery phrase that the person's owner has written down.
    pub recovery: Option<WrapPub>,
}

/// The answer to [`OpenPairing`].
#[derive(Serialize, Deserialize)]
pub struct PairingOpened {
    /// The person's id.
    pub id: String,
    /// The window.
    pub window: WindowId,
    /// The text of the QR code. A secret.
    pub qr: Zeroizing<String>,
    /// The code to type, if typing is offered. A secret.
    pub code: Option<Zeroizing<String>>,
    /// The address at which the phone reaches the host, `HOST:PORT`.
    pub address: String,
    /// Until when the window is open, ms since 1970.
    pub until_ms: u64,
}

impl Ask for OpenPairing {
    type Answer = PairingOpened;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<PairingOpened, Failure> {
        let Self { person, lifetime_ms, typed, admin, recovery } = self;
        let (runtime, failed) = (context.runtime, of_owner(&person));
        let now_ms = runtime.clocks().lasting_ms();
        let user = context.find(&person)?;
        let (host, port) = context.phone_address.host_and_port()?;
        // A window that no phone has used yet is replaced.
        let open = runtime.pairing().status(user, now_ms).map_err(&failed)?;
        if let Some(open) = open.filter(|open| open.state == WindowState::Open) {
            runtime.pairing().answer(user, open.window, false, now_ms).map_err(&failed)?;
        }
        let wish = WindowWish { host, port, lifetime_ms, typed, admin, recovery };
        let invitation = runtime.pairing().open(user, wish, now_ms).map_err(&failed)?;
        Ok(PairingOpened {
            id: user.dashed(),
            window: invitation.window,
            qr: invitation.qr,
            code: invitation.typed,
            address: context.phone_address.address.clone(),
            until_ms: runtime.clocks().shown_ms(invitation.until_ms),
        })
    }
}

/// Asks whether a pairing window could be opened, before any secret is made or shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckPairing {
    /// The person, by name or id.
    pub person: String,
    /// How long the window would stay open, ms; none: five minutes.
    pub lifetime_ms: Option<u64>,
    /// Whether the code may be typed.
    pub typed: bool,
}

/// The answer to [`CheckPairing`]: the window could be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingChecked {
    /// The person's id.
    pub id: String,
    /// The address at which the phone reaches the host, `HOST:PORT`.
    pub address: String,
}

impl Ask for CheckPairing {
    type Answer = PairingChecked;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<PairingChecked, Failure> {
        let Self { person, lifetime_ms, typed } = self;
        let user = context.find(&person)?;
        let (host, port) = context.phone_address.host_and_port()?;
        let wish = WindowWish { host, port, lifetime_ms, typed, admin: false, recovery: None };
        let checked = context.runtime.pairing().check(user, &wish, context.runtime.clocks().lasting_ms());
        checked.map_err(of_owner(&person))?;
        Ok(PairingChecked { id: user.dashed(), address: context.phone_address.address.clone() })
    }
}

/// Asks for the state of a person's pairing; the answer is none where no pairing is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPairing {
    /// The person, by name or id.
    pub person: String,
}

impl Ask for ShowPairing {
    type Answer = Option<PairingStatus>;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<Option<PairingStatus>, Failure> {
        let user = context.find(&self.person)?;
        let status = context.runtime.pairing().status(user, context.runtime.clocks().lasting_ms());
        status.map_err(of_owner(&self.person))
    }
}

/// The owner's decision on the phone that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerPairing {
    /// The person, by name or id.
    pub person: String,
    /// The digits that the phone shows, to admit it; none: the pairing ends, and no device is admitted.
    pub digits: Option<String>,
}

/// The answer to [`AnswerPairing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingAnswered {
    /// The window.
    pub window: WindowId,
    /// Whether the phone is admitted.
    pub approved: bool,
    /// The name that the admitted phone gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Ask for AnswerPairing {
    type Answer = PairingAnswered;

    const NEEDS_HOST: bool = true;

    fn answer(self, context: &Context<'_>) -> Result<PairingAnswered, Failure> {
        let (runtime, failed) = (context.runtime, of_owner(&self.person));
        let person = typed::quoted(typed::trimmed(&self.person));
        let now_ms = runtime.clocks().lasting_ms();
        let user = context.find(&self.person)?;
        let status = runtime.pairing().status(user, now_ms).map_err(&failed)?;
        let nobody = || Failure::new("no pairing is under way", format!("`cellar pair {person}` begins one"));
        let status = status.ok_or_else(nobody)?;
        let window = status.window;
        let Some(digits) = self.digits else {
            runtime.pairing().answer(user, window, false, now_ms).map_err(&failed)?;
            return Ok(PairingAnswered { window, approved: false, name: None });
        };
        let claim = status.claim.filter(|_| status.state == WindowState::Claimed);
        let claim =
            claim.ok_or_else(|| Failure::new("no phone waits for approval", "scan or type the code"))?;
        if typed::digits(&digits) != claim.digits {
            let remedy = format!(
                "let nobody in: somebody may stand between the phone and this host; `cellar pair {person} --cancel`"
            );
            return Err(Failure::new("the digits are not the phone's", remedy));
        }
        runtime.pairing().answer(user, window, true, now_ms).map_err(&failed)?;
        Ok(PairingAnswered { window, approved: true, name: Some(claim.name) })
    }
}
