//! Whether a cell asks for entries by a time by which it cannot get them.
//!
//! What a stage makes is dated (`metadata.write_ts`) with the moment of the run that made it, and the window of a run
//! ends 5 s before its own moment. So a stage that asks by `write_ts` within its window for what a stage before it has
//! just made reads nothing, without an error. The same happens where entries do not have the time that is asked for.

use std::collections::BTreeMap;

use runtime_user::AuditRead;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The times in the data of entries, with their names in Rust: what is recommended first stands first.
const TIMES: [(&str, &str); 5] = [
    ("end_ts", "EndTs"),
    ("ts", "DataTs"),
    ("exit_ts", "ExitTs"),
    ("enter_ts", "EnterTs"),
    ("start_ts", "StartTs"),
];

/// The times of the entries of one stream.
#[derive(Debug, Default)]
pub(crate) struct StreamTimes {
    /// How many entries there are.
    entries: u64,
    /// When stages wrote theirs, s.
    made_at: Vec<f64>,
    /// How many have each of [`TIMES`].
    having: [u64; TIMES.len()],
}

#[derive(Deserialize)]
struct Times {
    end_ts: Option<IgnoredAny>,
    ts: Option<IgnoredAny>,
    exit_ts: Option<IgnoredAny>,
    enter_ts: Option<IgnoredAny>,
    start_ts: Option<IgnoredAny>,
}

impl StreamTimes {
    /// Adds an entry. `made_at`: when a stage wrote it, s; `None`: a phone did.
    pub fn add(&mut self, made_at: Option<f64>, data: &str) {
        self.entries += 1;
        self.made_at.extend(made_at);
        let Ok(times) = serde_json::from_str::<Times>(data) else { return };
        let there = [times.end_ts, times.ts, times.exit_ts, times.enter_ts, times.start_ts];
        for (count, time) in self.having.iter_mut().zip(there) {
            *count += u64::from(time.is_some());
        }
    }

    /// What to ask by, in words.
    fn advice(&self, is_contribution: bool) -> String {
        // The window of an epoch is one of positions, and nothing is kept from one to the next.
        if is_contribution {
            return "ask by position (`TimeField::Position` in Rust)".to_owned();
        }
        let counted = TIMES.iter().zip(self.having);
        let all = counted.clone().find(|(_, count)| *count == self.entries);
        let most = counted.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count);
        match all.or(most) {
            Some(((name, rust), count)) => format!(
                "ask by data.{name}, which {count} of its {} entries have (`TimeField::{rust}` in Rust), from where the \
                 last run stopped and without an end, and keep that moment in the state",
                self.entries
            ),
            None => "ask by position (`TimeField::Position` in Rust)".to_owned(),
        }
    }
}

/// What is wrong with the reads of one run, a sentence for each.
pub(crate) fn wrong(
    reads: &[AuditRead],
    streams: &BTreeMap<String, StreamTimes>,
    is_contribution: bool,
) -> Vec<String> {
    let mut told = Vec::new();
    let asked = reads.iter().filter(|read| !read.denied);
    for (read, time) in asked.filter_map(|read| Some((read, read.time.as_deref()?))) {
        for (name, stream) in read.names.iter().filter_map(|name| Some((name, streams.get(name)?))) {
            told.extend(of_stream(name, stream, read, time, is_contribution));
        }
    }
    told.dedup();
    told
}

fn of_stream(
    name: &str,
    stream: &StreamTimes,
    read: &AuditRead,
    time: &str,
    is_contribution: bool,
) -> Option<String> {
    let window = match is_contribution {
        true => "an epoch has mostly ended by then",
        false => "a window ends 5 s before the moment of its run",
    };
    if time == "write_ts" {
        let to = read.to?;
        let beyond = stream.made_at.iter().filter(|at| **at > to).count();
        return (beyond > 0).then(|| {
            format!(
                "it asked for {name} by write_ts, and {beyond} of its {} entries were written after the end of that \
                 window: a stage's entries are dated with the moment of the run that made them, and {window}; {}",
                stream.entries,
                stream.advice(is_contribution)
            )
        });
    }
    let index = TIMES.iter().position(|(known, _)| *known == time)?;
    (stream.entries > 0 && stream.having[index] == 0).then(|| {
        format!(
            "it asked for {name} by data.{time}, which none of its {} entries has; {}",
            stream.entries,
            stream.advice(is_contribution)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, time: &str, to: Option<f64>) -> AuditRead {
        AuditRead { time: Some(time.to_owned()), to, ..AuditRead::new("find", vec![name.to_owned()]) }
    }

    #[test]
    fn entries_that_a_stage_has_just_made_are_not_in_a_window_of_their_writing() {
        let mut sections = StreamTimes::default();
        sections.add(Some(100.0), r#"{"start_ts": 1, "end_ts": 2}"#);
        let mut fixes = StreamTimes::default();
        fixes.add(None, r#"{"ts": 1}"#);
        let streams = BTreeMap::from([("a/section".to_owned(), sections), ("b/fix".to_owned(), fixes)]);
        let told = wrong(&[read("a/section", "write_ts", Some(95.0))], &streams, false);
        assert!(told[0].contains("1 of its 1 entries were written after"), "{told:?}");
        assert!(told[0].contains("ask by data.end_ts") && told[0].contains("TimeField::EndTs"), "{told:?}");
        let given = wrong(&[read("a/section", "write_ts", Some(95.0))], &streams, true);
        assert!(given[0].contains("an epoch") && given[0].contains("TimeField::Position"), "{given:?}");
        let told = wrong(&[read("a/section", "ts", None)], &streams, false);
        assert!(told[0].contains("by data.ts, which none of its 1 entries has"), "{told:?}");
        for right in [
            read("a/section", "end_ts", None),
            read("a/section", "position", None),
            read("a/section", "write_ts", None),
            read("a/section", "write_ts", Some(200.0)),
            read("b/fix", "write_ts", Some(0.5)),
            AuditRead { denied: true, ..read("a/section", "ts", None) },
        ] {
            assert!(wrong(std::slice::from_ref(&right), &streams, false).is_empty(), "{right:?}");
        }
    }
}
