//! The stage's state.
//!
//! Format, a string: `<id> <start> <looked>`, where the two numbers are the bits of doubles in hex. Anything else
//! counts as no state at all. The pipeline keeps it when results are undone, and shows this by another beginning of the
//! window.

use cells_sdk::model::EntryId;

/// What one run leaves to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// The confirmed place that is open, and the beginning of the window that continues there, s; `None` where that
    /// place is to be recomputed.
    pub open: Option<(EntryId, f64)>,
    /// The write time, s, up to which it was checked whether trips are confirmed; `None`: no trip was checked.
    pub looked_through: Option<f64>,
}

impl Memory {
    /// Reads a state.
    pub fn read(state: &[u8]) -> Self {
        Self::parse(state).unwrap_or_default()
    }

    fn parse(state: &[u8]) -> Option<Self> {
        let text = str::from_utf8(state).ok()?;
        let mut words = text.split(' ');
        let id = EntryId::parse(words.next()?)?;
        let mut number = || Some(f64::from_bits(u64::from_str_radix(words.next()?, 16).ok()?));
        let (start, looked) = (number()?, number()?);
        Some(Self {
            open: (id != EntryId::NONE).then_some((id, start)),
            looked_through: looked.is_finite().then_some(looked),
        })
    }

    /// Writes a state.
    pub fn to_state(self) -> Vec<u8> {
        let (id, start) = self.open.unwrap_or((EntryId::NONE, f64::NEG_INFINITY));
        let looked = self.looked_through.unwrap_or(f64::NEG_INFINITY);
        format!("{id} {:016x} {:016x}", start.to_bits(), looked.to_bits()).into_bytes()
    }

    /// The place that the last run left open for a window that begins at `start`, s.
    pub fn open_at(&self, start: Option<f64>) -> Option<EntryId> {
        let (id, wanted) = self.open?;
        (wanted == start.unwrap_or(f64::NEG_INFINITY)).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_memory_can_be_written_and_read_back() {
        let open = Some((EntryId([7; 12]), 1e9 + 0.1));
        for memory in [
            Memory { open, looked_through: Some(5.25) },
            Memory { open: Some((EntryId([7; 12]), f64::NEG_INFINITY)), looked_through: None },
            Memory { open: None, looked_through: Some(-1.0) },
            Memory::default(),
        ] {
            assert_eq!(Memory::read(&memory.to_state()), memory);
        }
    }

    #[test]
    fn a_place_was_left_open_for_its_own_window_only() {
        let memory = Memory { open: Some((EntryId([7; 12]), 5.0)), looked_through: None };
        assert_eq!(memory.open_at(Some(5.0)), Some(EntryId([7; 12])));
        assert_eq!((memory.open_at(Some(5.1)), memory.open_at(None)), (None, None));
    }

    proptest! {
        #[test]
        fn the_reader_never_panics_whatever_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Memory::read(&bytes);
        }
    }
}
