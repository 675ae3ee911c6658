//! JSON objects as texts: finding and changing members without touching the bytes of the others.
//!
//! Entries are kept as phones wrote them, so a changed entry is the old text with some members changed, not a newly
//! written tree. The scanner follows the structure and does not recurse. It does not check the grammar of skipped
//! values: `NaN` passes as a value. Callers that need valid JSON use [`is_json`].

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::eights::{ONES, before, equal};
use crate::scan;

/// The position where a text stops being an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object at byte {at}: {why}")]
pub struct BadObject {
    /// Offset from the start of the text, bytes.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// Whether the whole text is one JSON value.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// One member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The text between the quotes, escapes unchanged.
    pub name: &'a str,
    /// Its value's text, without surrounding space.
    pub value: &'a str,
    /// The position of the value in the object's text, bytes.
    pub value_start: usize,
    /// The position of the name's opening quote in the object's text, bytes.
    pub start: usize,
}

impl Member<'_> {
    /// The range of the whole member in the object's text.
    pub fn range(&self) -> Range<usize> {
        self.start..self.value_range().end
    }

    /// The range of the name in the object's text, its quotes included.
    pub fn name_range(&self) -> Range<usize> {
        self.start..self.start + self.name.len() + 2
    }

    /// The range of the value in the object's text.
    pub fn value_range(&self) -> Range<usize> {
        self.value_start..self.value_start + self.value.len()
    }
}

/// The members of an object, in order. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
    opened: bool,
    done: bool,
}

/// Iterates over the members of the object `text`.
pub fn members(text: &str) -> Members<'_> {
    Members { text, at: 0, opened: false, done: false }
}

/// The text of the first member of that name; `None` where it is absent or the text is no object up to there.
pub fn member<'a>(text: &'a str, name: &str) -> Option<Member<'a>> {
    members(text).map_while(Result::ok).find(|member| member.name == name)
}

/// The text of the value of the first member of that name, as [`member`] finds it.
pub fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    member(text, name).map(|member| member.value)
}

/// A JSON number as a finite double, correctly rounded. The parser of std is twice as fast as serde_json's, but accepts
/// more than the grammar allows.
pub fn number(value: &str) -> Option<f64> {
    if !scan::is_number(value) {
        return None;
    }
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A JSON string, borrowed unless it has escapes.
pub fn string(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let plain = inner.bytes().all(|byte| byte != b'\\' && byte != b'"' && byte >= 0x20);
    if plain { Some(Cow::Borrowed(inner)) } else { serde_json::from_str(value).ok().map(Cow::Owned) }
}

/// A member's value that may be `null`: `Some(None)` then. `None` where it is neither `null` nor accepted by `read`.
pub fn optional<'a, T>(value: &'a str, read: impl FnOnce(&'a str) -> Option<T>) -> Option<Option<T>> {
    if value == "null" { Some(None) } else { read(value).map(Some) }
}

/// The text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always JSON")
}

/// Appends a text as a JSON string.
pub fn push_text(json: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&quoted(text));
    }
}

/// Appends a double as JSON, with the fewest digits that identify it; `null` where it is not finite. Same as
/// serde_json.
pub fn push_number(json: &mut String, number: f64) {
    if number.is_finite() {
        json.push_str(zmij::Buffer::new().format_finite(number));
    } else {
        json.push_str("null");
    }
}

/// Appends a whole number as JSON.
pub fn push_whole(json: &mut String, number: i64) {
    json.push_str(itoa::Buffer::new().format(number));
}

impl<'a> Members<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn bad(&self, why: &'static str) -> BadObject {
        BadObject { at: self.at.min(self.text.len()), why }
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), BadObject> {
        self.skip_space();
        if self.byte() != Some(byte) {
            return Err(self.bad(why));
        }
        self.at += 1;
        Ok(())
    }

    /// Moves from behind the opening quote to behind the closing one; returns the position of the closing one.
    fn skip_string(&mut self) -> Result<usize, BadObject> {
        let end = string_end(self.text.as_bytes(), self.at).ok_or(self.bad("a string does not end"))?;
        self.at = end + 1;
        Ok(end)
    }

    fn skip_value(&mut self) -> Result<(), BadObject> {
        let bytes = self.text.as_bytes();
        match self.byte() {
            Some(b'"') => {
                self.at += 1;
                self.skip_string().map(drop)
            }
            Some(b'{' | b'[') => self.skip_nested(),
            _ => {
                self.at += before_end(&bytes[self.at..]);
                match self.byte() {
                    Some(b',' | b'}' | b']') => Ok(()),
                    Some(_) => Err(self.bad("two values without a comma")),
                    None => Err(self.bad("a value does not end")),
                }
            }
        }
    }

    /// Moves over an object or a list, from its opening bracket to behind the closing one.
    fn skip_nested(&mut self) -> Result<(), BadObject> {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        loop {
            self.at += before_structure(&bytes[self.at..]);
            let found = self.byte().ok_or(self.bad("a value does not end"))?;
            self.at += 1;
            match found {
                b'"' => drop(self.skip_string()?),
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => return Ok(()),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
    }

    fn step(&mut self) -> Result<Option<Member<'a>>, BadObject> {
        if self.opened {
            self.skip_space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.close(),
                _ => return Err(self.bad("expected a comma or a closing brace")),
            }
        } else {
            self.expect(b'{', "expected an opening brace")?;
            self.opened = true;
            self.skip_space();
            if self.byte() == Some(b'}') {
                return self.close();
            }
        }
        self.expect(b'"', "expected the name of a member")?;
        let name_start = self.at;
        let name_end = self.skip_string()?;
        self.expect(b':', "expected a colon after a name")?;
        self.skip_space();
        let value_start = self.at;
        self.skip_value()?;
        let value = self.text[value_start..self.at].trim_ascii_end();
        if value.is_empty() {
            return Err(self.bad("a member without a value"));
        }
        let (name, start) = (&self.text[name_start..name_end], name_start - 1);
        Ok(Some(Member { name, value, value_start, start }))
    }

    fn close(&mut self) -> Result<Option<Member<'a>>, BadObject> {
        self.at += 1;
        self.skip_space();
        if self.at == self.text.len() { Ok(None) } else { Err(self.bad("text after the object")) }
    }
}

/// The position of the closing quote of a string whose text begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += before_quote(bytes.get(at..)?);
        if *bytes.get(at)? == b'"' {
            return Some(at);
        }
        // An escaped byte is ASCII in valid JSON; where it is not, the next stop is still a quote or a backslash.
        at += 2;
    }
}

/// How many bytes come before the first quote or backslash.
#[inline]
pub(crate) fn before_quote(bytes: &[u8]) -> usize {
    before(bytes, |word| equal(word, b'"') | equal(word, b'\\'), |byte| matches!(byte, b'"' | b'\\'))
}

/// The bit in which square brackets differ from braces.
const BIT: u8 = 0x20;

/// How many bytes come before the first comma, quote, brace or square bracket.
#[inline]
fn before_end(bytes: &[u8]) -> usize {
    let marks = |word: u64| {
        let lower = word | (ONES * u64::from(BIT));
        equal(word, b',') | equal(word, b'"') | equal(lower, b'{') | equal(lower, b'}')
    };
    before(bytes, marks, |byte| matches!(byte, b',' | b'"') || matches!(byte | BIT, b'{' | b'}'))
}

/// How many bytes come before the first quote, brace or square bracket, or a control character that differs from a
/// quote in one bit.
#[inline]
pub(crate) fn before_structure(bytes: &[u8]) -> usize {
    let marks = |word: u64| {
        let word = word | (ONES * u64::from(BIT));
        equal(word, b'"') | equal(word, b'{') | equal(word, b'}')
    };
    before(bytes, marks, |byte| matches!(byte | BIT, b'"' | b'{' | b'}'))
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, BadObject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

/// The object's text with `more` behind its members: at least one `"name":value` pair, joined by commas, with names
/// that the object does not have. `None` where the text does not end as an object.
pub fn with_members(text: &str, more: &str) -> Option<String> {
    let head = text.trim_ascii_end().strip_suffix('}')?.trim_ascii_end();
    let mut whole = String::with_capacity(head.len() + more.len() + 2);
    whole.push_str(head);
    if !head.ends_with('{') {
        whole.push(',');
    }
    whole.push_str(more);
    whole.push('}');
    Some(whole)
}

/// Replaces `.` by `_` in the names of all members, at every depth; all other bytes stay.
pub fn without_dots_in_names(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let (mut at, mut done, mut out) = (0, 0, String::new());
    while let Some(start) = bytes[at..].iter().position(|byte| *byte == b'"').map(|found| at + found + 1) {
        let Some(end) = string_end(bytes, start) else { break };
        at = end + 1;
        let is_name = bytes[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        if is_name && text[start..end].contains('.') {
            out.push_str(&text[done..start]);
            out.push_str(&text[start..end].replace('.', "_"));
            done = end;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// More members than any reading has. Finding a member searches them all, so the number is limited.
const MEMBERS_MAX: usize = 512;

/// An object whose members can be changed one by one; the others keep their text. Of two members with one
/// name, the later counts.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Object<'a> {
    /// An object without members.
    pub fn empty() -> Self {
        Self { members: Vec::new() }
    }

    /// Reads an object of at most 512 members.
    pub fn read(text: &'a str) -> Result<Self, BadObject> {
        let mut object = Self { members: Vec::with_capacity(16) };
        for member in members(text) {
            let Member { name, value, value_start, .. } = member?;
            if object.members.len() == MEMBERS_MAX {
                return Err(BadObject { at: value_start, why: "more than 512 members" });
            }
            object.put(Cow::Borrowed(name), Cow::Borrowed(value));
        }
        Ok(object)
    }

    fn put(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name, value)),
        }
    }

    /// The text of that member's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The member as a number; `None` where it is absent or no number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(number)
    }

    /// The member as a string; `None` where it is absent or no string.
    pub fn string(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).and_then(string)
    }

    /// Sets a member to a JSON text; a new member is added at the end. The name needs no escapes.
    pub fn set(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        self.put(Cow::Borrowed(name), value.into());
    }

    /// Removes a member.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let index = self.members.iter().position(|(known, _)| known == name)?;
        Some(self.members.remove(index).1)
    }

    /// The object's text, with `more` behind its members: `"name":value` pairs joined by commas, or empty.
    pub fn write(&self, more: &str) -> String {
        let bytes: usize = self.members.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut text = String::with_capacity(bytes + more.len() + 2);
        text.push('{');
        for (name, value) in &self.members {
            for part in ["\"", name, "\":", value, ","] {
                text.push_str(part);
            }
        }
        text.push_str(more);
        if more.is_empty() && !self.members.is_empty() {
            text.pop();
        }
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    #[test]
    fn members_come_in_order_with_their_texts_and_places() {
        let text = r#" { "a" : [1, {"b": "},"}] , "c\"d":"x\\", "e":NaN ,"f":{} } "#;
        let found: Result<Vec<_>, _> = members(text).collect();
        let found = found.expect("sound");
        let texts: Vec<_> = found.iter().map(|member| (member.name, member.value)).collect();
        let want = [("a", r#"[1, {"b": "},"}]"#), (r#"c\"d"#, r#""x\\""#), ("e", "NaN"), ("f", "{}")];
        assert_eq!(texts, want);
        assert!(found.iter().all(|member| &text[member.value_range()] == member.value));
        assert_eq!(member(text, "e").map(|member| member.value), Some("NaN"));
    }

    #[test]
    fn a_text_that_is_not_an_object_is_refused_with_the_position() {
        let scalars = ["{\"a\":}", "{\"a\":1", "{\"a\":1}x", "{\"a\":1\"b\"}", "{\"a\":1[]}"];
        let others = ["", "[", "{", "{\"a", "{\"a\":", "{,}", "{\"a\" 1}", "{\"a\":[", "{\"a\":{\"b\":[]}"];
        for bad in scalars.into_iter().chain(others) {
            let last = members(bad).last();
            assert!(matches!(last, Some(Err(_))), "{bad:?} gave {last:?}");
        }
    }

    #[test]
    fn a_changed_object_keeps_the_text_of_the_other_members() {
        let mut object = Object::read(r#"{"a":1.50,"bearing":2e1,"ts":0,"ts":7}"#).expect("sound");
        let bearing = object.remove("bearing").expect("there");
        object.set("heading", bearing);
        object.set("a", "3");
        assert_eq!(object.number("ts"), Some(7.0));
        assert_eq!(object.write(r#""x":{}"#), r#"{"a":3,"ts":7,"heading":2e1,"x":{}}"#);
        assert_eq!(Object::read("{}").expect("sound").write(""), "{}");
        assert_eq!(Object::empty().write(r#""x":1"#), r#"{"x":1}"#);
    }

    #[test]
    fn members_are_added_after_the_others() {
        let added = |text| with_members(text, r#""x":1"#);
        assert_eq!(added("{ }").as_deref(), Some(r#"{"x":1}"#));
        assert_eq!(added(r#"{"a":{} }"#).as_deref(), Some(r#"{"a":{},"x":1}"#));
        assert_eq!(added("[1]"), None);
    }

    #[test]
    fn dots_are_replaced_in_names_at_every_depth_and_stay_in_values() {
        let text = r#"{"a.b" : "c.d", "e":[{"x.y":{"z..w":1.5}}],"":"\".:"}"#;
        let want = r#"{"a_b" : "c.d", "e":[{"x_y":{"z__w":1.5}}],"":"\".:"}"#;
        assert_eq!(without_dots_in_names(text), want);
        assert!(matches!(without_dots_in_names(want), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_are_written_as_serde_json_writes_them() {
        for number in [0.0, -0.0, 1.0, -122.4194155, 1_440_700_000.123, 1e-7, 5e-324, 1e16, 1.5e300, f64::NAN]
        {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, serde_json::to_string(&number).expect("a number"));
        }
        for number in [0, -1, 1_999, i64::MIN, i64::MAX] {
            let mut text = String::new();
            push_whole(&mut text, number);
            assert_eq!(text, number.to_string());
        }
    }

    #[test]
    fn strings_and_numbers_are_read_as_json_has_them() {
        assert_eq!(string(r#""a\u0062""#).as_deref(), Some("ab"));
        assert_eq!((string("\"a"), string("1"), string("\"a\"b\"")), (None, None, None));
        assert_eq!(["1.5", "1e999", "NaN", "01", "\"1\""].map(number), [Some(1.5), None, None, None, None]);
    }

    proptest! {
        #[test]
        fn the_scanner_never_panics_whatever_the_text(text in "[{}\\[\\]\",:\\\\a1ü. ]{0,40}") {
            members(&text).for_each(drop);
            let _ = Object::read(&text).map(|object| object.write(""));
            without_dots_in_names(&text);
            let _ = string(&text);
        }

        #[test]
        fn values_end_where_serde_json_ends_them(
            value in r#"[1-9]{1,20}|"([a-z{}\[\]ü]|\\\\|\\"){0,20}"|\{"[a-z]{0,9}":\[("[}\]]{0,9}"|12345678901?|\[\]|\{\}),null\]\}"#,
        ) {
            let text = format!("{{\"a\":{value} ,\"b\":[{value}]}}");
            let [a, b] = ["a", "b"].map(|name| member(&text, name).map(|member| member.value.to_owned()));
            let read: BTreeMap<String, &RawValue> = serde_json::from_str(&text).expect("sound");
            prop_assert_eq!(a.as_deref(), Some(read["a"].get()));
            prop_assert_eq!(b.as_deref(), Some(read["b"].get()));
        }

        #[test]
        fn an_object_that_is_read_and_written_means_the_same(
            names in prop::collection::vec("[a-z.\"\\\\ü]{0,5}", 0..6), value in "[ -~]{0,8}"
        ) {
            let map: serde_json::Map<_, _> = names.into_iter().map(|name| (name, value.clone().into())).collect();
            let text = serde_json::to_string(&map).expect("plain");
            let written = Object::read(&text).expect("sound").write("");
            prop_assert_eq!(written, text);
        }
    }
}
