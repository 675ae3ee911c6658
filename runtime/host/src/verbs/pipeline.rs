//! `cellar pipeline`: a person's stages by hand.

use serde_json::Value;

use super::{Place, administer, moment};
use crate::admin::Command;
use crate::failure::Failure;

/// What to do with a pipeline.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Run a person's stages now
    #[command(after_help = "Example:\n  cellar pipeline run --data ~/cellar --user Ada")]
    Run(Whose),
    /// Show what is remembered of each stage
    #[command(after_help = "Example:\n  cellar pipeline status --data ~/cellar --user Ada")]
    Status(Whose),
    /// Remove what the stages made; the next run makes it anew from what phones sent
    #[command(after_help = "Example:\n  cellar pipeline reset --data ~/cellar --user Ada")]
    Reset(Whose),
}

/// Whose pipeline.
#[derive(Debug, clap::Args)]
pub struct Whose {
    #[command(flatten)]
    place: Place,
    /// Name or id
    #[arg(long, value_name = "USER")]
    user: String,
}

/// Does it.
///
/// # Errors
/// [`Failure`] with the remedy; also where a stage failed.
pub fn run(verb: Verb, as_json: bool) -> Result<(), Failure> {
    let (place, command, tell): (Place, Command, fn(&Value) -> String) = match verb {
        Verb::Run(Whose { place, user }) => (place, Command::PipelineRun { user }, tell_run),
        Verb::Status(Whose { place, user }) => (place, Command::PipelineStatus { user }, tell_status),
        Verb::Reset(Whose { place, user }) => (place, Command::PipelineReset { user }, tell_reset),
    };
    let answer = administer(&place, command)?;
    println!("{}", if as_json { answer.to_string() } else { tell(&answer) });
    let failed = answer["stages"].as_array().into_iter().flatten().find(|stage| stage["failure"].is_string());
    match failed {
        Some(stage) => Err(Failure::new(
            format!("{} failed: {}", text(stage, "stage"), text(stage, "failure")),
            "nothing of that stage's run was kept, and the next run tries again",
        )),
        None => Ok(()),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

fn mark(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), moment)
}

fn tell_run(answer: &Value) -> String {
    let line = |stage: &Value| {
        let name = text(stage, "stage");
        if stage["off"] == true {
            return format!("{name:32} off");
        }
        let number = |name: &str| stage[name].as_u64().unwrap_or(0);
        let outcome = if stage["failure"].is_string() { "FAILED" } else { "done" };
        format!(
            "{name:32} {outcome:6} read {:>8}, wrote {:>8} in {:>9} µs, up to {}",
            number("entries_read"),
            number("entries_written"),
            number("elapsed_us"),
            mark(&stage["last_processed_ts"])
        )
    };
    answer["stages"].as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}

fn tell_status(answer: &Value) -> String {
    let line = |stage: &Value| {
        let state = &stage["state"];
        let off = if stage["off"] == true { "  off" } else { "" };
        format!(
            "{:32} up to {:24} last run {:24}{off}",
            text(stage, "stage"),
            mark(&state["last_processed_ts"]),
            mark(&state["last_ts_run"])
        )
    };
    answer.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}

fn tell_reset(answer: &Value) -> String {
    format!("{} entries removed; the next run makes them anew", answer["removed"])
}
