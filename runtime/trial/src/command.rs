//! The arguments of `cellar cell test`, `cellar cell watch` and `cellar cell invent`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use runtime_program::{Failure, console, exit};

use crate::people::{Case, Phone, write_new_json};
use crate::report::Report;
use crate::scenario::Scenario;
use crate::stand::{Stand, TrialError};
use crate::subject::Subject;
use crate::trial::{self, Options};
use crate::watch;

/// What is typed to start this program: before its verbs stand those of `cellar`.
const CALLED: &str = concat!("cellar", " cell");

/// How many days an invented person has, unless another number is given.
const DAYS: u32 = 3;
/// The largest seed of a first person: those of the others follow it, and every program that reads JSON knows them.
const SEED_MAX: u64 = 1 << 52;

/// Try a cell with invented people in the real runtime
#[derive(Debug, Parser)]
#[command(name = "cellar-cell-test", bin_name = CALLED, version)]
pub struct Command {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Try a cell with invented people: late data, reset, rewind, forget, cut back-logs, narrow grants
    #[command(
        after_help = "Examples:\n  cellar cell test silences\n  cellar cell test silences --users 5 --only cut --only late\n  cellar cell test phone-hours --study study.toml\n  cellar cell test silences --replay silences/tests/failures/cut.json"
    )]
    Test(TestArgs),
    /// Invent a person with some days that wait for the analysis, as a file for `cellar user import`
    #[command(after_help = "Example:\n  cellar cell invent anna --seed 7 --days 2 --output anna.json")]
    Invent(InventArgs),
    /// Build and try a cell with few people whenever one of its files changes, until Ctrl-C
    #[command(after_help = "Example:\n  cellar cell watch silences")]
    Watch(WatchArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// The cell's folder, which is built first, or a package
    #[arg(value_name = "DIR_OR_PACKAGE")]
    cell: PathBuf,
    /// How many people are invented
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    users: u64,
    /// The number of the first; the same number gives the same person
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    seed: u64,
    /// How many days each has
    #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Write the goldens, in place of comparing with them
    #[arg(long)]
    update: bool,
    /// Play a failure again that was written to tests/failures
    #[arg(long, value_name = "FILE", conflicts_with_all = ["update", "only", "skip"])]
    replay: Option<PathBuf>,
    /// The folder with requests, goldens and failures; by default `tests` in the cell's folder
    #[arg(long, value_name = "DIR")]
    tests: Option<PathBuf>,
    /// For a contribution: the study, signed or not; by default study.toml in the cell's folder, if it is there
    #[arg(long, value_name = "FILE")]
    study: Option<PathBuf>,
    /// For a contribution: numbers outside of the bounds of the study are told, and are no failure
    #[arg(long)]
    may_clamp: bool,
    /// Only this scenario
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<Scenario>,
    /// Without this scenario
    #[arg(long, value_name = "SCENARIO")]
    skip: Vec<Scenario>,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// The cell's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How many people are invented
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    users: u64,
    /// The number of the first
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    seed: u64,
}

#[derive(Debug, clap::Args)]
struct InventArgs {
    /// The person's name
    name: String,
    /// The number of the person; the same number gives the same person
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How many days, from Monday, 2024-03-04 on
    #[arg(long, default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// A new file
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Reads the arguments of the process and carries them out.
pub fn main() -> ExitCode {
    exit::main(CALLED, |Command { json, verb }| {
        let stop = stop_on_interrupt().map_err(|error| Failure::of(&error, "report this"))?;
        match verb {
            Verb::Test(args) => test(&args, json, &stop),
            Verb::Invent(args) => invent(&args, json),
            Verb::Watch(WatchArgs { folder, users, seed }) => {
                let options =
                    Options { users, seed, days: DAYS, scenarios: Vec::new(), update: false, shrinks: false };
                watch::run(&folder, &options, json, &stop)
            }
        }
    })
}

/// Set by Ctrl-C: temporary folders are removed before the process ends.
fn stop_on_interrupt() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let set = Arc::clone(&stop);
    let wait = move || {
        if tokio.block_on(tokio::signal::ctrl_c()).is_ok() {
            set.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(wait)?;
    Ok(stop)
}

fn test(args: &TestArgs, json: bool, stop: &AtomicBool) -> Result<(), Failure> {
    let subject = Subject::find(&args.cell, args.tests.as_deref())?;
    let subject = Arc::new(subject.with_study(args.study.as_deref(), args.may_clamp)?);
    let scenarios = scenarios(&subject, &args.only, &args.skip);
    let stand = Stand::start(subject, None).map_err(|error| failure(&error))?;
    let report = match &args.replay {
        Some(path) => trial::replay(&stand, path)?,
        None => {
            let TestArgs { users, seed, days, update, .. } = *args;
            let options = Options { users, seed, days, scenarios, update, shrinks: true };
            trial::run(&stand, &options, stop).map_err(|error| failure(&error))?
        }
    };
    show(&report, json)
}

/// What was invented.
#[derive(Debug, serde::Serialize)]
struct Invented {
    output: PathBuf,
    seed: u64,
    phone: Phone,
    days: u32,
    entries: usize,
}

fn invent(InventArgs { name, seed, days, output }: &InventArgs, json: bool) -> Result<(), Failure> {
    let case = Case::invent(*seed, *days);
    write_new_json(output, &case.export(name))?;
    let invented = Invented {
        output: output.clone(),
        seed: *seed,
        phone: case.phone,
        days: *days,
        entries: case.entries(),
    };
    match json {
        true => console::json(&invented),
        false => {
            let Invented { entries, days, .. } = invented;
            console::line(format!("{name} with {entries} entries of {days} days is in {}", output.display()))
        }
    }
}

/// The scenarios for that cell.
pub(crate) fn scenarios(subject: &Subject, only: &[Scenario], skip: &[Scenario]) -> Vec<Scenario> {
    let fits = |scenario: &Scenario| {
        let wanted = only.is_empty() || only.contains(scenario);
        wanted && !skip.contains(scenario) && scenario.is_for(subject.toml.world)
    };
    Scenario::ALL.into_iter().filter(fits).collect()
}

fn show(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        console::json(report)?
    } else {
        console::line(report.tell())?
    }
    match report.passed {
        true => Ok(()),
        false => Err(Failure::new("the cell did not pass", "correct what stands above, then test it again")),
    }
}

/// Why a trial did not take place.
pub(crate) fn failure(error: &TrialError) -> Failure {
    let remedy = match error {
        TrialError::Install(_) | TrialError::Contribution(_) => {
            "correct the manifest or the code; docs/researcher.md explains both"
        }
        TrialError::Stopped => "start it again",
        _ => "look at what failed, or report it with `cellar --version`",
    };
    Failure::of(error, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound_and_nobody_is_invented_without_days() {
        Command::command().debug_assert();
        for bad in ["--users=0", "--days=0", "--only=nonsense"] {
            assert!(Command::try_parse_from([CALLED, "test", "x", bad]).is_err(), "{bad}");
        }
    }
}
