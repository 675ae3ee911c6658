//! Sets of rows of one block: which are dead, which are marked invalid.

/// A set of row numbers below the block's count. Takes no memory while empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RowSet {
    /// One bit for each row, the first row lowest; shorter than the block where the last rows are not in the set.
    bits: Vec<u8>,
    count: u32,
}

impl RowSet {
    pub fn contains(&self, row: u32) -> bool {
        self.bits.get(row as usize / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
    }

    /// Adds a row; returns whether it was not in the set before.
    pub fn insert(&mut self, row: u32) -> bool {
        if self.contains(row) {
            return false;
        }
        let at = row as usize / 8;
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        self.bits[at] |= 1 << (row % 8);
        self.count += 1;
        true
    }

    /// How many rows are in the set.
    pub fn len(&self) -> u32 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes of the set in a descriptor.
    pub fn bytes(&self) -> &[u8] {
        &self.bits
    }

    /// Reads what [`Self::bytes`] gave; `None` where a row is not below `rows`.
    pub fn from_bytes(bytes: &[u8], rows: u32) -> Option<Self> {
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        let set = Self { bits: bytes.to_vec(), count };
        let end = bytes.len() as u32 * 8;
        let sound = bytes.len() <= 1 << 16 && (rows.min(end)..end).all(|row| !set.contains(row));
        sound.then_some(set)
    }
}
