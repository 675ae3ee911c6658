//! The keys of sealed values: a kind and a number or digest. They reveal nothing of the content.

/// What a value is; the first byte of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The state that a commit leaves; one value.
    Superblock = 0,
    /// Entries, by block number.
    Block = 1,
    /// What a block holds, by the same number.
    Descriptor = 2,
    /// The content of a document, by a digest of its name.
    Document = 3,
    /// The name of a document and which content it has, by the same digest.
    DocumentName = 4,
    /// Number and hash of the last commit, in clear; one value.
    Head = 5,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Superblock, Self::Block, Self::Descriptor, Self::Document, Self::DocumentName, Self::Head];
}

/// The key of a value in the engine: at most 17 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: [u8; 17],
    length: u8,
}

impl Key {
    /// The key of the superblock.
    pub const SUPERBLOCK: Self = Self { bytes: [0; 17], length: 1 };

    /// The key of the head in clear.
    pub const HEAD: Self =
        Self { bytes: [Kind::Head as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], length: 1 };

    fn new(kind: Kind, rest: &[u8]) -> Self {
        let mut bytes = [0; 17];
        bytes[0] = kind as u8;
        bytes[1..=rest.len()].copy_from_slice(rest);
        Self { bytes, length: rest.len() as u8 + 1 }
    }

    /// The key of a block.
    pub fn block(block: u64) -> Self {
        Self::new(Kind::Block, &block.to_be_bytes())
    }

    /// The key of a block's descriptor.
    pub fn descriptor(block: u64) -> Self {
        Self::new(Kind::Descriptor, &block.to_be_bytes())
    }

    /// The key of a document's content.
    pub fn document(digest: [u8; 16]) -> Self {
        Self::new(Kind::Document, &digest)
    }

    /// The key of a document's name.
    pub fn document_name(digest: [u8; 16]) -> Self {
        Self::new(Kind::DocumentName, &digest)
    }

    /// Reads what [`Self::bytes`] gave; `None` for bytes that are no key.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == *first)?;
        let length = match kind {
            Kind::Superblock | Kind::Head => 0,
            Kind::Block | Kind::Descriptor => 8,
            Kind::Document | Kind::DocumentName => 16,
        };
        (rest.len() == length).then(|| Self::new(kind, rest))
    }

    /// Its bytes, as engines keep and order them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The kind of value that it is the key of.
    pub fn kind(&self) -> Kind {
        Kind::ALL[usize::from(self.bytes[0])]
    }

    /// The number of a block or descriptor.
    pub fn number(&self) -> u64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.bytes[1..9]);
        u64::from_be_bytes(number)
    }

    /// The digest of a document's name.
    pub fn digest(&self) -> [u8; 16] {
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.bytes[1..]);
        digest
    }
}
