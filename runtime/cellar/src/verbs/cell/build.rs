//! `cellar cell build`: from a cell's folder to a package, with cargo and the encoder of components.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_manifest::CellToml;
use runtime_program::{Failure, read_text};

use super::files::write_package;
use super::packed;
use runtime_program::beside_this;

/// The target that guests are built for.
const TARGET: &str = "wasm32-unknown-unknown";
/// The program that makes components.
const ENCODER: &str = "cellar-cell-encoder";
/// The folder of results, in the cell's folder.
pub(super) const RESULTS: &str = "build";
/// The component, in the folder of results.
pub(super) const COMPONENT: &str = "component.wasm";

/// Builds the folder; answers the path of the package and its bytes.
pub(super) fn build(folder: &Path, output: Option<PathBuf>) -> Result<(PathBuf, Vec<u8>), Failure> {
    let manifest = manifest_of(folder)?;
    let results = folder.join(RESULTS);
    let component = results.join(COMPONENT);
    if folder.join("Cargo.toml").is_file() {
        let module = module_of(folder)?;
        fs::create_dir_all(&results).map_err(|error| Failure::of_file(&results, &error))?;
        encode(&module, &component, &manifest)?;
    } else {
        return Err(Failure::new(
            format!("{} has no Cargo.toml, and only cells in Rust are built here", folder.display()),
            "make a component with the tools of its language, then use `cellar cell pack`",
        ));
    }
    let package = packed(folder, &component)?;
    let output = output.unwrap_or_else(|| results.join(format!("{}.wasm", manifest.name)));
    write_package(&output, &package)?;
    Ok((output, package))
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

/// Builds the core module; cargo's own words go to standard error.
fn module_of(folder: &Path) -> Result<PathBuf, Failure> {
    check_target(folder)?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The library is an ordinary one, so that its tests run natively; as a module it is optimised as a whole.
    command
        .args(["rustc", "--release", "--lib", "--crate-type", "cdylib", "--target", TARGET])
        .args(["--quiet", "--message-format", "json-render-diagnostics"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let no_cargo = |error: &std::io::Error| {
        Failure::new(format!("cannot start cargo: {error}"), "install Rust with rustup (https://rustup.rs)")
    };
    let mut cargo = command.spawn().map_err(|error| no_cargo(&error))?;
    let mut module = None;
    if let Some(output) = cargo.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            module = module_in(&line).or(module);
        }
    }
    let ended = cargo.wait().map_err(|error| no_cargo(&error))?;
    match module.filter(|_| ended.success()) {
        Some(module) => Ok(module),
        None => Err(Failure::new("cargo did not build the cell", "correct what it says above")),
    }
}

/// The module that one of cargo's messages reports.
fn module_in(line: &str) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    let is_module = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
    (message.reason == "compiler-artifact").then(|| message.filenames.into_iter().find(is_module)).flatten()
}

/// Whether the toolchain of the folder has the target.
fn check_target(folder: &Path) -> Result<(), Failure> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder);
    let printed = rustc.output().map_err(|error| {
        Failure::new(format!("cannot start rustc: {error}"), "install Rust with rustup (https://rustup.rs)")
    })?;
    // rustc prints a folder whether or not it is there.
    let libraries = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim());
    if libraries.read_dir().is_ok_and(|mut files| files.next().is_some()) {
        return Ok(());
    }
    Err(Failure::new(
        format!("this Rust has no target {TARGET}"),
        format!("run `rustup target add {TARGET}`"),
    ))
}

/// Makes the component and compares it with its manifest.
fn encode(module: &Path, component: &Path, manifest: &CellToml) -> Result<(), Failure> {
    let program = beside_this(ENCODER).map_err(|error| Failure::of(&error, "report this"))?;
    let mut encoder = Command::new(&program);
    encoder.args([module, component]).arg(manifest.world.export()).args(&manifest.interfaces);
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
    fn the_module_is_found_among_the_messages_of_cargo() {
        let message = r#"{"reason":"compiler-artifact","target":{"name":"x"},"filenames":["/t/libx.rlib","/t/x.wasm"]}"#;
        assert_eq!(module_in(message), Some(PathBuf::from("/t/x.wasm")));
        for other in
            [&message.replace(".wasm", ".so"), r#"{"reason":"build-finished","success":true}"#, "warning"]
        {
            assert_eq!(module_in(other), None, "{other}");
        }
    }
}
