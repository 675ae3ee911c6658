//! The quick way to split a text: it expects the skeleton of the text before.
//!
//! Most rows of a stream differ only in their values. Comparing the stretches between the values is several times
//! faster than scanning again, and gives the same result: which bytes end a value does not depend on what came before,
//! and equal stretches leave the scanner in equal states.

use super::scan::{DIGITS, PART, RAW, SCALAR, is_written_time, string_end, word_end};

/// A skeleton as the stretches between its marks.
#[derive(Debug)]
pub(super) struct Template {
    skeleton: Vec<u8>,
    /// Where each stretch begins and ends, and the mark behind it; [`PART`] at the end.
    steps: Vec<(usize, usize, u8)>,
}

impl Template {
    /// `None` for skeletons with raw parts: only the scanner knows whether a text must be raw.
    pub fn new(skeleton: &[u8]) -> Option<Self> {
        let mut steps = Vec::new();
        let mut from = 0;
        for (at, byte) in skeleton.iter().enumerate() {
            match *byte {
                RAW => return None,
                SCALAR | PART | DIGITS..0x20 => {
                    steps.push((from, at, *byte));
                    from = at + 1;
                }
                _ => {}
            }
        }
        steps.push((from, skeleton.len(), PART));
        Some(Self { skeleton: skeleton.to_vec(), steps })
    }

    /// Whether the parts have this skeleton. If so their values have been appended, otherwise only some of them.
    pub fn follow<'a>(&self, parts: [&'a str; 3], values: &mut Vec<&'a [u8]>) -> bool {
        let mut parts = parts.into_iter().map(str::as_bytes);
        let mut rest = parts.next().unwrap_or_default();
        for (start, end, mark) in &self.steps {
            let Some(behind) = rest.strip_prefix(&self.skeleton[*start..*end]) else { return false };
            let length = match *mark {
                PART if behind.is_empty() => {
                    rest = parts.next().unwrap_or_default();
                    continue;
                }
                SCALAR => scalar_end(behind),
                PART => None,
                digits => digits_end(behind, usize::from(digits - DIGITS)),
            };
            let Some((value, behind)) = length.and_then(|length| behind.split_at_checked(length)) else {
                return false;
            };
            values.push(value);
            rest = behind;
        }
        true
    }
}

/// The end of the scalar that a text begins with, unless the scanner would take it apart.
fn scalar_end(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return Some(word_end(text, 0)).filter(|end| *end > 0);
    }
    let end = string_end(text, 0)?;
    (!is_written_time(&text[1..end - 1])).then_some(end)
}

fn digits_end(text: &[u8], width: usize) -> Option<usize> {
    text.get(..width)?.iter().all(u8::is_ascii_digit).then_some(width)
}

#[cfg(test)]
mod tests {
    use super::super::scan::{Root, scan};
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Option<(Vec<u8>, Vec<&[u8]>)> {
        let (mut skeleton, mut values) = (Vec::new(), Vec::new());
        scan(text, Root::Value, &mut skeleton, &mut values).ok()?;
        Some((skeleton, values))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn following_finds_what_scanning_finds(
            values in prop::collection::vec((word(), word()), 4),
            form in prop_oneof![
                Just("{\"a\":%,\"b\": [%, {}] ,\"c\":{\"d\":%}}"),
                Just("[%,%,%]"),
                Just("[[% ],\"x%\",{\"a\":%}]"),
            ],
        ) {
            let (mut one, mut other) = (form.to_owned(), form.to_owned());
            for (first, second) in &values {
                one = one.replacen('%', first, 1);
                other = other.replacen('%', second, 1);
            }
            if let Some((skeleton, _)) = split(&one) {
                let template = Template::new(&[&skeleton[..], &[PART, PART]].concat()).expect("no raw part");
                let mut followed = Vec::new();
                let same = template.follow([&other, "", ""], &mut followed);
                let scanned = split(&other).filter(|(found, _)| *found == skeleton);
                prop_assert_eq!(same, scanned.is_some(), "{} {}", one, other);
                if let Some((_, scanned)) = scanned {
                    prop_assert_eq!(followed, scanned);
                }
            }
        }
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?[0-9]{1,3}(\\.[0-9]{1,2})?",
            "\"[a-c\\\\\"]{0,4}\"",
            Just("\"2016-08-05T04:49:40.507000-07:00\"".to_owned()),
            Just("\"2017-08-05T04:49:41.507001-07:00\"".to_owned()),
            Just("\"2016-08-05T04:49:40Z\"".to_owned()),
            "(null|true|[{}\\[\\]a:,]{0,4})",
        ]
    }
}
