//! Checks that a cell can be written outside of this workspace. `cells/sdk` and its dependencies are packed by cargo
//! and unpacked in a separate folder, and there the cell of `cells/template` is built for guests.
//!
//! * Needs no network: versions are those of this workspace's lock file.
//! * All files are in `package` and `outside` below cargo's target folder.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use toml::{Table, Value};

use crate::cells::TEMPLATE;
use crate::command::{cargo, run};
use crate::step::step;
use crate::tools::Encoder;
use crate::trouble::Trouble;
use crate::wasm_target::{Guests, TARGET};
use crate::workspace::Workspace;

/// The packages that a cell needs; the last is the one that it names.
const PACKAGES: [&str; 4] = ["cells-contract", "cells-json", "cells-model", "cells-sdk"];
/// All packages of the workspace have one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The package of the cell outside.
const OUTSIDE: &str = "cell-outside";

/// Packs, unpacks and builds.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Trouble> {
    let what = "can a cell be built outside of this workspace, with the packages alone?";
    step("packages", what, || {
        let packed = pack(workspace)?;
        let home = workspace.target.join("outside");
        if home.exists() {
            fs::remove_dir_all(&home).map_err(Trouble::file("remove", &home))?;
        }
        for (name, package) in PACKAGES.iter().zip(&packed) {
            unpack(package, &home.join(name))?;
        }
        let bytes = build(workspace, &home)?;
        Ok(((), format!("yes, a component of {} KiB in {}", bytes.div_ceil(1024), home.display())))
    })
}

/// Returns the files that cargo created.
fn pack(workspace: &Workspace) -> Result<Vec<PathBuf>, Trouble> {
    let mut command = cargo();
    command.args(["package", "--quiet", "--offline", "--no-verify", "--allow-dirty"]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    run(command.current_dir(&workspace.root), "correct what cargo says of the package above")?;
    let folder = workspace.target.join("package");
    Ok(PACKAGES.iter().map(|name| folder.join(format!("{name}-{VERSION}.crate"))).collect())
}

/// Unpacks a package, without the top folder that has its name and version.
fn unpack(package: &Path, into: &Path) -> Result<(), Trouble> {
    let file = fs::File::open(package).map_err(Trouble::file("read", package))?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut unpack_all = || {
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path: PathBuf = entry.path()?.components().skip(1).collect();
            let path = into.join(path);
            fs::create_dir_all(path.parent().unwrap_or(into))?;
            entry.unpack(&path)?;
        }
        Ok(())
    };
    unpack_all().map_err(Trouble::file("unpack", package))
}

/// Builds the example in that folder and checks the component against its manifest; returns the size of the component,
/// bytes.
fn build(workspace: &Workspace, home: &Path) -> Result<u64, Trouble> {
    let example = workspace.cells.iter().find(|cell| cell.manifest.name == TEMPLATE);
    let example = example.ok_or_else(|| Trouble::Manifest {
        path: workspace.root.join("cells").join(TEMPLATE).join("cell.toml"),
        why: "it is not among the cells of the workspace".to_owned(),
    })?;
    write(&home.join("Cargo.toml"), &manifest(&workspace.root)?)?;
    let source = example.folder.join("src/lib.rs");
    fs::create_dir_all(home.join("src")).map_err(Trouble::file("make", home))?;
    write(&home.join("src/lib.rs"), &read(&source)?)?;
    write(&home.join("Cargo.lock"), &read(&workspace.root.join("Cargo.lock"))?)?;
    let mut command = Guests::ready()?.cargo("build");
    command
        .args(["--quiet", "--offline", "--profile", "cell"])
        .current_dir(home)
        .env("CARGO_TARGET_DIR", &workspace.target);
    run(&mut command, "see that cells/sdk uses nothing but what is in its package")?;
    let module =
        workspace.target.join(TARGET).join("cell").join(format!("{}.wasm", OUTSIDE.replace('-', "_")));
    let component = home.join("cell.wasm");
    Encoder::build(workspace)?.encode(&module, &component, &example.manifest)?;
    Ok(fs::metadata(&component).map_err(Trouble::file("read", &component))?.len())
}

/// The manifest of a workspace with one cell. Guests are built with the same profile as in this workspace.
fn manifest(root: &Path) -> Result<String, Trouble> {
    let path = root.join("Cargo.toml");
    let ours: Table = read(&path)?
        .parse()
        .map_err(|error: toml::de::Error| Trouble::Manifest { path: path.clone(), why: error.to_string() })?;
    let at = |package: &str| Value::Table(Table::from_iter([("path".to_owned(), package.into())]));
    let profiles = ["cell", "release"].map(|name| (name.to_owned(), ours["profile"][name].clone()));
    let profile = Table::from_iter([("profile".to_owned(), Value::Table(Table::from_iter(profiles)))]);
    let patches = Table::from_iter(PACKAGES.map(|package| (package.to_owned(), at(package))));
    let patches = Table::from_iter([("crates-io".to_owned(), Value::Table(patches))]);
    let patches = Table::from_iter([("patch".to_owned(), Value::Table(patches))]);
    Ok(format!(
        "[workspace]\n\n[package]\nname = \"{OUTSIDE}\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\ncells-sdk = \"*\"\n\n{patches}\n{profile}"
    ))
}

fn read(path: &Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(Trouble::file("read", path))
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    fs::write(path, text).map_err(Trouble::file("write", path))
}
