//! `cellar user app-config`.

use std::fs;
use std::path::Path;

use runtime_host::admin::AppConfigSet;
use runtime_program::Failure;
use serde_json::Value;

/// Reads the file of a configuration.
pub(super) fn read(file: &Path) -> Result<Value, Failure> {
    let named = |error: &dyn std::error::Error| {
        Failure::new(format!("{}: {error}", file.display()), "correct the file, or name another")
    };
    let text = fs::read(file).map_err(|error| named(&error))?;
    serde_json::from_slice(&text).map_err(|error| named(&error))
}

pub(super) fn tell(set: &AppConfigSet) -> String {
    match set.version {
        Some(version) => {
            format!("An app that has an older configuration gets version {version} at its next sync.")
        }
        None => "Apps keep the configuration that they have.".to_owned(),
    }
}
