//! The rules for the name of a time zone, for every name that the reference reads.
//!
//! In this order: `local`, `utc`, `UTC` and `Z`; an offset such as `+05:30`, `-0800`, `05`; a name of the tz database
//! in its exact spelling; a text in the style of POSIX, such as `GMT+2`, `EST5` or `FOO5BAR,M3.2.0,M11.1.0`, in which a
//! plus means west, unless the letters are GMT or UTC.
//!
//! * Not here: the deprecated rules of nine numbers (`GMT0BST,3,0,30,…`), and files of the machine.

use std::fmt::Write as _;
use std::sync::OnceLock;

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::time::SERVER_ZONE;

/// Where the reference looks for zones; a name may begin with one of them.
const FOLDERS: [&str; 4] =
    ["/usr/share/zoneinfo/", "/usr/lib/zoneinfo/", "/usr/share/lib/zoneinfo/", "/etc/zoneinfo/"];
/// A day; offsets are smaller, s.
const DAY_S: i32 = 86_400;
/// When summer begins and ends where a text names a summer time without rules.
const USUAL_RULES: &str = ",M4.1.0,M10.5.0";

/// The rules of that name.
pub(crate) fn rules_of(name: &str) -> Option<TimeZone> {
    match name {
        // The machine on which an entry is read has no zone: where it would count, it is the server's.
        "local" | "" | ":" => database(SERVER_ZONE),
        "utc" | "UTC" | "Z" => Some(TimeZone::UTC),
        _ => match offset_alone(name.strip_suffix('\n').unwrap_or(name)) {
            Some(offset_s) => fixed(offset_s),
            None => database(name.strip_prefix(':').unwrap_or(name)).or_else(|| like_posix(name)),
        },
    }
}

fn fixed(offset_s: i32) -> Option<TimeZone> {
    let offset = Offset::from_seconds(offset_s).ok()?;
    (offset_s.abs() < DAY_S).then(|| TimeZone::fixed(offset))
}

fn database(name: &str) -> Option<TimeZone> {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    let database = DATABASE.get_or_init(TimeZoneDatabase::bundled);
    let name = FOLDERS.iter().find_map(|folder| name.strip_prefix(folder)).unwrap_or(name);
    let name = name.replace(' ', "_");
    // Only in its exact spelling: the reference looks for a file.
    database.get(&name).ok().filter(|rules| rules.iana_name() == Some(&*name))
}

/// `+05:30`, `+0530`, `+05`, with `-` or without a sign: seconds east.
fn offset_alone(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => (1, text),
    };
    let two = |text: &str| -> Option<i32> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    let (hours, rest) = digits.split_at_checked(2)?;
    let minutes = match rest.strip_prefix(':').unwrap_or(rest) {
        "" if rest.is_empty() => 0,
        minutes => two(minutes)?,
    };
    Some(sign * (two(hours)? * 3_600 + minutes * 60))
}

/// A text in the style of POSIX, as far as the reference reads it.
fn like_posix(name: &str) -> Option<TimeZone> {
    let mut tokens = Tokens::of(name.strip_prefix(':').unwrap_or(name));
    let standard = tokens.name()?;
    let inverted = if matches!(&*standard, "GMT" | "UTC") { -1 } else { 1 };
    let standard_s = tokens.offset()?.map(|offset_s| offset_s * inverted);
    let summer = tokens.name();
    let summer_s = if summer.is_some() { tokens.offset()? } else { None };
    let rules = tokens.rules()?;
    // A name without any offset is no zone; GMT or UTC needs one.
    if standard_s.is_none() && (inverted < 0 || summer_s.is_none() && rules.is_none()) {
        return None;
    }
    let standard_s = standard_s.unwrap_or(0);
    if summer.is_none() {
        return fixed(standard_s);
    }
    let summer_s = summer_s.unwrap_or(standard_s + 3_600);
    if standard_s.abs() >= DAY_S || summer_s.abs() >= DAY_S {
        return None;
    }
    let rules = rules.as_deref().unwrap_or(USUAL_RULES);
    TimeZone::posix(&format!("STD{}DST{}{rules}", west(standard_s), west(summer_s))).ok()
}

/// Seconds east in the form of POSIX: hours, minutes and seconds west.
fn west(offset_s: i32) -> String {
    let sign = if offset_s > 0 { '-' } else { '+' };
    let seconds = offset_s.unsigned_abs();
    format!("{sign}{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Letters, digits, single commas, colons and points, and the text between those.
struct Tokens<'a> {
    all: Vec<&'a str>,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        let kind = |c: char| match c {
            'a'..='z' | 'A'..='Z' => 1,
            '0'..='9' => 2,
            ',' | ':' | '.' => 3,
            _ => 4,
        };
        let (mut all, mut start) = (Vec::new(), 0);
        let mut before = None;
        for (at, c) in text.char_indices() {
            let now = kind(c);
            if at > 0 && (before != Some(now) || now == 3) {
                all.push(&text[start..at]);
                start = at;
            }
            before = Some(now);
        }
        if !text.is_empty() {
            all.push(&text[start..]);
        }
        Self { all, at: 0 }
    }

    fn peek(&self) -> Option<&'a str> {
        self.all.get(self.at).copied()
    }

    fn take(&mut self, token: &str) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn digits(&mut self) -> Option<&'a str> {
        let digits = self.peek().filter(|token| token.starts_with(|c: char| c.is_ascii_digit()))?;
        self.at += 1;
        Some(digits)
    }

    /// Everything before the next digit, sign, comma or colon.
    fn name(&mut self) -> Option<String> {
        let start = self.at;
        let is_other = |token: &&str| !token.contains(|c: char| c.is_ascii_digit() || ":,-+".contains(c));
        while self.peek().filter(is_other).is_some() {
            self.at += 1;
        }
        (self.at > start).then(|| self.all[start..self.at].concat())
    }

    /// Seconds east, where an offset begins here; outer `None`: an invalid one.
    fn offset(&mut self) -> Option<Option<i32>> {
        let signed = matches!(self.peek(), Some("+" | "-"));
        let sign = if self.peek() == Some("-") { 1 } else { -1 };
        self.at += usize::from(signed);
        let begins = self.peek().is_some_and(|token| token.starts_with(|c: char| c.is_ascii_digit()));
        match (signed, begins) {
            (false, false) => Some(None),
            (true, false) => None,
            (_, true) => Some(Some(sign * self.seconds()?)),
        }
    }

    /// `3`, `03`, `0330` or `03:30`, s.
    fn seconds(&mut self) -> Option<i32> {
        let hours = self.digits()?;
        match hours.len() {
            4 => Some(hours[..2].parse::<i32>().ok()? * 3_600 + hours[2..].parse::<i32>().ok()? * 60),
            _ if self.take(":") => {
                let minutes: i32 = self.digits()?.parse().ok()?;
                hours.parse::<i32>().ok()?.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)
            }
            1 | 2 => Some(hours.parse::<i32>().ok()? * 3_600),
            _ => None,
        }
    }

    /// `,START,END` in the form of POSIX, or nothing; outer `None`: neither.
    fn rules(&mut self) -> Option<Option<String>> {
        if self.at == self.all.len() {
            return Some(None);
        }
        let mut rules = String::new();
        for _ in 0..2 {
            if !self.take(",") {
                return None;
            }
            rules.push(',');
            self.rule(&mut rules)?;
        }
        (self.at == self.all.len()).then_some(Some(rules))
    }

    fn rule(&mut self, out: &mut String) -> Option<()> {
        let number = |tokens: &mut Self| tokens.digits()?.parse::<u16>().ok();
        let write = |out: &mut String, text: std::fmt::Arguments<'_>| {
            out.write_fmt(text).expect("writing to a string does not fail");
        };
        if self.take("M") {
            let month = number(self)?;
            let next = |tokens: &mut Self| {
                if tokens.take(".") || tokens.take("-") { number(tokens) } else { None }
            };
            let (week, day) = (next(self)?, next(self)?);
            write(out, format_args!("M{month}.{week}.{day}"));
        } else {
            let julian = if self.take("J") { "J" } else { "" };
            write(out, format_args!("{julian}{}", number(self)?));
        }
        if self.take("/") {
            let mut seconds = self.seconds()?;
            if self.take(":") {
                seconds += self.digits()?.parse::<i32>().ok()?;
            }
            write(out, format_args!("/{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    /// Seconds east at the moments, s.
    fn offsets<const N: usize>(name: &str, at: [i64; N]) -> Option<[i32; N]> {
        let rules = rules_of(name)?;
        let moment = |at| Timestamp::from_second(at).expect("within the calendar");
        Some(at.map(|at| rules.to_offset(moment(at)).seconds()))
    }

    /// Second and third: around the start of summer 2016 in the United States; fourth: June; fifth and sixth: around
    /// the end of that summer's last day in Europe, and the one in the United States.
    const AT: [i64; 7] = [
        1_447_000_000,
        1_457_863_199,
        1_457_863_200,
        1_466_436_427,
        1_478_400_000,
        1_478_420_000,
        1_700_000_000,
    ];

    // Row: "Zones as arrow and dateutil"
    #[test]
    fn zones_are_read_as_the_reference_reads_them() {
        let hours = |hours: [f64; 7]| Some(hours.map(|hours| (hours * 3_600.0) as i32));
        for (names, want) in [
            (
                &["utc", "UTC", "Z", "GMT", "+00:00", "-00:00", "Zulu", "Universal", "GMT+0", "00"][..],
                [0.0; 7],
            ),
            (
                &["+05:30", "+0530", "05:30", "0530", "UTC+05:30", "UTC+0530", "Asia/Calcutta", "+05:30\n"],
                [5.5; 7],
            ),
            (&["+05", "05", "UTC5", "+0500"], [5.0; 7]),
            (&["+05:75"], [6.25; 7]),
            (&["-08", "-08:00", "\u{2212}08"], [-8.0; 7]),
            (&["\u{2212}08:30", "\u{2212}0830"], [-8.5; 7]),
            (&["+14:00", "+1400"], [14.0; 7]),
            (&["+23:00", "GMT+23"], [23.0; 7]),
            (&["GMT+3", "GMT3", "ABC-3"], [3.0; 7]),
            (&["GMT-3", "ABC+3"], [-3.0; 7]),
            (&["ABC+3:30", "ABC0330"], [-3.5; 7]),
            (&["EST", "Etc/GMT+5", "é5"], [-5.0; 7]),
            (&["abc1", "Mars/Phobos1"], [-1.0; 7]),
            (
                &["Europe/Zurich", ":Europe/Zurich", "/usr/share/zoneinfo/Europe/Zurich"],
                [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0],
            ),
            (
                &["America/New York", "EST5EDT", "US/Eastern", "FOO5BAR,M3.2.0,M11.1.0"],
                [-5.0, -4.0, -4.0, -4.0, -4.0, -5.0, -5.0],
            ),
            (&["US/Pacific", "local", ""], [-8.0, -8.0, -7.0, -7.0, -7.0, -7.0, -8.0]),
            (&["FOO5BAR", "FOO5BAR4"], [-5.0, -5.0, -5.0, -4.0, -5.0, -5.0, -5.0]),
            (&["FOO5BAR4,M3.2.0/2,M11.1.0/2:30"], [-5.0, -4.0, -4.0, -4.0, -4.0, -5.0, -5.0]),
            (&["GMT+5BST"], [5.0, 5.0, 5.0, 6.0, 5.0, 5.0, 5.0]),
            (&["XYZ5ABC,J60,J300", "XYZ5ABC,59/3,299/0130"], [-5.0, -4.0, -4.0, -4.0, -5.0, -5.0, -5.0]),
            (&["XYZ-10ABC,M10.1.0,M4.1.0/3"], [11.0, 11.0, 11.0, 10.0, 11.0, 11.0, 11.0]),
        ] {
            for name in names {
                assert_eq!(offsets(name, AT), hours(want), "{name:?}");
            }
        }
        assert_eq!(offsets("A1:2", [0]), Some([-3_720]));
    }

    // Row: "Zones as arrow and dateutil"
    #[test]
    fn a_name_that_the_reference_does_not_read_is_not_a_zone() {
        for name in [
            "z",
            "Utc",
            "gmt",
            "europe/zurich",
            "EUROPE/ZURICH",
            "+5",
            "+5:30",
            "+24:00",
            "+05:30:00",
            "+",
            "-",
            "5",
            "12345",
            "+12345",
            "ABC330",
            "UTC+530",
            "GMT+24",
            "UTC+",
            "GMT+",
            "UTC,3",
            "XYZ5ABC,M3.5.0",
            "A1B2C3",
            "XYZ5ABC;M3.2.0;M11.1.0",
            "<+03>-3",
            "Mars/Phobos",
            "../../etc/passwd",
            "/etc/passwd",
            "+05:",
            "+05:3",
            "XYZ5ABC,M3.2,M11.1",
            "XYZ5ABC,M3.2.0,M11.1.0,",
            "ABC99",
            "ABC1DEF99",
        ] {
            assert_eq!(offsets(name, [0]), None, "{name:?}");
        }
    }

    // Row: "Zones as arrow and dateutil"
    #[test]
    fn the_deprecated_rules_of_nine_numbers_are_not_read() {
        for name in ["GMT0BST,3,0,30,3600,10,0,26,7200", "EST5EDT,4,1,0,7200,10,-1,0,7200,3600"] {
            assert_eq!(offsets(name, [0]), None, "{name:?}");
        }
    }

    #[test]
    fn every_name_of_the_database_is_read_as_it_is_written_there_alone() {
        let mut count = 0;
        for name in TimeZoneDatabase::bundled().available() {
            let name = name.as_str();
            assert!(rules_of(name).is_some(), "{name}");
            let lower = name.to_ascii_lowercase();
            let is_other = lower != name && !name.contains(|c: char| c.is_ascii_digit()) && lower != "utc";
            assert!(!is_other || rules_of(&lower).is_none(), "{lower}");
            count += 1;
        }
        assert!(count > 500, "{count}");
    }

    proptest! {
        #[test]
        fn an_offset_means_the_same_however_it_is_written(hours in 0..24_i32, minutes in 0..60_i32, west: bool) {
            let (sign, other) = if west { ("-", "+") } else { ("+", "-") };
            let want = (hours * 3_600 + minutes * 60) * if west { -1 } else { 1 };
            let mut texts = vec![
                format!("{sign}{hours:02}:{minutes:02}"),
                format!("{sign}{hours:02}{minutes:02}"),
                format!("GMT{sign}{hours:02}:{minutes:02}"),
                format!("UTC{sign}{hours}:{minutes}"),
                format!("UTC{sign}{hours:02}{minutes:02}"),
                format!("ABC{other}{hours}:{minutes:02}"),
            ];
            if minutes == 0 {
                texts.extend([format!("{sign}{hours:02}"), format!("GMT{sign}{hours}")]);
            }
            if west {
                texts.push(format!("\u{2212}{hours:02}:{minutes:02}"));
            }
            for text in texts {
                prop_assert_eq!(offsets(&text, [0, 1_500_000_000]), Some([want; 2]), "{}", text);
            }
        }

        #[test]
        fn a_posix_text_has_its_posix_meaning_unless_it_names_gmt(
            hours in -11..12_i32, months in (1..7_u8, 7..13_u8), weeks in (1..6_u8, 1..6_u8), days in (0..7_u8, 0..7_u8),
            time in 0..5_u8, at in 0..2_000_000_000_i64,
        ) {
            let text = format!(
                "ABC{hours}DEF,M{}.{}.{}/{time},M{}.{}.{}", months.0, weeks.0, days.0, months.1, weeks.1, days.1
            );
            let posix = TimeZone::posix(&text).expect("it is one");
            let moment = Timestamp::from_second(at).expect("within the calendar");
            prop_assert_eq!(offsets(&text, [at]), Some([posix.to_offset(moment).seconds()]), "{}", text);
        }

        #[test]
        fn zones_never_panic_whatever_the_name(name in r"[A-Za-zé/+0-9:,.<>M\-\u{2212} ]{0,16}") {
            let _ = offsets(&name, [0]);
        }
    }
}
