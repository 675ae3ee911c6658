//! Moments in a form for people.

use jiff::SignedDuration;
use jiff::civil::date;

/// A moment, UTC to the second; the number itself where no calendar date represents it. `seconds` since 1970.
pub(crate) fn moment(seconds: f64) -> String {
    let within = (0.0..253_402_300_800.0).contains(&seconds);
    let since = SignedDuration::from_secs(seconds as i64);
    let clock = within.then(|| date(1970, 1, 1).at(0, 0, 0, 0).checked_add(since).ok()).flatten();
    clock.map_or_else(|| seconds.to_string(), |clock| clock.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Like [`moment`], for ms since 1970.
pub(crate) fn moment_of_ms(ms: u64) -> String {
    moment(ms as f64 / 1e3)
}

/// Like [`moment`]; a dash where there is none.
pub(crate) fn moment_or_dash(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), moment)
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_read_as_dates() {
        assert_eq!(moment(0.0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_399.9), "2000-02-28 23:59:59 UTC");
        assert_eq!(moment(951_782_400.0), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(1_466_436_483.395), "2016-06-20 15:28:03 UTC");
        assert_eq!(moment(253_402_300_799.0), "9999-12-31 23:59:59 UTC");
        assert_eq!(moment(f64::NAN), "NaN");
        assert_eq!(moment(1e300), format!("{}", 1e300));
    }
}
