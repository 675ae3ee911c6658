//! The items of a JSON list, as bytes, without a tree: dumps are large, and one bad item must not affect the others.

use crate::structure::{Structure, Walked};

/// The position where bytes stop being a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON array at byte {at}: {why}")]
pub struct BadList {
    /// Offset from the start, bytes.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// The items of a list, without surrounding space. Follows only the structure and does not check the grammar of an
/// item, nor whether it is UTF-8.
///
/// # Errors
/// [`BadList`] where the end of an item cannot be found.
pub fn items(bytes: &[u8]) -> Result<Vec<&[u8]>, BadList> {
    let bad = |at, why| BadList { at, why };
    let space = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut at = space(0);
    if bytes.get(at) != Some(&b'[') {
        return Err(bad(at, "expected `[`"));
    }
    let mut found = Vec::new();
    at = space(at + 1);
    let mut more = bytes.get(at) != Some(&b']');
    while more {
        let start = at;
        at = end_of_value(bytes, start)?;
        found.push(bytes[start..at].trim_ascii_end());
        at = space(at);
        more = match bytes.get(at) {
            Some(b',') => true,
            Some(b']') => break,
            Some(_) => return Err(bad(at, "expected a comma or the closing bracket")),
            None => return Err(bad(at, "the list does not end")),
        };
        at = space(at + 1);
    }
    match space(at + 1) {
        end if end == bytes.len() => Ok(found),
        end => Err(bad(end, "text after the list")),
    }
}

fn end_of_value(bytes: &[u8], start: usize) -> Result<usize, BadList> {
    let (mut structure, mut at) = (Structure::default(), start);
    while at < bytes.len() {
        let walked = structure.walk(&bytes[at..]);
        let Walked { used, ended } = walked.map_err(|bad| BadList { at: at + bad.at, why: bad.why })?;
        at += used;
        if ended && at == start {
            return Err(BadList { at, why: "expected a value" });
        }
        if ended {
            return Ok(at);
        }
    }
    Err(BadList { at, why: "a value does not end" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(bytes: &[u8]) -> Result<Vec<String>, BadList> {
        Ok(items(bytes)?.into_iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect())
    }

    #[test]
    fn items_come_in_order_as_they_stand() {
        let bytes = b" [ {\"a\":[1,\"],\\\"\"]} , NaN,\"x,y\" ,[ ] ,\"\xff\"] \n";
        let want = ["{\"a\":[1,\"],\\\"\"]}", "NaN", "\"x,y\"", "[ ]", "\"\u{fffd}\""];
        assert_eq!(texts(bytes).expect("a list"), want);
        assert_eq!(texts(b"[]").expect("a list"), Vec::<String>::new());
    }

    #[test]
    fn a_text_that_is_not_a_list_is_refused() {
        for bad in ["", "{}", "[", "[1", "[1,]", "[,1]", "[1]x", "[\"a]", "[\"\\", "[{]", "[{}x]", "[{} {}]"]
        {
            assert!(items(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = items(&bytes);
            let _ = items(&[b"[".as_slice(), &bytes, b"]"].concat());
        }
    }
}
