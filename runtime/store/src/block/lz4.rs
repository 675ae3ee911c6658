//! Writing an lz4 block that is quick to read.
//!
//! The time that reading takes depends on the number of matches, hardly on the number of bytes. The usual writers
//! accept any repeated four bytes, and digits are full of them; this one accepts only repeats of at least eight, so
//! names and words are copied in long stretches and digits stay literals. The format is that of the lz4 project's block
//! description.

/// The shortest repeat worth a match.
const MATCH_MIN: usize = 8;
/// The shortest that the format has, from which lengths are counted.
const FORMAT_MATCH_MIN: usize = 4;
/// The last match begins at least so far from the end, and the last five bytes are literals.
const END_LITERALS: usize = 12;
const LAST_LITERALS: usize = 5;
/// The farthest a match reaches back.
const DISTANCE_MAX: usize = 65_535;

const TABLE_BITS: u32 = 13;

/// Token, 14 literals, distance and one more byte of length; with room for the copy.
const SHORT_SEQUENCE_BYTES_MAX: usize = 20;

/// Where eight bytes were seen last, by their hash: the low bits of the position, and more of the hash above them,
/// which spares most useless lookups. A position that is too old to be reached comes out as some other position, which
/// the caller's comparison refuses.
struct Seen(Vec<u32>);

impl Seen {
    const PLACE_BITS: u32 = 17;
    const PLACE: usize = (1 << Self::PLACE_BITS) - 1;

    /// Notes that `bytes` are at `at`; returns the position where they may have been before.
    #[inline]
    fn note(&mut self, bytes: u64, at: usize) -> Option<usize> {
        let hash = bytes.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &mut self.0[(hash >> (64 - TABLE_BITS)) as usize];
        let now = (hash >> 8) as u32 & !(Self::PLACE as u32) | (at & Self::PLACE) as u32;
        let before = std::mem::replace(slot, now);
        if (before ^ now) >> Self::PLACE_BITS != 0 {
            return None;
        }
        let distance = at.wrapping_sub(before as usize) & Self::PLACE;
        (1..=DISTANCE_MAX.min(at)).contains(&distance).then(|| at - distance)
    }
}

/// Appends `text` to `out` as an lz4 block.
pub(super) fn pack(text: &[u8], out: &mut Vec<u8>) {
    let mut seen = Seen(vec![0; 1 << TABLE_BITS]);
    let (mut at, mut literals) = (0, 0);
    // Texts without repeats are passed over in growing strides.
    let mut misses = 0;
    while at + END_LITERALS <= text.len() {
        let bytes = eight(text, at);
        let Some(before) = seen.note(bytes, at).filter(|before| eight(text, *before) == bytes) else {
            misses += 1;
            at += 1 + (misses >> 6);
            continue;
        };
        misses = 0;
        let back = common_back(text, before, at, literals);
        let start = at - back;
        let length = back + MATCH_MIN + common(text, before + MATCH_MIN, at + MATCH_MIN);
        put_sequence(out, &text[literals..], start - literals, at - before, length);
        at = start + length;
        literals = at;
        // A position near the match's end, so that the next row finds it.
        if at + END_LITERALS <= text.len() {
            seen.note(eight(text, at - 2), at - 2);
        }
    }
    put_literals(out, &text[literals..], 0);
}

fn eight(text: &[u8], at: usize) -> u64 {
    let bytes = text[at..at + 8].try_into().expect("eight bytes are eight bytes");
    u64::from_le_bytes(bytes)
}

/// How many bytes before the two positions are the same, not past `least`.
fn common_back(text: &[u8], before: usize, at: usize, least: usize) -> usize {
    let most = before.min(at - least);
    (0..most).take_while(|back| text[before - 1 - back] == text[at - 1 - back]).count()
}

/// How many bytes from the two positions on are the same, before the last literals.
fn common(text: &[u8], mut before: usize, mut at: usize) -> usize {
    let start = at;
    let end = text.len() - LAST_LITERALS;
    while at + 8 <= end {
        let differing = eight(text, before) ^ eight(text, at);
        if differing != 0 {
            return at - start + differing.trailing_zeros() as usize / 8;
        }
        at += 8;
        before += 8;
    }
    while at < end && text[before] == text[at] {
        at += 1;
        before += 1;
    }
    at - start
}

/// Writes the first `count` bytes of `rest` as literals, and a match.
fn put_sequence(out: &mut Vec<u8>, rest: &[u8], count: usize, distance: usize, length: usize) {
    let length = length - FORMAT_MATCH_MIN;
    // Most sequences have few literals: copies of a fixed size are quicker than exact ones.
    if let Some(bytes) = rest.first_chunk::<16>().filter(|_| count < 15 && length < 15 + 255) {
        let mut sequence = [0; SHORT_SEQUENCE_BYTES_MAX];
        sequence[0] = (count as u8) << 4 | length.min(15) as u8;
        sequence[1..17].copy_from_slice(bytes);
        sequence[1 + count..3 + count].copy_from_slice(&(distance as u16).to_le_bytes());
        sequence[3 + count] = length.saturating_sub(15) as u8;
        let end = out.len() + 3 + count + usize::from(length >= 15);
        out.extend_from_slice(&sequence);
        out.truncate(end);
        return;
    }
    put_literals(out, &rest[..count], length.min(15) as u8);
    out.extend_from_slice(&(distance as u16).to_le_bytes());
    put_length(out, length);
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8], match_nibble: u8) {
    out.push((literals.len().min(15) as u8) << 4 | match_nibble);
    put_length(out, literals.len());
    out.extend_from_slice(literals);
}

/// Writes what does not fit in a token's four bits.
fn put_length(out: &mut Vec<u8>, length: usize) {
    if length >= 15 {
        out.resize(out.len() + (length - 15) / 255, 255);
        out.push(((length - 15) % 255) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn comes_back(text: &[u8]) -> usize {
        let mut packed = Vec::new();
        pack(text, &mut packed);
        let found = lz4_flex::block::decompress(&packed, text.len()).expect("what was written");
        assert!(found == text, "{} bytes differ", text.len());
        packed.len()
    }

    #[test]
    fn repeats_of_every_length_come_back() {
        for length in 0..700 {
            comes_back(&b"abcdefghijk".repeat(70)[..length]);
            comes_back(&[7].repeat(length));
            let apart =
                [vec![1; length], b"0123456789".to_vec(), vec![2; 66_000 - length], b"0123456789ab".to_vec()];
            comes_back(&apart.concat());
        }
        assert!(comes_back(&vec![0; 1 << 20]) < 5000);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(words in prop::collection::vec(prop_oneof!["[a-c]{1,20}", "[0-9]{1,5}", Just("\"name\":".to_owned())], 0..300)) {
            comes_back(words.concat().as_bytes());
        }
    }
}
