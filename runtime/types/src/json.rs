//! Finding members of a JSON object without building a tree: for texts that are kept as they came.
//!
//! The scanner follows structure (strings, brackets, commas) and does not recurse, so no depth of nesting
//! can exhaust a stack. It does not check the grammar of what it skips: `NaN` or `01` pass as values. Who
//! needs sound JSON parses it; who needs "which member, from where to where" asks here.

use crate::TimeField;

/// Where a text stops being an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object at byte {at}: {why}")]
pub struct BadObject {
    /// Offset from the start of the text, bytes.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// The members of one object, in order: each name (between its quotes, escapes as they stand) and the
/// text of its value without surrounding space. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Start,
    Between,
    Done,
}

/// Walks the members of the object that `text` holds.
pub fn members(text: &str) -> Members<'_> {
    Members { text, at: 0, state: State::Start }
}

/// The text of the first member of that name; `None` where it is absent or `text` is no object.
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    members(text).map_while(Result::ok).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The text of a JSON number as a double: correctly rounded, and finite.
pub fn number(value: &str) -> Option<f64> {
    let first = value.as_bytes().first()?;
    if !(first.is_ascii_digit() || *first == b'-') {
        return None;
    }
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

impl<'a> Members<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn skip_space(&mut self) {
        while matches!(self.bytes().get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn fail(&mut self, why: &'static str) -> BadObject {
        self.state = State::Done;
        BadObject { at: self.at, why }
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), BadObject> {
        self.skip_space();
        if self.bytes().get(self.at) != Some(&byte) {
            return Err(self.fail(why));
        }
        self.at += 1;
        Ok(())
    }

    /// Leaves `at` behind the closing quote; answers where the text between the quotes ends.
    fn skip_string(&mut self) -> Result<usize, BadObject> {
        while let Some(byte) = self.bytes().get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(self.at - 1);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
        Err(self.fail("a string that never ends"))
    }

    fn skip_value(&mut self) -> Result<(), BadObject> {
        let mut depth = 0_usize;
        loop {
            let Some(byte) = self.bytes().get(self.at) else {
                return Err(self.fail("a value that never ends"));
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    self.skip_string()?;
                    if depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    if depth == 0 {
                        return Ok(());
                    }
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                b',' if depth == 0 => return Ok(()),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// `Ok(false)` at the object's end.
    fn open(&mut self) -> Result<bool, BadObject> {
        if self.state == State::Start {
            self.expect(b'{', "no opening brace")?;
            self.state = State::Between;
            self.skip_space();
            if self.bytes().get(self.at) == Some(&b'}') {
                return self.close();
            }
            return Ok(true);
        }
        self.skip_space();
        match self.bytes().get(self.at) {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => self.close(),
            _ => Err(self.fail("neither a comma nor a closing brace")),
        }
    }

    fn close(&mut self) -> Result<bool, BadObject> {
        self.at += 1;
        self.skip_space();
        if self.at != self.text.len() {
            return Err(self.fail("text behind the object"));
        }
        self.state = State::Done;
        Ok(false)
    }

    fn member(&mut self) -> Result<(&'a str, &'a str), BadObject> {
        self.expect(b'"', "no member name")?;
        let name_start = self.at;
        let name_end = self.skip_string()?;
        self.expect(b':', "no colon behind a name")?;
        self.skip_space();
        let start = self.at;
        self.skip_value()?;
        // An escape may have jumped past the end or into a character; `get` refuses both.
        let value = self.text.get(start..self.at).map(str::trim_ascii_end);
        let name = self.text.get(name_start..name_end);
        match (name, value) {
            (Some(name), Some(value)) if !value.is_empty() => Ok((name, value)),
            _ => Err(self.fail("a member without a value")),
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(&'a str, &'a str), BadObject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        match self.open() {
            Ok(true) => Some(self.member()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The times of one entry, s; NaN where the entry has none of that field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryTimes {
    /// By the number of the field in [`TimeField::OWN`].
    pub own: [f64; 6],
}

impl EntryTimes {
    /// Reads the times of an entry from the texts of its two parts. A time that is not a number counts as absent.
    pub fn read(metadata: &str, data: &str) -> Self {
        let mut own = [f64::NAN; 6];
        if let Some(write_ts) = member(metadata, "write_ts").and_then(number) {
            own[TimeField::WriteTs as usize] = write_ts;
        }
        for (name, value) in members(data).map_while(Result::ok) {
            let field = match name {
                "ts" => TimeField::DataTs,
                "start_ts" => TimeField::StartTs,
                "end_ts" => TimeField::EndTs,
                "enter_ts" => TimeField::EnterTs,
                "exit_ts" => TimeField::ExitTs,
                _ => continue,
            };
            own[field as usize] = number(value).unwrap_or(f64::NAN);
        }
        Self { own }
    }

    /// That time; NaN where the entry has none. The position is NaN only where there is no time at all.
    pub fn get(&self, field: TimeField) -> f64 {
        if field != TimeField::Position {
            return self.own[field as usize];
        }
        [TimeField::DataTs, TimeField::StartTs, TimeField::EnterTs, TimeField::ExitTs, TimeField::WriteTs]
            .into_iter()
            .map(|field| self.own[field as usize])
            .find(|time| !time.is_nan())
            .unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_come_in_order_with_their_texts() {
        let text = r#" { "a" : [1, {"b": "},"}] , "c\"d":"x\\", "e":-1.50 ,"f":{} } "#;
        let found: Result<Vec<_>, _> = members(text).collect();
        let want = [("a", r#"[1, {"b": "},"}]"#), (r#"c\"d"#, r#""x\\""#), ("e", "-1.50"), ("f", "{}")];
        assert_eq!(found.expect("sound"), want);
        assert_eq!(member(text, "e").and_then(number), Some(-1.5));
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for bad in [
            "",
            "[",
            "{",
            "{\"a",
            "{\"a\":",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1}x",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" 1}",
        ] {
            let last = members(bad).last();
            assert!(matches!(last, Some(Err(_))), "{bad:?} gave {last:?}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
        assert!(matches!(members(&deep).last(), Some(Err(_))));
    }

    #[test]
    fn the_position_is_the_first_time_present() {
        let metadata = r#"{"write_ts": 5.5}"#;
        assert_eq!(EntryTimes::read(metadata, "{}").get(TimeField::Position), 5.5);
        let times = EntryTimes::read(metadata, r#"{"exit_ts": 3, "enter_ts": 2.25, "ts": null}"#);
        assert_eq!(times.get(TimeField::Position), 2.25);
        assert!(times.get(TimeField::DataTs).is_nan());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_scanner_panic(text in "[{}\\[\\]\",:\\\\a1ü ]{0,40}") {
            members(&text).for_each(drop);
            EntryTimes::read(&text, &text);
        }
    }
}
