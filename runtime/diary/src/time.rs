//! Moments in the form that other programs read: the same form everywhere in a file.

use cells_model::time::local;

/// `2025-10-10T05:00:00.123456`: the date and the time of day of an ISO 8601 text, always with six decimals of the
/// second, without its zone. `None` where the text has another form.
fn plain(text: &str) -> Option<String> {
    let (whole, rest) = text.split_at_checked("2025-10-10T05:00:00".len())?;
    let is_of_form = whole.bytes().zip("dddd-dd-ddTdd:dd:dd".bytes()).all(|(byte, form)| match form {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let digits = match rest.strip_prefix('.') {
        Some(fraction) => fraction.split(|byte: char| !byte.is_ascii_digit()).next()?,
        None => "",
    };
    let behind = rest.trim_start_matches('.').strip_prefix(digits)?;
    let is_zone = behind.is_empty() || behind.starts_with(['+', '-', 'Z']);
    (is_of_form && is_zone && digits.len() <= 6).then(|| format!("{whole}.{digits:0<6}"))
}

/// A moment in UTC, `2025-10-10T05:00:00.123456Z`; `None` where the calendar has no such date.
pub fn utc(ts: f64) -> Option<String> {
    let (_, text) = local(ts, "UTC").ok()?;
    Some(format!("{}Z", plain(&text)?))
}

/// Like [`utc`], truncated to milliseconds: the usual form for programs that read tracks.
pub fn utc_to_the_millisecond(ts: f64) -> Option<String> {
    Some(format!("{}Z", utc(ts)?.get(.."2025-10-10T05:00:00.123".len())?))
}

/// The local time in a zone, `2025-10-10T07:00:00.123456`. Where the zone is not known, the time in `text`, the local
/// time that the entry has; `None` where neither can be read.
pub fn on_the_clock(ts: f64, zone: Option<&str>, text: Option<&str>) -> Option<String> {
    let worked_out = zone.and_then(|zone| local(ts, zone).ok()).and_then(|(_, text)| plain(&text));
    worked_out.or_else(|| plain(text?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_form_whatever_its_fraction() {
        assert_eq!(utc(1_760_072_400.0).as_deref(), Some("2025-10-10T05:00:00.000000Z"));
        assert_eq!(utc(1_760_072_400.25).as_deref(), Some("2025-10-10T05:00:00.250000Z"));
        assert_eq!(utc_to_the_millisecond(1_760_072_400.0).as_deref(), Some("2025-10-10T05:00:00.000Z"));
        assert_eq!(
            utc_to_the_millisecond(1_760_072_400.123_456).as_deref(),
            Some("2025-10-10T05:00:00.123Z")
        );
        assert_eq!(utc(f64::NAN), None);
        assert_eq!(utc(1e300), None);
    }

    #[test]
    fn a_local_time_is_that_of_the_zone_or_else_what_the_entry_says() {
        let ts = 1_760_072_400.0;
        let at = |zone, text| on_the_clock(ts, zone, text);
        assert_eq!(at(Some("Europe/Zurich"), None).as_deref(), Some("2025-10-10T07:00:00.000000"));
        assert_eq!(
            at(Some("No/Where"), Some("2025-10-10T08:00:00.5+03:00")).as_deref(),
            Some("2025-10-10T08:00:00.500000")
        );
        for odd in [
            "",
            "?",
            "2025-10-10",
            "2025-10-10T08:00:00.1234567Z",
            "2025-10-10T08:00:00=1",
            "2025-10-10T08:00:0ü",
        ] {
            assert_eq!(at(None, Some(odd)), None, "{odd}");
        }
    }
}
