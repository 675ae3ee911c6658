//! Compares two ways of doing the same, in turns: machines are shared, so only ratios taken in one run mean something.

use std::time::{Duration, Instant};

/// The results of several rounds of one comparison.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Comparison {
    /// What is measured.
    pub what: String,
    /// What it is compared with.
    pub against: String,
    /// The median of the measured side, in `unit`.
    pub ours: f64,
    /// The median of the other side, in `unit`.
    pub other: f64,
    /// Whether the other side's figure was recorded on another machine: the ratio then does not come from a single run,
    /// and is valid only as far as the two machines are equally fast.
    pub other_recorded: bool,
    /// The unit, such as `us`.
    pub unit: &'static str,
    /// Median of the rounds' ratios, the measured side to the other.
    pub ratio: f64,
    /// Lower end of the middle half of the rounds' ratios, which is the noise of the machine.
    pub ratio_p25: f64,
    /// Upper end of that half; see [`Self::ratio_p25`].
    pub ratio_p75: f64,
    /// The target, in words.
    pub target: String,
    /// Whether the target is met.
    pub met: bool,
}

/// The value at that share of the sorted values.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    // Rounded: with few rounds, a neighbour's value is as good as a mean of two.
    let index = (share * last as f64).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// Measures how long the work takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = std::hint::black_box(work());
    (started.elapsed(), result)
}

/// Runs both in turns, `rounds` times after one round that does not count, and compares the figures that they report.
pub fn compare(
    rounds: usize,
    unit: &'static str,
    mut ours: impl FnMut() -> f64,
    mut other: impl FnMut() -> f64,
) -> Comparison {
    ours();
    other();
    let (mine, theirs) = (0..rounds).map(|_| (ours(), other())).unzip();
    Comparison::of_rounds(unit, mine, theirs)
}

impl Comparison {
    /// The figures of both sides, round by round.
    #[must_use]
    pub fn of_rounds(unit: &'static str, mut mine: Vec<f64>, mut theirs: Vec<f64>) -> Self {
        let mut ratios: Vec<f64> = mine.iter().zip(&theirs).map(|(a, b)| a / b).collect();
        Self {
            what: String::new(),
            against: String::new(),
            ours: quantile(&mut mine, 0.5),
            other: quantile(&mut theirs, 0.5),
            other_recorded: false,
            unit,
            ratio: quantile(&mut ratios, 0.5),
            ratio_p25: quantile(&mut ratios, 0.25),
            ratio_p75: quantile(&mut ratios, 0.75),
            target: String::new(),
            met: false,
        }
    }

    /// Sets the names of both sides.
    #[must_use]
    pub fn named(self, what: &str, against: &str) -> Self {
        Self { what: what.to_owned(), against: against.to_owned(), ..self }
    }

    /// The ratio must not be above this.
    #[must_use]
    pub fn at_most(self, ratio: f64) -> Self {
        Self { target: format!("≤ {ratio}×"), met: self.ratio <= ratio, ..self }
    }

    /// The ratio must not be below this.
    #[must_use]
    pub fn at_least(self, ratio: f64) -> Self {
        Self { target: format!("≥ {ratio}×"), met: self.ratio >= ratio, ..self }
    }

    /// Sets a target other than a limit on the ratio alone.
    #[must_use]
    pub fn held_against(self, target: &str, met: bool) -> Self {
        Self { target: target.to_owned(), met, ..self }
    }

    /// A single figure without a counterpart.
    #[must_use]
    pub fn figure(what: &str, value: f64, unit: &'static str, target: &str, met: bool) -> Self {
        Self {
            what: what.to_owned(),
            against: String::new(),
            ours: value,
            other: f64::NAN,
            other_recorded: false,
            unit,
            ratio: f64::NAN,
            ratio_p25: f64::NAN,
            ratio_p75: f64::NAN,
            target: target.to_owned(),
            met,
        }
    }
}
