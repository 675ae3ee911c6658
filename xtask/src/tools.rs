//! The tools that make components of modules, and native code of components.
//!
//! Native code is made by the runtime's own compiler, so that its engine can load it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use runtime_manifest::CellToml;

use crate::command::{build_programs, output, run};
use crate::manifest;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

const ENCODER: &str = "xtask-component";
const COMPILER: &str = "cellar-cell-compiler";
/// Limits of one compilation: processor time, s, and address space, bytes.
const LIMITS: [&str; 2] = ["300", "8589934592"];

/// Both, built.
pub(crate) struct Tools {
    encoder: Tool,
    compiler: Tool,
}

/// A program, and what tells one build of it from another.
struct Tool {
    program: PathBuf,
    build: String,
}

impl Tools {
    /// Builds them with the profile of development.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, Trouble> {
        build_programs("engine", &[ENCODER, COMPILER])?;
        let tool = |name| {
            let program = workspace.target.join("debug").join(name);
            Ok(Tool { build: size_and_time(&program)?, program })
        };
        Ok(Self { encoder: tool(ENCODER)?, compiler: tool(COMPILER)? })
    }

    /// Makes `component` of `module`, unless that is what it was made of; its imports and its export must be what the
    /// manifest says. Answers its SHA-256.
    pub(crate) fn encode(&self, module: &Path, component: &Path, cell: &CellToml) -> Result<String, Trouble> {
        let export = manifest::export(cell.world);
        let made_of =
            format!("{} {} {export} {:?}", size_and_time(module)?, self.encoder.build, cell.interfaces);
        let stamp = component.with_extension("made");
        let known = fs::read_to_string(&stamp).unwrap_or_default();
        if let Some(digest) = known.strip_prefix(&made_of).filter(|_| component.exists()) {
            return Ok(digest.trim().to_owned());
        }
        let mut encoder = Command::new(&self.encoder.program);
        encoder.args([module, component]).arg(export).args(&cell.interfaces);
        let printed = output(&mut encoder, "its own words stand above")?;
        let digest = String::from_utf8_lossy(&printed).trim().to_owned();
        fs::write(&stamp, format!("{made_of}\n{digest}\n")).map_err(Trouble::file("write", &stamp))?;
        Ok(digest)
    }

    /// Compiles `component`, whose digest that is, to `native`, unless that is what it was made of. Answers whether it
    /// had to.
    pub(crate) fn compile(&self, component: &Path, digest: &str, native: &Path) -> Result<bool, Trouble> {
        let made_of = format!("{digest} {}\n", self.compiler.build);
        let stamp = native.with_extension("compiled");
        if native.exists() && fs::read_to_string(&stamp).is_ok_and(|known| known == made_of) {
            return Ok(false);
        }
        let fresh = native.with_extension("cwasm.new");
        run(
            Command::new(&self.compiler.program).args(LIMITS).args([component, &fresh]),
            "is the component one that the runtime admits? its words stand above",
        )?;
        fs::rename(&fresh, native).map_err(Trouble::file("write", native))?;
        fs::write(&stamp, made_of).map_err(Trouble::file("write", &stamp))?;
        Ok(true)
    }
}

/// Of a file that a build made: another build of it has another time.
fn size_and_time(path: &Path) -> Result<String, Trouble> {
    let known = fs::metadata(path).and_then(|known| Ok((known.len(), known.modified()?)));
    let (bytes, changed) = known.map_err(Trouble::file("read", path))?;
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{bytes} B at {} ns", since.as_nanos()))
}
