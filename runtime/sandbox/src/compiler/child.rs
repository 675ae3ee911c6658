//! The child: limits itself, compiles one component, and ends.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::STATUS_REFUSED;
use crate::{Refusal, compile_native, text};

/// The child: `<seconds of processor time> <bytes of address space> <component> <native>`. Limits itself, compiles,
/// and writes the native code by rename, so that a killed child leaves no partial file under that name.
pub fn compiler_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let [cpu_s, address_bytes, wasm, native] = &args[..] else { return bad_arguments() };
    let number = |arg: &OsString| arg.to_str().and_then(|text| text.parse::<u64>().ok());
    let (Some(cpu_s), Some(address_bytes)) = (number(cpu_s), number(address_bytes)) else {
        return bad_arguments();
    };
    match limit_self(cpu_s, address_bytes).and_then(|()| compile_file(Path::new(wasm), Path::new(native))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(refusal)) => {
            // If the parent is gone, the reason is not needed.
            let _ = writeln!(std::io::stdout(), "{}", text::one_line(&refusal.to_string()));
            ExitCode::from(STATUS_REFUSED)
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cannot compile {}: {error}", wasm.display());
            ExitCode::FAILURE
        }
    }
}

fn bad_arguments() -> ExitCode {
    let usage = "usage: <seconds of processor time> <bytes of address space> <component> <native>";
    let _ = writeln!(std::io::stderr(), "{usage}");
    ExitCode::from(2)
}

fn limit_self(cpu_s: u64, address_bytes: u64) -> std::io::Result<()> {
    // Two seconds between the limits: at the first the system gives the reason, at the second it only kills.
    let limits = [
        (Resource::Cpu, cpu_s, cpu_s.saturating_add(2)),
        (Resource::As, address_bytes, address_bytes),
        (Resource::Core, 0, 0),
    ];
    for (resource, current, maximum) in limits {
        setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    }
    Ok(())
}

fn compile_file(wasm: &Path, native: &Path) -> std::io::Result<Result<(), Refusal>> {
    let code = match compile_native(&fs::read(wasm)?) {
        Ok(code) => code,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let unfinished = native.with_extension("unfinished");
    fs::File::create(&unfinished)?.write_all(&code)?;
    fs::rename(unfinished, native)?;
    Ok(Ok(()))
}
