//! The world of a cell: exactly the interfaces that its manifest lists, since tools for Python and JavaScript import
//! the whole world that they are given.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use runtime_manifest::{CellToml, World};
use runtime_program::{Failure, read_text};

use super::CONTRACT;

/// The name of the world.
pub(super) const WORLD: &str = "cell";
/// What a manifest of a package may list.
const LISTED: [&str; 5] = ["timeseries-read", "timeseries-write", "state", "log", "exchange"];

/// The interfaces that a cell of a manifest imports, by their names in the contract: those that need no grant, then
/// those that the manifest lists.
///
/// # Errors
/// The manifest lists one that the contract does not have.
pub(super) fn imports(manifest: &CellToml) -> Result<Vec<&str>, Failure> {
    let unlisted: &[&str] = match manifest.world {
        World::Stage => &["context", "stage-run"],
        World::Endpoint => &["context", "request", "response"],
        World::Contribution => &["context"],
    };
    for name in &manifest.interfaces {
        if !LISTED.contains(&name.as_str()) {
            return Err(Failure::new(
                format!("cell.toml lists the interface {name:?}, which the contract does not have"),
                format!("it has {}", LISTED.join(", ")),
            ));
        }
    }
    Ok(unlisted.iter().copied().chain(manifest.interfaces.iter().map(String::as_str)).collect())
}

/// The interface that the world exports, which has its one function.
pub(super) fn export(manifest: &CellToml) -> &'static str {
    manifest.world.name()
}

/// The version in the first line of WIT that names the package, such as `0.2.0`.
pub(super) fn version(contract: &str) -> Option<&str> {
    let line = contract.lines().find_map(|line| line.strip_prefix("package cellar:cell@"))?;
    line.strip_suffix(';')
}

/// Writes the world and the contract below the folder of results; answers their folder and the contract's version.
///
/// # Errors
/// The folder's contract cannot be read or names no version; the world cannot be written.
pub(super) fn write(
    folder: &Path,
    results: &Path,
    manifest: &CellToml,
) -> Result<(PathBuf, String), Failure> {
    let own = folder.join(CONTRACT.0);
    let contract = match own.exists() {
        true => read_text(&own).map_err(|error| {
            Failure::new(format!("cannot read {}: {error}", own.display()), "copy it again from a new cell")
        })?,
        false => CONTRACT.1.to_owned(),
    };
    let version = version(&contract).ok_or_else(|| {
        Failure::new(format!("{} is not the contract", own.display()), "copy it again from a new cell")
    })?;
    let wit = results.join("wit");
    let below = wit.join("deps/cell");
    let written = fs::create_dir_all(&below)
        .and_then(|()| fs::write(below.join("cell.wit"), &contract))
        .and_then(|()| fs::write(wit.join("world.wit"), text(manifest, version)));
    written.map_err(|error| Failure::of_file(&wit, &error))?;
    Ok((wit, version.to_owned()))
}

fn text(manifest: &CellToml, version: &str) -> String {
    let mut text = format!("package built:here;\n\nworld {WORLD} {{\n");
    for name in imports(manifest).unwrap_or_default() {
        // Writing into a text does not fail.
        let _ = writeln!(text, "    import cellar:cell/{name}@{version};");
    }
    let _ = writeln!(text, "    export cellar:cell/{}@{version};\n}}", export(manifest));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(world: &str, interfaces: &str) -> CellToml {
        let text = format!("name = \"abc\"\nversion = 1\nworld = \"{world}\"\ninterfaces = [{interfaces}]");
        CellToml::parse(&text).expect("a manifest")
    }

    #[test]
    fn a_world_has_the_interfaces_of_the_manifest_and_those_that_need_no_grant() {
        let stage = manifest("stage", "\"timeseries-read\", \"log\"");
        let want = "package built:here;\n\nworld cell {\n    import cellar:cell/context@0.2.0;\n    \
            import cellar:cell/stage-run@0.2.0;\n    import cellar:cell/timeseries-read@0.2.0;\n    \
            import cellar:cell/log@0.2.0;\n    export cellar:cell/stage@0.2.0;\n}\n";
        assert_eq!(text(&stage, "0.2.0"), want);
        let endpoint = manifest("endpoint", "");
        assert_eq!(imports(&endpoint), Ok(vec!["context", "request", "response"]));
        assert_eq!((export(&endpoint), export(&stage)), ("endpoint", "stage"));
        let contribution = manifest("contribution", "\"timeseries-read\"");
        assert_eq!(imports(&contribution), Ok(vec!["context", "timeseries-read"]));
    }

    #[test]
    fn an_interface_that_is_not_of_the_contract_is_refused_by_its_name() {
        let refused =
            imports(&manifest("stage", "\"sockets; export x\"")).expect_err("no such interface").what.clone();
        assert!(refused.contains("sockets; export x"), "{refused}");
    }

    #[test]
    fn the_contract_says_its_version() {
        assert!(version(CONTRACT.1).is_some_and(|version| version.starts_with("0.2.")));
        assert_eq!(version("package other:cell@0.2.0;"), None);
    }
}
