//! Locations of files, as cargo reports them, so that all of its settings are respected.

use std::path::PathBuf;

use runtime_manifest::CellToml;
use serde::Deserialize;

use crate::command::{cargo, output};
use crate::manifest;
use crate::trouble::Trouble;

/// The workspace and its cells.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) cells: Vec<CellPackage>,
}

/// A package under `cells/` with a `cell.toml`.
pub(crate) struct CellPackage {
    /// The name of the package, such as `cells-noop`.
    pub(crate) package: String,
    pub(crate) folder: PathBuf,
    pub(crate) manifest: CellToml,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self, Trouble> {
        let printed = output(
            cargo().args(["metadata", "--no-deps", "--format-version", "1"]),
            "run it within the workspace; cargo's own words stand above",
        )?;
        let metadata: Metadata = serde_json::from_slice(&printed)
            .map_err(|error| Trouble::Answer { program: "cargo metadata", source: error.into() })?;
        let home = metadata.workspace_root.join("cells");
        let mut cells = Vec::new();
        for package in metadata.packages {
            let folder = package.manifest_path.parent().expect("a manifest is in a folder").to_owned();
            if folder.starts_with(&home) && folder.join("cell.toml").exists() {
                let manifest = manifest::read(&folder)?;
                cells.push(CellPackage { package: package.name, folder, manifest });
            }
        }
        cells.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, cells })
    }

    /// The folder of finished cells.
    pub(crate) fn cells_folder(&self) -> PathBuf {
        self.target.join("cells")
    }
}
