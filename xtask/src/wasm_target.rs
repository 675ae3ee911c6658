//! The compiler for guests: the target of the toolchain in use, or a second toolchain that builds its own std.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, output, succeeds};
use crate::trouble::Trouble;

/// The target that guests are built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// The variable with the folder of an unpacked toolchain that has the sources of std; see xtask/README.md.
const UNPACKED: &str = "CELLAR_GUEST_TOOLCHAIN";

/// How to build guests.
pub(crate) enum Guests {
    /// With the toolchain in use.
    Plain,
    /// With the toolchain unpacked in that folder, and that linker.
    Unpacked { root: PathBuf, linker: PathBuf },
}

impl Guests {
    /// Finds a way; adds the target with rustup where it is missing.
    pub(crate) fn ready() -> Result<Self, Trouble> {
        if let Some(root) = std::env::var_os(UNPACKED) {
            return Ok(Self::Unpacked { root: root.into(), linker: rust_lld()? });
        }
        if installed()? {
            return Ok(Self::Plain);
        }
        println!("cells: adding the target {TARGET} with rustup");
        let added = Command::new("rustup").args(["target", "add", TARGET]).status();
        if added.is_ok_and(|status| status.success()) && installed()? {
            Ok(Self::Plain)
        } else {
            Err(Trouble::NoWasmTarget)
        }
    }

    /// Whether clippy is part of it; Debian packages clippy separately.
    pub(crate) fn has_clippy(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// A cargo command that builds for [`TARGET`], with the verb and the options of this way.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut command = match self {
            Self::Plain => cargo(),
            Self::Unpacked { root, .. } => Command::new(root.join("usr/bin/cargo")),
        };
        command.args([verb, "--target", TARGET]).env(FLAGS.0, FLAGS.1);
        if let Self::Unpacked { root, linker } = self {
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"))
                .env("RUSTC", root.join("usr/bin/rustc"))
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .env_remove("RUSTUP_TOOLCHAIN");
        }
        command
    }
}

/// Every host has the 128-bit vectors of WebAssembly 2; the compiler uses them for copying and searching.
///
/// A stack of 128 KiB keeps a guest's memory so small that it is wiped in place. The initial heap has 128 KiB too, so
/// that a small guest never grows its memory; docs/limits.md has the measured benefit.
const FLAGS: (&str, &str) = (
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "-Ctarget-feature=+simd128 -Clink-arg=-zstack-size=131072 -Clink-arg=--initial-heap=131072",
);

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// The output of rustc, as a path.
fn ask(arguments: &[&str]) -> Result<PathBuf, Trouble> {
    let printed = output(rustc().args(arguments), "see that rustc runs")?;
    Ok(PathBuf::from(String::from_utf8_lossy(&printed).trim()))
}

fn installed() -> Result<bool, Trouble> {
    // rustc prints a folder whether or not it exists.
    let libraries = ask(&["--print", "target-libdir", "--target", TARGET])?;
    Ok(libraries.read_dir().is_ok_and(|mut files| files.next().is_some()))
}

fn rust_lld() -> Result<PathBuf, Trouble> {
    let libraries = ask(&["--print", "target-libdir"])?;
    let shipped = libraries.parent().unwrap_or(Path::new("")).join("bin/rust-lld");
    let runs = succeeds(Command::new(&shipped).args(["-flavor", "wasm", "--version"]));
    if runs { Ok(shipped) } else { Ok(PathBuf::from("rust-lld")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn table(path: &str) -> toml::Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text = fs::read_to_string(&path).expect("it is there").replace("{{sdk}}", "version = \"0\"");
        text.parse().expect("TOML")
    }

    #[test]
    fn a_cell_outside_of_the_repository_is_built_as_ours_are() {
        const TEMPLATES: &str = "runtime/cellar/src/verbs/cell/templates/rust";
        let config = table(&format!("{TEMPLATES}/config.toml.txt"));
        let flags = config["target"][TARGET]["rustflags"].as_array().expect("flags");
        let flags: Vec<&str> = flags.iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(flags.join(" "), FLAGS.1);
        let ours = table("Cargo.toml")["profile"]["cell"].as_table().expect("a profile").clone();
        let theirs = table(&format!("{TEMPLATES}/Cargo.toml.txt"))["profile"]["release"].clone();
        for (name, value) in theirs.as_table().expect("a profile") {
            assert_eq!(Some(value), ours.get(name), "{name}");
        }
    }
}
