//! The device that an entry's metadata names. It is defined here since the store's columns and the cells must agree on
//! it.
//!
//! The runtime writes the stamp of the device that sent an entry into `metadata.device`; the phone writes
//! `metadata.platform`. Several phones may share one stamp (a token), so both identify a device.

use crate::text::{Member, members, string};

/// The member of metadata with the stamp.
pub const DEVICE: &str = "device";
/// The member of metadata that distinguishes phones with the same stamp.
pub const PLATFORM: &str = "platform";

/// The name of the device that sent an entry, such as `token-5d41402abc4b2a76/android`; `None` where the metadata has
/// no stamp.
pub fn device_name(metadata: &str) -> Option<String> {
    let (mut device, mut platform) = (None, None);
    for Member { name, value, .. } in members(metadata).map_while(Result::ok) {
        match name {
            DEVICE => device = device.or(Some(value)),
            PLATFORM => platform = platform.or(Some(value)),
            _ => {}
        }
    }
    name_of(device?, platform)
}

/// The same from the texts of the two values.
pub fn name_of(device: &str, platform: Option<&str>) -> Option<String> {
    let device = string(device).filter(|device| !device.is_empty())?;
    Some(match platform.and_then(string) {
        Some(platform) => format!("{device}/{platform}"),
        None => device.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_by_its_stamp_and_its_platform() {
        let both = r#"{"platform":"ios","device":"token-ab"}"#;
        assert_eq!(device_name(both).as_deref(), Some("token-ab/ios"));
        assert_eq!(device_name(r#"{"device":"token-ab"}"#).as_deref(), Some("token-ab"));
        assert_eq!(device_name(r#"{"device":"token-ab","platform":7}"#).as_deref(), Some("token-ab"));
    }

    #[test]
    fn without_a_stamp_there_is_no_device() {
        for none in
            ["{}", "", r#"{"platform":"ios"}"#, r#"{"device":""}"#, r#"{"device":null}"#, r#"{"device":7}"#]
        {
            assert_eq!(device_name(none), None, "{none}");
        }
    }
}
