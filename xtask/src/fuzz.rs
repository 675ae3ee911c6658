//! Fuzzing with coverage: builds `fuzz/` for libFuzzer and runs its targets. The only tool that it needs is a C++
//! compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{cargo, run_keeping};
use crate::step::step;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// The targets that `fuzz/Cargo.toml` lists.
pub(crate) const TARGETS: [&str; 32] = [
    "json_entry",
    "json_members",
    "json_request",
    "block_decode",
    "pages_and_rows",
    "client_hello",
    "qr_text",
    "typed_code",
    "public_key",
    "upc_bodies",
    "sealed",
    "device_table",
    "roster",
    "package",
    "study",
    "import_gpx",
    "import_kml",
    "import_tcx",
    "import_fit",
    "import_csv",
    "import_geojson",
    "import_google_records",
    "import_google_semantic",
    "import_google_timeline",
    "import_owntracks_rec",
    "import_owntracks",
    "import_traccar",
    "import_emission",
    "import_packed",
    "import_archived",
    "receivers",
    "aggregator",
];

/// Counters at every edge, and the instrumentation with which libFuzzer sees comparisons.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";
const MEMORY_MIB_MAX: u32 = 1024;
const STATISTIC: &str = "stat::number_of_executed_units:";

/// `cargo xtask fuzz [TARGET] [--seconds N]`: runs every target, or one.
pub(crate) fn run(target: Option<&str>, seconds: u32) -> Result<(), Trouble> {
    let workspace = Workspace::read()?;
    let home = workspace.target.join("fuzz");
    let host = host_triple()?;
    step("fuzz", "building the targets with coverage", || {
        let mut build = cargo();
        build
            .args(["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml"])
            // Naming the target keeps build scripts and macros free of the instrumentation.
            .args(["--target", &host, "--target-dir"])
            .arg(&home)
            .current_dir(&workspace.root)
            .env("RUSTFLAGS", FLAGS);
        crate::command::run(&mut build, "correct what cargo says above; a C++ compiler is needed too")?;
        Ok(((), home.display().to_string()))
    })?;
    let programs = home.join(&host).join("release");
    for name in TARGETS.into_iter().filter(|name| target.is_none_or(|one| one == *name)) {
        one(&workspace, &home, &programs.join(name), name, seconds)?;
    }
    Ok(())
}

fn one(workspace: &Workspace, home: &Path, program: &Path, name: &str, seconds: u32) -> Result<(), Trouble> {
    let corpus = home.join("corpus").join(name);
    fs::create_dir_all(&corpus).map_err(Trouble::file("make", &corpus))?;
    step("fuzz", &format!("{name} for {seconds} s"), || {
        let mut fuzzer = Command::new(program);
        fuzzer
            .arg(&corpus)
            .args([format!("-max_total_time={seconds}"), format!("-rss_limit_mb={MEMORY_MIB_MAX}")])
            .args(["-print_final_stats=1", "-timeout=10", "-verbosity=1"])
            .arg(format!("-artifact_prefix={}/", home.display()));
        let seeds = workspace.root.join("fuzz/seeds").join(name);
        if seeds.exists() {
            fuzzer.arg(seeds);
        }
        let remedy =
            format!("{name} broke a promise; run the program again with the file that it names above");
        let kept = run_keeping(&mut fuzzer, |line| line.starts_with(STATISTIC), &remedy)?;
        let executions = kept.first().and_then(|line| line.strip_prefix(STATISTIC)).unwrap_or("?").trim();
        Ok(((), format!("{executions} executions, no promise broken")))
    })
}

fn host_triple() -> Result<String, Trouble> {
    let printed = crate::command::output(Command::new("rustc").args(["-vV"]), "see that rustc runs")?;
    let text = String::from_utf8_lossy(&printed).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned)
        .ok_or_else(|| Trouble::Answer { program: "rustc -vV", source: "it names no host".into() })
}
