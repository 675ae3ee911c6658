//! JSON that is read as a stream: the items of a list and the members of an object, one at a time.
//!
//! Only the structure is followed; whether an item is JSON, or UTF-8, is for its reader. Memory: the item that is read,
//! at most [`ITEM_BYTES_MAX`], and the buffer of the source.

use std::io::{self, BufRead};

use cells_json::structure::{BadStructure, Structure};

/// The longest item or member, bytes: as long as the longest entry of a store, with room for what surrounds it.
pub const ITEM_BYTES_MAX: usize = 17 << 20;

/// Why a stream does not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadStream {
    /// The source failed, or its own limit was reached.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It does not have the structure of JSON.
    #[error("not JSON at byte {at}: {why}")]
    Structure {
        /// Offset from the start, bytes.
        at: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// One item is too long.
    #[error("the item at byte {at} has more than {bytes_max} bytes")]
    TooLong {
        /// Offset of the item from the start, bytes.
        at: u64,
        /// The limit, bytes.
        bytes_max: usize,
    },
}

/// A stream of JSON.
pub struct JsonStream<R> {
    source: R,
    at: u64,
}

impl<R: BufRead> JsonStream<R> {
    /// Reads from a source, from its start.
    pub fn new(source: R) -> Self {
        Self { source, at: 0 }
    }

    /// How far the stream was taken, bytes.
    pub fn at(&self) -> u64 {
        self.at
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, BadStream> {
        Err(BadStream::Structure { at: self.at, why })
    }

    fn take(&mut self, bytes: usize) {
        self.source.consume(bytes);
        self.at += bytes as u64;
    }

    /// The next byte that is no space; `None` at the end. It is not taken.
    ///
    /// # Errors
    /// [`BadStream::Read`].
    pub fn peek(&mut self) -> Result<Option<u8>, BadStream> {
        loop {
            let buffer = self.source.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let space = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = buffer.get(space).copied();
            self.take(space);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Takes a byte-order mark, if the stream begins with one.
    ///
    /// # Errors
    /// [`BadStream::Read`].
    pub fn skip_mark(&mut self) -> Result<(), BadStream> {
        for byte in [0xef, 0xbb, 0xbf] {
            if self.source.fill_buf()?.first() != Some(&byte) {
                break;
            }
            self.take(1);
        }
        Ok(())
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), BadStream> {
        if self.peek()? != Some(byte) {
            return self.wrong(why);
        }
        self.take(1);
        Ok(())
    }

    /// Opens a list or an object, whose items or members [`Self::more`] announces.
    ///
    /// # Errors
    /// [`BadStream`] where the next value is of another kind.
    pub fn open(&mut self, bracket: Bracket) -> Result<Open, BadStream> {
        self.expect(bracket.bytes().0, bracket.wanted())?;
        Ok(Open { bracket, begun: false })
    }

    /// Whether there is another item or member, which is read next; at the end its bracket is taken.
    ///
    /// # Errors
    /// [`BadStream`].
    pub fn more(&mut self, open: &mut Open) -> Result<bool, BadStream> {
        let next = self.peek()?;
        let close = open.bracket.bytes().1;
        match next {
            Some(byte) if byte == close => {
                self.take(1);
                return Ok(false);
            }
            Some(b',') if open.begun => {
                self.take(1);
                if self.peek()? == Some(close) {
                    return self.wrong("a comma before the closing bracket");
                }
            }
            Some(_) if !open.begun => {}
            Some(_) => return self.wrong("neither a comma nor the closing bracket"),
            None => return self.wrong("it never ends"),
        }
        open.begun = true;
        Ok(true)
    }

    /// Reads one value as it stands, without the space around it, into an emptied `into`.
    ///
    /// # Errors
    /// [`BadStream`].
    pub fn value(&mut self, into: &mut Vec<u8>) -> Result<(), BadStream> {
        into.clear();
        self.each_piece(|piece, at| {
            if into.len() + piece.len() > ITEM_BYTES_MAX {
                return Err(BadStream::TooLong { at, bytes_max: ITEM_BYTES_MAX });
            }
            into.extend_from_slice(piece);
            Ok(())
        })?;
        into.truncate(into.trim_ascii_end().len());
        Ok(())
    }

    /// Passes over one value of any size.
    ///
    /// # Errors
    /// [`BadStream`].
    pub fn skip(&mut self) -> Result<(), BadStream> {
        self.each_piece(|_, _| Ok(()))
    }

    fn each_piece(
        &mut self,
        mut each: impl FnMut(&[u8], u64) -> Result<(), BadStream>,
    ) -> Result<(), BadStream> {
        self.peek()?;
        let (begin, mut structure) = (self.at, Structure::default());
        loop {
            let at = self.at;
            let buffer = self.source.fill_buf()?;
            if buffer.is_empty() {
                return self.wrong("a value that never ends");
            }
            let walked = structure.walk(buffer);
            let walked = walked
                .map_err(|BadStructure { at: on, why }| BadStream::Structure { at: at + on as u64, why })?;
            each(&buffer[..walked.used], begin)?;
            self.take(walked.used);
            if walked.ended {
                return if self.at == begin { self.wrong("expected a value") } else { Ok(()) };
            }
        }
    }

    /// Reads the name of a member, as it is written between its quotes, and the colon.
    ///
    /// # Errors
    /// [`BadStream`], also where the name is not UTF-8.
    pub fn name(&mut self) -> Result<String, BadStream> {
        let mut name = Vec::new();
        if self.peek()? != Some(b'"') {
            return self.wrong("expected a name");
        }
        self.take(1);
        let mut escaped = false;
        loop {
            let Some(byte) = self.source.fill_buf()?.first().copied() else {
                return self.wrong("a name that never ends");
            };
            self.take(1);
            match byte {
                b'"' if !escaped => break,
                _ => escaped = byte == b'\\' && !escaped,
            }
            if name.len() == NAME_BYTES_MAX {
                return self.wrong("a name that is too long");
            }
            name.push(byte);
        }
        self.expect(b':', "expected a colon")?;
        String::from_utf8(name).or_else(|_| self.wrong("a name that is not UTF-8"))
    }

    /// Makes sure that nothing follows.
    ///
    /// # Errors
    /// [`BadStream`].
    pub fn end(&mut self) -> Result<(), BadStream> {
        if self.peek()?.is_none() { Ok(()) } else { self.wrong("something follows the end") }
    }
}

/// The longest name of a member, bytes.
const NAME_BYTES_MAX: usize = 1024;

/// What holds items or members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    /// Of items.
    List,
    /// Of members.
    Object,
}

impl Bracket {
    fn bytes(self) -> (u8, u8) {
        match self {
            Self::List => (b'[', b']'),
            Self::Object => (b'{', b'}'),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::List => "expected `[`",
            Self::Object => "expected `{`",
        }
    }
}

/// A list or an object that is being read.
#[derive(Debug)]
pub struct Open {
    bracket: Bracket,
    begun: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    use cells_json::list;
    use proptest::prelude::*;

    fn items(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, BadStream> {
        let mut stream = JsonStream::new(BufReader::with_capacity(piece, bytes));
        let mut open = stream.open(Bracket::List)?;
        let (mut found, mut item) = (Vec::new(), Vec::new());
        while stream.more(&mut open)? {
            stream.value(&mut item)?;
            found.push(item.clone());
        }
        stream.end().map(|()| found)
    }

    #[test]
    fn members_are_read_with_their_names_and_values_of_any_size_are_passed_over() {
        let text = br#" {"a\"b" : [1, {"x":"]"}] ,"c":"d", "e":{} } "#;
        let mut stream = JsonStream::new(BufReader::with_capacity(3, text.as_slice()));
        let mut open = stream.open(Bracket::Object).expect("an object");
        let (mut found, mut value) = (Vec::new(), Vec::new());
        while stream.more(&mut open).expect("sound") {
            let name = stream.name().expect("a name");
            if name == "c" {
                stream.skip().expect("a value");
                continue;
            }
            stream.value(&mut value).expect("a value");
            found.push((name, String::from_utf8(value.clone()).expect("a text")));
        }
        stream.end().expect("nothing follows");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found, [pair("a\\\"b", r#"[1, {"x":"]"}]"#), pair("e", "{}")]);
    }

    #[test]
    fn an_item_that_is_too_long_is_refused_before_it_is_in_memory() {
        let endless = io::repeat(b'a');
        let source = BufReader::new(io::Read::chain(b"[\"".as_slice(), endless));
        let mut stream = JsonStream::new(source);
        let mut open = stream.open(Bracket::List).expect("a list");
        assert!(stream.more(&mut open).expect("an item"));
        let mut item = Vec::new();
        assert!(matches!(stream.value(&mut item), Err(BadStream::TooLong { at: 1, .. })));
        assert!(item.capacity() <= 2 * ITEM_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn items_are_those_of_the_whole_text_however_it_is_cut(
            text in r#"\[?[\[\]{},"a1: \\é]{0,40}\]?"#, piece in 1_usize..9,
        ) {
            let whole = list::items(text.as_bytes()).ok();
            let streamed = items(text.as_bytes(), piece).ok();
            let whole = whole.map(|items| items.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
            prop_assert_eq!(streamed, whole, "{}", text);
        }
    }
}
