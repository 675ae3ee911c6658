//! What of an entry's metadata a cell from elsewhere is shown.

use cells_json::text::{self, members, number, push_number, push_text};

use crate::precision::Time;

/// How long a word in metadata may be, bytes: longer ones are left out.
const WORD_BYTES_MAX: usize = 160;

/// The metadata that is shown for these: the stream's key, when the entry was written, the platform, and of derived
/// entries the stream that they show. The zone is shown if times are exact. Names of devices and versions of apps are
/// not, whatever the precision.
pub(crate) fn shown(time: Time, metadata: &str) -> String {
    let mut shown = String::with_capacity(128);
    let mut taken = [false; 5];
    for member in members(metadata).map_while(Result::ok) {
        let place = match member.name {
            "key" => 0,
            "write_ts" => 1,
            "platform" => 2,
            "origin_key" => 3,
            "time_zone" if time == Time::Exact => 4,
            _ => continue,
        };
        if std::mem::replace(&mut taken[place], true) {
            continue;
        }
        let before = shown.len();
        shown.push(if before == 0 { '{' } else { ',' });
        push_text(&mut shown, member.name);
        shown.push(':');
        let pushed = if place == 1 {
            number(member.value).map(|moment| push_moment(&mut shown, time, moment, member.value))
        } else {
            text::string(member.value)
                .filter(|word| word.len() <= WORD_BYTES_MAX)
                .map(|word| push_text(&mut shown, &word))
        };
        if pushed.is_none() {
            shown.truncate(before);
        }
    }
    shown.push_str(if shown.is_empty() { "{}" } else { "}" });
    shown
}

fn push_moment(shown: &mut String, time: Time, moment: f64, written: &str) {
    match time {
        Time::Exact => shown.push_str(written),
        coarse => push_number(shown, coarse.floor(moment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A_PHONE: &str = r#"{"key":"background/location","platform":"ios","read_ts":0,"time_zone":"Europe/Zurich",
        "type":"sensor-data","write_ts":1700000123.500,"write_local_dt":{"year":2023},"write_fmt_time":"2023-11-14",
        "device":"token-5d41402abc4b2a76","app_version":"1.2","ip":"192.0.2.7","platform":"again"}"#;

    #[test]
    fn devices_versions_and_addresses_are_never_shown() {
        let exact = shown(Time::Exact, OF_A_PHONE);
        let want = r#"{"key":"background/location","platform":"ios","time_zone":"Europe/Zurich","write_ts":1700000123.500}"#;
        assert_eq!(exact, want);
    }

    #[test]
    fn under_a_coarse_time_the_moment_of_writing_is_coarse_and_the_zone_is_left_out() {
        let hour = shown(Time::Hour, OF_A_PHONE);
        assert_eq!(hour, r#"{"key":"background/location","platform":"ios","write_ts":1699999200.0}"#);
        assert!(hour.contains("\"write_ts\":1699999200.0"));
    }

    #[test]
    fn members_of_other_kinds_are_left_out() {
        assert_eq!(shown(Time::Exact, r#"{"key":{"a":1},"write_ts":"now","platform":7}"#), "{}");
        assert_eq!(shown(Time::Exact, r#"{"platform":7,"key":"a/b"}"#), r#"{"key":"a/b"}"#);
        assert_eq!(shown(Time::Exact, "no object"), "{}");
        let long = format!(r#"{{"platform":"{}"}}"#, "x".repeat(WORD_BYTES_MAX + 1));
        assert_eq!(shown(Time::Exact, &long), "{}");
    }
}
