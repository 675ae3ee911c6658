//! Cuts a body into the texts of its entries while it arrives, with at most one of them in memory.
//!
//! The splitter follows the structure: strings, brackets, commas, colons. The bytes between them, such as `NaN` or
//! bytes that are not UTF-8, are left to the parser of an entry.

use cells_model::sent::BYTE_ORDER_MARK;
use cells_model::structure::Structure;

/// The longest entry that is accepted, bytes: a phone's readings have 500, its longest surveys some 100,000.
pub const ENTRY_BYTES_MAX: usize = 2 << 20;

/// The longest text of a member that says what the phone has, bytes.
const SAID_BYTES_MAX: usize = 64;

/// Longer names than this cannot be one that is looked for, even if each character is an escape.
const NAME_BYTES_MAX: usize = 128;

/// Why a body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBody {
    /// The JSON breaks off or is malformed.
    #[error("the body is not JSON: {why} at byte {at}")]
    Unreadable {
        /// Offset from the start of the body, bytes.
        at: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// Neither member is there.
    #[error("the body has neither a list `phone_to_server` nor an entry `the_entry`")]
    NoEntries,
    /// `phone_to_server` is not a list.
    #[error("`phone_to_server` is not a list")]
    NotAList,
    /// The two members exclude each other, and each comes once.
    #[error("the body has more than one of `phone_to_server` and `the_entry`")]
    Twice,
    /// An entry is longer than [`ENTRY_BYTES_MAX`].
    #[error("entry {index} has more than {ENTRY_BYTES_MAX} bytes")]
    EntryTooLong {
        /// Its index, from 0.
        index: u64,
    },
}

impl BadBody {
    /// The error code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable_body",
            Self::NoEntries => "no_entries",
            Self::NotAList => "not_a_list",
            Self::Twice => "entries_twice",
            Self::EntryTooLong { .. } => "entry_too_long",
        }
    }

    pub(crate) fn place(&self) -> String {
        match self {
            Self::Unreadable { at, .. } => format!(r#","at":{at}"#),
            _ => String::new(),
        }
    }
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `phone_to_server`
    Many,
    /// `the_entry`
    One,
}

/// The text of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'s> {
    /// From its first byte to its last, without surrounding space.
    pub bytes: &'s [u8],
    /// How deep it nests; 1 for a flat object.
    pub depth: usize,
}

/// What a body says about the phone that sends it, beside its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// `deployment_config_version`: the version of the study's configuration that the phone has.
    pub config_version: Option<u64>,
    /// `app_version`, such as `2.1.3`.
    pub app_version: Option<String>,
}

/// A member of [`Said`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saying {
    ConfigVersion,
    AppVersion,
}

impl Said {
    fn take(&mut self, saying: Saying, text: &[u8]) {
        match saying {
            Saying::ConfigVersion => self.config_version = serde_json::from_slice(text).ok(),
            Saying::AppVersion => self.app_version = serde_json::from_slice(text).ok(),
        }
    }
}

/// What the next byte means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    /// Before the first member's name or the end.
    FirstName,
    Name,
    InName,
    Colon,
    Value,
    /// Within a value that is passed over.
    Skipped,
    /// Behind a member.
    AfterMember,
    /// Before the first entry or the end of the list.
    FirstEntry,
    NextEntry,
    Entry,
    AfterEntry,
    End,
}

/// Cuts one body. Feed it pieces of the body, in order, then call [`Self::finish`].
#[derive(Debug)]
pub struct Splitter {
    at: At,
    /// Bytes before the piece at hand.
    offset: u64,
    name: Vec<u8>,
    wanted: Option<Form>,
    found: Option<Form>,
    /// Of the value that the walk is in.
    structure: Structure,
    /// Within a name: the byte before was a backslash.
    escaped: bool,
    /// The part of an entry that came in earlier pieces, or the whole of it.
    held: Vec<u8>,
    given: bool,
    entries: u64,
    /// The member that the walk is in, and its text so far.
    saying: Option<(Saying, Vec<u8>)>,
    said: Said,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Splitter {
    /// Before the first byte.
    pub fn new() -> Self {
        Self {
            at: At::Start,
            offset: 0,
            name: Vec::new(),
            wanted: None,
            found: None,
            structure: Structure::default(),
            escaped: false,
            held: Vec::new(),
            given: false,
            entries: 0,
            saying: None,
            said: Said::default(),
        }
    }

    /// The next entry that ends within `piece`, which is advanced past it; `None`: the piece is used up.
    pub fn next(&mut self, piece: &mut &[u8]) -> Result<Option<Piece<'_>>, BadBody> {
        if std::mem::take(&mut self.given) {
            self.held.clear();
        }
        while let Some(byte) = piece.first() {
            let used = match self.at {
                At::Entry | At::Skipped => self.through_value(piece)?,
                At::InName => self.through_name(piece)?,
                _ => usize::from(self.step(*byte)?),
            };
            self.offset += used as u64;
            *piece = &piece[used..];
            if self.at == At::AfterEntry && !self.held.is_empty() {
                self.given = true;
                self.entries += 1;
                let bytes = self.held.trim_ascii_end();
                return Ok(Some(Piece { bytes, depth: self.structure.deepest() }));
            }
        }
        Ok(None)
    }

    /// Moves to the first byte of the next entry, if it is in `piece` and no part of the entry came before. A caller
    /// that knows the entry's end calls [`Self::passed`]; otherwise [`Self::next`] finds it.
    pub fn before_entry(&mut self, piece: &mut &[u8]) -> Result<bool, BadBody> {
        if std::mem::take(&mut self.given) {
            self.held.clear();
        }
        while let (Some(byte), false) = (piece.first(), self.within()) {
            let used = usize::from(self.step(*byte)?);
            self.offset += used as u64;
            *piece = &piece[used..];
        }
        Ok(self.at == At::Entry && self.held.is_empty() && !piece.is_empty())
    }

    /// Whether the next byte belongs to a name or a value.
    fn within(&self) -> bool {
        matches!(self.at, At::Entry | At::Skipped | At::InName)
    }

    /// The entry had so many bytes: the next one behind them is not the entry's.
    pub fn passed(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.entries += 1;
        self.at = At::AfterEntry;
    }

    /// After the last piece: the body must be complete.
    pub fn finish(self) -> Result<Form, BadBody> {
        match self.at {
            At::End => self.found.ok_or(BadBody::NoEntries),
            _ => Err(self.bad("it ends too early")),
        }
    }

    /// What the body has said about the phone so far.
    pub fn said(&self) -> &Said {
        &self.said
    }

    fn bad(&self, why: &'static str) -> BadBody {
        BadBody::Unreadable { at: self.offset, why }
    }

    /// Processes one byte between values; returns whether it was used, or is the first of what follows.
    fn step(&mut self, byte: u8) -> Result<bool, BadBody> {
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return Ok(true);
        }
        self.at = match (self.at, byte) {
            (At::Start, b'{') => At::FirstName,
            (At::Start, byte)
                if usize::try_from(self.offset).is_ok_and(|at| BYTE_ORDER_MARK.get(at) == Some(&byte)) =>
            {
                At::Start
            }
            (At::Start, _) => return Err(self.bad("expected an object")),
            (At::FirstName, b'}') | (At::AfterMember, b'}') => At::End,
            (At::FirstName | At::Name, b'"') => {
                self.name.clear();
                At::InName
            }
            (At::FirstName | At::Name, _) => return Err(self.bad("expected the name of a member")),
            (At::Colon, b':') => At::Value,
            (At::Colon, _) => return Err(self.bad("expected a colon after a name")),
            (At::Value, _) => return self.begin_value(byte),
            (At::AfterMember, b',') => At::Name,
            (At::AfterMember, _) => return Err(self.bad("expected a comma or a closing brace")),
            (At::FirstEntry | At::AfterEntry, b']') if self.wanted == Some(Form::Many) => At::AfterMember,
            (At::FirstEntry | At::NextEntry, _) => return self.begin_entry(byte),
            (At::AfterEntry, b',') if self.wanted == Some(Form::Many) => At::NextEntry,
            (At::AfterEntry, _) if self.wanted == Some(Form::One) => {
                self.at = At::AfterMember;
                return Ok(false);
            }
            (At::AfterEntry, _) => return Err(self.bad("expected a comma or a closing bracket")),
            (At::End, _) => return Err(self.bad("text after the object")),
            (At::Skipped | At::Entry | At::InName, _) => unreachable!("next handles these by stretches"),
        };
        Ok(true)
    }

    fn begin_value(&mut self, byte: u8) -> Result<bool, BadBody> {
        self.wanted = match &self.name[..] {
            b"phone_to_server" => Some(Form::Many),
            b"the_entry" => Some(Form::One),
            _ => None,
        };
        if self.wanted.is_some() {
            if self.found.is_some() {
                return Err(BadBody::Twice);
            }
            self.found = self.wanted;
        }
        match self.wanted {
            Some(Form::Many) if byte == b'[' => {
                self.at = At::FirstEntry;
                Ok(true)
            }
            Some(Form::Many) => Err(BadBody::NotAList),
            Some(Form::One) => self.begin_entry(byte),
            None => {
                let saying = match &self.name[..] {
                    b"deployment_config_version" => Some(Saying::ConfigVersion),
                    b"app_version" => Some(Saying::AppVersion),
                    _ => None,
                };
                self.saying = saying.map(|saying| (saying, Vec::new()));
                self.begin(At::Skipped, byte)
            }
        }
    }

    fn begin_entry(&mut self, byte: u8) -> Result<bool, BadBody> {
        self.begin(At::Entry, byte)
    }

    fn begin(&mut self, at: At, byte: u8) -> Result<bool, BadBody> {
        if matches!(byte, b',' | b'}' | b']' | b':') {
            return Err(self.bad("expected a value"));
        }
        self.structure = Structure::default();
        self.at = at;
        Ok(false)
    }

    /// Up to the end of a member's name; its text is kept with the escapes decoded.
    fn through_name(&mut self, piece: &[u8]) -> Result<usize, BadBody> {
        let (used, ended) = self.through_string(piece);
        let text = &piece[..used - usize::from(ended)];
        let room = NAME_BYTES_MAX.saturating_sub(self.name.len());
        self.name.extend_from_slice(&text[..text.len().min(room)]);
        if ended {
            self.at = At::Colon;
            if self.name.contains(&b'\\') {
                let quoted = [b"\"", &self.name[..], b"\""].concat();
                // A name that was cut or has bad escapes is none that is looked for.
                self.name = serde_json::from_slice::<String>(&quoted).unwrap_or_default().into_bytes();
            }
        }
        Ok(used)
    }

    /// How many bytes are still of the string, with its closing quote, and whether it was there.
    fn through_string(&mut self, piece: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < piece.len() {
            if std::mem::take(&mut self.escaped) {
                at += 1;
                continue;
            }
            match piece[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')) {
                None => return (piece.len(), false),
                Some(found) => {
                    at += found + 1;
                    if piece[at - 1] == b'"' {
                        return (at, true);
                    }
                    self.escaped = true;
                }
            }
        }
        (at, false)
    }

    /// Up to the end of the value, or of the piece.
    fn through_value(&mut self, piece: &[u8]) -> Result<usize, BadBody> {
        let (mut at, mut ended) = (0, false);
        while at < piece.len() && !ended {
            let walked = self.structure.walk(&piece[at..]).map_err(|bad| BadBody::Unreadable {
                at: self.offset + (at + bad.at) as u64,
                why: bad.why,
            })?;
            at += walked.used;
            ended = walked.ended;
        }
        self.keep(&piece[..at])?;
        if ended {
            if let Some((saying, text)) = self.saying.take() {
                self.said.take(saying, &text);
            }
            self.at = if self.at == At::Entry { At::AfterEntry } else { At::AfterMember };
        }
        Ok(at)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), BadBody> {
        if self.at != At::Entry {
            if let Some((_, text)) = &mut self.saying {
                // A text that is cut here does not read, and says nothing.
                let room = SAID_BYTES_MAX.saturating_sub(text.len());
                text.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            return Ok(());
        }
        if self.held.len() + bytes.len() > ENTRY_BYTES_MAX {
            return Err(BadBody::EntryTooLong { index: self.entries });
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }
}
