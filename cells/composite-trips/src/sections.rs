//! Sections in the form that a phone gets: without the long lists, with the name of their mode.

use cells_sdk::model::EntryId;
use cells_sdk::model::background::MotionType;
use cells_sdk::model::inference::PredictedMode;
use cells_sdk::model::page::Entry;
use cells_sdk::model::text::members;
use std::ops::Range;

use crate::window::place_in;

/// Lists with a number for each point, which no phone shows.
const LEFT_OUT: [&str; 2] = ["speeds", "distances"];

/// The source of a section's mode: it decides the meaning of `sensed_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    /// `analysis/inferred_section`
    Inferred,
    /// `analysis/cleaned_section`
    Sensed,
}

impl Modes {
    fn name(self, number: i64) -> Option<&'static str> {
        match self {
            Self::Inferred => PredictedMode::from_number(number).map(PredictedMode::name),
            Self::Sensed => MotionType::from_number(number).map(MotionType::name),
        }
    }
}

/// The facts that are recorded of a section when its page is read.
#[derive(Debug)]
pub struct Note {
    /// The cleaned trip that it is part of; `None` where it names none.
    pub trip: Option<EntryId>,
    mode: Option<i64>,
    /// The range of its data in its text.
    data: Range<usize>,
}

/// Records the facts that a trip needs of a section.
pub fn note(entry: &Entry<'_>) -> Note {
    let mut note = Note { trip: None, mode: None, data: place_in(entry.text, entry.data) };
    for member in members(entry.data).map_while(Result::ok) {
        match member.name {
            "trip_id" => note.trip = serde_json::from_str(member.value).ok(),
            "sensed_mode" => note.mode = member.value.parse().ok(),
            _ => {}
        }
    }
    note
}

/// Appends the section's entry in the form that a phone gets. Returns whether its mode has a name; a section with an
/// unknown mode is `UNKNOWN`.
pub fn write(text: &str, note: &Note, modes: Modes, out: &mut String) -> bool {
    let data = &text[note.data.clone()];
    out.push_str(&text[..note.data.start]);
    out.push('{');
    for member in members(data).map_while(Result::ok) {
        if !LEFT_OUT.contains(&member.name) {
            let name = place_in(data, member.name);
            // The opening quote stands before the name.
            out.push_str(&data[name.start - 1..member.value_range().end]);
            out.push(',');
        }
    }
    let name = note.mode.and_then(|number| modes.name(number));
    out.push_str(r#""sensed_mode_str":""#);
    out.push_str(name.unwrap_or(PredictedMode::Unknown.name()));
    out.push_str("\"}");
    out.push_str(&text[note.data.end..]);
    name.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(text: &'a str, data: &'a str) -> Entry<'a> {
        let id = EntryId([1; 12]);
        Entry { id, key: "a/b", invalid: false, write_ts: 0.0, time: 0.0, metadata: "{}", data, text }
    }

    fn written(data: &str, modes: Modes) -> (String, bool) {
        let text = format!(r#"{{"metadata":{{"speeds":1}},"data":{data}}}"#);
        let data = &text[text.len() - 1 - data.len()..text.len() - 1];
        let mut out = "[".to_owned();
        let known = write(&text, &note(&entry(&text, data)), modes, &mut out);
        (out, known)
    }

    #[test]
    fn a_section_loses_its_lists_and_gains_the_name_of_its_mode() {
        let data = r#"{"speeds":[0,1.5],"sensed_mode" : 3,"distances":[],"a":{"speeds":[]}}"#;
        let (out, known) = written(data, Modes::Inferred);
        let want = r#"[{"metadata":{"speeds":1},"data":{"sensed_mode" : 3,"a":{"speeds":[]},"sensed_mode_str":"BUS"}}"#;
        assert_eq!((out.as_str(), known), (want, true));
        assert!(written(data, Modes::Sensed).0.ends_with(r#""sensed_mode_str":"STILL"}}"#));
    }

    // Row: "A confirmed trip that lacks a member"
    #[test]
    fn an_unregistered_mode_is_shown_as_unknown() {
        for data in ["{}", r#"{"sensed_mode":6}"#, r#"{"sensed_mode":"x"}"#] {
            let (out, known) = written(data, Modes::Sensed);
            assert!(!known && out.ends_with(r#""sensed_mode_str":"UNKNOWN"}}"#), "{out}");
        }
    }
}
