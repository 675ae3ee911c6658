//! The configuration that phones with an e-mission app get.

use runtime_program::Failure;
use runtime_user::AppConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::{Ask, Context};
use super::remedy::logged;

/// Sets what a person's phones with an e-mission app get, if they have an older configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAppConfig {
    /// The person, by name or id.
    pub person: String,
    /// The configuration; none: phones keep what they have.
    pub config: Option<Value>,
}

/// The answer to [`SetAppConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppConfigSet {
    /// The person's id.
    pub id: String,
    /// The version that phones get which have an older one; none: they get none.
    pub version: Option<u64>,
}

impl Ask for SetAppConfig {
    type Answer = AppConfigSet;

    fn answer(self, context: &Context<'_>) -> Result<AppConfigSet, Failure> {
        let user = context.find(&self.person)?;
        let config = self.config.as_ref().map(AppConfig::new).transpose();
        let config = config.map_err(|error| Failure::of(&error, "correct the file"))?;
        let version = config.as_ref().map(AppConfig::version);
        let person = context.runtime.person(user).map_err(logged)?;
        person.set_app_config(config).map_err(logged)?;
        Ok(AppConfigSet { id: user.dashed(), version })
    }
}
