//! One pass over a JSON text that checks all of its grammar and stops where the caller wants to look.
//!
//! For texts that are kept as received and are not trusted: a text that was scanned to its end is valid (RFC 8259,
//! bytes outside strings; the caller checks that strings are UTF-8). The caller has seen the members that it asked for,
//! and nothing was built. Skipped values do not recurse.
//!
//! ```
//! use cells_json::scan::Scan;
//! let text = r#"{"a":[1],"ts":2.5}"#;
//! let mut scan = Scan::new(text.as_bytes());
//! let (mut more, mut ts) = (scan.open()?, None);
//! while more {
//!     let is_ts = scan.name()? == b"ts";
//!     let start = scan.at();
//!     scan.value(100)?;
//!     ts = if is_ts { Some(&text[start..scan.at()]) } else { ts };
//!     more = scan.more()?;
//! }
//! scan.end()?;
//! assert_eq!(ts, Some("2.5"));
//! # Ok::<(), cells_json::scan::BadJson>(())
//! ```

use crate::eights::{ONES, before, equal};

/// The most levels of nesting, whatever a caller allows.
pub const LEVELS_MAX: u32 = 128;

/// A number with no more digits before its point, and in its exponent, is certainly within doubles.
const WHOLE_DIGITS_MAX: usize = 200;
const EXPONENT_DIGITS_MAX: usize = 2;

/// The position where a text stops being JSON. It contains nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {why}")]
pub struct BadJson {
    /// Offset from the start of the text, bytes.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// A position in a text. After an error it has no meaning.
#[derive(Debug, Clone)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    doubtful: bool,
}

impl<'a> Scan<'a> {
    /// The start of a text.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, doubtful: false }
    }

    /// The position, bytes from the start: before the next value or behind the last.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte: the first of a value if one begins here.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[cold]
    fn bad(&self, why: &'static str) -> BadJson {
        BadJson { at: self.at.min(self.bytes.len()), why }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Moves over an opening bracket; returns whether anything precedes the closing one, whose code is the opening
    /// one's plus 2.
    #[inline]
    fn enter(&mut self, bracket: u8, why: &'static str) -> Result<bool, BadJson> {
        if self.peek() != Some(bracket) {
            return Err(self.bad(why));
        }
        self.at += 1;
        self.space();
        let empty = self.peek() == Some(bracket + 2);
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// Moves over a comma to what follows it, or over the closing bracket; returns which of the two.
    #[inline]
    fn next(&mut self, closing: u8, why: &'static str) -> Result<bool, BadJson> {
        self.space();
        let found = self.peek();
        if found != Some(b',') && found != Some(closing) {
            return Err(self.bad(why));
        }
        self.at += 1;
        if found == Some(closing) {
            return Ok(false);
        }
        self.space();
        Ok(true)
    }

    /// Enters the object that begins here, after skipping space; returns whether it has a member.
    #[inline]
    pub fn open(&mut self) -> Result<bool, BadJson> {
        self.space();
        self.enter(b'{', "expected an object")
    }

    /// Reads a member's name as it is between its quotes; moves to its value.
    #[inline]
    pub fn name(&mut self) -> Result<&'a [u8], BadJson> {
        if self.peek() != Some(b'"') {
            return Err(self.bad("expected the name of a member"));
        }
        let start = self.at + 1;
        self.string()?;
        let name = &self.bytes[start..self.at - 1];
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.bad("expected a colon after a name"));
        }
        self.at += 1;
        self.space();
        Ok(name)
    }

    /// Called behind a member's value; returns whether another member follows, and then is at its name.
    #[inline]
    pub fn more(&mut self) -> Result<bool, BadJson> {
        self.next(b'}', "expected a comma or a closing brace")
    }

    /// Enters the list that begins here; returns whether it has an item, and then is at it.
    #[inline]
    pub fn open_list(&mut self) -> Result<bool, BadJson> {
        self.enter(b'[', "expected a list")
    }

    /// Called behind an item of a list; returns whether another follows, and then is at it.
    #[inline]
    pub fn more_of_list(&mut self) -> Result<bool, BadJson> {
        self.next(b']', "expected a comma or a closing bracket")
    }

    /// The text of the value that begins here; see [`Self::value`].
    #[inline]
    pub fn text(&mut self, levels: u32) -> Result<&'a [u8], BadJson> {
        let start = self.at;
        self.value(levels)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Whether something was scanned that parsers may refuse although the grammar allows it: a number that may be
    /// beyond doubles, or half of a surrogate pair.
    #[inline]
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Called behind the outermost value: only space may follow.
    pub fn end(&mut self) -> Result<(), BadJson> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.bad("text after the value")) }
    }

    /// Moves over the value that begins here, which may nest `levels` deep; with 0 it must be no object and no list.
    pub fn value(&mut self, levels: u32) -> Result<(), BadJson> {
        let levels = levels.min(LEVELS_MAX);
        // The open brackets, the innermost in the lowest bit; set: a brace.
        let (mut braces, mut depth) = (0_u128, 0);
        loop {
            match self.peek() {
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(open @ (b'{' | b'[')) => {
                    if depth == levels {
                        return Err(self.bad("nested too deep"));
                    }
                    self.at += 1;
                    self.space();
                    let brace = open == b'{';
                    // The codes of both closing brackets are those of the opening ones plus 2.
                    if self.peek() == Some(open + 2) {
                        self.at += 1;
                    } else {
                        braces = braces << 1 | u128::from(brace);
                        depth += 1;
                        if brace {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => self.word()?,
            }
            if !self.close(&mut braces, &mut depth)? {
                return Ok(());
            }
        }
    }

    /// Called behind a value: moves over closing brackets and to the next value; returns whether there is one.
    #[inline]
    fn close(&mut self, braces: &mut u128, depth: &mut u32) -> Result<bool, BadJson> {
        while *depth > 0 {
            self.space();
            let brace = *braces & 1 == 1;
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if brace {
                        self.name()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if brace => {}
                Some(b']') if !brace => {}
                _ => return Err(self.bad("expected a comma or the closing bracket")),
            }
            self.at += 1;
            *braces >>= 1;
            *depth -= 1;
        }
        Ok(false)
    }

    /// Moves over the string that begins here.
    #[inline]
    fn string(&mut self) -> Result<(), BadJson> {
        let mut at = self.at + 1;
        loop {
            at += plain(&self.bytes[at.min(self.bytes.len())..]);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.doubtful |= matches!(
                        self.bytes[at..],
                        [_, b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
                    );
                    at += escape(&self.bytes[at..])
                        .ok_or(BadJson { at, why: "an unknown escape in a string" })?
                }
                Some(_) => return Err(BadJson { at, why: "a control character within a string" }),
                None => return Err(BadJson { at, why: "a string does not end" }),
            }
        }
    }

    /// Moves over the number that begins here.
    #[inline]
    fn number(&mut self) -> Result<(), BadJson> {
        self.at += usize::from(self.peek() == Some(b'-'));
        let start = self.at;
        let whole = self.digits();
        if whole == 0 || whole > 1 && self.bytes[start] == b'0' {
            return Err(self.bad("not a number"));
        }
        self.doubtful |= whole > WHOLE_DIGITS_MAX;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.bad("not a number"));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            let digits = self.digits();
            if digits == 0 {
                return Err(self.bad("not a number"));
            }
            self.doubtful |= digits > EXPONENT_DIGITS_MAX;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let count = digits(&self.bytes[self.at..]);
        self.at += count;
        count
    }

    fn word(&mut self) -> Result<(), BadJson> {
        let rest = &self.bytes[self.at..];
        let word = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word));
        self.at += word.ok_or_else(|| self.bad("expected a value"))?.len();
        Ok(())
    }
}

/// How many bytes come before the first quote, backslash or control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let marks = |word: u64| {
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        equal(word, b'"') | equal(word, b'\\') | controls
    };
    before(bytes, marks, |byte| matches!(byte, b'"' | b'\\' | 0..0x20))
}

/// The number of digits with which bytes begin.
#[inline]
fn digits(bytes: &[u8]) -> usize {
    let marks = |word: u64| {
        let values = word ^ (ONES * 0x30);
        // A byte over 9 gets the top bit, or has it; it may carry into bytes behind the first such byte.
        values.wrapping_add(ONES * 0x76) | values
    };
    before(bytes, marks, |byte| !byte.is_ascii_digit())
}

/// The length of the escape that begins here.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Whether the whole text is a number, without space around it.
pub(crate) fn is_number(text: &str) -> bool {
    let mut scan = Scan::new(text.as_bytes());
    scan.number().is_ok() && scan.at == text.len()
}

/// Whether the whole text is one JSON value that nests at most `levels` deep.
pub fn check(text: &str, levels: u32) -> Result<(), BadJson> {
    let mut scan = Scan::new(text.as_bytes());
    scan.space();
    scan.value(levels)?;
    scan.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether serde_json accepts it; it has no limit of depth where nothing is built.
    fn is_json(text: &str) -> bool {
        crate::text::is_json(text)
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        let sound = [
            "0",
            "-0",
            "1e5",
            "1.50E-3",
            "\"\"",
            " [ ] ",
            "{ }",
            "[1 , 2]",
            r#"{"a" : {"b":[true,false,null]} , "c":""}"#,
            r#""é\u00e9\ud800 \" \\ \/ \b\f\n\r\t""#,
            "\t\r\n1 ",
            "[[[]],{}]",
        ];
        let unsound = [
            "",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "NaN",
            "Infinity",
            "tru",
            "nulls",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\u{1}\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1,}",
            "{a:1}",
            "[1}",
            "{\"a\":1]",
            "1 2",
            "'a'",
            "\"a\nb\"",
            "{\"a\" 1}",
            "[1 2]",
            "\"\\",
        ];
        for text in sound {
            assert!(check(text, 9).is_ok() && is_json(text), "{text:?}: {:?}", check(text, 9));
        }
        for text in unsound {
            assert!(check(text, 9).is_err() && !is_json(text), "{text:?}");
        }
    }

    #[test]
    fn nesting_is_taken_up_to_its_limit() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for depth in [0, 1, 5, 127, 128, 129, 1_000_000] {
                let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                assert_eq!(check(&text, u32::MAX).is_ok(), depth <= 128, "{depth} of {open}");
                assert_eq!(check(&text, 5).is_ok(), depth <= 5, "{depth} of {open}");
            }
        }
    }

    #[test]
    fn a_string_ends_at_its_first_unescaped_quote_wherever_that_is() {
        for length in 0..40 {
            for odd in ["", "\\\"", "\u{e9}", "\u{7f}", "\\\\", "\u{1}"] {
                let text = format!("[\"{}{odd}b\",\"\"]", "a".repeat(length));
                assert_eq!(check(&text, 1).is_ok(), odd != "\u{1}", "{text:?}");
            }
        }
    }

    #[test]
    fn digits_are_counted_up_to_the_first_other_character() {
        for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            for count in 0..20 {
                let mut text: Vec<u8> = (0..count).map(|digit| b'0' + digit % 10).collect();
                assert_eq!(digits(&text), usize::from(count));
                text.extend([other, b'1', other, 0xff, b'9', b'0', b'0', b'0', b'0']);
                assert_eq!(digits(&text), usize::from(count), "{other}");
            }
        }
    }

    proptest! {
        #[test]
        fn valid_texts_are_those_that_serde_json_accepts(text in r#"[{}\[\]",:\\ au0-91.eE+é-]{0,24}|(\{"a":[0-9.e-]{1,5}(,"b\\?[a-z"]":("x"|\[1?\]|null))?\}){1,2}"#) {
            prop_assert_eq!(check(&text, LEVELS_MAX).is_ok(), is_json(&text));
        }

        #[test]
        fn valid_texts_that_are_not_doubtful_are_those_that_serde_json_can_build(
            text in r#"\{"a":(-?[1-9][0-9]{0,3}(\.5)?(e[+-]?[0-9]{1,4})?|"(\\u[d0][0-9a-f]{3}|x){0,3}")\}"#,
        ) {
            let mut scan = Scan::new(text.as_bytes());
            scan.value(9).expect("sound");
            let built = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert!(built || scan.is_doubtful(), "{text}");
        }

        #[test]
        fn the_scanner_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40), quote in any::<bool>()) {
            let mut all = if quote { b"{\"".to_vec() } else { Vec::new() };
            all.extend(bytes);
            let mut scan = Scan::new(&all);
            let _ = scan.value(9);
            let mut scan = Scan::new(&all);
            let _ = scan.open().and_then(|_| scan.name().map(drop)).and_then(|()| scan.value(3));
        }
    }
}
