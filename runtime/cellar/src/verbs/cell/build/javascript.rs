//! Cells in JavaScript: componentize-qjs or componentize-js makes a component of `app.js` and its engine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use runtime_manifest::{CellToml, World};
use runtime_program::{Failure, read_text};
use serde::Deserialize;

use super::{JAVASCRIPT_MODULE, staged, tools, world};

/// The module that the world's export is in.
const ENTRY: &str = "cellar-entry.js";

/// What runs the JavaScript of a cell, inside of its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// QuickJS: a component of 2 MB
    Qjs,
    /// StarlingMonkey: a component of 12 MB, which computes several times faster
    Starling,
}

impl Engine {
    /// The program, and the packages that it comes with.
    fn tool(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Qjs => ("componentize-qjs", &["componentize-qjs"]),
            // The second is used by the first, which does not say so.
            Self::Starling => {
                ("componentize-js", &["@bytecodealliance/componentize-js", "@bytecodealliance/preview2-shim"])
            }
        }
    }
}

/// Makes the component.
pub(super) fn build(
    folder: &Path,
    results: &Path,
    component: &Path,
    manifest: &CellToml,
    engine: Option<Engine>,
) -> Result<(), Failure> {
    let imports = world::imports(manifest)?;
    let engine = match engine {
        Some(engine) => engine,
        None => engine_of(folder)?,
    };
    let (tool, packages) = engine.tool();
    let program = tools::find(folder, "node_modules/.bin", tool).ok_or_else(|| {
        let pinned = packages.iter().map(|package| format!("{package}@{}", tools::version(package)));
        let pinned = pinned.collect::<Vec<_>>().join(" ");
        Failure::new(
            format!("{tool} is neither in {}/node_modules nor on the path", folder.display()),
            format!("run `npm install --prefix {} --save-dev {pinned}`", folder.display()),
        )
    })?;
    let (wit, version) = world::write(folder, results, manifest)?;
    let entry = entry(manifest.world, &imports, &version);
    let source = staged::stage(folder, results, JAVASCRIPT_MODULE, (ENTRY, &entry))?;
    let mut command = Command::new(program);
    command.current_dir(&source).arg("--wit").arg(absolute(&wit)?);
    match engine {
        Engine::Qjs => {
            command.args(["--world", world::WORLD, "--module-root", ".", "--stub-wasi", "--sync"]);
            command.args(["--js", ENTRY, "--output"]).arg(absolute(component)?);
        }
        Engine::Starling => {
            command.args(["--world-name", world::WORLD, "--out"]).arg(absolute(component)?).arg(ENTRY);
            command.args(["--disable", "stdio", "random", "clocks", "http", "fetch-event"]);
        }
    }
    tools::run(command, tool, "correct what it says: it has loaded the cell's modules once")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::of_file(path, &error))
}

/// The engine that package.json names under `cellar`; otherwise the smaller one.
fn engine_of(folder: &Path) -> Result<Engine, Failure> {
    #[derive(Deserialize)]
    struct Package {
        cellar: Option<Cellar>,
    }
    #[derive(Deserialize)]
    struct Cellar {
        engine: Option<Engine>,
    }
    let path = folder.join("package.json");
    let bad = |error: &dyn std::fmt::Display| {
        let what = format!("{}: {error}", path.display());
        Failure::new(what, "correct it: \"cellar\": { \"engine\": \"qjs\" } names an engine")
    };
    let text = read_text(&path).map_err(|error| bad(&error))?;
    let package: Package = serde_json::from_str(&text).map_err(|error| bad(&error))?;
    Ok(package.cellar.and_then(|cellar| cellar.engine).unwrap_or(Engine::Qjs))
}

/// The module of the world's export: it hands the interfaces to the module for cells, which calls the cell.
fn entry(world: World, imports: &[&str], version: &str) -> String {
    let (export, function) = match world {
        World::Stage => ("stage", "run"),
        World::Endpoint => ("endpoint", "handle"),
        World::Contribution => ("contribution", "contribute"),
    };
    let names: Vec<String> = imports.iter().map(|name| camel_case(name)).collect();
    let mut text = "// Made by `cellar cell build`.\n".to_owned();
    for (name, short) in imports.iter().zip(&names) {
        // Writing into a text does not fail.
        let _ = writeln!(text, "import * as {short} from 'cellar:cell/{name}@{version}';");
    }
    let _ = writeln!(text, "import {{ connect, {function} }} from './cellar-cell/guest.js';");
    text.push_str("// After clock and randomness were wired.\nimport * as app from './app.js';\n\n");
    let _ = writeln!(text, "connect({{ {} }});", names.join(", "));
    let _ = writeln!(text, "export const {export} = {{ {function}: () => {function}(app.{function}) }};");
    text
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        text + &head.to_ascii_uppercase() + tail
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_entry_gives_the_cell_the_interfaces_of_its_world() {
        let text = entry(World::Endpoint, &["context", "timeseries-read"], "0.2.0");
        for part in [
            "import * as timeseriesRead from 'cellar:cell/timeseries-read@0.2.0';\n",
            "import { connect, handle } from './cellar-cell/guest.js';\n",
            "connect({ context, timeseriesRead });\n",
            "export const endpoint = { handle: () => handle(app.handle) };\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn package_json_names_the_engine() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = |text: &str| {
            fs::write(folder.path().join("package.json"), text).expect("written");
            engine_of(folder.path())
        };
        assert_eq!(engine("{}"), Ok(Engine::Qjs));
        assert_eq!(engine(r#"{"cellar":{"engine":"starling"}}"#), Ok(Engine::Starling));
        for bad in ["", r#"{"cellar":{"engine":"other"}}"#] {
            assert!(engine(bad).expect_err("bad").remedy.contains("qjs"), "{bad}");
        }
    }
}
