//! `cellar pipeline`: a person's stages, run and reset by hand.

use runtime_user::{Pending, PipelineReport, PipelineStatus, RewindStatus, StageReport, StageStatus};
use runtime_user::{WaitReason, Waiting};

use super::user::errors;
use super::{Options, Who, administer, carry_out, clock_line, moment, moment_or_dash, show};
use runtime_host::admin::{PipelineReset, ResetPipeline, RunPipeline, ShowPipeline};
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::when::When;

/// The commands about a pipeline.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Run a person's stages now
    #[command(after_help = "Example:\n  cellar pipeline run Ada")]
    Run(Who),
    /// Show how far each stage has come, its last failure, and when the next run is due
    #[command(after_help = "Example:\n  cellar pipeline status Ada")]
    Status(Who),
    /// Remove what the stages computed; the next run recomputes it from what phones sent
    #[command(
        after_help = "Example:\n  cellar pipeline reset Ada\n  cellar pipeline reset Ada --from 2024-03-05"
    )]
    Reset {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// Only what depended on this day and later ones: a date, a date with a time, or seconds since 1970
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: Option<When>,
    },
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy; also where a stage failed.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::Run(who) => run_stages(who.name(), options),
        Verb::Status(who) => carry_out(options, ShowPipeline { person: who.name() }, tell_status),
        Verb::Reset { who, from } => {
            carry_out(options, ResetPipeline { person: who.name(), from }, tell_reset)
        }
    }
}

fn run_stages(person: String, options: &Options) -> Result<(), Failure> {
    let report = administer(options, RunPipeline { person: person.clone() })?;
    show(options, &report, tell_run)?;
    if !options.json {
        errors::run_lines(&report, &person).into_iter().try_for_each(console::line)?;
    }
    let Some(failed) = report.failed() else { return Ok(()) };
    let what = format!("{} failed: {}", failed.stage, failed.failure.as_deref().unwrap_or_default());
    Err(Failure::new(what, "nothing of that stage's run was kept, and the next run tries again"))
}

fn tell_run(report: &PipelineReport) -> String {
    let line = |stage: &StageReport| {
        let name = &stage.stage;
        if stage.off {
            return format!("{name:32} off");
        }
        let outcome = if stage.failure.is_some() { "FAILED" } else { "done" };
        format!(
            "{name:32} {outcome:6} read {:>8}, wrote {:>8} in {:>9} µs, up to {}",
            stage.entries_read,
            stage.entries_written,
            stage.elapsed_us,
            moment_or_dash(stage.last_processed_ts)
        )
    };
    let reports = report.rewinds.iter().chain(&report.stages);
    reports.map(line).chain(clock_line(report.clock_doubt.as_ref())).collect::<Vec<_>>().join("\n")
}

fn tell_status(status: &PipelineStatus) -> String {
    let mut lines: Vec<String> = status.stages.iter().flat_map(stage_lines).collect();
    lines.extend(status.rewind.iter().flat_map(rewind_lines));
    lines.extend(status.waiting.iter().filter_map(waiting_line));
    lines.push(next_line(status.pending));
    lines.extend(clock_line(status.clock_doubt.as_ref()));
    lines.join("\n")
}

fn stage_lines(stage: &StageStatus) -> Vec<String> {
    let StageStatus { stage: name, off, state, retry_at, .. } = stage;
    let line = format!(
        "{name:32} up to {:24} last run {:24}{}",
        moment_or_dash(state.last_processed_ts),
        moment_or_dash(state.last_ts_run),
        if *off { "  off" } else { "" }
    );
    let failure = state.failure.as_ref();
    let failure = failure.map(|last| failure_line(last.at, &last.reason, last.attempts, *retry_at));
    [line].into_iter().chain(failure).collect()
}

fn rewind_lines(rewind: &RewindStatus) -> Vec<String> {
    let wanted = &rewind.wanted;
    let from = wanted.from.map(|from| format!("everything from {}", moment(from)));
    let again = wanted.again.iter().map(|(stage, from)| format!("{stage} from {}", moment(*from)));
    let line = format!("recomputed first: {}", from.into_iter().chain(again).collect::<Vec<_>>().join(", "));
    let failure = wanted.failure.as_ref();
    let failure = failure.map(|last| failure_line(last.at, &last.reason, last.attempts, rewind.retry_at));
    [line].into_iter().chain(failure).collect()
}

fn failure_line(at: f64, reason: &str, attempts: u32, retry_at: Option<f64>) -> String {
    let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    let (at, next) = (moment(at), moment_or_dash(retry_at));
    format!("  FAILED {times}, last at {at}, next try {next}: {reason}")
}

/// The line about data that is dated ahead of the host's clock.
fn waiting_line(waiting: &Waiting) -> Option<String> {
    let Waiting { key, reason: WaitReason::DatedAhead, count, first_ts, last_ts } = waiting else {
        return None;
    };
    let (first, last) = (moment(*first_ts), moment(*last_ts));
    Some(format!("{count} entries of {key} wait, dated ahead of the host's clock: {first} to {last}"))
}

fn next_line(pending: Option<Pending>) -> String {
    match pending {
        None => "nothing waits for a run".to_owned(),
        Some(Pending { running: true, .. }) => "a run is queued or under way".to_owned(),
        Some(Pending { due: Some(due), .. }) => format!("next run {}", moment(due)),
        Some(_) => "a run is pending: it follows once a host serves with pipeline.automatic".to_owned(),
    }
}

fn tell_reset(reset: &PipelineReset) -> String {
    match (reset.removed, reset.from) {
        (Some(removed), _) => format!("{removed} entries removed; the next run recomputes them"),
        (None, from) => format!(
            "the next run recomputes everything from {}",
            from.map_or_else(|| "the beginning".to_owned(), moment)
        ),
    }
}
