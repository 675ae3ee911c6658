//! Options that every verb accepts, and the data folder and settings that they lead to.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use runtime_host::config::Config;
use runtime_program::Failure;

/// The settings of a host that is installed on this machine.
const SETTINGS_FILE: &str = "/etc/cellar/cellar.toml";

/// Options that every verb accepts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// The folder that holds everything; by default the one that the settings name
    #[arg(long, global = true, value_name = "DIR", env = "CELLAR_DATA", hide_env_values = true)]
    data: Option<OsString>,
    /// Settings; deploy/cellar.toml explains every one. By default /etc/cellar/cellar.toml, where there is one
    #[arg(long, global = true, value_name = "FILE", env = "CELLAR_CONFIG", hide_env_values = true)]
    config: Option<OsString>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Options {
    /// The settings, with the data folder that is used, if one is named.
    ///
    /// # Errors
    /// [`Failure`] that names the file, and the line or the setting.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let installed = || Some(PathBuf::from(SETTINGS_FILE)).filter(|path| path.exists());
        let remedy = "deploy/cellar.toml explains every setting";
        let config = Config::read(named(self.config.as_deref()).or_else(installed).as_deref());
        let mut config = config.map_err(|error| Failure::of(&error, remedy))?;
        config.data = named(self.data.as_deref()).or(config.data);
        Ok(config)
    }

    /// The data folder. The settings are read only where neither the command line nor the environment names it.
    ///
    /// # Errors
    /// [`Failure`] where no data folder is named.
    pub(crate) fn data(&self) -> Result<PathBuf, Failure> {
        match named(self.data.as_deref()) {
            Some(data) => Ok(data),
            None => Ok(data_of(&self.config()?)?.to_owned()),
        }
    }
}

/// The data folder that the settings name.
pub(crate) fn data_of(config: &Config) -> Result<&Path, Failure> {
    let remedy = "give --data DIR, set CELLAR_DATA, or write data = \"DIR\" into the settings";
    config.data.as_deref().ok_or_else(|| Failure::new("no data folder is named", remedy))
}

/// A path that was given; a variable that is set to an empty value names none.
fn named(given: Option<&OsStr>) -> Option<PathBuf> {
    given.filter(|given| !given.is_empty()).map(PathBuf::from)
}
