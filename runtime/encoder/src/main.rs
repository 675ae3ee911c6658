//! Makes a component of a cell's module and holds it against the cell's manifest; `cargo xtask cells` and `cellar cell
//! build` start it.
//!
//! `cellar-cell-encoder MODULE COMPONENT EXPORT [INTERFACE...]` reads the file `MODULE`, writes the file `COMPONENT` unless
//! that would not change it, and prints the component's SHA-256 in hex.
//!
//! `cellar-cell-encoder --check COMPONENT EXPORT [INTERFACE...]` makes nothing: it holds a component that another tool has
//! made against the manifest.

mod component;

use std::fs;
use std::process::ExitCode;

use component::{Expected, check, check_foreign, encode};

const USAGE: &str = "usage: cellar-cell-encoder MODULE COMPONENT EXPORT [INTERFACE...]\n       \
                     cellar-cell-encoder --check COMPONENT EXPORT [INTERFACE...]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(module), Some(to), Some(export)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let expected = Expected { export, interfaces: arguments.collect() };
    let done = match module.as_str() {
        "--check" => hold(&to, &expected),
        module => make(module, &to, &expected),
    };
    match done {
        Ok(digest) => {
            println!("{digest}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{to}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Answers the digest of a component that is there already.
fn hold(component: &str, expected: &Expected) -> Result<String, String> {
    let component = fs::read(component).map_err(|error| format!("cannot read it: {error}"))?;
    check_foreign(expected, &component).map_err(|error| error.to_string())?;
    Ok(digest(&component))
}

/// Answers the digest of the component.
fn make(module: &str, to: &str, expected: &Expected) -> Result<String, String> {
    let module = fs::read(module).map_err(|error| format!("cannot read {module}: {error}"))?;
    let component = encode(&module).map_err(|error| error.to_string())?;
    check(expected, &component).map_err(|error| error.to_string())?;
    // A file that would not change is not touched: nothing is built again for it.
    if fs::read(to).ok().as_ref() != Some(&component) {
        fs::write(to, &component).map_err(|error| format!("cannot write it: {error}"))?;
    }
    Ok(digest(&component))
}

/// SHA-256, in hex.
fn digest(component: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, component);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
