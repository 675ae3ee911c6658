//! `cellar cell build`: from a cell's folder to a package, with the tools of its language.

mod embedded;
mod javascript;
mod python;
mod rust;
mod staged;
mod tools;
mod world;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_manifest::CellToml;
use runtime_program::{Failure, beside_this, read_text};

use super::files::write_package;
use super::packed;

pub(super) use embedded::{CONTRACT, Embedded, JAVASCRIPT_MODULE, PYTHON_MODULE};
pub use javascript::Engine;
pub(super) use tools::PINNED;

/// The program that makes components, and holds them against manifests.
const ENCODER: &str = "cellar-cell-encoder";
/// The folder of results, in the cell's folder.
pub(super) const RESULTS: &str = "build";
/// The component, in the folder of results.
pub(super) const COMPONENT: &str = "component.wasm";

/// What a cell is written in, by the files of its folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    Rust,
    Python,
    JavaScript,
}

impl Written {
    fn in_folder(folder: &Path) -> Option<Self> {
        let known = [
            ("Cargo.toml", Self::Rust),
            ("app.py", Self::Python),
            ("pyproject.toml", Self::Python),
            ("package.json", Self::JavaScript),
        ];
        known.into_iter().find(|(file, _)| folder.join(file).is_file()).map(|(_, written)| written)
    }
}

/// Builds the folder; answers the path of the package and its bytes.
pub(super) fn build(
    folder: &Path,
    engine: Option<Engine>,
    output: Option<PathBuf>,
) -> Result<(PathBuf, Vec<u8>), Failure> {
    let manifest = manifest_of(folder)?;
    let written = Written::in_folder(folder).ok_or_else(|| {
        Failure::new(
            format!("{} has no Cargo.toml, app.py or package.json", folder.display()),
            "make a component with the tools of its language, then use `cellar cell pack`",
        )
    })?;
    if engine.is_some() && written != Written::JavaScript {
        return Err(Failure::new("only cells in JavaScript have an engine", "leave out `--engine`"));
    }
    let results = folder.join(RESULTS);
    let component = results.join(COMPONENT);
    match written {
        Written::Rust => {
            let module = rust::module_of(folder)?;
            make_folder(&results)?;
            encode(&module, &component, &manifest)?;
        }
        Written::Python => {
            make_folder(&results)?;
            python::build(folder, &results, &component, &manifest)?;
            check(&component, &manifest)?;
        }
        Written::JavaScript => {
            make_folder(&results)?;
            javascript::build(folder, &results, &component, &manifest, engine)?;
            check(&component, &manifest)?;
        }
    }
    let package = packed(folder, &component)?;
    let output = output.unwrap_or_else(|| results.join(format!("{}.wasm", manifest.name)));
    write_package(&output, &package)?;
    Ok((output, package))
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::of_file(folder, &error))
}

/// The manifest, which is one of a package: nothing is built that could not be packed.
fn manifest_of(folder: &Path) -> Result<CellToml, Failure> {
    let path = folder.join("cell.toml");
    let bad = |error: &dyn std::fmt::Display| {
        Failure::new(format!("{}: {error}", path.display()), "docs/researcher.md explains the manifest")
    };
    let text = read_text(&path).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", path.display()), "name the folder of a cell")
    })?;
    let manifest = CellToml::parse(&text).map_err(|error| bad(&error.message()))?;
    manifest.for_package().map_err(|error| bad(&error))?;
    Ok(manifest)
}

/// Makes the component of a module and compares it with its manifest.
fn encode(module: &Path, component: &Path, manifest: &CellToml) -> Result<(), Failure> {
    encoder(&[module.as_os_str(), component.as_os_str()], manifest)
}

/// Compares a component that another tool made with its manifest.
fn check(component: &Path, manifest: &CellToml) -> Result<(), Failure> {
    encoder(&["--check".as_ref(), component.as_os_str()], manifest)
}

fn encoder(what: &[&OsStr], manifest: &CellToml) -> Result<(), Failure> {
    let program = beside_this(ENCODER).map_err(|error| Failure::of(&error, "report this"))?;
    let mut encoder = Command::new(&program);
    encoder.args(what).arg(manifest.world.export()).args(&manifest.interfaces);
    let ended = encoder.stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| crate::companion::not_started(&program, &error))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Failure::new(
        String::from_utf8_lossy(&ended.stderr).chars().take(1000).collect::<String>(),
        "docs/researcher.md explains what code and manifest have in common",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_a_folder_is_known_by_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Written::in_folder(folder.path()), None);
        for (file, written) in [
            ("package.json", Written::JavaScript),
            ("app.py", Written::Python),
            ("Cargo.toml", Written::Rust),
        ] {
            fs::write(folder.path().join(file), "").expect("written");
            assert_eq!(Written::in_folder(folder.path()), Some(written));
        }
    }
}
