//! Checks the JSON of a body as it arrives and finds whose it is, without building a tree and without recursion.
//!
//! * [`Check::Grammar`] accepts RFC 8259 in UTF-8 and, as values, `NaN`, `Infinity` and `-Infinity`.
//! * [`Check::Structure`], for what phones put, checks only where members and their values end. Bad bytes within one
//!   entry are accepted here; the cell sets that entry aside. If the host refused the batch, the phone would send it
//!   again for ever.
//! * Invariants: pieces may be cut anywhere, also within a character; memory is bounded by the permitted depth.
//! * Speed: an element of a list that lies within one piece and is plain JSON, as a phone's entries are, is skipped by
//!   the faster scanner that cells use too; only the rest is scanned byte by byte.
//! * Not here: the meaning of members other than `user`.

use cells_model::scan::Scan;
use cells_model::sent::BYTE_ORDER_MARK;
use cells_model::structure::Structure;

use super::utf8::Utf8;

/// How closely a body is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The whole grammar.
    Grammar,
    /// Where its members end; apart from `user`, nothing else.
    Structure,
}

/// How deep objects and arrays may nest. A phone's batch nests about six levels.
pub const DEPTH_MAX: usize = 128;
/// A longer `user` belongs to no person; no more of it is kept.
const USER_BYTES_MAX: usize = 256;
/// A name longer than this is not `user`, even where every letter is escaped.
const NAME_BYTES_MAX: usize = 32;

/// Where and why a body is not one JSON object, which every route expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object: {why} at byte {at}")]
pub struct BadBody {
    /// Offset from the start of the body, bytes.
    pub at: u64,
    /// What is wrong there.
    pub why: &'static str,
}

/// Position of the text of the `user` member: between its quotes, bytes from the start of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Value,
    ValueOrEnd,
    NameOrEnd,
    Name,
    Colon,
    AfterValue,
    Text,
    Escape,
    Unicode(u8),
    Number(Number),
    Word {
        rest: &'static [u8],
    },
    /// Within a value of which only the structure is checked.
    Within,
    End,
}

#[derive(Clone, Copy, PartialEq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Dot,
    Fraction,
    Exponent,
    Sign,
    Power,
}

#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    Object,
    Array,
}

/// What is being kept of the text that the scanner is in.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Nothing,
    Name,
    User,
}

/// Reads a body piece by piece.
pub struct Scanner {
    check: Check,
    at: u64,
    state: State,
    /// The structure of the value that [`State::Within`] is in.
    structure: Structure,
    open: Vec<Bracket>,
    utf8: Utf8,
    /// Whether the text that the scanner is in is a member's name.
    in_name: bool,
    keep: Keep,
    kept: Vec<u8>,
    /// Whether the next value is the `user` of the whole body.
    user_next: bool,
    user: Option<(Vec<u8>, Span)>,
    user_start: u64,
    /// The fast scanner failed up to this offset: it is not tried again before it.
    tried: u64,
}

impl Scanner {
    /// A scanner before the first byte.
    pub fn new(check: Check) -> Self {
        Self {
            check,
            at: 0,
            state: State::Start,
            structure: Structure::default(),
            open: Vec::new(),
            utf8: Utf8::default(),
            in_name: false,
            keep: Keep::Nothing,
            kept: Vec::new(),
            user_next: false,
            user: None,
            user_start: 0,
            tried: 0,
        }
    }

    /// Scans the next piece.
    ///
    /// # Errors
    /// [`BadBody`] at the first byte that cannot belong to a JSON object.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), BadBody> {
        if self.check == Check::Grammar {
            self.utf8.feed(piece).map_err(|at| BadBody { at, why: "not UTF-8" })?;
        }
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            if self.begins_within(byte) || self.state == State::Within {
                let used = self.within(rest)?;
                self.at += used as u64;
                rest = &rest[used..];
                continue;
            }
            if self.state == State::Text {
                let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
                let plain = plain.unwrap_or(rest.len());
                self.keep(&rest[..plain]);
                self.at += plain as u64;
                rest = &rest[plain..];
                if rest.is_empty() {
                    break;
                }
                if plain > 0 {
                    continue;
                }
            }
            let passed = self.quickly(byte, rest);
            if passed > 0 {
                self.at += passed as u64;
                rest = &rest[passed..];
                continue;
            }
            self.step(byte)?;
            self.at += 1;
            rest = behind;
        }
        Ok(())
    }

    /// Whether a value begins here of which only the structure is checked; its first byte is the next.
    fn begins_within(&mut self, byte: u8) -> bool {
        let begins = self.check == Check::Structure
            && self.state == State::Value
            && !self.user_next
            && !matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' | b']' | b'}');
        if begins {
            self.structure = Structure::default();
            self.state = State::Within;
        }
        begins
    }

    /// Continues within such a value; returns how many bytes of `rest` belong to it.
    fn within(&mut self, rest: &[u8]) -> Result<usize, BadBody> {
        if self.structure.is_in_outermost() && matches!(rest[0], b'{' | b'[') {
            let mut scan = Scan::new(rest);
            if scan.value(DEPTH_MAX as u32).is_ok() {
                return Ok(scan.at());
            }
        }
        let walked = self.structure.walk(rest);
        let walked = walked.map_err(|bad| BadBody { at: self.at + bad.at as u64, why: bad.why })?;
        if walked.ended {
            self.state = State::AfterValue;
        }
        Ok(walked.used)
    }

    /// How many bytes of `rest` are a whole plain JSON object or list within a list; 0 where that is not known.
    fn quickly(&mut self, byte: u8, rest: &[u8]) -> usize {
        let before_value = matches!(self.state, State::Value | State::ValueOrEnd);
        // The list itself seldom lies within one piece, and must not be scanned twice.
        if !before_value || !matches!(byte, b'{' | b'[') || self.open.len() < 2 || self.at < self.tried {
            return 0;
        }
        let mut scan = Scan::new(rest);
        match scan.value((DEPTH_MAX - self.open.len()) as u32) {
            Ok(()) => {
                self.state = State::AfterValue;
                scan.at()
            }
            Err(bad) => {
                self.tried = self.at + bad.at as u64;
                0
            }
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`BadBody`] where the object has not ended.
    pub fn finish(&self) -> Result<(), BadBody> {
        self.utf8.finish().map_err(|at| BadBody { at, why: "not UTF-8" })?;
        match self.state {
            State::End => Ok(()),
            State::Start => Err(self.bad("it is empty: expected `{`")),
            _ => Err(self.bad("it ends too early")),
        }
    }

    /// The text of the `user` member, once it has been read; escapes are resolved.
    pub fn user(&self) -> Option<String> {
        let (text, _) = self.user.as_ref()?;
        unescape(text)
    }

    /// The position of that text.
    pub fn user_span(&self) -> Option<Span> {
        self.user.as_ref().map(|(_, span)| *span)
    }

    fn bad(&self, why: &'static str) -> BadBody {
        BadBody { at: self.at, why }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let max = match self.keep {
            Keep::Nothing => return,
            Keep::Name => NAME_BYTES_MAX,
            Keep::User => USER_BYTES_MAX,
        };
        // One byte more than permitted is kept, so that a text that is too long can be recognised.
        let room = (max + 1).saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn step(&mut self, byte: u8) -> Result<(), BadBody> {
        let space = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        match self.state {
            State::Start
            | State::Value
            | State::ValueOrEnd
            | State::NameOrEnd
            | State::Name
            | State::Colon
            | State::AfterValue
            | State::End
                if space => {}
            State::Start if byte == b'{' => return self.open(Bracket::Object),
            State::Start if self.check == Check::Structure && self.is_byte_order_mark(byte) => {}
            State::Start => return Err(self.bad("expected `{`")),
            State::ValueOrEnd if byte == b']' => return self.close(Bracket::Array),
            State::Value | State::ValueOrEnd => return self.value(byte),
            State::NameOrEnd if byte == b'}' => return self.close(Bracket::Object),
            State::NameOrEnd | State::Name => return self.name(byte),
            State::Colon if byte == b':' => self.state = State::Value,
            State::Colon => return Err(self.bad("expected `:`")),
            State::AfterValue => return self.after_value(byte),
            State::Text => return self.text(byte),
            State::Escape => self.escape(byte)?,
            State::Unicode(left) => self.unicode(byte, left)?,
            State::Number(number) => return self.number(byte, number),
            State::Word { rest } => self.word(byte, rest)?,
            State::End => return Err(self.bad("text behind the object")),
            State::Within => unreachable!("feed passes these over by stretches"),
        }
        Ok(())
    }

    fn is_byte_order_mark(&self, byte: u8) -> bool {
        usize::try_from(self.at).is_ok_and(|at| BYTE_ORDER_MARK.get(at) == Some(&byte))
    }

    fn open(&mut self, bracket: Bracket) -> Result<(), BadBody> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.bad("nested deeper than 128 levels"));
        }
        self.open.push(bracket);
        self.state = match bracket {
            Bracket::Object => State::NameOrEnd,
            Bracket::Array => State::ValueOrEnd,
        };
        Ok(())
    }

    fn close(&mut self, bracket: Bracket) -> Result<(), BadBody> {
        if self.open.pop() != Some(bracket) {
            return Err(self.bad("the wrong bracket"));
        }
        self.state = if self.open.is_empty() { State::End } else { State::AfterValue };
        Ok(())
    }

    fn name(&mut self, byte: u8) -> Result<(), BadBody> {
        if byte != b'"' {
            return Err(self.bad("expected a member's name in quotes"));
        }
        self.in_name = true;
        self.keep = if self.open.len() == 1 { Keep::Name } else { Keep::Nothing };
        self.kept.clear();
        self.state = State::Text;
        Ok(())
    }

    fn value(&mut self, byte: u8) -> Result<(), BadBody> {
        let is_user = std::mem::take(&mut self.user_next);
        if is_user && byte != b'"' {
            return Err(self.bad("`user` must be a text"));
        }
        match byte {
            b'"' => {
                self.in_name = false;
                self.keep = if is_user { Keep::User } else { Keep::Nothing };
                self.kept.clear();
                self.user_start = self.at + 1;
                self.state = State::Text;
            }
            b'{' => return self.open(Bracket::Object),
            b'[' => return self.open(Bracket::Array),
            b'-' => self.state = State::Number(Number::Minus),
            b'0' => self.state = State::Number(Number::Zero),
            b'1'..=b'9' => self.state = State::Number(Number::Whole),
            b't' => self.state = State::Word { rest: b"rue" },
            b'f' => self.state = State::Word { rest: b"alse" },
            b'n' => self.state = State::Word { rest: b"ull" },
            b'N' => self.state = State::Word { rest: b"aN" },
            b'I' => self.state = State::Word { rest: b"nfinity" },
            _ => return Err(self.bad("expected a value")),
        }
        Ok(())
    }

    fn after_value(&mut self, byte: u8) -> Result<(), BadBody> {
        match (byte, self.open.last()) {
            (b',', Some(Bracket::Object)) => self.state = State::Name,
            (b',', Some(Bracket::Array)) => self.state = State::Value,
            (b'}', _) => return self.close(Bracket::Object),
            (b']', _) => return self.close(Bracket::Array),
            _ => return Err(self.bad("expected `,` or the closing bracket")),
        }
        Ok(())
    }

    fn text(&mut self, byte: u8) -> Result<(), BadBody> {
        match byte {
            b'\\' => {
                self.keep(b"\\");
                self.state = State::Escape;
                Ok(())
            }
            b'"' if self.in_name => self.end_name(),
            b'"' => {
                if self.keep == Keep::User {
                    let span = Span { start: self.user_start, end: self.at };
                    self.user = Some((std::mem::take(&mut self.kept), span));
                }
                self.keep = Keep::Nothing;
                self.state = State::AfterValue;
                Ok(())
            }
            _ if self.check == Check::Structure => {
                self.keep(&[byte]);
                Ok(())
            }
            _ => Err(self.bad("a control character within a text")),
        }
    }

    fn end_name(&mut self) -> Result<(), BadBody> {
        if self.keep == Keep::Name && unescape(&self.kept).as_deref() == Some("user") {
            if self.user.is_some() {
                return Err(self.bad("a second `user`"));
            }
            self.user_next = true;
        }
        self.keep = Keep::Nothing;
        self.state = State::Colon;
        Ok(())
    }

    fn escape(&mut self, byte: u8) -> Result<(), BadBody> {
        self.state = match byte {
            // The code that reads the text finds that it is not valid.
            _ if self.check == Check::Structure => State::Text,
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text,
            b'u' => State::Unicode(4),
            _ => return Err(self.bad("an unknown escape")),
        };
        self.keep(&[byte]);
        Ok(())
    }

    fn unicode(&mut self, byte: u8, left: u8) -> Result<(), BadBody> {
        if !byte.is_ascii_hexdigit() {
            return Err(self.bad("`\\u` needs four hex digits"));
        }
        self.keep(&[byte]);
        self.state = if left == 1 { State::Text } else { State::Unicode(left - 1) };
        Ok(())
    }

    fn number(&mut self, byte: u8, number: Number) -> Result<(), BadBody> {
        use Number::{Dot, Exponent, Fraction, Minus, Power, Sign, Whole, Zero};
        let next = match (number, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Minus, b'I') => {
                self.state = State::Word { rest: b"nfinity" };
                return Ok(());
            }
            (Zero | Whole, b'.') => Dot,
            (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
            (Dot | Fraction, b'0'..=b'9') => Fraction,
            (Exponent, b'+' | b'-') => Sign,
            (Exponent | Sign | Power, b'0'..=b'9') => Power,
            (Zero | Whole | Fraction | Power, _) => {
                self.state = State::AfterValue;
                return self.step(byte);
            }
            _ => return Err(self.bad("not a number")),
        };
        self.state = State::Number(next);
        Ok(())
    }

    fn word(&mut self, byte: u8, rest: &'static [u8]) -> Result<(), BadBody> {
        match rest.split_first() {
            Some((expected, rest)) if *expected == byte => {
                self.state = if rest.is_empty() { State::AfterValue } else { State::Word { rest } };
                Ok(())
            }
            _ => Err(self.bad("none of true, false, null, NaN and Infinity")),
        }
    }
}

/// The text between quotes with its escapes resolved; `None` where an escape is half a surrogate pair.
fn unescape(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    serde_json::from_str(&format!("\"{text}\"")).ok()
}

#[cfg(test)]
mod tests;
