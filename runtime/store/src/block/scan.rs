//! Splitting a text into its skeleton and its values.
//!
//! A skeleton is the text with a mark in place of each value: a string, number or word that is no member's
//! name. Marks are control characters, which JSON forbids in and between values, so no text can hold one.

/// Stands for a string, number or word.
pub(super) const SCALAR: u8 = 0x00;
/// Ends metadata and data; extra ends with the skeleton.
pub(super) const PART: u8 = 0x01;
/// Stands for a whole part whose text is kept as it is.
pub(super) const RAW: u8 = 0x02;
/// `DIGITS + n` represents n digits, 1 to 15, of a written time such as `"2016-08-05T04:49:40.507000-07:00"`.
pub(super) const DIGITS: u8 = 0x10;

/// Arrays and objects inside one another; deeper texts are kept raw.
const DEPTH_MAX: u32 = 60;

/// What a text consists of at its outermost level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// One value.
    Value,
    /// Nothing, or members without braces.
    Members,
}

/// The text's structure is not JSON, or it nests too deep. What was written so far is void.
pub(super) struct NotPlain;

/// Appends the skeleton of `text` to `skeleton` and the values' texts to `values`.
///
/// The structure is checked, so that walking the skeleton's members finds the same as walking the text. The insides of
/// numbers and words are not checked: they come back as they were.
pub(super) fn scan<'a>(
    text: &'a str,
    root: Root,
    skeleton: &mut Vec<u8>,
    values: &mut Vec<&'a [u8]>,
) -> Result<(), NotPlain> {
    let scan = Scan { text: text.as_bytes(), at: 0, kept: 0, objects: 0, depth: 0, skeleton, values };
    match root {
        Root::Value => scan.value_then_end(),
        Root::Members if text.is_empty() => Ok(()),
        Root::Members => scan.members_then_end(),
    }
}

struct Scan<'a, 's> {
    text: &'a [u8],
    at: usize,
    /// The text up to this position is in the skeleton already.
    kept: usize,
    /// One bit for each level, the innermost lowest: set for objects.
    objects: u64,
    depth: u32,
    skeleton: &'s mut Vec<u8>,
    values: &'s mut Vec<&'a [u8]>,
}

impl<'a> Scan<'a, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn value_then_end(mut self) -> Result<(), NotPlain> {
        self.value()?;
        self.inside(0)
    }

    fn members_then_end(mut self) -> Result<(), NotPlain> {
        self.open(true)?;
        self.name()?;
        self.value()?;
        self.inside(1)
    }

    /// Follows commas and closing brackets until the text ends, `end_depth` levels deep.
    fn inside(&mut self, end_depth: u32) -> Result<(), NotPlain> {
        loop {
            let Some(byte) = self.space() else {
                self.skeleton.extend_from_slice(&self.text[self.kept..]);
                return if self.depth == end_depth { Ok(()) } else { Err(NotPlain) };
            };
            let object = self.objects & 1 == 1;
            match byte {
                b',' if self.depth > 0 => {
                    self.at += 1;
                    if object {
                        self.name()?;
                    }
                    self.value()?;
                }
                b'}' if self.depth > end_depth && object => self.close(),
                b']' if self.depth > end_depth && !object => self.close(),
                _ => return Err(NotPlain),
            }
        }
    }

    fn open(&mut self, object: bool) -> Result<(), NotPlain> {
        if self.depth == DEPTH_MAX {
            return Err(NotPlain);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(object);
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        self.objects >>= 1;
    }

    fn name(&mut self) -> Result<(), NotPlain> {
        if self.space() != Some(b'"') {
            return Err(NotPlain);
        }
        self.string()?;
        if self.space() != Some(b':') {
            return Err(NotPlain);
        }
        self.at += 1;
        Ok(())
    }

    /// A scalar, an empty bracket pair, or everything up to the first scalar inside brackets.
    fn value(&mut self) -> Result<(), NotPlain> {
        loop {
            let start = match self.space() {
                Some(_) => self.at,
                None => return Err(NotPlain),
            };
            match self.text[start] {
                b'"' => {
                    self.string()?;
                    if is_written_time(&self.text[start + 1..self.at - 1]) {
                        self.written_time(start);
                    } else {
                        self.put(start, SCALAR);
                    }
                    return Ok(());
                }
                opening @ (b'{' | b'[') => {
                    self.open(opening == b'{')?;
                    self.at += 1;
                    let next = self.space();
                    if next == Some(if opening == b'{' { b'}' } else { b']' }) {
                        self.close();
                        return Ok(());
                    }
                    if opening == b'{' {
                        self.name()?;
                    }
                }
                _ => {
                    self.at = word_end(self.text, start);
                    if self.at == start {
                        return Err(NotPlain);
                    }
                    self.put(start, SCALAR);
                    return Ok(());
                }
            }
        }
    }

    /// Moves `at` behind the closing quote.
    fn string(&mut self) -> Result<(), NotPlain> {
        self.at = string_end(self.text, self.at).ok_or(NotPlain)?;
        Ok(())
    }

    /// Puts a mark in place of the text from `start` to here.
    fn put(&mut self, start: usize, mark: u8) {
        self.skeleton.extend_from_slice(&self.text[self.kept..start]);
        self.skeleton.push(mark);
        self.values.push(&self.text[start..self.at]);
        self.kept = self.at;
    }

    /// Puts marks in place of the digits of a string that begins at `start` and has just ended.
    fn written_time(&mut self, start: usize) {
        let end = self.at;
        self.at = start;
        while self.at < end {
            let from = self.at;
            while self.text[self.at].is_ascii_digit() {
                self.at += 1;
            }
            if self.at > from {
                self.put(from, DIGITS + (self.at - from) as u8);
            }
            self.at += 1;
        }
        self.at = end;
    }
}

/// The position behind the closing quote of the string whose opening quote is at `start`.
pub(super) fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += text.get(at..)?.iter().position(|byte| !PLAIN[usize::from(*byte)])?;
        match text[at] {
            b'"' => return Some(at + 1),
            b'\\' if text.get(at + 1).is_some_and(|byte| *byte >= b' ') => at += 2,
            _ => return None,
        }
    }
}

/// The position behind the number or word that begins at `start`; `start` where there is none.
pub(super) fn word_end(text: &[u8], start: usize) -> usize {
    start + text[start..].iter().take_while(|byte| WORD[usize::from(**byte)]).count()
}

/// Whether the inside of a string is a date and a time of ISO 8601, with or without a fraction of at most 9 digits and
/// an offset.
pub(super) fn is_written_time(inside: &[u8]) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    if inside.len() < FORM.len() || inside.len() > 36 {
        return false;
    }
    let (start, rest) = inside.split_at(FORM.len());
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    let fraction = rest.split(|byte| !byte.is_ascii_digit());
    start.iter().zip(FORM).all(fits)
        && rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b':' | b'Z'))
        && rest.first().is_none_or(|byte| !byte.is_ascii_digit())
        && fraction.into_iter().all(|digits| digits.len() <= 9)
}

/// Bytes of strings that neither end them nor escape nor are control characters.
const PLAIN: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = false;
        byte += 1;
    }
    table[b'"' as usize] = false;
    table[b'\\' as usize] = false;
    table
};

/// Bytes of numbers and words, valid or not: `-1.5e+300`, `null`, `NaN`.
const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table[b'-' as usize] = true;
    table[b'+' as usize] = true;
    table[b'.' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, root: Root) -> Option<(String, Vec<String>)> {
        let (mut skeleton, mut values) = (Vec::new(), Vec::new());
        scan(text, root, &mut skeleton, &mut values).ok()?;
        let values = values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        Some((String::from_utf8(skeleton).expect("UTF-8 in, UTF-8 out"), values))
    }

    #[test]
    fn whitespace_and_names_stay_and_values_go() {
        let (skeleton, values) =
            split(r#" {"a" : [1, {"b":"x\"}"}], "a":null,"e":{ },"f":[]} "#, Root::Value).expect("plain");
        assert_eq!(skeleton, " {\"a\" : [\0, {\"b\":\0}], \"a\":\0,\"e\":{ },\"f\":[]} ");
        assert_eq!(values, ["1", r#""x\"}""#, "null"]);
    }

    #[test]
    fn members_without_braces_are_plain_too() {
        let (skeleton, values) = split(r#""error":{"reason":"no"}, "n":-1e5"#, Root::Members).expect("plain");
        assert_eq!(skeleton, "\"error\":{\"reason\":\0}, \"n\":\0");
        assert_eq!(values, [r#""no""#, "-1e5"]);
        assert_eq!(split("", Root::Members), Some((String::new(), Vec::new())));
    }

    #[test]
    fn the_digits_of_a_written_time_are_values_of_their_own() {
        let (skeleton, values) =
            split(r#"["2016-08-05T04:49:40.507000-07:00"]"#, Root::Value).expect("plain");
        assert_eq!(skeleton, "[\"\x14-\x12-\x12T\x12:\x12:\x12.\x16-\x12:\x12\"]");
        assert_eq!(values, ["2016", "08", "05", "04", "49", "40", "507000", "07", "00"]);
        let (_, values) =
            split(r#"["2016-08-05T04:49", "2016-08-05T04:49:4012"]"#, Root::Value).expect("plain");
        assert_eq!(values.len(), 2);
    }

    #[test]
    fn what_is_not_json_is_not_split() {
        for text in [
            "",
            " ",
            "{",
            "[1",
            "{1}",
            "{\"a\"}",
            "{\"a\":}",
            "[1,]",
            "[,1]",
            "1 2",
            "\"a",
            "\"\\",
            "}",
            "[}",
            "{\"a\":1]",
            "\"\u{1}\"",
            "[\"a\"b]",
            "\"a\"1",
        ] {
            assert!(split(text, Root::Value).is_none(), "{text:?}");
        }
        for text in ["1", "\"a\":1}", "\"a\":1,", "{}", "\"a\":1]"] {
            assert!(split(text, Root::Members).is_none(), "{text:?}");
        }
        assert!(split(&"[".repeat(1_000_000), Root::Value).is_none());
    }
}
