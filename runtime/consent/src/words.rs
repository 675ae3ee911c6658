//! A consent in words and numbers, for its owner.

use cells_model::time::local;

use crate::consent::{Consent, Leaves, State, StreamGrant};
use crate::precision::{Place, Time};

impl Consent {
    /// What the consent allows, a sentence each. `count` tells how many entries of a stream the cell would be shown
    /// now; `None` where that is not known.
    pub fn words(&self, mut count: impl FnMut(&StreamGrant) -> Option<u64>) -> Vec<String> {
        let mut words = vec![format!("{} is for: {}", self.name, ended(&self.purpose))];
        if self.streams.is_empty() {
            words.push("It reads nothing.".to_owned());
        }
        for grant in &self.streams {
            words.push(of_stream(grant, count(grant)));
        }
        let refused = self.asked.streams.iter().filter(|name| {
            !self.streams.iter().any(|grant| crate::pattern::shared(&grant.key, &name.key).is_some())
        });
        let refused: Vec<_> = refused.map(|name| format!("`{}`", name.key)).collect();
        if !refused.is_empty() {
            words.push(format!("It also asked for {}, and does not get it.", refused.join(", ")));
        }
        words.push(
            "It is never shown your account, the names of your devices, or the version of your app."
                .to_owned(),
        );
        words.push(match self.leaves {
            Leaves::None => "Nothing leaves your store: what it makes stays there.".to_owned(),
            Leaves::Answers => {
                "Its answers leave your store, to your own devices that ask for them.".to_owned()
            }
        });
        words.push(match self.expires {
            Some(expires) => format!("It ends at {}.", moment(expires)),
            None => "It has no end: it reads until you revoke it.".to_owned(),
        });
        if self.state == State::Paused {
            words.push("It is paused: it reads nothing until you resume it.".to_owned());
        }
        words
    }
}

fn of_stream(grant: &StreamGrant, count: Option<u64>) -> String {
    let mut words = match cells_model::keys::find(&grant.key) {
        Some(known) => format!("It reads `{}` ({})", grant.key, lowered(known.description)),
        None if grant.key.contains('*') => format!("It reads every stream of `{}`", grant.key),
        None => format!("It reads `{}`", grant.key),
    };
    match (grant.from, grant.until) {
        (None, None) => words.push_str(" of all times"),
        (Some(from), None) => words.push_str(&format!(" from {} on", moment(from))),
        (None, Some(until)) => words.push_str(&format!(" until {}", moment(until))),
        (Some(from), Some(until)) => {
            words.push_str(&format!(" from {} until {}", moment(from), moment(until)));
        }
    }
    match grant.place {
        Place::Exact => {}
        Place::Hundred => words.push_str(", places to 100 m"),
        Place::Kilometre => words.push_str(", places to 1 km"),
        Place::TenKilometres => words.push_str(", places to 10 km"),
    }
    match grant.time {
        Time::Exact => {}
        Time::Hour => words.push_str(", times to the hour"),
        Time::Day => words.push_str(", times to the day"),
    }
    if !grant.is_coarse() {
        words.push_str(", exactly as they are stored");
    }
    if !grant.without.is_empty() {
        let fields: Vec<_> = grant.without.iter().map(|field| format!("`{field}`")).collect();
        words.push_str(&format!(", without {}", fields.join(", ")));
    }
    match count {
        Some(1) => words.push_str(": 1 entry now."),
        Some(entries) => words.push_str(&format!(": {} entries now.", grouped(entries))),
        None => words.push('.'),
    }
    words
}

/// The first letter of a description in lower case.
fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn ended(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment in UTC: the day, and the time of day unless it is midnight.
fn moment(ts: f64) -> String {
    let Ok((parts, _)) = local(ts, "UTC") else { return "a time that no calendar has".to_owned() };
    let day = format!("{:04}-{:02}-{:02}", parts.year, parts.month, parts.day);
    match (parts.hour, parts.minute) {
        (0, 0) => day,
        (hour, minute) => format!("{day} {hour:02}:{minute:02} UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{Asking, StreamName, Wants};
    use crate::narrow::Narrowing;

    fn consent() -> Consent {
        let streams = ["background/location", "analysis/confirmed_trip", "manual/*", "stats/client_time"];
        Consent::asked(
            Asking {
                cell: "p/modes".to_owned(),
                name: "Share of modes".to_owned(),
                publisher: "p".to_owned(),
                digest: "ab".repeat(32),
                cell_version: 1,
                chain: 1,
                wants: Wants {
                    purpose: "how far people go by bicycle".to_owned(),
                    streams: streams.map(StreamName::of).to_vec(),
                    leaves: Leaves::None,
                },
            },
            1_800_000_000.0,
        )
        .expect("sound")
    }

    #[test]
    fn an_owner_reads_what_it_wants_in_words_and_numbers() {
        let mut consent = consent();
        consent
            .narrow(&Narrowing {
                only: Some(vec!["background/location".to_owned(), "manual/*".to_owned()]),
                from: Some(1_767_225_600.0),
                expires: Some(1_830_297_599.0),
                ..Narrowing::default()
            })
            .expect("narrower");
        let places = Narrowing {
            on: Some("background/location".to_owned()),
            place: Some(Place::Kilometre),
            time: Some(Time::Hour),
            without: vec!["accuracy".to_owned()],
            ..Narrowing::default()
        };
        consent.narrow(&places).expect("narrower");
        let words = consent.words(|grant| (grant.key == "background/location").then_some(12_345));
        assert_eq!(
            words,
            [
                "Share of modes is for: how far people go by bicycle.",
                "It reads `background/location` (every position) from 2026-01-01 on, places to 1 km, times to the hour, \
                 without `accuracy`: 12,345 entries now.",
                "It reads every stream of `manual/*` from 2026-01-01 on, exactly as they are stored.",
                "It also asked for `analysis/confirmed_trip`, `stats/client_time`, and does not get it.",
                "It is never shown your account, the names of your devices, or the version of your app.",
                "Nothing leaves your store: what it makes stays there.",
                "It ends at 2027-12-31 23:59 UTC.",
            ]
        );
        consent.set_state(State::Paused);
        consent.narrow(&Narrowing { only: Some(Vec::new()), ..Narrowing::default() }).expect("nothing left");
        let words = consent.words(|_| None);
        assert!(words.contains(&"It reads nothing.".to_owned()), "{words:?}");
        assert!(words.last().is_some_and(|last| last.starts_with("It is paused")));
    }

    #[test]
    fn large_numbers_are_written_in_groups() {
        let written = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
