//! The elements of a JSON array, as texts, without a tree: dumps are large, and what they hold goes on as it came.

/// Where a text stops being an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON array at byte {at}: {why}")]
pub struct BadArray {
    /// Offset from the start of the text, bytes.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// The texts of an array's elements, without surrounding space. Follows structure and does not check the grammar of
/// what it skips.
pub fn elements(text: &str) -> Result<Vec<&str>, BadArray> {
    let bytes = text.as_bytes();
    let bad = |at, why| BadArray { at, why };
    let open = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    if bytes.get(open) != Some(&b'[') {
        return Err(bad(open, "expected `[`"));
    }
    let (mut found, mut depth, mut start, mut at) = (Vec::new(), 0_usize, open + 1, open + 1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at).ok_or(bad(at, "a text that never ends"))?,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            b',' | b']' if depth == 0 => {
                let element = text.get(start..at).unwrap_or_default().trim();
                let is_last = *byte == b']';
                match (element.is_empty(), is_last && found.is_empty()) {
                    (false, _) => found.push(element),
                    (true, true) => {}
                    (true, false) => return Err(bad(at, "expected an element")),
                }
                if is_last {
                    let behind = text.get(at + 1..).unwrap_or_default().trim();
                    return if behind.is_empty() {
                        Ok(found)
                    } else {
                        Err(bad(at + 1, "text behind the array"))
                    };
                }
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    Err(bad(bytes.len(), "an array that never ends"))
}

/// The place of the closing quote of the text that opens at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += 1;
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_in_order_as_they_stand() {
        let text = " [ {\"a\":[1,\"],\\\"\"]} , NaN,\"x,y\" ,[ ] ] \n";
        assert_eq!(elements(text), Ok(vec!["{\"a\":[1,\"],\\\"\"]}", "NaN", "\"x,y\"", "[ ]"]));
        assert_eq!(elements("[]"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for bad in ["", "{}", "[", "[1", "[1,]", "[,1]", "[1]x", "[\"a]", "[\"\\"] {
            assert!(elements(bad).is_err(), "{bad}");
        }
    }
}
