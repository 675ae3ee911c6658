//! How `cellar user errors`, and other output that mentions it, describes readings that the diary does not show.

use runtime_user::arrivals::{Arrivals, LAST_DAYS};
use runtime_user::errors::Listed;
use runtime_user::{Fate, Group, PipelineReport, StageReport};
use serde_json::value::RawValue;

use crate::verbs::moment;
use runtime_host::admin::{ErrorsShown, Retry};
use runtime_program::typed::quoted;

/// How many readings were set aside, with the advice to see `cellar user errors` for the reasons.
pub(crate) fn set_aside_line(count: u64, person: &str) -> String {
    says_why(&counted(count, "was set aside", "were set aside"), person)
}

fn says_why(what: &str, person: &str) -> String {
    format!("{what}: `cellar user errors {}` says why", quoted(person.trim()))
}

fn counted(count: u64, one: &str, more: &str) -> String {
    if count == 1 { format!("1 reading {one}") } else { format!("{count} readings {more}") }
}

fn span(first: Option<f64>, last: Option<f64>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first < last => format!("{} to {}", moment(first), moment(last)),
        (Some(first), _) => moment(first),
        _ => "at no moment that can be read".to_owned(),
    }
}

/// What a run did to readings, one line for each effect.
pub(crate) fn run_lines(report: &PipelineReport, person: &str) -> Vec<String> {
    let sum = |count: fn(&StageReport) -> u64| report.stages.iter().map(count).sum::<u64>();
    let mut lines = Vec::new();
    if let aside @ 1.. = sum(|stage| stage.set_aside) {
        lines.push(set_aside_line(aside, person));
    }
    if let marked @ 1.. = sum(|stage| stage.marked_invalid) {
        lines.push(says_why(&counted(marked, "was marked invalid", "were marked invalid"), person));
    }
    lines
}

/// Which data arrive, stream by stream, and which are missing.
pub(super) fn arrival_lines(arrivals: &Arrivals) -> Vec<String> {
    let streams = arrivals.streams.iter().map(|stream| {
        let (last, count) = (moment(stream.last_ts), stream.last_days);
        format!("  {:36} last {last}, {count:>7} in {LAST_DAYS} days", stream.key)
    });
    let missing =
        arrivals.missing.iter().map(|missing| format!("missing: {}: {}", missing.what, missing.meaning));
    streams.chain(missing).collect()
}

/// The kinds of readings that the diary does not show, with the words for each.
const FATES: [(Fate, &str, &str); 4] = [
    (Fate::SetAside, "was set aside", "were set aside"),
    (Fate::MarkedInvalid, "was marked invalid by a stage", "were marked invalid by a stage"),
    (Fate::PassedOver, "was passed over by a stage", "were passed over by a stage"),
    (Fate::Waiting, "waits", "wait"),
];

fn name_of(fate: Fate) -> &'static str {
    match fate {
        Fate::SetAside => "set-aside",
        Fate::MarkedInvalid => "marked-invalid",
        Fate::PassedOver => "passed-over",
        Fate::Waiting => "waiting",
    }
}

/// All of them, by kind, reason and stream.
pub(super) fn tell(shown: &ErrorsShown) -> String {
    let mut lines = Vec::new();
    for (fate, one, more) in FATES {
        let of_fate: Vec<&Group> = shown.groups.iter().filter(|group| group.fate == fate).collect();
        if of_fate.is_empty() {
            continue;
        }
        lines.push(counted(of_fate.iter().map(|group| group.count).sum(), one, more));
        for Group { key, reason, count, first_ts, last_ts, .. } in of_fate {
            lines.push(format!("  {count:>7}  {key}, {}: {reason}", span(*first_ts, *last_ts)));
        }
    }
    if let ignored @ 1.. = shown.ignored {
        let ignored = counted(ignored, "came again and was ignored", "came again and were ignored");
        lines.push(format!("{ignored}: the very same was here already"));
    }
    if let replaced @ 1.. = shown.replaced {
        let replaced = counted(replaced, "was replaced", "were replaced");
        lines.push(format!(
            "{replaced} by one of the same type, stream and moment of writing, before any run came"
        ));
    }
    if let uploads @ 1.. = shown.uploads_aside {
        lines.push(format!(
            "{uploads} sealed uploads could not be accepted, and are kept as files in the inbox"
        ));
    }
    if lines.is_empty() {
        lines.push("every reading counts".to_owned());
    }
    lines.extend(
        shown.said.iter().map(|said| format!("{} said at {}: {}", said.cell, moment(said.at), said.text)),
    );
    lines.extend(shown.entries.iter().flatten().map(listed));
    lines.join("\n")
}

fn listed(entry: &Listed) -> String {
    let metadata = compact(&entry.metadata);
    let written = metadata["write_ts"].as_f64();
    format!(
        "{} {} {} {}: {}\n  {metadata}\n  {}",
        entry.id,
        name_of(entry.fate),
        entry.key,
        span(written, written),
        entry.reason,
        compact(&entry.data)
    )
}

/// JSON without line breaks, whatever its stored form.
fn compact(kept: &RawValue) -> serde_json::Value {
    serde_json::from_str(kept.get()).unwrap_or_default()
}

/// The result of a retry.
pub(super) fn tell_retried(retry: &Retry) -> String {
    let retried = &retry.retried;
    let back = counted(retried.put_back, "was put back", "were put back");
    let mut lines = vec![format!("{back}: the next run accepts them, or sets them aside again")];
    if let still @ 1.. = retried.still_unreadable {
        lines.push(format!("{} still", counted(still, "cannot be read", "cannot be read")));
    }
    if let shown @ 1.. = retried.shown_again {
        let shown = counted(shown, "that was marked invalid counts", "that were marked invalid count");
        lines.push(format!(
            "{shown} again until the next run judges it, which recomputes the diary from there"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_user::errors::Said;

    fn group(fate: Fate, key: &str, reason: &str, count: u64, span: [Option<f64>; 2]) -> Group {
        let [first_ts, last_ts] = span;
        Group { fate, key: key.to_owned(), reason: reason.to_owned(), count, first_ts, last_ts }
    }

    fn nothing() -> ErrorsShown {
        let (groups, said) = (Vec::new(), Vec::new());
        ErrorsShown {
            id: String::new(),
            groups,
            ignored: 0,
            replaced: 0,
            uploads_aside: 0,
            said,
            entries: None,
        }
    }

    #[test]
    fn each_kind_is_told_with_counts_reasons_and_span() {
        let told = tell(&ErrorsShown {
            groups: vec![
                group(Fate::SetAside, "a/b", "it is odd", 2, [Some(0.0), Some(86_400.0)]),
                group(Fate::Waiting, "a/c", "soon", 1, [None, None]),
            ],
            ignored: 3,
            replaced: 1,
            said: vec![Said { cell: "x".to_owned(), at: 0.0, text: "7 points".to_owned() }],
            ..nothing()
        });
        let want = [
            "2 readings were set aside",
            "        2  a/b, 1970-01-01 00:00:00 UTC to 1970-01-02 00:00:00 UTC: it is odd",
            "1 reading waits",
            "        1  a/c, at no moment that can be read: soon",
            "3 readings came again and were ignored: the very same was here already",
            "1 reading was replaced by one of the same type, stream and moment of writing, before any run came",
            "x said at 1970-01-01 00:00:00 UTC: 7 points",
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), want);
        assert_eq!(tell(&nothing()), "every reading counts");
    }

    #[test]
    fn a_run_and_a_status_mention_what_was_set_aside_in_one_line() {
        assert_eq!(
            set_aside_line(12, "anna"),
            "12 readings were set aside: `cellar user errors anna` says why"
        );
        let stage = |more: serde_json::Value| {
            let mut stage = serde_json::json!({
                "stage": "A", "cell": "a", "off": false, "runs": 1, "elapsed_us": 0, "cpu_us": 0, "cell_us_max": 0,
                "memory_bytes_max": 0, "read_bytes_max": 0, "written_bytes_max": 0, "entries_read": 0,
                "entries_written": 0, "last_processed_ts": null, "failure": null,
            });
            stage.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            serde_json::from_value(stage).expect("a report")
        };
        let counts = [
            serde_json::json!({ "set_aside": 1 }),
            serde_json::json!({ "marked_invalid": 2 }),
            serde_json::json!({}),
        ];
        let run = PipelineReport { stages: counts.map(stage).to_vec(), ..PipelineReport::default() };
        let want = [
            "1 reading was set aside: `cellar user errors anna` says why",
            "2 readings were marked invalid: `cellar user errors anna` says why",
        ];
        assert_eq!(run_lines(&run, "anna"), want);
        assert!(run_lines(&PipelineReport::default(), "anna").is_empty());
    }
}
