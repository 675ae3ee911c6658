//! How `cellar user errors`, and what else mentions it, tells of readings that the diary does not show.

use serde_json::Value;

use super::moment;

/// `12 readings were set aside: cellar user errors anna tells why`
pub(super) fn set_aside_line(count: u64, user: &str) -> String {
    format!("{}: cellar user errors {user} tells why", counted(count, "was set aside", "were set aside"))
}

fn counted(count: u64, one: &str, more: &str) -> String {
    if count == 1 { format!("1 reading {one}") } else { format!("{count} readings {more}") }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

fn span(first: &Value, last: &Value) -> String {
    match (first.as_f64(), last.as_f64()) {
        (Some(first), Some(last)) if first < last => format!("{} to {}", moment(first), moment(last)),
        (Some(first), _) => moment(first),
        _ => "at no moment that can be read".to_owned(),
    }
}

/// What a run did to readings, in a line each.
pub(super) fn run_lines(answer: &Value, user: &str) -> Vec<String> {
    let stages = || answer["stages"].as_array().into_iter().flatten();
    let sum = |name: &str| stages().map(|stage| count(stage, name)).sum::<u64>();
    let mut lines = Vec::new();
    if let aside @ 1.. = sum("set_aside") {
        lines.push(set_aside_line(aside, user));
    }
    if let marked @ 1.. = sum("marked_invalid") {
        let marked = counted(marked, "was marked invalid", "were marked invalid");
        lines.push(format!("{marked}: cellar user errors {user} tells why"));
    }
    lines
}

/// What arrives, stream by stream, and what is missing.
pub(super) fn arrival_lines(arrivals: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for stream in arrivals["streams"].as_array().into_iter().flatten() {
        let last = stream["last_ts"].as_f64().map_or_else(|| "-".to_owned(), moment);
        lines.push(format!(
            "  {:36} last {last}, {:>7} in {} days",
            text(stream, "key"),
            count(stream, "last_days"),
            runtime_user::arrivals::LAST_DAYS
        ));
    }
    for missing in arrivals["missing"].as_array().into_iter().flatten() {
        lines.push(format!("missing: {}: {}", text(missing, "what"), text(missing, "meaning")));
    }
    lines
}

/// The kinds of readings that the diary does not show, with what each is called.
const FATES: [(&str, &str, &str); 4] = [
    ("set-aside", "was set aside", "were set aside"),
    ("marked-invalid", "was marked invalid by a stage", "were marked invalid by a stage"),
    ("passed-over", "was passed over by a stage", "were passed over by a stage"),
    ("waiting", "waits", "wait"),
];

/// Everything, by kind, reason and stream.
pub(super) fn tell(answer: &Value) -> String {
    let groups: Vec<&Value> = answer["groups"].as_array().into_iter().flatten().collect();
    let mut lines = Vec::new();
    for (fate, one, more) in FATES {
        let of_fate: Vec<_> = groups.iter().filter(|group| text(group, "fate") == fate).collect();
        if of_fate.is_empty() {
            continue;
        }
        lines.push(counted(of_fate.iter().map(|group| count(group, "count")).sum(), one, more));
        for group in of_fate {
            lines.push(format!(
                "  {:>7}  {}, {}: {}",
                count(group, "count"),
                text(group, "key"),
                span(&group["first_ts"], &group["last_ts"]),
                text(group, "reason")
            ));
        }
    }
    if let ignored @ 1.. = count(answer, "ignored") {
        let ignored = counted(ignored, "came again and was ignored", "came again and were ignored");
        lines.push(format!("{ignored}: the very same was here already"));
    }
    if let replaced @ 1.. = count(answer, "replaced") {
        let replaced = counted(replaced, "was replaced", "were replaced");
        lines.push(format!(
            "{replaced} by one of the same type, stream and moment of writing, before any run came"
        ));
    }
    if let uploads @ 1.. = count(answer, "uploads_aside") {
        lines.push(format!(
            "{uploads} sealed uploads could not be taken in, and are kept as files in the inbox"
        ));
    }
    if lines.is_empty() {
        lines.push("every reading counts".to_owned());
    }
    for said in answer["said"].as_array().into_iter().flatten() {
        let at = said["at"].as_f64().map_or_else(|| "-".to_owned(), moment);
        lines.push(format!("{} said at {at}: {}", text(said, "cell"), text(said, "text")));
    }
    lines.extend(answer["entries"].as_array().into_iter().flatten().map(listed));
    lines.join("\n")
}

fn listed(entry: &Value) -> String {
    let written = &entry["metadata"]["write_ts"];
    format!(
        "{} {} {} {}: {}\n  {}\n  {}",
        text(entry, "id"),
        text(entry, "fate"),
        text(entry, "key"),
        span(written, written),
        text(entry, "reason"),
        entry["metadata"],
        entry["data"]
    )
}

/// What a retry did.
pub(super) fn tell_retried(answer: &Value) -> String {
    let back = counted(count(answer, "put_back"), "was put back", "were put back");
    let mut lines = vec![format!("{back}: the next run takes them in, or sets them aside again")];
    if let still @ 1.. = count(answer, "still_unreadable") {
        lines.push(format!("{} still", counted(still, "cannot be read", "cannot be read")));
    }
    if let shown @ 1.. = count(answer, "shown_again") {
        let shown = counted(shown, "that was marked invalid counts", "that were marked invalid count");
        lines.push(format!(
            "{shown} again until the next run judges it, which makes the diary anew from there"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_is_told_with_counts_reasons_and_span() {
        let told = tell(&json!({
            "groups": [
                {"fate": "set-aside", "key": "a/b", "reason": "it is odd", "count": 2, "first_ts": 0.0, "last_ts": 86_400.0},
                {"fate": "waiting", "key": "a/c", "reason": "soon", "count": 1, "first_ts": null, "last_ts": null},
            ],
            "ignored": 3, "replaced": 1, "uploads_aside": 0,
            "said": [{"cell": "x", "at": 0.0, "text": "7 points"}],
        }));
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
        assert_eq!(tell(&json!({})), "every reading counts");
    }

    #[test]
    fn a_run_and_a_status_mention_what_was_set_aside_in_one_line() {
        assert_eq!(
            set_aside_line(12, "anna"),
            "12 readings were set aside: cellar user errors anna tells why"
        );
        let run = json!({ "stages": [{"set_aside": 1}, {"marked_invalid": 2}, {}] });
        let want = [
            "1 reading was set aside: cellar user errors anna tells why",
            "2 readings were marked invalid: cellar user errors anna tells why",
        ];
        assert_eq!(run_lines(&run, "anna"), want);
        assert!(run_lines(&json!({ "stages": [{}] }), "anna").is_empty());
    }
}
