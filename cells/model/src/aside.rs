//! The error of an entry in the errors area, `"error":{"reason":"…","at":…}`, and how the entry is restored from there.

use crate::text;

/// The part of an entry that is in `data` after it was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// Metadata and data are what was sent.
    #[default]
    AsSent,
    /// The data is a string: that of the data as it was sent.
    Data,
    /// The data is a string: that of the whole entry.
    Entry,
    /// The data is the beginning of such a text, the rest of which was too long.
    Cut,
}

/// The word for each of them, except the default.
const WORDS: [(&str, Kept); 3] = [("data", Kept::Data), ("entry", Kept::Entry), ("cut", Kept::Cut)];
/// The word for an entry of a dump.
const DUMP: &str = "dump";

/// Why an entry was set aside, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// A reason for the owner.
    pub reason: String,
    /// The moment of the run or request that did it, s; `None` where it cannot be read.
    pub at: Option<f64>,
    /// What `data` contains.
    pub kept: Kept,
    /// Whether it came with a dump, in the form of the timeseries, and not from a phone.
    pub of_dump: bool,
}

impl Error {
    /// An entry of a phone, of which everything is kept.
    pub fn new(reason: impl ToString, at: f64) -> Self {
        Self { reason: reason.to_string(), at: Some(at), kept: Kept::AsSent, of_dump: false }
    }

    /// The member of the entry: `"error":{…}`, without braces around it.
    pub fn member(&self) -> String {
        let mut member = format!(r#""error":{{"reason":{}"#, text::quoted(&self.reason));
        if let Some(at) = self.at {
            member.push_str(&format!(r#","at":{at:?}"#));
        }
        if let Some((word, _)) = WORDS.iter().find(|(_, kept)| *kept == self.kept) {
            member.push_str(&format!(r#","kept":"{word}""#));
        }
        if self.of_dump {
            member.push_str(&format!(r#","from":"{DUMP}""#));
        }
        member.push('}');
        member
    }

    /// Reads what [`Self::member`] wrote among an entry's further members, given without braces.
    pub fn read(members: &str) -> Option<Self> {
        let object = format!("{{{members}}}");
        let error = text::value_of(&object, "error")?;
        let string = |name: &str| text::value_of(error, name).and_then(text::string);
        let (reason, word) = (string("reason")?.into_owned(), string("kept"));
        let kept = WORDS.iter().find(|(known, _)| word.as_deref() == Some(known));
        Some(Self {
            reason,
            at: text::value_of(error, "at").and_then(text::number),
            kept: kept.map_or(Kept::AsSent, |(_, kept)| *kept),
            of_dump: string("from").as_deref() == Some(DUMP),
        })
    }

    /// The text of the entry as it was received, as far as it is kept, with repairable errors in its strings repaired;
    /// see [`mended`]. `None` where it was cut, or was not written by this module.
    pub fn entry_text(&self, metadata: &str, data: &str) -> Option<String> {
        let of_text = || text::string(data).map(|text| mended(&text));
        match self.kept {
            Kept::AsSent => Some(format!(r#"{{"metadata":{metadata},"data":{data}}}"#)),
            Kept::Data => Some(format!(r#"{{"metadata":{metadata},"data":{}}}"#, of_text()?)),
            Kept::Entry => of_text(),
            Kept::Cut => None,
        }
    }
}

/// The JSON with everything replaced within its strings that parsers refuse: control characters by their escapes,
/// halves of surrogate pairs by U+FFFD, other backslashes by two.
pub fn mended(json: &str) -> String {
    let (mut out, mut rest, mut in_string) = (String::with_capacity(json.len()), json, false);
    while let Some(next) = rest.chars().next() {
        let mut used = next.len_utf8();
        match next {
            '"' => {
                in_string = !in_string;
                out.push(next);
            }
            '\\' if in_string => used = push_escape(&mut out, rest),
            '\0'..' ' if in_string => out.push_str(&format!("\\u{:04x}", u32::from(next))),
            _ => out.push(next),
        }
        rest = &rest[used..];
    }
    out
}

/// Writes the escape that begins `rest`; returns how long it is.
fn push_escape(out: &mut String, rest: &str) -> usize {
    let unit = |at: usize| -> Option<u16> {
        let digits = rest.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        all_hex.then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let (text, used) = match (unit(0), unit(6)) {
        (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (&rest[..12], 12),
        (Some(0xd800..0xe000), _) => ("\\ufffd", 6),
        (Some(_), _) => (&rest[..6], 6),
        (None, _) => match rest.as_bytes().get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (&rest[..2], 2),
            _ => ("\\\\", 1),
        },
    };
    out.push_str(text);
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sent::{SetAside, parse, unreadable, why_unreadable};
    use proptest::prelude::*;

    #[test]
    fn the_error_of_an_entry_can_be_written_and_read_back() {
        for kept in [Kept::AsSent, Kept::Data, Kept::Entry, Kept::Cut] {
            for of_dump in [false, true] {
                let error = Error { kept, of_dump, ..Error::new("its \"x\" is odd", 1.5) };
                assert_eq!(Error::read(&format!(r#""more":1,{}"#, error.member())), Some(error));
            }
        }
        assert_eq!(Error::new("odd", 1.5).member(), r#""error":{"reason":"odd","at":1.5}"#);
        for none in ["", r#""error":1"#, r#""error":{"at":1}"#, "{"] {
            assert_eq!(Error::read(none), None, "{none}");
        }
    }

    #[test]
    fn texts_are_mended_and_nothing_else_changes() {
        for (text, want) in [
            (r#"{"a":"\ud800"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"\udc00\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
            (r#"{"a":"\ud800\u0041\\ud800"}"#, r#"{"a":"\ufffd\u0041\\ud800"}"#),
            ("{\"a\":\"\0\n\"}\n", "{\"a\":\"\\u0000\\u000a\"}\n"),
            (r#"{"a":"\x \u12"}"#, r#"{"a":"\\x \\u12"}"#),
            (r#"{"a":NaN,"é":"\"\/"}"#, r#"{"a":NaN,"é":"\"\/"}"#),
        ] {
            assert_eq!(mended(text), want);
        }
    }

    proptest! {
        #[test]
        fn an_entry_with_bad_texts_only_can_be_read_after_mending(
            bad in r#"(\\ud[89a-f][0-9a-f]{2}|[\x00-\x1f]|\\[x'0]|é|a){1,6}"#, in_metadata: bool,
        ) {
            let (more, data) = if in_metadata { (bad.as_str(), "") } else { ("", bad.as_str()) };
            let entry = format!(
                r#"{{"metadata":{{"key":"a/b","type":"m","write_ts":5,"x":"{more}"}},"data":{{"y":"{data}"}}}}"#
            );
            if let Some(why) = why_unreadable(&entry, 2) {
                let kept = unreadable(&entry, why);
                let (why, how) = kept.aside.clone().expect("it is set aside");
                let error = Error { kept: how, ..Error::new(why, 1.0) };
                let text = error.entry_text(&kept.metadata, &kept.data).expect("it is all there");
                let again = parse(text.as_bytes(), 2).expect("it has its identity");
                prop_assert_eq!((&*again.key, again.write_ts, &again.aside), ("a/b", 5.0, &None), "{}", text);
                let both = parse(entry.as_bytes(), 2).map(|parsed| parsed.aside.map(|(why, _)| why));
                prop_assert!(matches!(both, Ok(Some(SetAside::NotJson(_)))));
            }
        }

        #[test]
        fn mending_never_panics_and_leaves_valid_json_unchanged(text in r#"[{}"\\ud8c0 a1é\x01,:]{0,30}"#) {
            let mended = mended(&text);
            let sound = why_unreadable(&text, 1).is_none();
            prop_assert!(!sound || mended == text);
        }
    }
}
