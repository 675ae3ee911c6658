//! The one form of a range that is answered: `bytes=FIRST-LAST`.

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header;

/// Bytes of the map file in one answer. A tile or a directory has at most some hundred thousand.
pub const MAP_RANGE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Why no part of the file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRange {
    /// Missing, twice, several ranges at once, open at an end, or no range at all.
    #[error("the map is read in parts: one `Range: bytes=FIRST-LAST` is needed")]
    Form,
    /// It begins behind the end, or ends before it begins.
    #[error("there are no such bytes: the file has {0}")]
    Outside(u64),
    /// Too much at once.
    #[error("a part has at most {MAP_RANGE_BYTES_MAX} bytes")]
    Large,
}

/// The bytes that are asked for, of a file of that many. What reaches behind the end is cut.
pub(crate) fn asked(headers: &HeaderMap, bytes: u64) -> Result<Range<u64>, BadRange> {
    let mut all = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Err(BadRange::Form) };
    let text = value.to_str().ok().and_then(|text| text.strip_prefix("bytes=")).ok_or(BadRange::Form)?;
    let (first, last) = text.split_once('-').ok_or(BadRange::Form)?;
    let (first, last) = (number(first)?, number(last)?);
    if first > last || first >= bytes {
        return Err(BadRange::Outside(bytes));
    }
    // The length is looked at before it is cut: who asks for all of it is told so, however small the file is.
    if last - first >= MAP_RANGE_BYTES_MAX {
        return Err(BadRange::Large);
    }
    Ok(first..last.saturating_add(1).min(bytes))
}

/// Digits, and nothing that `parse` takes beside them.
fn number(text: &str) -> Result<u64, BadRange> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().map_err(|_| BadRange::Form) } else { Err(BadRange::Form) }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(ranges: &[&str], bytes: u64) -> Result<Range<u64>, BadRange> {
        let mut headers = HeaderMap::new();
        for range in ranges {
            headers.append(header::RANGE, HeaderValue::from_str(range).expect("a value"));
        }
        asked(&headers, bytes)
    }

    #[test]
    fn attack_170_only_one_closed_range_of_bounded_length_is_answered() {
        assert_eq!(of(&["bytes=0-0"], 10), Ok(0..1));
        assert_eq!(of(&["bytes=3-9"], 10), Ok(3..10));
        assert_eq!(of(&["bytes=3-99"], 10), Ok(3..10), "what is behind the end is left out");
        let most = MAP_RANGE_BYTES_MAX;
        assert_eq!(of(&[&format!("bytes=1-{most}")], u64::MAX), Ok(1..most + 1));
        assert_eq!(of(&[&format!("bytes=0-{most}")], 10), Err(BadRange::Large));
        assert_eq!(of(&[&format!("bytes=0-{}", u64::MAX)], 10), Err(BadRange::Large));
        for outside in ["bytes=10-12", "bytes=5-4", "bytes=18446744073709551615-18446744073709551615"] {
            assert_eq!(of(&[outside], 10), Err(BadRange::Outside(10)), "{outside}");
        }
        for form in [
            "",
            "bytes=",
            "bytes=-5",
            "bytes=5-",
            "bytes=-",
            "bytes=0-1,2-3",
            "bytes=0-1, 0-1",
            "bytes=0-9,0-9,0-9",
            "bytes=+0-1",
            "bytes=0-+1",
            "bytes= 0-1",
            "bytes=0-1 ",
            "bytes=0 - 1",
            "bytes=0x0-0x1",
            "bytes=0-18446744073709551616",
            "bytes=--1",
            "bytes=0-1-2",
            "items=0-1",
            "BYTES=0-1",
            "0-1",
        ] {
            assert_eq!(of(&[form], 10), Err(BadRange::Form), "{form}");
        }
        assert_eq!(of(&[], 10), Err(BadRange::Form), "not the whole file");
        assert_eq!(of(&["bytes=0-1", "bytes=2-3"], 10), Err(BadRange::Form));
        assert_eq!(of(&["bytes=0-0"], 0), Err(BadRange::Outside(0)));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_in_the_file_and_is_bounded(text in "bytes=[0-9,-]{0,24}", bytes: u64) {
            if let Ok(part) = of(&[&text], bytes) {
                prop_assert!(part.start < part.end && part.end <= bytes);
                prop_assert!(part.end - part.start <= MAP_RANGE_BYTES_MAX);
            }
        }
    }
}
