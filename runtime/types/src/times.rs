//! The times of an entry, read from its texts.

use cells_json::text::{members, number, value_of};

use crate::TimeField;

/// The times of one entry, s; NaN where the entry has none of that field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryTimes {
    /// By the index of the field in [`TimeField::OWN`].
    pub own: [f64; 6],
}

impl EntryTimes {
    /// Reads the times of an entry from the texts of its two parts. A time that is not a number counts as absent.
    pub fn read(metadata: &str, data: &str) -> Self {
        let mut own = [f64::NAN; 6];
        if let Some(write_ts) = value_of(metadata, "write_ts").and_then(number) {
            own[TimeField::WriteTs as usize] = write_ts;
        }
        for member in members(data).map_while(Result::ok) {
            let field = match member.name {
                "ts" => TimeField::DataTs,
                "start_ts" => TimeField::StartTs,
                "end_ts" => TimeField::EndTs,
                "enter_ts" => TimeField::EnterTs,
                "exit_ts" => TimeField::ExitTs,
                _ => continue,
            };
            own[field as usize] = number(member.value).unwrap_or(f64::NAN);
        }
        Self { own }
    }

    /// The time of that field; NaN if the entry has none. The position is NaN only if the entry has no time at all.
    pub fn get(&self, field: TimeField) -> f64 {
        if field != TimeField::Position {
            return self.own[field as usize];
        }
        [TimeField::DataTs, TimeField::StartTs, TimeField::EnterTs, TimeField::ExitTs, TimeField::WriteTs]
            .into_iter()
            .map(|field| self.own[field as usize])
            .find(|time| !time.is_nan())
            .unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_position_is_the_first_time_present() {
        let metadata = r#"{"write_ts": 5.5}"#;
        assert_eq!(EntryTimes::read(metadata, "{}").get(TimeField::Position), 5.5);
        let times = EntryTimes::read(metadata, r#"{"exit_ts": 3, "enter_ts": 2.25, "ts": null}"#);
        assert_eq!(times.get(TimeField::Position), 2.25);
        assert!(times.get(TimeField::DataTs).is_nan());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_times_panic(text in "[{}\\[\\]\",:\\\\a1ü ]{0,40}") {
            EntryTimes::read(&text, &text);
        }
    }
}
