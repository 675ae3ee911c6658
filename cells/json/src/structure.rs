//! Finds the end of a JSON value only by its strings and brackets, while the value arrives in pieces.
//!
//! The bytes between them, such as a number, `NaN` or bytes that are not UTF-8, are left to the parser of the value. So
//! no byte within a value hides its end, unless that byte is a misplaced quote, backslash or bracket.
//!
//! * Invariants: pieces may be cut anywhere, also within a character. Open brackets take one bit each for their kind,
//!   so that no depth exhausts a stack.

use crate::text::{before_quote, before_structure};

/// A body that is not JSON may nest without end; this many brackets are one hundredth of the longest body.
pub const BRACKETS_MAX: usize = 1 << 20;

/// Where and why the brackets of a value do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why} at byte {at}")]
pub struct BadStructure {
    /// Offset from the start of the piece, bytes.
    pub at: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// The progress of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Bytes of the piece that belong to the value.
    pub used: usize,
    /// Whether the value ends there.
    pub ended: bool,
}

/// A walk through one value. Begins at its first byte.
#[derive(Debug, Default)]
pub struct Structure {
    /// Which kinds of bracket are open, one bit each; set: a brace.
    kinds: Vec<u64>,
    depth: usize,
    deepest: usize,
    in_string: bool,
    escaped: bool,
}

impl Structure {
    /// How deep the value has nested so far; 1 for a flat object.
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// Whether the next byte may be the first of an item of the outermost list, or of a member of the outermost object.
    pub fn is_in_outermost(&self) -> bool {
        self.depth == 1 && !self.in_string
    }

    /// Continues through `piece`, which is not empty, to the end of the value or of the piece. Also stops before and
    /// behind each object or list that lies directly in the outermost one, for callers who have a quicker way over
    /// those.
    ///
    /// # Errors
    /// [`BadStructure`] at a bracket that closes one of the other kind, or where too many are open.
    pub fn walk(&mut self, piece: &[u8]) -> Result<Walked, BadStructure> {
        let mut at = 0;
        while at < piece.len() {
            if self.in_string {
                at += self.through_string(&piece[at..]);
                continue;
            }
            if self.depth > 0 {
                at += before_structure(&piece[at..]);
            }
            let Some(byte) = piece.get(at) else { break };
            match byte {
                b',' | b'}' | b']' if self.depth == 0 => return Ok(Walked { used: at, ended: true }),
                b'"' => self.in_string = true,
                b'{' | b'[' if self.depth == 1 && at > 0 => return Ok(Walked { used: at, ended: false }),
                open @ (b'{' | b'[') => self.open(*open == b'{', at)?,
                close @ (b'}' | b']') => {
                    self.close(*close == b'}', at)?;
                    if self.depth < 2 {
                        return Ok(Walked { used: at + 1, ended: self.depth == 0 });
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Ok(Walked { used: piece.len(), ended: false })
    }

    /// How many bytes still belong to the string, with its closing quote if it is there.
    fn through_string(&mut self, piece: &[u8]) -> usize {
        let mut at = usize::from(std::mem::take(&mut self.escaped));
        while at < piece.len() {
            at += before_quote(&piece[at..]);
            match piece.get(at) {
                Some(b'"') => {
                    self.in_string = false;
                    return at + 1;
                }
                // An escaped byte is skipped together with its backslash.
                Some(_) => at += 2,
                None => {}
            }
        }
        self.escaped = at > piece.len();
        piece.len()
    }

    fn open(&mut self, brace: bool, at: usize) -> Result<(), BadStructure> {
        if self.depth == BRACKETS_MAX {
            return Err(BadStructure { at, why: "more than 1048576 brackets are open" });
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.kinds.len() {
            self.kinds.push(0);
        }
        self.kinds[word] = self.kinds[word] & !(1 << bit) | u64::from(brace) << bit;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        Ok(())
    }

    fn close(&mut self, brace: bool, at: usize) -> Result<(), BadStructure> {
        self.depth -= 1;
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if (self.kinds[word] >> bit & 1 == 1) == brace {
            Ok(())
        } else {
            Err(BadStructure { at, why: "a bracket closes one of the other kind" })
        }
    }
}

/// The depth of a text's nesting; misplaced brackets do not count.
pub fn depth_of(text: &str) -> usize {
    let (mut structure, mut rest) = (Structure::default(), text.as_bytes());
    while !rest.is_empty() {
        match structure.walk(rest) {
            Ok(Walked { used, ended: false }) => rest = &rest[used..],
            _ => break,
        }
    }
    structure.deepest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The length of the value at the start in bytes, and its depth, read in pieces of that size.
    fn length(bytes: &[u8], piece_bytes: usize) -> Result<(Option<usize>, usize), &'static str> {
        let (mut structure, mut at) = (Structure::default(), 0);
        for piece in bytes.chunks(piece_bytes) {
            let mut rest = piece;
            while !rest.is_empty() {
                let walked = structure.walk(rest).map_err(|bad| bad.why)?;
                at += walked.used;
                rest = &rest[walked.used..];
                if walked.ended {
                    return Ok((Some(at), structure.deepest()));
                }
                assert!(walked.used > 0, "a walk goes on");
            }
        }
        Ok((None, structure.deepest()))
    }

    #[test]
    fn a_value_ends_at_its_closing_bracket_whatever_is_between_the_brackets() {
        for (text, end, depth) in [
            (&b"1,"[..], Some(1), 0),
            (b"nan}", Some(3), 0),
            (b"\"a,}\\\"]\",", Some(8), 0),
            (b"{},", Some(2), 1),
            (b"[[{\"]\":1}],2]x", Some(13), 3),
            (b"{\"\xff\":\xe9, \x00 01 \"\x00\"}", Some(17), 1),
            (b"{\"a\":[", None, 2),
            (b"\"a\\", None, 0),
        ] {
            for piece_bytes in [1, 2, 3, 64] {
                assert_eq!(length(text, piece_bytes), Ok((end, depth)), "{text:?} by {piece_bytes}");
            }
        }
        assert_eq!(length(b"[{]", 9), Err("a bracket closes one of the other kind"));
        let deep = vec![b'['; BRACKETS_MAX + 1];
        assert_eq!(length(&deep, 4096), Err("more than 1048576 brackets are open"));
    }

    #[test]
    fn a_walk_stops_before_and_after_each_item_of_the_outermost_list() {
        let text = br#"[ {"a":[1]} , [2],3 ]"#;
        let (mut structure, mut rest, mut stops) = (Structure::default(), &text[..], Vec::new());
        while !rest.is_empty() {
            let walked = structure.walk(rest).expect("sound");
            rest = &rest[walked.used..];
            stops.push(text.len() - rest.len());
        }
        assert_eq!(stops, [2, 11, 14, 17, 21]);
    }

    #[test]
    fn the_depth_of_nesting_is_counted() {
        assert_eq!(["1", "{}", r#"{"a":"[["}"#, "[[[1],[]]]", "[}"].map(depth_of), [0, 1, 1, 3, 1]);
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_how_the_text_is_cut_into_pieces(bytes in r#"[{}\[\]",:\\ a1é]{0,40}"#, piece_bytes in 1_usize..9) {
            prop_assert_eq!(length(bytes.as_bytes(), piece_bytes), length(bytes.as_bytes(), 1_000));
        }

        #[test]
        fn a_valid_object_ends_at_its_last_byte(
            text in r#"\{("[a-z\\\\"{}é]{0,5}":([0-9]{1,3}|"[{}\]]{0,4}"|\[\]|\{\}),){0,4}"z":1\}"#,
        ) {
            if crate::text::is_json(&text) {
                let behind = format!("{text},{{}}]");
                prop_assert_eq!(length(behind.as_bytes(), 7).map(|(end, _)| end), Ok(Some(text.len())));
            }
        }
    }
}
