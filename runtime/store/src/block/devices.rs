//! The device of each row, as its metadata says.
//!
//! In columns the stamp and the platform are members like any other. As a rule all entries of a shape share them, and
//! then they are in the skeleton. Otherwise their columns are in the rest of the block, which is unpacked for them.

use std::borrow::Cow;

use cells_json::device::{DEVICE, PLATFORM, device_name, name_of};
use cells_json::text::members;

use super::scan::{RAW, SCALAR};

/// The name of each row's device, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    names: Vec<String>,
    /// 0: none; otherwise the index of the name plus one. Empty: no row has a device.
    of_row: Vec<u16>,
}

impl Devices {
    /// The name of a row's device.
    #[must_use]
    pub fn of(&self, row: usize) -> Option<&str> {
        let number = usize::from(*self.of_row.get(row)?);
        Some(&self.names[number.checked_sub(1)?])
    }

    /// Whether no row has a device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of_row.is_empty()
    }

    /// Bytes of memory it holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.of_row.len() * 2 + self.names.iter().map(String::len).sum::<usize>()
    }

    /// The devices of rows with these names.
    pub(super) fn of_names<'a>(names: impl ExactSizeIterator<Item = Option<Cow<'a, str>>>) -> Self {
        let mut devices = Self::default();
        let rows = names.len();
        for (row, name) in names.enumerate() {
            let number = name.map_or(0, |name| devices.number(&name));
            if number > 0 && devices.of_row.is_empty() {
                devices.of_row = vec![0; row];
            }
            if !devices.of_row.is_empty() || number > 0 {
                devices.of_row.reserve(rows - row);
                devices.of_row.push(number);
            }
        }
        devices
    }

    /// The same from the rows' metadata.
    pub(super) fn of_texts<'a>(metadata: impl ExactSizeIterator<Item = &'a str>) -> Self {
        Self::of_names(metadata.map(|metadata| device_name(metadata).map(Cow::Owned)))
    }

    /// The index of a name plus one; blocks have fewer rows than a `u16` has values.
    fn number(&mut self, name: &str) -> u16 {
        let known = self.names.iter().rposition(|known| known == name);
        let place = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        place as u16 + 1
    }
}

/// Where a shape has a member of metadata that names the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Nowhere.
    Nothing,
    /// In the skeleton, the same for all rows: the value's text.
    Here(String),
    /// In that hole.
    Hole(usize),
}

/// Where a shape names its rows' devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeviceSlot {
    /// The metadata is taken apart.
    Members {
        /// `metadata.device`
        device: Said,
        /// `metadata.platform`
        platform: Said,
    },
    /// The metadata is kept raw in that hole.
    Raw(usize),
    /// Only the texts name it, such as a stamp that looks like a written time, whose digits have separate holes.
    Text,
}

impl DeviceSlot {
    /// `hole_at` finds the hole at an offset of the skeleton, whose part `metadata` is the first.
    pub fn find(metadata: &str, hole_at: impl Fn(usize) -> Option<usize>) -> Self {
        if metadata.as_bytes() == [RAW] {
            return hole_at(0).map_or(Self::NONE, Self::Raw);
        }
        let mut said = [Said::Nothing, Said::Nothing];
        for member in members(metadata).map_while(Result::ok) {
            let Some(which) = [DEVICE, PLATFORM].iter().position(|name| *name == member.name) else {
                continue;
            };
            if said[which] != Said::Nothing {
                continue;
            }
            said[which] = match (member.value.as_bytes(), hole_at(member.value_start)) {
                ([SCALAR], Some(hole)) => Said::Hole(hole),
                ([b'"', inner @ ..], _) if inner.iter().any(|byte| *byte < 0x20) => return Self::Text,
                _ => Said::Here(member.value.to_owned()),
            };
        }
        let [device, platform] = said;
        Self::Members { device, platform }
    }

    const NONE: Self = Self::Members { device: Said::Nothing, platform: Said::Nothing };

    /// Whether the skeleton alone names a row's device.
    pub fn is_told_by_shape(&self) -> bool {
        match self {
            Self::Raw(_) | Self::Text => false,
            Self::Members { device: Said::Nothing, .. } => true,
            Self::Members { device, platform } => {
                ![device, platform].iter().any(|said| matches!(said, Said::Hole(_)))
            }
        }
    }

    /// The name of a row's device, where it can be read without the texts; `value` reads the row's text in a hole.
    pub fn name<'a>(&self, value: impl Fn(usize) -> Option<&'a str>) -> Option<String> {
        let of = |said: &Said| match said {
            Said::Nothing => None,
            Said::Here(text) => Some(Cow::Owned(text.clone())),
            // A value that is not a string is no stamp.
            Said::Hole(hole) => Some(Cow::Borrowed(value(*hole).unwrap_or("null"))),
        };
        match self {
            Self::Raw(hole) => device_name(value(*hole)?),
            Self::Text | Self::Members { device: Said::Nothing, .. } => None,
            Self::Members { device, platform } => name_of(&of(device)?, of(platform).as_deref()),
        }
    }
}
