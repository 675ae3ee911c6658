//! Calendar months of UTC: entries are grouped by them, so that a span of time can be shredded.

const DAY_S: f64 = 86_400.0;
/// Year 10,000: a later time is an error, such as a clock in milliseconds.
const YEAR_MAX_S: f64 = 253_402_300_800.0;
/// Year 0.
const YEAR_MIN_S: f64 = -62_167_219_200.0;

/// The month of a moment: `year * 12 + month - 1`. Moments before year 0 share -1, those after year 9999 share 120,000.
pub(crate) fn month_of(time_s: f64) -> i32 {
    if time_s < YEAR_MIN_S {
        return -1;
    }
    if time_s >= YEAR_MAX_S {
        return 120_000;
    }
    // Days are counted from 1 March of year 0, so that the leap day is a year's last.
    let day = (time_s / DAY_S).floor() as i64 + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    ((era * 400 + year_of_era) * 12 + month_from_march + 2) as i32
}

#[cfg(test)]
mod tests {
    use super::month_of;

    #[test]
    fn a_month_begins_at_midnight_of_its_first_day() {
        assert_eq!(month_of(0.0), 1970 * 12);
        assert_eq!(month_of(-0.001), 1969 * 12 + 11);
        // 2016-02-29T23:59:59.999 and a millisecond later
        assert_eq!(month_of(1_456_790_399.999), 2016 * 12 + 1);
        assert_eq!(month_of(1_456_790_400.0), 2016 * 12 + 2);
        assert_eq!(month_of(1_483_228_799.0), 2016 * 12 + 11);
        assert_eq!(month_of(1_483_228_800.0), 2017 * 12);
    }

    #[test]
    fn absurd_times_share_a_month_at_either_end() {
        assert_eq!(month_of(1.6e12), 120_000);
        assert_eq!(month_of(f64::MAX), 120_000);
        assert_eq!(month_of(f64::MIN), -1);
        assert_eq!(month_of(253_402_300_799.0), 9999 * 12 + 11);
        assert_eq!(month_of(-62_167_219_200.0), 0);
    }
}
