//! Builds every cell: `target/cells/<name>.wasm`, `<name>.cwasm`, `<name>/cell.toml` and its schemas.
//!
//! `target/cells/index` has one line for each cell, `<name> <sha256 of the component> <product|test|package>`; the
//! host's build script embeds those that are no packages. `target/cells/contract` has the files on which cells and runtime must agree, as they
//! were when the cells were built: the build script refuses cells with another contract. Unchanged files are not
//! written again, so nothing is rebuilt for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::manifest;
use crate::modules;
use crate::step::step;
use crate::tools::{self, Encoder};
use crate::trouble::Trouble;
use crate::wasm_target::{Guests, TARGET};
use crate::workspace::{CellPackage, Workspace};

/// The cell that researchers copy: built like every other, but not part of the host's binary.
pub(crate) const TEMPLATE: &str = "template";

/// Builds every cell.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Trouble> {
    let home = workspace.cells_folder();
    let guests = Guests::ready()?;
    step("cells", &format!("building {} cells for {TARGET}", workspace.cells.len()), || {
        modules::build(workspace, &guests)?;
        Ok(((), "built".to_owned()))
    })?;
    let (encoder, compiler) =
        step("engine", "building the compiler of cells; the first time takes minutes", || {
            Ok((tools::build(workspace)?, "built".to_owned()))
        })?;
    step("cells", "making components of them, and native code of components", || {
        fs::create_dir_all(&home).map_err(Trouble::file("make", &home))?;
        let mut digests = Vec::with_capacity(workspace.cells.len());
        let mut made = 0;
        for cell in &workspace.cells {
            let digest = encode(workspace, &encoder, cell)?;
            let [component, native] = ["wasm", "cwasm"].map(|end| file(workspace, cell, end));
            made += usize::from(compiler.compile(&component, &digest, &native)?);
            digests.push(digest);
        }
        sweep(workspace)?;
        write_index(workspace, &digests)?;
        write_contract(workspace)?;
        let kept = digests.len() - made;
        Ok(((), format!("{made} compiled, {kept} were up to date, in {}", home.display())))
    })
}

fn file(workspace: &Workspace, cell: &CellPackage, ending: &str) -> PathBuf {
    workspace.cells_folder().join(format!("{}.{ending}", cell.manifest.name))
}

/// Returns the digest of the component.
fn encode(workspace: &Workspace, encoder: &Encoder, cell: &CellPackage) -> Result<String, Trouble> {
    let name = &cell.manifest.name;
    let component = file(workspace, cell, "wasm");
    let digest = encoder.encode(&modules::path(workspace, cell), &component, &cell.manifest)?;
    let folder = workspace.cells_folder().join(name);
    copy(&cell.folder, &folder, Path::new("cell.toml"))?;
    for schema in manifest::schemas(&cell.manifest) {
        copy(&cell.folder, &folder, schema)?;
    }
    let size = fs::metadata(&component).map_err(Trouble::file("read", &component))?.len();
    println!("  {name}: {} KiB, imports {}", size.div_ceil(1024), imports(cell));
    Ok(digest)
}

fn imports(cell: &CellPackage) -> String {
    match &cell.manifest.interfaces[..] {
        [] => "nothing".to_owned(),
        some => some.join(", "),
    }
}

fn copy(from: &Path, to: &Path, path: &Path) -> Result<(), Trouble> {
    let (source, target) = (from.join(path), to.join(path));
    let content = fs::read(&source).map_err(Trouble::file("read", &source))?;
    let folder = target.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).map_err(Trouble::file("make", folder))?;
    write_if_changed(&target, &content)
}

/// Writes a file if its content would change; an unchanged file causes no rebuild.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), Trouble> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(Trouble::file("write", path))
}

fn write_index(workspace: &Workspace, digests: &[String]) -> Result<(), Trouble> {
    let line = |(cell, digest): (&CellPackage, &String)| {
        let kind = match (is_package(cell), cell.manifest.test) {
            (true, _) => "package",
            (false, true) => "test",
            (false, false) => "product",
        };
        format!("{} {digest} {kind}\n", cell.manifest.name)
    };
    let listed = workspace.cells.iter().zip(digests).filter(|(cell, _)| cell.manifest.name != TEMPLATE);
    let index: String = listed.map(line).collect();
    write_if_changed(&workspace.cells_folder().join("index"), index.as_bytes())
}

/// Whether a cell is one that people install, and no part of the binary: the examples, and what tests install.
fn is_package(cell: &CellPackage) -> bool {
    cell.manifest.for_package().is_ok()
}

/// The files on which cells and runtime must agree: the interfaces, and the formats of the bytes that cross them.
const CONTRACT: [&str; 3] = ["wit/0.2/cell.wit", "cells/model/src/page.rs", "cells/model/src/rows.rs"];

/// A line with the names of the files, then the files.
fn write_contract(workspace: &Workspace) -> Result<(), Trouble> {
    let mut contract = format!("{}\n", CONTRACT.join(" ")).into_bytes();
    for name in CONTRACT {
        let path = workspace.root.join(name);
        contract.extend(fs::read(&path).map_err(Trouble::file("read", &path))?);
    }
    write_if_changed(&workspace.cells_folder().join("contract"), &contract)
}

/// Removes the files of cells that no longer exist.
fn sweep(workspace: &Workspace) -> Result<(), Trouble> {
    let home = workspace.cells_folder();
    let known: BTreeSet<_> = workspace.cells.iter().map(|cell| cell.manifest.name.as_str()).collect();
    for item in fs::read_dir(&home).map_err(Trouble::file("read", &home))? {
        let path = item.map_err(Trouble::file("read", &home))?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if known.contains(name) || ["index", "contract"].contains(&name) {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Trouble::file("remove", &path))?;
    }
    Ok(())
}
