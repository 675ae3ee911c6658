//! Builds every cell as a core module, in one call of cargo.
//!
//! A cell is an ordinary library; a module needs a `cdylib` that is optimised as a whole, and one package cannot be
//! both in one build. So each cell gets a package of one line around it, in a workspace under cargo's target folder:
//!
//! ```text
//! modules/Cargo.toml      the workspace's own, with these packages as its members
//! modules/Cargo.lock      the workspace's own; cargo removes what no cell needs
//! modules/cells, …        symbolic links: paths in the modules are those in the repository
//! modules/package/<cell>  Cargo.toml, lib.rs
//! ```
//!
//! A change to one cell rebuilds that cell and its module; all modules are linked in parallel.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cells::write_if_changed;
use crate::progress;
use crate::trouble::Trouble;
use crate::wasm_target::{Guests, TARGET};
use crate::workspace::{CellPackage, Workspace};

/// Folders of the repository from which cells and their tests are built.
const LINKED: [&str; 4] = ["cells", "handshake", "runtime", "wit"];

/// Builds the module of every cell.
pub(crate) fn build(workspace: &Workspace, guests: &Guests) -> Result<(), Trouble> {
    let home = workspace.target.join("modules");
    write_workspace(workspace, &home)?;
    progress::build("cells", "correct what cargo says above", |options| {
        let mut command = guests.cargo("build");
        command.args(["--profile", "cell", "--package", "module-*"]).args(options);
        command
            .arg("--manifest-path")
            .arg(home.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&workspace.target);
        command
    })
}

/// The path of a cell's module after [`build`].
pub(crate) fn path(workspace: &Workspace, cell: &CellPackage) -> PathBuf {
    let file_name = format!("{}.wasm", package_name(cell).replace('-', "_"));
    workspace.target.join(TARGET).join("cell").join(file_name)
}

fn package_name(cell: &CellPackage) -> String {
    format!("module-{}", cell.manifest.name)
}

fn write_workspace(workspace: &Workspace, home: &Path) -> Result<(), Trouble> {
    let packages = home.join("package");
    fs::create_dir_all(&packages).map_err(Trouble::file("make", &packages))?;
    for name in LINKED {
        link(&workspace.root.join(name), &home.join(name))?;
    }
    write_if_changed(&home.join("Cargo.toml"), root_manifest(workspace)?.as_bytes())?;
    copy_lock(&workspace.root.join("Cargo.lock"), home)?;
    let mut known = BTreeSet::new();
    for cell in &workspace.cells {
        let folder = packages.join(&cell.manifest.name);
        fs::create_dir_all(&folder).map_err(Trouble::file("make", &folder))?;
        write_if_changed(&folder.join("Cargo.toml"), manifest(workspace, cell).as_bytes())?;
        write_if_changed(&folder.join("lib.rs"), source(cell).as_bytes())?;
        known.insert(folder);
    }
    for item in fs::read_dir(&packages).map_err(Trouble::file("read", &packages))? {
        let path = item.map_err(Trouble::file("read", &packages))?.path();
        if !known.contains(&path) {
            fs::remove_dir_all(&path).map_err(Trouble::file("remove", &path))?;
        }
    }
    Ok(())
}

/// The workspace's manifest with other members: versions, lints and the profile of cells are unchanged.
fn root_manifest(workspace: &Workspace) -> Result<String, Trouble> {
    let path = workspace.root.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(Trouble::file("read", &path))?;
    let bad = |why: String| Trouble::Manifest { path: path.clone(), why };
    let mut manifest: toml::Table = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let own = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut);
    let own = own.ok_or_else(|| bad("it has no table `workspace`".to_owned()))?;
    own.insert("members".to_owned(), toml::Value::Array(vec!["package/*".into()]));
    own.remove("exclude");
    // The profile names packages that no cell has.
    if let Some(profiles) = manifest.get_mut("profile").and_then(toml::Value::as_table_mut) {
        profiles.remove("dev");
    }
    Ok(manifest.to_string())
}

/// Copies the workspace's lock file if it has changed. Cargo shortens the copy, so a second copy is kept for
/// comparison.
fn copy_lock(from: &Path, home: &Path) -> Result<(), Trouble> {
    let lock = fs::read(from).map_err(Trouble::file("read", from))?;
    let copied = home.join("copied.lock");
    let to = home.join("Cargo.lock");
    if to.exists() && fs::read(&copied).is_ok_and(|old| old == lock) {
        return Ok(());
    }
    fs::write(&to, &lock).map_err(Trouble::file("write", &to))?;
    fs::write(&copied, &lock).map_err(Trouble::file("write", &copied))
}

fn link(to: &Path, at: &Path) -> Result<(), Trouble> {
    if fs::read_link(at).is_ok_and(|old| old == to) {
        return Ok(());
    }
    if at.is_symlink() {
        fs::remove_file(at).map_err(Trouble::file("remove", at))?;
    }
    symlink(to, at).map_err(Trouble::file("make the link", at))
}

fn manifest(workspace: &Workspace, cell: &CellPackage) -> String {
    let (name, package) = (package_name(cell), &cell.package);
    let folder = cell.folder.strip_prefix(&workspace.root).unwrap_or(&cell.folder).display();
    format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\npublish = false\n\n\
         [lib]\npath = \"lib.rs\"\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\n{package} = {{ path = \"../../{folder}\" }}\n"
    )
}

fn source(cell: &CellPackage) -> String {
    format!(
        "//! The module of one cell: what it exports.\n\nextern crate {};\n",
        cell.package.replace('-', "_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(root: &Path, cells: &[&str]) -> Workspace {
        let cell = |name: &&str| {
            let text = format!("name = \"{name}\"\nversion = 1\nworld = \"stage\"\n");
            let manifest = runtime_manifest::CellToml::parse(&text).unwrap();
            CellPackage { package: format!("cells-{name}"), folder: root.join("cells").join(name), manifest }
        };
        let cells = cells.iter().map(cell).collect();
        Workspace { root: root.to_owned(), target: root.join("target"), cells }
    }

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let manifest = "[workspace]\nmembers = [\"cells/*\"]\nexclude = [\"fuzz\"]\n\
                        [workspace.dependencies]\nserde = \"1\"\n[profile.cell]\nlto = \"fat\"\n\
                        [profile.dev.package]\nredb.opt-level = 2\n";
        fs::write(root.path().join("Cargo.toml"), manifest).unwrap();
        fs::write(root.path().join("Cargo.lock"), "version = 4\n").unwrap();
        root
    }

    #[test]
    fn versions_and_the_profile_of_cells_are_the_workspaces_own() {
        let root = repository();
        let home = root.path().join("target/modules");
        write_workspace(&workspace(root.path(), &["noop"]), &home).unwrap();
        let manifest: toml::Table =
            toml::from_str(&fs::read_to_string(home.join("Cargo.toml")).unwrap()).unwrap();
        assert_eq!(manifest["workspace"]["dependencies"]["serde"].as_str(), Some("1"));
        assert_eq!(manifest["profile"]["cell"]["lto"].as_str(), Some("fat"));
        assert_eq!(manifest["workspace"]["members"][0].as_str(), Some("package/*"));
        assert!(manifest["workspace"].get("exclude").is_none());
        assert!(manifest["profile"].get("dev").is_none());
        assert_eq!(fs::read_link(home.join("cells")).unwrap(), root.path().join("cells"));
    }

    #[test]
    fn the_module_of_a_cell_that_is_gone_goes_too() {
        let root = repository();
        let home = root.path().join("target/modules");
        write_workspace(&workspace(root.path(), &["noop", "other"]), &home).unwrap();
        assert!(home.join("package/other/lib.rs").exists());
        write_workspace(&workspace(root.path(), &["noop"]), &home).unwrap();
        assert!(!home.join("package/other").exists());
        let source = fs::read_to_string(home.join("package/noop/lib.rs")).unwrap();
        assert!(source.ends_with("extern crate cells_noop;\n"), "{source}");
    }

    #[test]
    fn the_lock_file_is_copied_when_it_changes_and_only_then() {
        let root = repository();
        let home = root.path().join("target/modules");
        let workspace = workspace(root.path(), &["noop"]);
        write_workspace(&workspace, &home).unwrap();
        fs::write(home.join("Cargo.lock"), "version = 4\n# as cargo leaves it\n").unwrap();
        write_workspace(&workspace, &home).unwrap();
        assert!(fs::read_to_string(home.join("Cargo.lock")).unwrap().contains("as cargo leaves it"));
        fs::write(root.path().join("Cargo.lock"), "version = 4\n\n").unwrap();
        write_workspace(&workspace, &home).unwrap();
        assert_eq!(fs::read_to_string(home.join("Cargo.lock")).unwrap(), "version = 4\n\n");
    }
}
