//! The members of the profile that this stage sets.

use std::collections::BTreeMap;

use cells_sdk::{Documents, RunError};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::Remembered;

const PROFILE: &str = "profile";
const PLAIN: &str = "numbers and texts that are JSON already";

/// Sets them where they differ; all others keep their text.
pub fn update<R: Documents>(runtime: &mut R, remembered: &Remembered) -> Result<(), RunError> {
    let old = runtime.document(PROFILE).map_err(|failure| RunError::document(PROFILE, failure))?;
    let text = old.as_deref().unwrap_or(b"{}");
    let mut profile: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(text).map_err(|error| RunError::document(PROFILE, error))?;
    let mut changed = false;
    let range = json!({"start_ts": remembered.start_ts, "end_ts": remembered.end_ts});
    for (name, value) in [
        ("pipeline_range", range),
        ("total_trips", remembered.counts.trips().into()),
        ("labeled_trips", remembered.counts.labeled().into()),
    ] {
        let value = to_raw_value(&value).expect(PLAIN);
        let known = profile.insert(name.to_owned(), value.clone());
        changed |= known.is_none_or(|known| known.get() != value.get());
    }
    if changed {
        let text = serde_json::to_vec(&profile).expect(PLAIN);
        runtime.put_document(PROFILE, &text).map_err(|failure| RunError::document(PROFILE, failure))?;
    }
    Ok(())
}
