//! A person's profile: one JSON object in which put, the pipeline and the phone's app each keep fields.

use runtime_store::{Batch, Snapshot};
use serde_json::{Map, Value, json};

use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::stage::read_state;

/// The document that holds the profile; cells know it by the same name.
pub const PROFILE: &str = "profile";

/// The stages whose mark shows how far the diary is complete, in order of preference. As in the reference.
const COMPLETE_BY: [&str; 2] = ["CREATE_CONFIRMED_OBJECTS", "CLEAN_RESAMPLING"];

fn read(snapshot: &Snapshot) -> Result<Map<String, Value>, CallError> {
    let Some(content) = snapshot.document(PROFILE).map_err(CallError::Read)? else { return Ok(Map::new()) };
    serde_json::from_slice(&content)
        .map_err(|source| CallError::Document { name: PROFILE.to_owned(), source })
}

impl Person {
    /// The profile; empty if nothing has been stored yet.
    pub fn profile(&self) -> Result<Map<String, Value>, CallError> {
        let mut profile = read(&self.store.snapshot())?;
        profile.insert("user_id".to_owned(), json!({ "$uuid": self.user.to_string() }));
        Ok(profile)
    }

    /// Sets fields of the profile; the others stay. Nobody can set the person's id.
    pub fn update_profile(&self, fields: Map<String, Value>) -> Result<(), CallError> {
        let _one_writer = self.documents.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut profile = read(&self.store.snapshot_ahead())?;
        profile.extend(fields);
        profile.remove("user_id");
        let mut batch = Batch::new();
        let text = serde_json::to_vec(&profile).expect("an object of JSON values");
        batch.put_document(PROFILE, text);
        self.commit(batch).map(drop).map_err(CallError::Commit)
    }

    /// The span in which the diary has trips, s.
    pub fn pipeline_range(&self) -> Result<(Option<f64>, Option<f64>), CallError> {
        let profile = self.profile()?;
        let range = profile.get("pipeline_range");
        let bound = |name| range.and_then(|range| range.get(name)).and_then(Value::as_f64);
        Ok((bound("start_ts"), bound("end_ts")))
    }

    /// The time up to which the diary is complete, s.
    pub fn pipeline_complete(&self) -> Result<Option<f64>, CallError> {
        let snapshot = self.store.snapshot();
        for stage in COMPLETE_BY {
            if let Some(mark) = read_state(&snapshot, stage)?.last_processed_ts {
                return Ok(Some(mark));
            }
        }
        Ok(None)
    }
}
