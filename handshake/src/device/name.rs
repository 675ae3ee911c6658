//! What a device says of itself. Shown to the owner; no decision depends on it.

use runtime_types::is_visible;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a device, in bytes of UTF-8.
pub const DEVICE_NAME_BYTES_MAX: usize = 64;

/// What the owner calls a device: 1 to 64 bytes, not blank, without control characters, line separators, characters that
/// change the direction of writing, or invisible ones, since an owner decides by what is displayed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

/// A text that is no name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a device name has 1 to {DEVICE_NAME_BYTES_MAX} bytes, is not blank and has no control or invisible characters"
)]
pub struct BadDeviceName;

impl DeviceName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadDeviceName`].
    pub fn new(name: impl Into<String>) -> Result<Self, BadDeviceName> {
        let name = name.into();
        let sound = name.len() <= DEVICE_NAME_BYTES_MAX && !name.trim().is_empty();
        if sound && is_visible(&name) { Ok(Self(name)) } else { Err(BadDeviceName) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceName {
    type Error = BadDeviceName;
    fn try_from(name: String) -> Result<Self, BadDeviceName> {
        Self::new(name)
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The platform that a device claims; shown to the owner, no decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Platform {
    /// `android`
    Android,
    /// `ios`
    Ios,
    /// `other`
    Other,
}

/// A text that names no platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a platform is android, ios or other")]
pub struct BadPlatform;

/// By hand, since a derived reader would also accept `{"ios":null}`.
impl TryFrom<String> for Platform {
    type Error = BadPlatform;
    fn try_from(text: String) -> Result<Self, BadPlatform> {
        match text.as_str() {
            "android" => Ok(Self::Android),
            "ios" => Ok(Self::Ios),
            "other" => Ok(Self::Other),
            _ => Err(BadPlatform),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_mislead_the_owner_is_refused() {
        for misleading in [
            '\u{202e}',
            '\u{202a}',
            '\u{2066}',
            '\u{2069}',
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\n',
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{2028}',
            '\u{2029}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{ad}',
            '\u{feff}',
            '\u{2060}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{3164}',
            '\u{2800}',
        ] {
            let name = format!("ab{misleading}c");
            assert_eq!(DeviceName::new(name), Err(BadDeviceName), "{misleading:?}");
        }
        assert_eq!(DeviceName::new(""), Err(BadDeviceName));
        assert_eq!(DeviceName::new("\u{e9}".repeat(33)), Err(BadDeviceName));
        assert_eq!(DeviceName::new(" \u{a0}\u{3000}"), Err(BadDeviceName));
        for unseen in
            ["\u{200d}", "\u{200b}\u{200b}", "phone\u{200d}", "\u{fe0f}phone", "📱\u{200d}\u{200d}\u{200d}"]
        {
            assert_eq!(DeviceName::new(unseen), Err(BadDeviceName), "{unseen:?}");
        }
        for name in [
            "x".repeat(64),
            "\u{e9}".repeat(32),
            "Ιωάννης 📱".to_owned(),
            "טלפון".to_owned(),
            "👩\u{200d}💻 ❤\u{fe0f}".to_owned(),
            "می\u{200c}خواهم".to_owned(),
        ] {
            assert_eq!(DeviceName::new(name.clone()).unwrap().as_str(), name);
        }
    }
}
