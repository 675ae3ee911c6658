//! Searching bytes eight at a time, without vector instructions, which not every processor has.

/// A one in each byte.
pub(crate) const ONES: u64 = u64::MAX / 0xff;
/// The top bit of each byte.
pub(crate) const HIGHS: u64 = ONES << 7;

/// Sets the top bit of each byte of `word` that equals `byte`. The lowest mark is right; those above it may be borrows,
/// and other bits have no meaning.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    let differing = word ^ (ONES * u64::from(byte));
    differing.wrapping_sub(ONES) & !differing
}

/// How many bytes come before the first match. In a word of eight bytes, the first of which is lowest, `marks` sets the
/// top bit of the first match and of no byte before it; `is` tests a single byte.
#[inline]
pub(crate) fn before(bytes: &[u8], marks: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> usize {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*eight)) & HIGHS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    eights.len() * 8 + rest.iter().position(|byte| is(*byte)).unwrap_or(rest.len())
}
