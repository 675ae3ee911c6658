//! `cellar pipeline`: a person's stages by hand.

use serde_json::Value;

use super::{Place, administer, clock_line, errors, moment};
use runtime_host::admin::Command;
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::when::When;

/// What to do with a pipeline.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Run a person's stages now
    #[command(after_help = "Example:\n  cellar pipeline run --data ~/cellar --user Ada")]
    Run(Whose),
    /// Show each stage's mark and last failure, and when the next run is due
    #[command(after_help = "Example:\n  cellar pipeline status --data ~/cellar --user Ada")]
    Status(Whose),
    /// Remove what the stages made; the next run makes it anew from what phones sent
    #[command(
        after_help = "Example:\n  cellar pipeline reset --data ~/cellar --user Ada\n  cellar pipeline reset --data ~/cellar --user Ada --from 2024-03-05"
    )]
    Reset {
        #[command(flatten)]
        /// Whose.
        whose: Whose,
        /// Only what depended on this day and later ones: a date, a date with a time, or seconds since 1970
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: Option<When>,
    },
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
    let whose = match &verb {
        Verb::Run(Whose { user, .. }) => user.clone(),
        _ => String::new(),
    };
    let (place, command, tell): (Place, Command, fn(&Value) -> String) = match verb {
        Verb::Run(Whose { place, user }) => (place, Command::PipelineRun { user }, tell_run),
        Verb::Status(Whose { place, user }) => (place, Command::PipelineStatus { user }, tell_status),
        Verb::Reset { whose: Whose { place, user }, from } => {
            (place, Command::PipelineReset { user, from }, tell_reset)
        }
    };
    let answer = administer(&place, command)?;
    console::line(if as_json { answer.to_string() } else { tell(&answer) })?;
    if !as_json {
        for line in errors::run_lines(&answer, &whose) {
            console::line(line)?;
        }
    }
    let failed = reports(&answer).find(|stage| stage["failure"].is_string());
    match failed {
        Some(stage) => Err(Failure::new(
            format!("{} failed: {}", text(stage, "stage"), text(stage, "failure")),
            "nothing of that stage's run was kept, and the next run tries again",
        )),
        None => Ok(()),
    }
}

/// What each rewind and stage of a run did.
fn reports(answer: &Value) -> impl Iterator<Item = &Value> {
    let lists = [&answer["rewinds"], &answer["stages"]];
    lists.into_iter().filter_map(Value::as_array).flatten()
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
    reports(answer).map(line).chain(clock_line(answer)).collect::<Vec<_>>().join("\n")
}

fn tell_status(answer: &Value) -> String {
    let mut lines: Vec<String> = Vec::new();
    for stage in answer["stages"].as_array().into_iter().flatten() {
        let state = &stage["state"];
        let off = if stage["off"] == true { "  off" } else { "" };
        lines.push(format!(
            "{:32} up to {:24} last run {:24}{off}",
            text(stage, "stage"),
            mark(&state["last_processed_ts"]),
            mark(&state["last_ts_run"])
        ));
        lines.extend(failure_line(&state["failure"], &stage["retry_at"]));
    }
    let rewind = &answer["rewind"];
    if !rewind.is_null() {
        let from = rewind["from"].as_f64().map(|from| format!("everything from {}", moment(from)));
        let again = rewind["again"].as_object().into_iter().flatten();
        let again = again.map(|(stage, from)| format!("{stage} from {}", mark(from)));
        lines.push(format!(
            "made anew first: {}",
            from.into_iter().chain(again).collect::<Vec<_>>().join(", ")
        ));
        lines.extend(failure_line(&rewind["failure"], &rewind["retry_at"]));
    }
    lines.extend(answer["waiting"].as_array().into_iter().flatten().filter_map(waiting_line));
    lines.push(next_line(&answer["pending"]));
    lines.extend(clock_line(answer));
    lines.join("\n")
}

fn failure_line(failure: &Value, retry_at: &Value) -> Option<String> {
    let attempts = failure["attempts"].as_u64()?;
    let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    let (at, next) = (mark(&failure["at"]), mark(retry_at));
    Some(format!("  FAILED {times}, last at {at}, next try {next}: {}", text(failure, "reason")))
}

/// What is dated ahead of the host's clock.
fn waiting_line(waiting: &Value) -> Option<String> {
    if waiting["reason"] != "dated-ahead" {
        return None;
    }
    let (count, key) = (waiting["count"].as_u64()?, text(waiting, "key"));
    let (first, last) = (mark(&waiting["first_ts"]), mark(&waiting["last_ts"]));
    Some(format!("{count} entries of {key} wait, dated ahead of the host's clock: {first} to {last}"))
}

fn next_line(pending: &Value) -> String {
    match (pending.is_null(), pending["running"] == true, pending["due"].as_f64()) {
        (true, ..) => "nothing waits for a run".to_owned(),
        (_, true, _) => "a run is queued or under way".to_owned(),
        (.., Some(due)) => format!("next run {}", moment(due)),
        _ => "a run is pending: it follows once a host serves with pipeline.automatic".to_owned(),
    }
}

fn tell_reset(answer: &Value) -> String {
    match (answer["removed"].as_u64(), answer["from"].as_f64()) {
        (Some(removed), _) => format!("{removed} entries removed; the next run makes them anew"),
        (None, from) => format!(
            "the next run makes everything anew from {}",
            from.map_or_else(|| "the beginning".to_owned(), moment)
        ),
    }
}
