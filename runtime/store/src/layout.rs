//! The sealed values other than blocks: descriptors, the superblock, names of documents. See docs/formats/store.md.

use std::sync::Arc;

use runtime_types::{Area, EntryId, Stream, StreamKey, TimeField};

use crate::block::Codec;
use crate::keys::SealId;
use crate::rows::RowSet;

const VERSION: u8 = 1;
/// The six times of an entry and its position.
pub(crate) const FIELDS: usize = TimeField::OWN.len() + 1;

/// The least and the largest of one time in a block, s, and how many rows have that time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub min: f64,
    pub max: f64,
    pub rows: u32,
}

/// What is known of a block without reading it. It never changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    pub number: u64,
    pub stream: Arc<Stream>,
    /// See [`crate::month::month_of`].
    pub month: i32,
    /// The key of the keyring that seals it.
    pub key_number: u32,
    pub codec: Codec,
    pub rows: u32,
    /// The size of the sealed block.
    pub bytes: u32,
    /// The size of its texts.
    pub text_bytes: u32,
    /// The act of sealing that made it: another block in its place is refused.
    pub seal: SealId,
    pub min_id: EntryId,
    pub max_id: EntryId,
    /// By [`TimeField`]; `None` where no row has that time.
    pub spans: [Option<Span>; FIELDS],
}

impl Body {
    pub fn span(&self, field: TimeField) -> Option<Span> {
        self.spans[field as usize]
    }

    /// The least position; every row has one.
    pub fn min_position(&self) -> f64 {
        self.span(TimeField::Position).map_or(0.0, |span| span.min)
    }

    /// The context that the block's seal authenticates, besides its key.
    pub fn context(&self) -> Vec<u8> {
        let name = self.stream.key.as_str().as_bytes();
        let mut out = vec![self.stream.area as u8, name.len() as u8];
        out.extend_from_slice(name);
        out.extend_from_slice(&self.month.to_le_bytes());
        out.push(self.codec as u8);
        out.extend_from_slice(&self.rows.to_le_bytes());
        out
    }
}

/// Takes fixed pieces off the front of bytes; `None` where they end.
pub(crate) struct Taker<'a>(pub &'a [u8]);

impl<'a> Taker<'a> {
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
    pub fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
    pub fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }
    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    pub fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }
}

/// Writes a descriptor: the body, and which rows are dead or marked invalid.
pub(crate) fn encode_descriptor(body: &Body, dead: &RowSet, invalid: &RowSet) -> Vec<u8> {
    let name = body.stream.key.as_str().as_bytes();
    let mut out = Vec::with_capacity(256 + name.len() + dead.bytes().len() + invalid.bytes().len());
    out.extend_from_slice(&[VERSION, body.stream.area as u8, name.len() as u8]);
    out.extend_from_slice(name);
    out.extend_from_slice(&body.month.to_le_bytes());
    out.extend_from_slice(&body.key_number.to_le_bytes());
    out.push(body.codec as u8);
    for number in [body.rows, body.bytes, body.text_bytes] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&body.seal);
    out.extend_from_slice(&body.min_id.0);
    out.extend_from_slice(&body.max_id.0);
    for span in &body.spans {
        out.push(u8::from(span.is_some()));
        if let Some(span) = span {
            out.extend_from_slice(&span.min.to_le_bytes());
            out.extend_from_slice(&span.max.to_le_bytes());
            out.extend_from_slice(&span.rows.to_le_bytes());
        }
    }
    for set in [dead, invalid] {
        out.extend_from_slice(&(set.bytes().len() as u32).to_le_bytes());
        out.extend_from_slice(set.bytes());
    }
    out
}

/// Reads what [`encode_descriptor`] wrote; `None` for anything else.
pub(crate) fn decode_descriptor(number: u64, bytes: &[u8]) -> Option<(Body, RowSet, RowSet)> {
    let mut from = Taker(bytes);
    let [version, area, length] = from.take()?;
    let name = std::str::from_utf8(from.slice(usize::from(length))?).ok()?;
    let stream = Stream { area: Area::from_number(area)?, key: StreamKey::parse(name).ok()? };
    let month = i32::from_le_bytes(from.take()?);
    let (key_number, codec) = (from.u32()?, Codec::from_number(from.u8()?)?);
    let (rows, size, text_bytes) = (from.u32()?, from.u32()?, from.u32()?);
    let (seal, min_id, max_id) = (from.take()?, EntryId(from.take()?), EntryId(from.take()?));
    let mut spans = [None; FIELDS];
    for span in &mut spans {
        if from.u8()? == 1 {
            *span = Some(Span { min: from.f64()?, max: from.f64()?, rows: from.u32()? });
        }
    }
    let mut set = || {
        let length = from.u32()? as usize;
        RowSet::from_bytes(from.slice(length)?, rows)
    };
    let (dead, invalid) = (set()?, set()?);
    let sound =
        version == VERSION && from.0.is_empty() && (1..=crate::block::ROWS_MAX as u32).contains(&rows);
    let stream = Arc::new(stream);
    let body = Body {
        number,
        stream,
        month,
        key_number,
        codec,
        rows,
        bytes: size,
        text_bytes,
        seal,
        min_id,
        max_id,
        spans,
    };
    sound.then_some((body, dead, invalid))
}

/// The state that a commit leaves.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Superblock {
    /// The number of the commit.
    pub commit: u64,
    /// Hash over this commit and all before it.
    pub head: [u8; 32],
    /// The last id that the store gave out.
    pub last_id: EntryId,
    pub next_block: u64,
    /// How many descriptors and names of documents there are.
    pub descriptors: u64,
    pub documents: u64,
    /// The exclusive or of their digests: an old one in place of a newer one is found at opening.
    pub state: [u8; 32],
    /// Blocks without a descriptor that older snapshots may have been reading.
    pub graveyard: Vec<u64>,
}

impl Superblock {
    /// The superblock of an empty store.
    pub const FIRST: Self = Self {
        commit: 0,
        head: [0; 32],
        last_id: EntryId::NONE,
        next_block: 1,
        descriptors: 0,
        documents: 0,
        state: [0; 32],
        graveyard: Vec::new(),
    };

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(120 + 8 * self.graveyard.len());
        out.push(VERSION);
        out.extend_from_slice(&self.commit.to_le_bytes());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.last_id.0);
        for number in [self.next_block, self.descriptors, self.documents] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.state);
        self.graveyard.iter().for_each(|block| out.extend_from_slice(&block.to_le_bytes()));
        out
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Taker(bytes);
        if from.u8()? != VERSION {
            return None;
        }
        let mut superblock = Self {
            commit: from.u64()?,
            head: from.take()?,
            last_id: EntryId(from.take()?),
            next_block: from.u64()?,
            descriptors: from.u64()?,
            documents: from.u64()?,
            state: from.take()?,
            graveyard: Vec::new(),
        };
        while !from.0.is_empty() {
            superblock.graveyard.push(from.u64()?);
        }
        Some(superblock)
    }
}

/// Encodes the name of a document and the seal of its content: kept separately, so that names are known without reading
/// contents.
pub(crate) fn encode_document_name(name: &str, seal: &SealId) -> Vec<u8> {
    [&[VERSION], seal.as_slice(), name.as_bytes()].concat()
}

/// Reads what [`encode_document_name`] wrote; `None` for anything else.
pub(crate) fn decode_document_name(bytes: &[u8]) -> Option<(&str, SealId)> {
    let mut from = Taker(bytes);
    let (version, seal) = (from.u8()?, from.take()?);
    let name = std::str::from_utf8(from.0).ok()?;
    (version == VERSION).then_some((name, seal))
}
