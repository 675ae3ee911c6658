//! The stage's state: the position in the stream of lots at each mark.
//!
//! The next run continues where the last one stopped. A run that starts earlier again (results were undone) continues
//! from the position after the last section before its start, so that it draws for every section the same lots as a run
//! that never got further.
//!
//! Format, numbers little-endian; no bytes at all: no lot was ever drawn.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `CJS1` |
//! | 4 | n, how many marks follow; at least 1, at most [`MARKS_MAX`] |
//! | 16 n | each: `data.end_ts` of a section that took lots, s, double; lots drawn since the beginning of the stream, with that section's. Both rise from mark to mark, the time not always |
//! | 0 or 2496 | the last 624 words that the generator gave before the last mark, oldest first; absent where it gave fewer |
//!
//! Only the newest [`MARKS_MAX`] marks are kept. A run that starts before all of them starts the stream again.

use crate::lots::{Lots, TAIL_WORDS};

const MAGIC: [u8; 4] = *b"CJS1";
const HEAD_BYTES: usize = 8;
const MARK_BYTES: usize = 16;
/// How many marks are kept: months of an iPhone's days, in 16 KiB.
pub const MARKS_MAX: usize = 1024;

/// Why a state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It does not begin with the magic.
    #[error("it does not begin with CJS1")]
    Magic,
    /// The counted marks and the words do not fill it exactly.
    #[error("{bytes} bytes are not {marks} marks, with or without {TAIL_WORDS} words")]
    Length {
        /// Its length.
        bytes: usize,
        /// How many marks it says it has.
        marks: u32,
    },
    /// Marks are not numbers, are not in rising order, or are too many.
    #[error("its {marks} marks are not in rising order, or are more than {MARKS_MAX}")]
    Marks {
        /// How many.
        marks: u32,
    },
}

/// The position in the stream after a section.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    end_ts: f64,
    drawn: u64,
}

/// What is known of the stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    marks: Vec<Mark>,
    /// Of the last mark.
    tail: Option<[u32; TAIL_WORDS]>,
}

impl Record {
    /// Reads a stage's state.
    pub fn read(bytes: &[u8]) -> Result<Self, BadRecord> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let (magic, rest) = bytes.split_first_chunk().ok_or(BadRecord::Magic)?;
        if *magic != MAGIC {
            return Err(BadRecord::Magic);
        }
        let bad_length = |marks| BadRecord::Length { bytes: bytes.len(), marks };
        let (count, rest) = rest.split_first_chunk().ok_or(bad_length(0))?;
        let count = u32::from_le_bytes(*count);
        let marks_bytes = (count as usize).saturating_mul(MARK_BYTES);
        let (marks, tail) = rest.split_at_checked(marks_bytes).ok_or(bad_length(count))?;
        let tail: Vec<u32> = match tail.as_chunks() {
            (words, []) => words.iter().copied().map(u32::from_le_bytes).collect(),
            _ => return Err(bad_length(count)),
        };
        let tail = match tail.len() {
            0 => None,
            _ => Some(tail.try_into().map_err(|_| bad_length(count))?),
        };
        let marks: Vec<Mark> = marks.as_chunks().0.iter().map(Mark::read).collect();
        let rises = |pair: &[Mark]| pair[0].end_ts <= pair[1].end_ts && pair[0].drawn < pair[1].drawn;
        let sound = !marks.is_empty()
            && marks.len() <= MARKS_MAX
            && marks[0].end_ts.is_finite()
            && marks.windows(2).all(rises);
        if sound { Ok(Self { marks, tail }) } else { Err(BadRecord::Marks { marks: count }) }
    }

    /// Drops the marks from `start` on, since their lots are going to be drawn again; all for `None`.
    pub fn take_back(&mut self, start: Option<f64>) {
        let before = self.marks.len();
        self.marks.retain(|mark| start.is_some_and(|start| mark.end_ts < start));
        if self.marks.len() < before {
            self.tail = None;
        }
    }

    /// The stream, where the last mark left it.
    pub fn lots(&self) -> Lots {
        match (self.marks.last(), self.tail) {
            (None, _) => Lots::behind(0),
            (Some(mark), None) => Lots::behind(mark.drawn),
            (Some(mark), Some(tail)) => Lots::resume(mark.drawn, tail),
        }
    }

    /// Records the position in the stream after a section. Sections come in the order of their ends; a section that
    /// used no lot leaves no mark.
    pub fn note(&mut self, end_ts: f64, lots: &Lots) {
        if lots.drawn() > self.marks.last().map_or(0, |mark| mark.drawn) {
            self.marks.push(Mark { end_ts, drawn: lots.drawn() });
            self.tail = None;
        }
    }

    /// The state for the next run; `lots` is at the last mark.
    pub fn write(mut self, lots: &Lots) -> Vec<u8> {
        self.marks.drain(..self.marks.len().saturating_sub(MARKS_MAX));
        if self.marks.is_empty() {
            return Vec::new();
        }
        let tail = self.tail.or_else(|| lots.tail());
        let words = tail.as_ref().map_or(&[][..], |tail| tail);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.marks.len() * MARK_BYTES + words.len() * 4);
        bytes.extend(MAGIC);
        bytes.extend((self.marks.len() as u32).to_le_bytes());
        for mark in &self.marks {
            bytes.extend(mark.end_ts.to_le_bytes());
            bytes.extend(mark.drawn.to_le_bytes());
        }
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    }
}

impl Mark {
    fn read(bytes: &[u8; MARK_BYTES]) -> Self {
        let (end_ts, drawn) = bytes.split_at(8);
        let eight = |bytes: &[u8]| bytes.try_into().expect("half of 16 bytes");
        Self { end_ts: f64::from_le_bytes(eight(end_ts)), drawn: u64::from_le_bytes(eight(drawn)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The record of sections that end at 100, 200, …, with so many lots each, and the stream behind them.
    fn record_of(counts: &[u32]) -> (Record, Lots) {
        let (mut record, mut lots) = (Record::default(), Lots::behind(0));
        for (section, count) in (1..).zip(counts) {
            for _ in 0..*count {
                lots.between(0.0, 1.0);
            }
            record.note(f64::from(section) * 100.0, &lots);
        }
        (record, lots)
    }

    #[test]
    fn the_next_run_continues_where_the_last_one_stopped() {
        for counts in [&[4, 0, 6][..], &[4, 0, 900, 2], &[700]] {
            let (record, mut lots) = record_of(counts);
            let bytes = record.clone().write(&lots);
            let read = Record::read(&bytes).expect("sound");
            assert_eq!((&read.marks, read.tail), (&record.marks, lots.tail()));
            assert_eq!(read.clone().write(&read.lots()), bytes);
            let mut resumed = read.lots();
            assert_eq!(resumed.drawn(), lots.drawn());
            assert_eq!(resumed.between(0.0, 1.0), lots.between(0.0, 1.0));
        }
    }

    #[test]
    fn a_run_that_starts_earlier_draws_the_same_numbers_again() {
        let (record, lots) = record_of(&[4, 6, 900]);
        let record = Record::read(&record.write(&lots)).expect("sound");
        for (start, drawn) in [
            (None, 0),
            (Some(100.0), 0),
            (Some(105.0), 4),
            (Some(200.0), 4),
            (Some(205.0), 10),
            (Some(305.0), 910),
        ] {
            let mut record = record.clone();
            record.take_back(start);
            let mut lots = record.lots();
            assert_eq!(lots.drawn(), drawn, "from {start:?}");
            assert_eq!(lots.between(0.0, 1.0), Lots::behind(drawn).between(0.0, 1.0), "from {start:?}");
        }
    }

    #[test]
    fn a_run_that_draws_nothing_stores_nothing() {
        let (record, lots) = record_of(&[0, 0]);
        assert_eq!(record.write(&lots), Vec::<u8>::new());
        assert_eq!(Record::read(&[]), Ok(Record::default()));
    }

    #[test]
    fn the_oldest_marks_are_forgotten() {
        let (record, lots) = record_of(&[2; MARKS_MAX + 3]);
        let bytes = record.write(&lots);
        assert_eq!(bytes.len(), HEAD_BYTES + MARKS_MAX * MARK_BYTES + TAIL_WORDS * 4);
        let mut record = Record::read(&bytes).expect("sound");
        record.take_back(Some(405.0));
        assert_eq!(record.lots().drawn(), 8);
        record.take_back(Some(305.0));
        assert_eq!(record.lots().drawn(), 0);
    }

    #[test]
    fn a_truncated_or_reversed_memory_is_refused() {
        let (record, lots) = record_of(&[4, 6, 900]);
        let bytes = record.write(&lots);
        for end in 1..bytes.len() {
            // Without its words the memory is whole.
            assert_eq!(
                Record::read(&bytes[..end]).is_ok(),
                end == HEAD_BYTES + 3 * MARK_BYTES,
                "cut at {end}"
            );
        }
        let mut turned = bytes;
        turned[HEAD_BYTES..][..MARK_BYTES].reverse();
        assert!(Record::read(&turned).is_err());
    }

    proptest! {
        #[test]
        fn the_reader_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..99), marks in 0_u32..9) {
            let _ = Record::read(&bytes);
            let _ = Record::read(&[&MAGIC[..], &marks.to_le_bytes(), &bytes].concat());
        }
    }
}
