//! A study in words and numbers, for whoever decides about it.

use jiff::Timestamp;

use crate::{COLLECT_S, CONFIDENCE_PERCENT, Study, error_bar};

/// How many numbers are named one by one.
const NAMED_MAX: usize = 12;

impl Study {
    /// What it asks for and what leaves, a sentence each.
    pub fn words(&self) -> Vec<String> {
        let epochs = self.epochs().len();
        let streams: Vec<_> = self.streams.iter().map(|key| format!("`{key}`")).collect();
        let spans = match epochs {
            1 => "once over that time".to_owned(),
            _ => format!("{epochs} times, once for each {}", self.epoch.as_str()),
        };
        let (from, until) = (moment(self.from_s), moment(self.until_s));
        let cost = in_epsilon(self.epsilon_micro);
        let most = in_epsilon(self.epsilon_micro * epochs as u64);
        vec![
            format!("{} is for: {}", self.title, ended(&self.purpose)),
            format!("Its ethics reference is: {}", ended(&self.ethics)),
            format!("Its cell reads {} from {from} until {until}, {spans}.", streams.join(", ")),
            format!("Of your data it computes {}.", self.numbers_in_words()),
            format!(
                "Numbers beyond their bounds are cut, and all of them together count for at most {}.",
                self.l1
            ),
            format!(
                "Totals over at least {} people leave this host, with noise: each is within {} of the sum in {} of 100 \
                 cases. Your numbers leave it in no other way, and are kept nowhere.",
                self.smallest_group,
                error_bar(self.scale()),
                CONFIDENCE_PERCENT
            ),
            format!("Each total costs {cost} of your privacy budget: {most} in all."),
            format!(
                "It ends at {until}; the last total may be taken until {} days later. You may leave at any time.",
                COLLECT_S / 86_400
            ),
        ]
    }

    fn numbers_in_words(&self) -> String {
        let all = self.numbers();
        let named = all.iter().take(NAMED_MAX);
        let named: Vec<_> =
            named.map(|number| format!("{} ({} to {})", number.name, number.lo, number.hi)).collect();
        let count = if all.len() == 1 { "1 number".to_owned() } else { format!("{} numbers", all.len()) };
        match all.len().saturating_sub(NAMED_MAX) {
            0 => format!("{count}: {}", named.join(", ")),
            more => format!("{count}: {}, and {more} more", named.join(", ")),
        }
    }
}

/// Millionths of ε in words, such as `ε 0.25`.
pub fn in_epsilon(micro: u64) -> String {
    let (whole, part) = (micro / 1_000_000, micro % 1_000_000);
    if part == 0 {
        return format!("ε {whole}");
    }
    let part = format!("{part:06}");
    format!("ε {whole}.{}", part.trim_end_matches('0'))
}

fn moment(moment_s: i64) -> String {
    let text = Timestamp::from_second(moment_s).map_or_else(|_| String::new(), |at| at.to_string());
    match text.strip_suffix("T00:00:00Z") {
        Some(day) => day.to_owned(),
        None => text,
    }
}

fn ended(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}
