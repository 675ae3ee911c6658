//! The output of `cellar user audit`: which cell read what.

use runtime_user::{AuditLine, AuditRead, ChainReport, RunOutcome};

use crate::verbs::moment;
use runtime_host::admin::{AuditShown, EntryShown};

/// The runs, and what following their chain has found.
pub(super) fn tell(shown: &AuditShown) -> String {
    let runs = match &shown.entry {
        None => runs_told(&shown.runs),
        Some(entry) => origin_told(entry, &shown.runs),
    };
    match &shown.chain {
        Some(chain) => format!("{runs}\n{}", chain_line(chain)),
        None => runs,
    }
}

fn origin_told(entry: &EntryShown, runs: &[AuditLine]) -> String {
    let head = format!("{} of {}", entry.key, moment(entry.write_ts));
    match (entry.made, runs) {
        (false, _) => format!("{head}: a phone sent it, or it was imported"),
        (true, []) => format!("{head}: a stage made it in a run that is not in this audit"),
        (true, runs) => format!("{head}, made by\n{}", runs_told(runs)),
    }
}

/// One line for each run, followed by what the run read.
pub(crate) fn runs_told(runs: &[AuditLine]) -> String {
    match runs {
        [] => "nothing was read".to_owned(),
        runs => runs.iter().flat_map(run_lines).collect::<Vec<_>>().join("\n"),
    }
}

fn chain_line(chain: &ChainReport) -> String {
    let ChainReport { lines, before, broken } = chain;
    let earlier = match before {
        0 => String::new(),
        before => format!(", after {before} of earlier versions, which are in no chain"),
    };
    match broken {
        None => format!("the chain of {lines} lines is whole{earlier}"),
        Some(why) => format!("the chain of {lines} lines is BROKEN: {why}{earlier}"),
    }
}

fn run_lines(run: &AuditLine) -> Vec<String> {
    let mut head = moment(run.ts);
    if !run.cell.is_empty() {
        let code = run.digest.get(..8).map(|code| format!(" ({code})")).unwrap_or_default();
        let device = run.device.as_ref().map(|device| format!(" for {device}")).unwrap_or_default();
        head.push_str(&format!("  {}{code}{device}: {}", run.cell, run.outcome.as_str()));
    }
    let mut lines = vec![head];
    lines.extend(run.under.as_ref().map(|under| format!("    for: {}", under.purpose)));
    if run.outcome != RunOutcome::Done {
        lines.extend(run.reason.iter().map(|reason| format!("    because {reason}")));
    }
    lines.extend(run.reads.iter().map(read_line));
    if run.reads_untold > 0 {
        lines.push(format!("    and {} further reads", run.reads_untold));
    }
    lines.extend(run.said.iter().map(|text| format!("    said: {text}")));
    if run.words.is_some() && run.said.is_empty() && run.reason.is_none() {
        lines.push("    what it said was removed, since its owner has had entries forgotten".to_owned());
    }
    lines
}

fn read_line(read: &AuditRead) -> String {
    let area = read.area.as_deref().unwrap_or_default();
    let names = if read.names.is_empty() { "every stream".to_owned() } else { read.names.join(" ") };
    let what = if area.is_empty() { read.what.clone() } else { format!("{} in {area}", read.what) };
    let span = match (read.from, read.to) {
        (None, None) => String::new(),
        (from, to) => {
            let bound = |moment_s: Option<f64>| moment_s.map_or_else(|| "any time".to_owned(), moment);
            format!(", {} to {}", bound(from), bound(to))
        }
    };
    let times = if read.times > 1 { format!(", {} times", read.times) } else { String::new() };
    if read.denied {
        return format!("    denied: {what}: {names}{span}{times}");
    }
    let entries = if read.what == "document" { String::new() } else { format!(", {} entries", read.entries) };
    format!("    {what}: {names}{span}{entries}{times}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_tells_who_read_what_over_which_span_and_how_many() {
        let shown: AuditShown = serde_json::from_value(serde_json::json!({ "id": "x", "runs": [{
            "ts": 0.0, "cell": "diary", "digest": "0123456789", "device": "token-00", "outcome": "trapped",
            "under": { "cell": "c", "epoch": 2, "purpose": "a study" },
            "reason": "cell 0123 trapped", "reads_untold": 2, "entries_read": 7, "bytes_read": 1, "bytes_written": 0,
            "elapsed_us": 5, "said": ["I have read"], "reads": [
                { "what": "find", "area": "timeseries", "names": ["background/location"], "from": 0.0, "times": 2,
                  "entries": 7 },
                { "what": "document", "names": ["profile"], "times": 1, "entries": 0, "denied": true },
            ],
        }] }))
        .expect("an answer");
        assert_eq!(
            tell(&shown),
            "1970-01-01 00:00:00 UTC  diary (01234567) for token-00: trapped\n    \
             for: a study\n    \
             because cell 0123 trapped\n    \
             find in timeseries: background/location, 1970-01-01 00:00:00 UTC to any time, 7 entries, 2 times\n    \
             denied: document: profile\n    \
             and 2 further reads\n    \
             said: I have read"
        );
        let mut removed = shown.runs[0].clone();
        (removed.words, removed.reason) = (Some("00".repeat(32)), None);
        removed.said.clear();
        assert!(run_lines(&removed).last().is_some_and(|line| line.contains("what it said was removed")));
        assert_eq!(tell(&AuditShown { runs: Vec::new(), ..shown }), "nothing was read");
    }
}
