//! Measures what wiping memory costs: two builds of the host, in turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, output, run as run_command};
use crate::step::step;
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// Pairs of runs that count, after one that does not.
const ROUNDS: usize = 9;

/// One figure of `cellar bench memory`.
#[derive(serde::Deserialize)]
struct Figure {
    what: String,
    ours: f64,
}

#[derive(serde::Deserialize)]
struct Figures {
    memory: Vec<Figure>,
}

/// Builds both, runs them in turns, prints the ratios.
pub(super) fn run(workspace: &Workspace) -> Result<(), Trouble> {
    let wiped = build(workspace, "wiped", &[])?;
    let unwiped = build(workspace, "unwiped", &["--features", "runtime-bench/unwiped"])?;
    // The usual program is built last.
    build(workspace, "wiped", &[])?;
    measure(&wiped)?;
    measure(&unwiped)?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rounds.push((measure(&wiped)?, measure(&unwiped)?));
    }
    println!("wiping: What does wiping memory when it is given back cost, in processor time?");
    let names: Vec<_> = rounds[0].0.iter().map(|figure| figure.what.clone()).collect();
    for (index, name) in names.iter().enumerate() {
        let both = rounds.iter().map(|(wiped, unwiped)| (wiped[index].ours, unwiped[index].ours));
        let (ours, other): (Vec<_>, Vec<_>) = both.unzip();
        let mut ratios: Vec<_> = ours.iter().zip(&other).map(|(ours, other)| ours / other).collect();
        let ratio = quantile(&mut ratios, 0.5);
        println!(
            "  {name:24} wiped {:.2} ms, unwiped {:.2} ms: {ratio:.2}× ({:.2}–{:.2})",
            quantile(&mut ours.clone(), 0.5),
            quantile(&mut other.clone(), 0.5),
            quantile(&mut ratios, 0.25),
            quantile(&mut ratios, 0.75),
        );
    }
    Ok(())
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(share * (values.len() - 1) as f64).round() as usize]
}

/// Builds the host and keeps its program under another name.
fn build(workspace: &Workspace, name: &str, options: &[&str]) -> Result<PathBuf, Trouble> {
    step("host", &format!("building the host in release, {name}"), || {
        let package = ["build", "--release", "--package", "runtime-bench", "--bin", "cellar-bench"];
        run_command(cargo().args(package).args(options), "correct what cargo says above")?;
        let release = workspace.target.join("release");
        let (built, kept) = (release.join("cellar-bench"), release.join(format!("cellar-bench-{name}")));
        fs::copy(&built, &kept).map_err(Trouble::file("copy", &built))?;
        let result = kept.display().to_string();
        Ok((kept, result))
    })
}

fn measure(program: &Path) -> Result<Vec<Figure>, Trouble> {
    let remedy = "its own words stand above";
    let printed = output(Command::new(program).args(["memory", "--json"]), remedy)?;
    let figures: Figures = serde_json::from_slice(&printed)
        .map_err(|error| Trouble::Answer { program: "cellar bench memory --json", source: error.into() })?;
    Ok(figures.memory)
}
