//! Reading and writing the small parts of a block: integers, varints, and integers as byte planes.
//!
//! A plane holds one byte of every value: all lowest bytes, then all second bytes, and so on. Columns of
//! numbers that change slowly become long runs that way, which a byte compressor packs well.

use super::BadBlock;

/// Walks a section of a block; every step is checked against the section's end.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// Everything not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How much has been read.
    pub fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], BadBlock> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(BadBlock::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BadBlock> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(BadBlock::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, BadBlock> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<usize, BadBlock> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    pub fn varint(&mut self) -> Result<u64, BadBlock> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(BadBlock::Broken("a varint of more than 10 bytes"))
    }

    /// A varint that counts or measures something, so at most `max`.
    pub fn count(&mut self, what: &'static str, max: usize) -> Result<usize, BadBlock> {
        let size = self.varint()?;
        if size > max as u64 {
            return Err(BadBlock::TooLarge { what, size, limit: max as u64 });
        }
        Ok(size as usize)
    }

    /// `rows` values of `width` bytes each, as planes.
    pub fn planes(&mut self, rows: usize, width: usize) -> Result<Vec<u64>, BadBlock> {
        if width > 8 {
            return Err(BadBlock::Broken("an integer wider than 8 bytes"));
        }
        let planes = self.take(rows * width)?;
        let mut values = vec![0_u64; rows];
        for (plane, bytes) in planes.chunks_exact(rows.max(1)).enumerate() {
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value |= u64::from(*byte) << (8 * plane);
            }
        }
        Ok(values)
    }
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: usize) {
    let value = u32::try_from(value).expect("encoders refuse blocks past 64 MiB");
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes the largest value needs; 0 where all are zero.
pub(super) fn width_of(values: impl Iterator<Item = u64>) -> usize {
    let all = values.fold(0, |all, value| all | value);
    (64 - all.leading_zeros() as usize).div_ceil(8)
}

pub(super) fn put_planes(out: &mut Vec<u8>, values: &[u64], width: usize) {
    for plane in 0..width {
        out.extend(values.iter().map(|value| (value >> (8 * plane)) as u8));
    }
}

/// Small magnitudes of either sign become small numbers.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
