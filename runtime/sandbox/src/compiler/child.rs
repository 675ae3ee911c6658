//! The child: limits itself, compiles one component, and ends.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{STATUS_FAILED, STATUS_MEMORY, STATUS_REFUSED};
use crate::{COMPONENT_BYTES_MAX, Refusal, compile_native, text};

/// The child: `<seconds of processor time> <bytes of address space> <component> <native>`; `-` stands for standard input
/// and output. Limits itself, compiles, and writes the native code; a file by rename, so that a killed child leaves no
/// partial file under that name.
pub fn compiler_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let [cpu_s, address_bytes, wasm, native] = &args[..] else { return bad_arguments() };
    let number = |arg: &OsString| arg.to_str().and_then(|text| text.parse::<u64>().ok());
    let (Some(cpu_s), Some(address_bytes)) = (number(cpu_s), number(address_bytes)) else {
        return bad_arguments();
    };
    std::panic::set_hook(Box::new(give_up));
    match limit_self(cpu_s, address_bytes).and_then(|()| compile(wasm, native)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(refusal)) => {
            say(&refusal.to_string());
            ExitCode::from(if is_of_memory(&refusal.to_string()) { STATUS_MEMORY } else { STATUS_REFUSED })
        }
        Err(error) => {
            say(&format!("cannot compile {}: {error}", wasm.display()));
            ExitCode::FAILURE
        }
    }
}

/// A panic of any thread ends the child with its words: the engine panics on some components that it does not support.
fn give_up(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("a panic without words");
    say(words);
    let status = if is_of_memory(words) { STATUS_MEMORY } else { STATUS_FAILED };
    std::process::exit(i32::from(status));
}

/// Whether the engine's words are about memory that the system did not give: it has no type for that.
fn is_of_memory(words: &str) -> bool {
    ["Cannot allocate memory", "ThreadPoolBuildError", "failed to spawn thread"]
        .iter()
        .any(|cause| words.contains(cause))
}

/// One line for the parent; if the parent is gone, it is not needed.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{}", text::one_line(words));
}

fn bad_arguments() -> ExitCode {
    say("usage: <seconds of processor time> <bytes of address space> <component> <native>");
    ExitCode::from(2)
}

fn limit_self(cpu_s: u64, address_bytes: u64) -> io::Result<()> {
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

fn compile(wasm: &OsStr, native: &OsStr) -> io::Result<Result<(), Refusal>> {
    let mut bytes = Vec::new();
    if wasm == "-" {
        io::stdin().take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(wasm)?;
    }
    let code = match compile_native(&bytes) {
        Ok(code) => code,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if native == "-" {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&code)?;
        stdout.flush()?;
        return Ok(Ok(()));
    }
    let native = Path::new(native);
    let unfinished = native.with_extension("unfinished");
    fs::File::create(&unfinished)?.write_all(&code)?;
    fs::rename(unfinished, native)?;
    Ok(Ok(()))
}
