//! The tools that create components from modules, and native code from components.
//!
//! The runtime's own compiler creates the native code, so that the runtime's engine can load it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use runtime_manifest::CellToml;

use crate::command::{build_programs, output, run};
use crate::trouble::Trouble;
use crate::workspace::Workspace;

const ENCODER: &str = "cellar-cell-encoder";
const COMPILER: &str = "cellar-cell-compiler";
/// Limits of one compilation: processor time, s, and address space, bytes.
const LIMITS: [&str; 2] = ["300", "8589934592"];

/// A program, and the data that distinguishes one build of it from another.
struct Tool {
    program: PathBuf,
    build: String,
}

impl Tool {
    /// Builds a program with the profile of development and finds it.
    fn built(workspace: &Workspace, name: &str) -> Result<Self, Trouble> {
        let program = workspace.target.join("debug").join(name);
        Ok(Self { build: size_and_time(&program)?, program })
    }
}

/// Creates components from modules.
pub(crate) struct Encoder(Tool);

/// Creates native code from components.
pub(crate) struct Compiler(Tool);

/// Builds both, with the engine.
pub(crate) fn build(workspace: &Workspace) -> Result<(Encoder, Compiler), Trouble> {
    build_programs("engine", &[ENCODER, COMPILER])?;
    Ok((Encoder(Tool::built(workspace, ENCODER)?), Compiler(Tool::built(workspace, COMPILER)?)))
}

impl Encoder {
    /// Builds only the encoder.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, Trouble> {
        build_programs("encoder", &[ENCODER])?;
        Ok(Self(Tool::built(workspace, ENCODER)?))
    }

    /// Creates `component` from `module`, unless it already is the result for this module; its imports and its export
    /// must be those of the manifest. Returns its SHA-256.
    pub(crate) fn encode(&self, module: &Path, component: &Path, cell: &CellToml) -> Result<String, Trouble> {
        let export = cell.world.export();
        let made_of = format!("{} {} {export} {:?}", size_and_time(module)?, self.0.build, cell.interfaces);
        let stamp = component.with_extension("made");
        let known = fs::read_to_string(&stamp).unwrap_or_default();
        if let Some(digest) = known.strip_prefix(&made_of).filter(|_| component.exists()) {
            return Ok(digest.trim().to_owned());
        }
        let mut encoder = Command::new(&self.0.program);
        encoder.args([module, component]).arg(export).args(&cell.interfaces);
        let printed = output(&mut encoder, "its own words stand above")?;
        let digest = String::from_utf8_lossy(&printed).trim().to_owned();
        fs::write(&stamp, format!("{made_of}\n{digest}\n")).map_err(Trouble::file("write", &stamp))?;
        Ok(digest)
    }
}

impl Compiler {
    /// Compiles `component`, which has this digest, to `native`, unless it already is the result for this component.
    /// Returns whether it compiled.
    pub(crate) fn compile(&self, component: &Path, digest: &str, native: &Path) -> Result<bool, Trouble> {
        let made_of = format!("{digest} {}\n", self.0.build);
        let stamp = native.with_extension("compiled");
        if native.exists() && fs::read_to_string(&stamp).is_ok_and(|known| known == made_of) {
            return Ok(false);
        }
        let fresh = native.with_extension("cwasm.new");
        run(
            Command::new(&self.0.program).args(LIMITS).args([component, &fresh]),
            "is the component one that the runtime admits? its words stand above",
        )?;
        fs::rename(&fresh, native).map_err(Trouble::file("write", native))?;
        fs::write(&stamp, made_of).map_err(Trouble::file("write", &stamp))?;
        Ok(true)
    }
}

/// Size and time of a file that a build created: another build of it has another time.
fn size_and_time(path: &Path) -> Result<String, Trouble> {
    let known = fs::metadata(path).and_then(|known| Ok((known.len(), known.modified()?)));
    let (bytes, changed) = known.map_err(Trouble::file("read", path))?;
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{bytes} B at {} ns", since.as_nanos()))
}
