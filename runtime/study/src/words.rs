//! A study in words and numbers, for whoever decides about it.

use jiff::Timestamp;

use crate::{Answer, COLLECT_S, CONFIDENCE_PERCENT, Study};

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
            self.leaving_in_words(),
            format!("Each total costs {cost} of your privacy budget: {most} in all."),
            format!(
                "It ends at {until}; the last total may be taken until {} days later. You may leave at any time.",
                COLLECT_S / 86_400
            ),
        ]
    }

    fn leaving_in_words(&self) -> String {
        let (least, bar, percent) = (self.smallest_group, self.error_bar(), CONFIDENCE_PERCENT);
        match self.aggregators() {
            None => format!(
                "Totals over at least {least} people leave this host, with noise: each is within {bar} of the sum in \
                 {percent} of 100 cases. Your numbers leave it in no other way, and are kept nowhere."
            ),
            Some([leader, helper]) => format!(
                "Your numbers leave this host in two shares, one to {} and one to {}. Neither share tells anything alone: \
                 only if both worked together could they learn your numbers. Each adds noise. Totals over at least {least} \
                 people leave them: each is within {bar} of the sum in {percent} of 100 cases. What was sent cannot be \
                 taken back.",
                leader.address, helper.address
            ),
        }
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

/// What an answer tells, below its head: over how many, at which cost, how near to the truth, and a line for each total.
pub fn totals_told(answer: &Answer) -> Vec<String> {
    let over = format!(
        "At least {} people contributed, each at the cost of {}. Each total is within {} of the sum in {} of 100 cases.",
        answer.smallest_group,
        in_epsilon(answer.epsilon_micro),
        answer.error_bar,
        answer.confidence_percent
    );
    let totals = answer.totals.iter().map(|total| format!("{:24} {}", total.name, total.total));
    std::iter::once(over).chain(totals).collect()
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
