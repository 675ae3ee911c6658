//! The configuration of a study for the app: a phone that has an older one gets it in the answer to a put, as from the
//! reference. So a phone can be sent to another address: its member `server.connectUrl` is where the app calls next.

use serde::Deserialize;

use crate::splitter::Said;

/// The document that has it: a JSON object.
pub const APP_CONFIG: &str = "app-config";

#[derive(Deserialize)]
struct Head {
    version: u64,
    #[serde(default)]
    min_app_version: Option<String>,
}

/// The text of the configuration, if it is newer than the phone's and the app is not too old for it. As in the
/// reference, a phone that does not say which one it has gets none; and a version that cannot be compared keeps none
/// from it.
pub fn newer(config: Vec<u8>, said: &Said) -> Option<String> {
    let has = said.config_version.filter(|version| *version > 0)?;
    let head: Head = serde_json::from_slice(&config).ok()?;
    let least = head.min_app_version.as_deref().and_then(parts);
    let app = said.app_version.as_deref().and_then(parts);
    let too_old = matches!((app, least), (Some(app), Some(least)) if app < least);
    if head.version <= has || too_old { None } else { String::from_utf8(config).ok() }
}

/// The numbers of a version such as `2.1.3`, without zeros at its end; `None` for another form.
fn parts(version: &str) -> Option<Vec<u64>> {
    let mut parts = version.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}
