//! Cells in Rust: cargo makes a core module, of which the encoder makes a component.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_program::Failure;

/// The target that guests are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the core module; cargo's own words go to standard error.
pub(super) fn module_of(folder: &Path) -> Result<PathBuf, Failure> {
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
