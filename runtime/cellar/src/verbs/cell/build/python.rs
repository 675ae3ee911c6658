//! Cells in Python: componentize-py makes a component of `app.py` and its interpreter.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_manifest::{CellToml, World};
use runtime_program::Failure;

use super::{PYTHON_MODULE, staged, tools, world};

const TOOL: &str = "componentize-py";
/// The module that the world's export is in.
const ENTRY: &str = "cellar_entry";
/// Starts the tool where its script is not installed, but its package is.
const AS_PACKAGE: &str = "import componentize_py; componentize_py.script()";

/// Makes the component.
pub(super) fn build(
    folder: &Path,
    results: &Path,
    component: &Path,
    manifest: &CellToml,
) -> Result<(), Failure> {
    let imports = world::imports(manifest)?;
    let mut command = tool(folder)?;
    let entry = entry(manifest.world, &imports);
    let source = staged::stage(folder, results, PYTHON_MODULE, (&format!("{ENTRY}.py"), &entry))?;
    let (wit, _) = world::write(folder, results, manifest)?;
    command.arg("--wit-path").arg(absolute(&wit)?).args(["--world", world::WORLD, "--quiet"]);
    command.args(["componentize", "--stub-wasi", "--python-path", ".", "--output"]);
    command.arg(absolute(component)?).arg(ENTRY).current_dir(&source);
    tools::run(command, TOOL, "correct what it says: it has loaded the cell's modules once")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::of_file(path, &error))
}

fn tool(folder: &Path) -> Result<Command, Failure> {
    if let Some(program) = tools::find(folder, ".venv/bin", TOOL) {
        return Ok(Command::new(program));
    }
    for python in ["python3", "python"] {
        let mut command = Command::new(python);
        command.args(["-c", AS_PACKAGE]);
        let mut asked = Command::new(python);
        asked.args(["-c", AS_PACKAGE, "--version"]).stdin(Stdio::null()).stdout(Stdio::null());
        if asked.stderr(Stdio::null()).status().is_ok_and(|ended| ended.success()) {
            return Ok(command);
        }
    }
    let version = tools::version(TOOL);
    Err(Failure::new(
        format!(
            "{TOOL} is neither in {}/.venv nor on the path, and python3 does not have it",
            folder.display()
        ),
        format!(
            "run `python3 -m venv {0}/.venv && {0}/.venv/bin/pip install {TOOL}=={version}`",
            folder.display()
        ),
    ))
}

/// The module of the world's export: it hands the interfaces to the module for cells, which calls the cell.
fn entry(world: World, imports: &[&str]) -> String {
    let names: Vec<String> = imports.iter().map(|name| name.replace('-', "_")).collect();
    let given: Vec<String> = names.iter().map(|name| format!("{name}={name}")).collect();
    let (class, function) = match world {
        World::Stage => ("Stage", "run"),
        World::Endpoint => ("Endpoint", "handle"),
        World::Contribution => ("Contribution", "contribute"),
    };
    let mut text = "# Made by `cellar cell build`.\nfrom wit_world import exports\n".to_owned();
    // Writing into a text does not fail.
    let _ = writeln!(text, "from wit_world.imports import types, {}", names.join(", "));
    text.push_str("from cellar_cell.guest import Guest\n\n");
    let _ = writeln!(text, "guest = Guest(types, {})\n", given.join(", "));
    text.push_str("# After clock and randomness were wired.\nimport app\n\n\n");
    let _ = writeln!(text, "class {class}(exports.{class}):");
    let _ = writeln!(text, "    def {function}(self):\n        return guest.{function}(app.{function})");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_gives_the_cell_the_interfaces_of_its_world() {
        let text = entry(World::Stage, &["context", "stage-run", "log"]);
        for part in [
            "import types, context, stage_run, log\n",
            "Guest(types, context=context, stage_run=stage_run, log=log)",
            "class Stage(exports.Stage):\n    def run(self):\n        return guest.run(app.run)\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
