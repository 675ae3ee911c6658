//! The configuration that a phone with an e-mission app gets in the answer to a put, if it has an older one.

use runtime_store::Batch;
use serde_json::Value;

use crate::error::CallError;
use crate::people::person::Person;

/// The document that holds it; the cell `usercache-put` knows it by the same name.
pub const APP_CONFIG: &str = "app-config";
/// The largest configuration, bytes of JSON: as large as any document of a person may be.
pub const APP_CONFIG_BYTES_MAX: usize = 256 * 1024;

/// Why a text is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum BadAppConfig {
    /// It is no JSON object with a version.
    #[error("an app's configuration is a JSON object whose member `version` is a whole number of 1 or more")]
    Form,
    /// It is too large.
    #[error("the configuration has {0} bytes, over the limit of {APP_CONFIG_BYTES_MAX}")]
    TooLarge(usize),
}

/// A configuration that phones can be given.
#[derive(Debug, Clone, PartialEq)]
pub struct AppConfig {
    text: Vec<u8>,
    version: u64,
}

impl AppConfig {
    /// Checks a configuration.
    ///
    /// # Errors
    /// [`BadAppConfig`].
    pub fn new(config: &Value) -> Result<Self, BadAppConfig> {
        let version = config.as_object().and_then(|members| members.get("version")).and_then(Value::as_u64);
        let version = version.filter(|version| *version > 0).ok_or(BadAppConfig::Form)?;
        let text = config.to_string().into_bytes();
        if text.len() > APP_CONFIG_BYTES_MAX {
            return Err(BadAppConfig::TooLarge(text.len()));
        }
        Ok(Self { text, version })
    }

    /// Its version, from 1.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Person {
    /// Keeps the configuration for this person's phones, or none any more.
    ///
    /// # Errors
    /// [`CallError::Commit`] if the disk takes nothing.
    pub fn set_app_config(&self, config: Option<AppConfig>) -> Result<(), CallError> {
        let _one_writer = self.documents.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut batch = Batch::new();
        match config {
            Some(config) => batch.put_document(APP_CONFIG, config.text),
            None => batch.delete_document(APP_CONFIG),
        }
        self.commit(batch).map(drop).map_err(CallError::Commit)
    }
}
