//! Native code of components, made by the runtime's own compiler so that its engine can load it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ring::digest::{SHA256, digest};

use crate::command::{build_with_tests, run};
use crate::trouble::Trouble;
use crate::workspace::Workspace;

const COMPILER: &str = "cellar-cell-compiler";
/// Limits of one compilation: processor time, s, and address space, bytes.
const LIMITS: [&str; 2] = ["300", "8589934592"];

/// The compiler, built, and its digest: code is made anew when either changes.
pub(crate) struct Compiler {
    program: PathBuf,
    digest: String,
}

/// The SHA-256 of some bytes, in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Compiler {
    /// Builds it with the profile of development, in which what it depends on is optimised.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, Trouble> {
        run(build_with_tests(&[COMPILER]).arg("--quiet"), "correct what cargo says above")?;
        let program = workspace.target.join("debug").join(COMPILER);
        let digest = sha256(&fs::read(&program).map_err(Trouble::file("read", &program))?);
        Ok(Self { program, digest })
    }

    /// Compiles `wasm`, whose digest is `made_of`, to `native` unless that is what `native` was made of; `stamp`
    /// remembers. Answers whether it had to.
    pub(crate) fn compile(
        &self,
        made_of: &str,
        wasm: &Path,
        native: &Path,
        stamp: &Path,
    ) -> Result<bool, Trouble> {
        let wanted = format!("component {made_of}\ncompiler {}\n", self.digest);
        if native.exists() && fs::read_to_string(stamp).is_ok_and(|made| made == wanted) {
            return Ok(false);
        }
        let fresh = native.with_extension("cwasm.new");
        run(
            Command::new(&self.program).args(LIMITS).args([wasm, &fresh]),
            "is the component one that the runtime admits? its words stand above",
        )?;
        fs::rename(&fresh, native).map_err(Trouble::file("write", native))?;
        fs::write(stamp, wanted).map_err(Trouble::file("write", stamp))?;
        Ok(true)
    }
}
