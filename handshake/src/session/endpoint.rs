//! The endpoints, their paths, and which devices may call them. All are POST.

use crate::device::{Admitted, Scope};
use crate::encoding::DeviceId;
use crate::error::Code;
use data_encoding::BASE64URL_NOPAD;

/// An endpoint under `/.upc/v1/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `session`: returns a grant.
    Session,
    /// `unlock`: provides the data key, for a limited time.
    Unlock,
    /// `rotate`: announces another key for the calling device.
    Rotate,
    /// `devices`: lists the devices.
    Devices,
    /// `devices/{id}/revoke`, the id in base64url.
    Revoke(DeviceId),
    /// `lock`: drops the data key now.
    Lock,
    /// `roster`: what the owner's devices have signed, and what none has signed yet.
    Roster,
    /// `roster/sign`: the next roster, signed.
    Sign,
}

impl Endpoint {
    /// Reads a path without query. `None` for every other path.
    pub fn of_path(path: &str) -> Option<Self> {
        match path.strip_prefix("/.upc/v1/")? {
            "session" => Some(Self::Session),
            "unlock" => Some(Self::Unlock),
            "rotate" => Some(Self::Rotate),
            "devices" => Some(Self::Devices),
            "lock" => Some(Self::Lock),
            "roster" => Some(Self::Roster),
            "roster/sign" => Some(Self::Sign),
            other => {
                let id = other.strip_prefix("devices/")?.strip_suffix("/revoke")?;
                let id = BASE64URL_NOPAD.decode(id.as_bytes()).ok()?;
                DeviceId::try_from(id.as_slice()).ok().map(Self::Revoke)
            }
        }
    }

    /// The scope that a device needs; `None`: every admitted device may.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Session | Self::Unlock | Self::Rotate | Self::Roster | Self::Sign => None,
            Self::Devices | Self::Revoke(_) | Self::Lock => Some(Scope::Admin),
        }
    }

    /// Whether the owner must just have confirmed, by fingerprint or the like.
    pub fn needs_step_up(self) -> bool {
        matches!(self, Self::Revoke(_))
    }

    /// Whether this device may call it; `stepped_up`: its owner has just confirmed.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`], whether the scope or the confirmation is missing.
    pub fn authorise(self, admitted: &Admitted, stepped_up: bool) -> Result<(), Code> {
        if let Some(scope) = self.scope() {
            admitted.require(scope)?;
        }
        if self.needs_step_up() && !stepped_up { Err(Code::ScopeMissing) } else { Ok(()) }
    }
}
