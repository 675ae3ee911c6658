//! The owner's profile stores facts of the last batch: the pipeline reads them before anything else.

use std::collections::BTreeMap;

use cells_sdk::{Documents, Failure};
use serde_json::value::RawValue;

const PROFILE: &str = "profile";

/// What was last seen, in the order of the batch; s.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    location_ts: Option<f64>,
    phone_data_ts: Option<f64>,
}

impl Seen {
    pub(crate) fn entry(&mut self, key: &str, write_ts: f64, data_ts: Option<f64>) {
        self.phone_data_ts = Some(write_ts);
        if key == "background/location" && data_ts.is_some() {
            self.location_ts = data_ts;
        }
    }

    /// Sets the two members of the profile that were seen; all others keep their text. A profile that is no object is
    /// left unchanged: a batch is worth more than the profile's hint.
    pub(crate) fn write_down<R: Documents>(&self, runtime: &mut R) -> Result<(), Failure> {
        if self.phone_data_ts.is_none() {
            return Ok(());
        }
        let old = runtime.document(PROFILE)?.unwrap_or_else(|| b"{}".to_vec());
        let Ok(mut profile) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&old) else {
            return Ok(());
        };
        let seen = [("last_location_ts", self.location_ts), ("last_phone_data_ts", self.phone_data_ts)];
        for (name, ts) in seen {
            if let Some(ts) = ts.and_then(|ts| serde_json::value::to_raw_value(&ts).ok()) {
                profile.insert(name.to_owned(), ts);
            }
        }
        let new = serde_json::to_vec(&profile).expect("a map of JSON texts is JSON");
        runtime.put_document(PROFILE, &new)
    }
}
