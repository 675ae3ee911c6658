//! A cell's manifest, checked against the cell's folder.

use std::fs;
use std::path::Path;

use runtime_manifest::CellToml;

use crate::trouble::Trouble;

/// Reads the manifest in a cell's folder; the name must be the folder's, and every schema must exist.
pub(crate) fn read(folder: &Path) -> Result<CellToml, Trouble> {
    let path = folder.join("cell.toml");
    let text = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
    let bad = |why: String| Trouble::Manifest { path: path.clone(), why };
    let manifest = CellToml::parse(&text).map_err(|error| bad(error.to_string()))?;
    if folder.file_name() != Some(manifest.name.as_ref()) {
        return Err(bad(format!("the name is {}, not that of the folder", manifest.name)));
    }
    for schema in schemas(&manifest) {
        let text = fs::read_to_string(folder.join(schema))
            .map_err(|error| bad(format!("schema {}: {error}", schema.display())))?;
        serde_json::from_str::<serde_json::Value>(&text)
            .map_err(|error| bad(format!("schema {} is not JSON: {error}", schema.display())))?;
    }
    Ok(manifest)
}

/// Paths of the schemas, from the cell's folder.
pub(crate) fn schemas(manifest: &CellToml) -> impl Iterator<Item = &Path> {
    manifest.types.values().map(|introduced| Path::new(&introduced.schema))
}

#[cfg(test)]
mod tests {
    use runtime_manifest::World;

    use super::*;

    fn read_text(text: &str) -> Result<CellToml, Trouble> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("noop");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("cell.toml"), text).unwrap();
        read(&folder)
    }

    #[test]
    fn a_manifest_names_its_folder_and_its_world() {
        let noop = "name = \"noop\"\nversion = 1\nworld = \"endpoint\"\ninterfaces = []\n";
        assert_eq!(read_text(noop).unwrap().world, World::Endpoint);
        for (from, to) in [("noop", "other"), ("endpoint", "daemon"), ("version", "verson")] {
            assert!(matches!(read_text(&noop.replace(from, to)), Err(Trouble::Manifest { .. })), "{to}");
        }
    }

    #[test]
    fn a_schema_that_is_not_there_is_named() {
        let text =
            "name = \"noop\"\nversion = 1\nworld = \"stage\"\n[types.\"a/b\"]\nschema = \"schemas/b.json\"\n";
        let why = read_text(text).unwrap_err().to_string();
        assert!(why.contains("schemas/b.json"), "{why}");
    }
}
