//! A person's devices.

use handshake::encoding::DeviceId;
use runtime_program::{Failure, typed};
use runtime_user::{DeviceSummary, UserId};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Context};
use super::remedy::of_owner;
use crate::http::service::epoch_ms;

/// Lists a person's devices, revoked ones included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDevices {
    /// The person, by name or id.
    pub person: String,
}

impl Ask for ListDevices {
    type Answer = Vec<DeviceSummary>;

    fn answer(self, context: &Context<'_>) -> Result<Vec<DeviceSummary>, Failure> {
        context.runtime.devices().list(context.find(&self.person)?).map_err(of_owner(&self.person))
    }
}

/// Renames a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameDevice {
    /// The person, by name or id.
    pub person: String,
    /// The device: its id, the first digits of the id, or its name.
    pub device: String,
    /// The new name.
    pub name: String,
}

/// The answer to [`RenameDevice`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRenamed {
    /// The device's id.
    pub device: String,
    /// The new name.
    pub name: String,
}

impl Ask for RenameDevice {
    type Answer = DeviceRenamed;

    fn answer(self, context: &Context<'_>) -> Result<DeviceRenamed, Failure> {
        let (user, device) = find_device(context, &self.person, &self.device)?;
        let name = typed::trimmed(&self.name);
        context.runtime.devices().rename(user, device, name).map_err(of_owner(&self.person))?;
        Ok(DeviceRenamed { device: device.to_string(), name: name.to_owned() })
    }
}

/// Revokes a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeDevice {
    /// The person, by name or id.
    pub person: String,
    /// The device: its id, the first digits of the id, or its name.
    pub device: String,
}

/// The answer to [`RevokeDevice`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRevoked {
    /// The device's id.
    pub device: String,
    /// Always true: the device is revoked.
    pub revoked: bool,
}

impl Ask for RevokeDevice {
    type Answer = DeviceRevoked;

    fn answer(self, context: &Context<'_>) -> Result<DeviceRevoked, Failure> {
        let (user, device) = find_device(context, &self.person, &self.device)?;
        context.runtime.devices().revoke(user, device, epoch_ms()).map_err(of_owner(&self.person))?;
        Ok(DeviceRevoked { device: device.to_string(), revoked: true })
    }
}

/// Gives a device a new label, which is its name on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelabelDevice {
    /// The person, by name or id.
    pub person: String,
    /// The device: its id, the first digits of the id, or its name.
    pub device: String,
}

/// The answer to [`RelabelDevice`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRelabeled {
    /// The device's id.
    pub device: String,
    /// Always true: the device learns its new label at its next contact.
    pub announced: bool,
}

impl Ask for RelabelDevice {
    type Answer = DeviceRelabeled;

    fn answer(self, context: &Context<'_>) -> Result<DeviceRelabeled, Failure> {
        let (user, device) = find_device(context, &self.person, &self.device)?;
        context.runtime.devices().rotate_label(user, device).map_err(of_owner(&self.person))?;
        Ok(DeviceRelabeled { device: device.to_string(), announced: true })
    }
}

/// The person, and the person's device with that id, beginning of an id, or name.
fn find_device(context: &Context<'_>, person: &str, wanted: &str) -> Result<(UserId, DeviceId), Failure> {
    let wanted = typed::trimmed(wanted);
    let user = context.find(person)?;
    let devices = context.runtime.devices().list(user).map_err(of_owner(person))?;
    let (id, is_prefix) = (wanted.to_lowercase(), wanted.len() >= 4);
    let is_whole_id = devices.iter().any(|device| device.id == id);
    let fits = |device: &&DeviceSummary| match is_whole_id {
        // A device can have any name, also the id of another one: a whole id means that device and no other.
        true => device.id == id,
        false => device.name == wanted || (is_prefix && device.id.starts_with(&id)),
    };
    let mut found = devices.iter().filter(fits);
    let see = format!("`cellar device list {}` shows them", typed::quoted(typed::trimmed(person)));
    match (found.next(), found.next()) {
        (Some(device), None) => {
            let bytes = data_encoding::HEXLOWER.decode(device.id.as_bytes()).unwrap_or_default();
            let device = DeviceId::try_from(bytes.as_slice()).map_err(|error| Failure::of(&error, see))?;
            Ok((user, device))
        }
        (Some(_), Some(_)) => Err(Failure::new(format!("several devices fit {wanted}"), "use the whole id")),
        _ => Err(Failure::new(format!("there is no device {wanted}"), see)),
    }
}
