//! As much of a cell's manifest as building it needs; the runtime reads the rest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::trouble::Trouble;

/// `cell.toml`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) world: World,
    pub(crate) interfaces: Vec<String>,
    /// Never granted to a person: for tests and benchmarks.
    #[serde(default)]
    pub(crate) test: bool,
    #[serde(default)]
    types: BTreeMap<String, Type>,
}

/// The kind of cell, by the function that it exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum World {
    Endpoint,
    Stage,
}

impl World {
    pub(crate) fn export(self) -> &'static str {
        match self {
            Self::Endpoint => "handle",
            Self::Stage => "run",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Type {
    schema: PathBuf,
}

impl Manifest {
    /// Reads the manifest in a cell's folder; the name must be the folder's, and every schema must be there.
    pub(crate) fn read(folder: &Path) -> Result<Self, Trouble> {
        let path = folder.join("cell.toml");
        let text = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
        let bad = |why: String| Trouble::Manifest { path: path.clone(), why };
        let manifest: Self = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if folder.file_name() != Some(manifest.name.as_ref()) {
            return Err(bad(format!("the name is {}, not that of the folder", manifest.name)));
        }
        for schema in manifest.schemas() {
            let text = fs::read_to_string(folder.join(schema))
                .map_err(|error| bad(format!("schema {}: {error}", schema.display())))?;
            serde_json::from_str::<serde_json::Value>(&text)
                .map_err(|error| bad(format!("schema {} is not JSON: {error}", schema.display())))?;
        }
        Ok(manifest)
    }

    /// Paths of the schemas, from the cell's folder.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = &Path> {
        self.types.values().map(|introduced| introduced.schema.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, Trouble> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("noop");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("cell.toml"), text).unwrap();
        Manifest::read(&folder)
    }

    #[test]
    fn a_manifest_names_its_folder_and_its_world() {
        let sound = "name = \"noop\"\nversion = 1\nworld = \"endpoint\"\ninterfaces = []\n";
        assert_eq!(read(sound).unwrap().world, World::Endpoint);
        for (from, to) in [("noop", "other"), ("endpoint", "daemon")] {
            assert!(matches!(read(&sound.replace(from, to)), Err(Trouble::Manifest { .. })), "{to}");
        }
    }

    #[test]
    fn a_schema_that_is_not_there_is_named() {
        let text = "name = \"noop\"\nworld = \"stage\"\ninterfaces = []\n[types.\"a/b\"]\nschema = \"schemas/b.json\"\n";
        let why = read(text).unwrap_err().to_string();
        assert!(why.contains("schemas/b.json"), "{why}");
    }
}
