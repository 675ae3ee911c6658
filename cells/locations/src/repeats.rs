//! Exact duplicates in a stream of entries, found while it is read; the rule is that of [`crate::duplicates`].

use cells_sdk::model::page::Entry;

use crate::duplicates::{Compared, compared};

/// Recognises entries that repeat an earlier one, in a walk in the order of a time that duplicates share. Only the
/// texts of one moment are in memory.
#[derive(Debug, Default)]
pub struct Repeats {
    time: f64,
    /// Write time, data and, after the first comparison, the numbers of the entries of this moment.
    seen: Vec<(f64, String, Option<Compared>)>,
    used: usize,
}

impl Repeats {
    /// No entry was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the entry repeats an earlier one.
    pub fn is_repeat(&mut self, entry: &Entry<'_>) -> bool {
        if self.time != entry.time {
            self.time = entry.time;
            self.used = 0;
        }
        let mut numbers = None;
        for (write_ts, data, known) in &mut self.seen[..self.used] {
            if *write_ts == entry.write_ts {
                // As a rule a resend is the same text.
                if data == entry.data {
                    return true;
                }
                let numbers = numbers.get_or_insert_with(|| compared(entry.data));
                if *known.get_or_insert_with(|| compared(data)) == *numbers {
                    return true;
                }
            }
        }
        if self.used == self.seen.len() {
            self.seen.push((0.0, String::new(), None));
        }
        let (write_ts, data, known) = &mut self.seen[self.used];
        *write_ts = entry.write_ts;
        data.clear();
        data.push_str(entry.data);
        *known = numbers;
        self.used += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use cells_sdk::testing::Memory;
    use cells_sdk::{Area, Query, TimeField, for_each_entry};

    use super::*;

    fn kept(entries: &[(f64, f64, &str)]) -> Vec<u8> {
        let mut memory = entries.iter().fold(Memory::new(), |memory, (ts, write_ts, others)| {
            let metadata = format!(r#"{{"key":"background/location","write_ts":{write_ts}}}"#);
            let data = format!(r#"{{"ts":{ts},"latitude":2,"longitude":3,{others}}}"#);
            memory.with_entry(Area::Timeseries, &metadata, &data)
        });
        let (mut repeats, mut kept) = (Repeats::new(), Vec::new());
        let query = Query::of(&["background/location"], TimeField::DataTs);
        for_each_entry(&mut memory, &query, |_, entry| {
            if !repeats.is_repeat(&entry) {
                kept.push(entry.id.0[11]);
            }
            Ok(())
        })
        .expect("readable");
        kept
    }

    #[test]
    fn an_entry_repeats_another_where_every_number_and_the_write_time_are_equal() {
        let floor = r#""floor":0"#;
        assert_eq!(kept(&[(1.0, 7.0, floor), (1.0, 8.0, floor), (1.0, 7.0, r#""floor":0.0"#)]), [1, 2]);
        assert_eq!(kept(&[(1.0, 7.0, floor), (1.0, 7.0, r#""floor":1"#), (1.0, 7.0, floor)]), [1, 2]);
        assert_eq!(kept(&[(1.0, 7.0, floor), (2.0, 7.0, floor), (2.0, 7.0, floor)]), [1, 2]);
    }

    #[test]
    fn entries_that_differ_only_in_texts_are_repeats() {
        assert_eq!(kept(&[(1.0, 7.0, r#""fmt_time":"a""#), (1.0, 7.0, r#""fmt_time":"b""#)]), [1]);
    }
}
