//! Embeds the page that `cargo xtask dashboard` built: a table `BUILT` of `Asset`, for
//! `include!(concat!(env!("OUT_DIR"), "/built.rs"))`.
//!
//! * Where it is: the folder that `CELLAR_DASHBOARD` names, or else `dashboard` in cargo's target folder.
//! * Without it, the table is empty: the program builds, and the server says how to get the page.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the build of the page writes last: one name of a file a line.
const INDEX: &str = "files.txt";

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=the page cannot be embedded: {error}");
            println!("cargo::error=run `cargo xtask dashboard`, and then this again");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=CELLAR_DASHBOARD");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let home = home(&out)?;
    let index = home.join(INDEX);
    // A file that is not there yet makes cargo look at every build, which is what finds it once it is.
    println!("cargo::rerun-if-changed={}", index.display());
    let names = if index.exists() { fs::read_to_string(&index)? } else { String::new() };
    let mut text = String::from("/// The files of the page.\nstatic BUILT: &[Asset] = &[\n");
    for name in names.lines().filter(|name| !name.is_empty()) {
        let plain = home.join(name).canonicalize()?;
        let packed = home.join(format!("{name}.gz"));
        println!("cargo::rerun-if-changed={}", plain.display());
        let packed = match packed.exists() {
            true => format!("Some(include_bytes!({:?}))", packed.canonicalize()?),
            false => "None".to_owned(),
        };
        writeln!(
            text,
            "    Asset {{ name: {name:?}, plain: include_bytes!({plain:?}), packed: {packed} }},"
        )?;
    }
    text.push_str("];\n");
    Ok(fs::write(out.join("built.rs"), text)?)
}

/// The folder of the page: cargo's target folder is some way above the one that this script may write to.
fn home(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(named) = env::var_os("CELLAR_DASHBOARD") {
        return Ok(named.into());
    }
    let beside =
        out.ancestors().map(|folder| folder.join("dashboard")).find(|folder| folder.join(INDEX).exists());
    let default = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../target/dashboard");
    Ok(beside.unwrap_or(default))
}
