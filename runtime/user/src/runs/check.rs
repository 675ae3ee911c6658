//! Checks the texts that a cell passes in, and extracts what the store needs to know about them, in one pass.
//!
//! A cell is not trusted: the texts that it parsed are parsed again here, since every later reader parses what the
//! store keeps. Times and type are extracted on the way, with the same result as `EntryTimes::read`.

use std::ops::Range;

use cells_model::scan::{self, BadJson, Scan};
use cells_model::text::number;
use runtime_types::{Area, EntryTimes, TimeField};

use crate::cells::types::streaming::StreamingValidator;

/// The maximum nesting depth of a text: the parsers of readers refuse deeper ones.
const LEVELS_MAX: u32 = cells_model::sent::DEPTH_MAX as u32;

/// The result of one pass over an entry's metadata and data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub times: EntryTimes,
    /// The position of the text of the first `type` in metadata; empty if there is none.
    pub kind: Range<usize>,
    /// Whether the data surely matches its stream's type; otherwise it needs a full check.
    pub of_type: bool,
}

/// Parses both texts to their ends. Metadata must be an object, and so must data, except in entries that were set
/// aside, which are kept as they came. `streaming`: the type of the data, if it can be checked on the way. Messages of
/// a refusal contain a position and never the text.
pub(crate) fn entry(
    area: Area,
    metadata: &str,
    data: &str,
    streaming: Option<&StreamingValidator>,
) -> Result<Found, BadJson> {
    let mut found = Found { times: EntryTimes { own: [f64::NAN; 6] }, kind: 0..0, of_type: false };
    let (mut kind, mut write_ts) = (None, None);
    members(metadata, None, |name, value| {
        let first = match name {
            b"type" => &mut kind,
            b"write_ts" => &mut write_ts,
            _ => return,
        };
        if first.is_none() {
            *first = Some(value);
        }
    })?;
    found.kind = kind.unwrap_or(0..0);
    let time = |text: &str, at: Range<usize>| number(&text[at]).unwrap_or(f64::NAN);
    found.times.own[TimeField::WriteTs as usize] = write_ts.map_or(f64::NAN, |at| time(metadata, at));
    if area == Area::Errors && !data.starts_with('{') {
        scan::check(data, LEVELS_MAX)?;
        return Ok(found);
    }
    found.of_type = members(data, streaming, |name, value| {
        let field = match name {
            b"ts" => TimeField::DataTs,
            b"start_ts" => TimeField::StartTs,
            b"end_ts" => TimeField::EndTs,
            b"enter_ts" => TimeField::EnterTs,
            b"exit_ts" => TimeField::ExitTs,
            _ => return,
        };
        // If a member occurs several times, the last one counts.
        found.times.own[field as usize] = time(data, value);
    })?;
    Ok(found)
}

/// Checks that the text consists of further members of an object, without braces; empty: none.
pub(crate) fn extra(text: &str) -> Result<(), BadJson> {
    if text.is_empty() { Ok(()) } else { scan::check(&format!("{{{text}}}"), LEVELS_MAX) }
}

/// Walks the members of an object and passes on each name as written and the position of its value. Returns whether
/// the object surely matches that type, and parsers accept it.
fn members(
    text: &str,
    streaming: Option<&StreamingValidator>,
    mut each: impl FnMut(&[u8], Range<usize>),
) -> Result<bool, BadJson> {
    let mut scan = Scan::new(text.as_bytes());
    let mut object = streaming.map(StreamingValidator::object);
    let mut more = scan.open()?;
    while more {
        let name = scan.name()?;
        let start = scan.at();
        match &mut object {
            Some(object) => object.member(name, &mut scan, LEVELS_MAX - 1)?,
            None => scan.value(LEVELS_MAX - 1)?,
        }
        each(name, start..scan.at());
        more = scan.more()?;
    }
    scan.end()?;
    Ok(object.is_some_and(|object| object.hold()) && !scan.is_doubtful())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cells_model::text::value_of;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_sound_object_is_refused_with_its_place_and_without_its_text() {
        for bad in [
            "",
            "[]",
            "{",
            r#"{"a":NaN}"#,
            r#"{"a":47.1x}"#,
            r#"{"a":1} {}"#,
            &format!("{{\"a\":{}", "[".repeat(1_000)),
        ] {
            for (metadata, data) in [(bad, "{}"), ("{}", bad)] {
                let why = entry(Area::Usercache, metadata, data, None).expect_err(bad).to_string();
                assert!(why.starts_with("not JSON at byte ") && !why.contains("47"), "{why}");
            }
        }
        let aside = |metadata, data| entry(Area::Errors, metadata, data, None).is_ok();
        assert!(aside("{}", "[1]") && aside("{}", r#""NaN""#));
        assert!(!aside("{}", "NaN") && !aside("[1]", "1"));
        assert!(extra("").is_ok() && extra(r#""a":1,"b":{}"#).is_ok());
        for bad in ["1", "\"a\"", "}", r#""a":1},{"b":2"#, r#""a":1,"#, " "] {
            // Only whitespace between the braces gives an object without members.
            assert_eq!(extra(bad).is_ok(), bad == " ", "{bad}");
        }
    }

    proptest! {
        #[test]
        fn times_and_type_are_found_as_others_find_them(
            metadata in r#"\{"(type|a)": ?("m"|1|\[1\])(, ?"(type|write_ts|a)" ?:(-?1[0-9]{0,10}(\.5)?|1e999|"1"|null|\{"ts":1\})){0,4}\}"#,
            data in r#"\{"(ts|a)":(1|"m")(, ?"(ts|(start|end|enter|exit)_ts|a)" ?:(-?1[0-9]{0,10}(\.5)? ?|1e999|"1"|null|\{"ts":1\})){0,6}\} ?"#,
        ) {
            let found = entry(Area::Usercache, &metadata, &data, None).expect("sound");
            let bits = |times: EntryTimes| times.own.map(f64::to_bits);
            prop_assert_eq!(bits(found.times), bits(EntryTimes::read(&metadata, &data)));
            prop_assert_eq!(&metadata[found.kind], value_of(&metadata, "type").unwrap_or(""));
        }
    }
}
