//! The numbers of a contribution: for which epochs they are asked, and what is wrong with them.

use std::sync::OnceLock;

use runtime_user::study::{Bounded, EpochLength, Study};
use serde_json::{Map, Value, json};

use crate::people::Day;
use crate::stand::{Kind, Trouble};

const DAY_S: f64 = 86_400.0;
/// The longest month, so that one epoch has all that a month would have, s.
const MONTH_S: f64 = 31.0 * DAY_S;
/// Steps in which two results are compared: entries of one moment are added up in the order of their ids, and the sums
/// of two such orders differ in their last digits.
const STEP: f64 = 1e-6;

/// What the numbers are held against.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// The study, if there is one.
    pub study: Option<Study>,
    /// Whether numbers outside of their bounds are told, and are no failure.
    pub may_clamp: bool,
    /// Without a study: how many numbers the first contribution had.
    length: OnceLock<usize>,
}

impl Bounds {
    /// Those of a study.
    pub fn of(study: Option<Study>, may_clamp: bool) -> Self {
        Self { study, may_clamp, length: OnceLock::new() }
    }

    /// The epochs that cover these days, each as closed bounds, s, and before them one in which nobody has any data.
    /// They are as long as those of the study and begin at a midnight in UTC; without a study there is one over all days.
    pub fn epochs(&self, days: &[Day]) -> Vec<(f64, f64)> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
        let begin = (first.from / DAY_S).floor() * DAY_S;
        let whole = ((last.to - begin) / DAY_S).ceil().max(1.0) * DAY_S;
        let length = match self.study.as_ref().map_or(EpochLength::Whole, |study| study.epoch) {
            EpochLength::Day => DAY_S,
            EpochLength::Week => 7.0 * DAY_S,
            EpochLength::Month => MONTH_S,
            EpochLength::Whole => whole,
        };
        let mut from = begin - length;
        let mut epochs = Vec::new();
        while from < begin + whole {
            epochs.push((from, (from + length).next_down()));
            from += length;
        }
        epochs
    }

    /// What is wrong with a contribution.
    pub fn judge(&self, numbers: &[f64]) -> Option<Trouble> {
        let wrong = |kind, words| Some(Trouble { kind, words });
        let Some(study) = &self.study else {
            let length = *self.length.get_or_init(|| numbers.len());
            if numbers.len() != length {
                let words = format!(
                    "it gave {} numbers, and {length} for another epoch or person: a contribution always has as many",
                    numbers.len()
                );
                return wrong(Kind::WrongLength, words);
            }
            let at = numbers.iter().position(|number| !number.is_finite())?;
            return wrong(Kind::OutOfBounds, format!("number {at} is {}, which nothing bounds", numbers[at]));
        };
        match Bounded::of(study, numbers) {
            Err(error) => wrong(Kind::WrongLength, error.to_string()),
            Ok(bounded) if bounded.is_clamped() && !self.may_clamp => {
                wrong(Kind::OutOfBounds, outside(study, numbers))
            }
            Ok(_) => None,
        }
    }

    /// Whether a host would clamp them.
    pub fn are_clamped(&self, numbers: &[f64]) -> bool {
        let bounded = self.study.as_ref().and_then(|study| Bounded::of(study, numbers).ok());
        bounded.is_some_and(|bounded| bounded.is_clamped())
    }

    /// What a number is called.
    pub fn name(&self, index: usize) -> String {
        let named = self.study.as_ref().and_then(|study| study.numbers().get(index));
        named.map_or_else(|| format!("number-{index:04}"), |number| number.name.clone())
    }

    /// A contribution in the form in which two runs that did the same are equal.
    pub fn told(&self, from: f64, numbers: &[f64]) -> Value {
        let rounded = |number: f64| (number / STEP).round() * STEP;
        let members = numbers.iter().enumerate().map(|(at, number)| (self.name(at), rounded(*number).into()));
        json!({ "epoch-from": from, "numbers": members.collect::<Map<_, _>>() })
    }
}

/// Which number is outside of its bounds, or that all are together.
fn outside(study: &Study, numbers: &[f64]) -> String {
    const REMEDY: &str = "a host clamps that, so totals would be too small: widen the bounds of the study, or accept it \
        with `--may-clamp`";
    let mut pairs = study.numbers().iter().zip(numbers);
    let found = pairs.find(|(bound, number)| !(**number >= bound.lo as f64 && **number <= bound.hi as f64));
    match found {
        Some((bound, number)) => {
            format!("{} is {number}, outside of {} to {}; {REMEDY}", bound.name, bound.lo, bound.hi)
        }
        None => {
            let together: f64 = numbers.iter().map(|number| number.round().abs()).sum();
            format!("the numbers count {together} together, more than the {} of `l1`; {REMEDY}", study.l1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-03-04 in a place that is half an hour past five hours east of Greenwich.
    const MIDNIGHT: f64 = 1_709_490_600.0;

    fn study(epoch: &str) -> Study {
        let (from, until) = match epoch {
            "month" => ("2027-01-01", "2027-03-01"),
            _ => ("2027-01-04", "2027-01-18"),
        };
        let text = format!(
            "version = 1\nname = \"abc\"\ntitle = \"t\"\npurpose = \"p\"\nethics = \"e\"\n\
             cell = \"zntsnvirhlbqxq6osekdyyuqt4\"\ndigest = \"{}\"\nstreams = [\"background/location\"]\n\
             from = {from}\nuntil = {until}\nepoch = \"{epoch}\"\nepsilon = 1.0\nl1 = 12\nsmallest-group = 5\n\
             answered = \"one-host\"\n[[numbers]]\nname = \"near\"\nlo = -2\nhi = 10\n[[numbers]]\nname = \"far\"\n\
             lo = 0\nhi = 10\n",
            "00".repeat(32)
        );
        Study::parse(&text).expect("a study")
    }

    fn days(count: u32) -> Vec<Day> {
        let midnight = |day: u32| MIDNIGHT + f64::from(day) * DAY_S;
        (0..count)
            .map(|day| Day { from: midnight(day), to: midnight(day + 1), entries: Vec::new() })
            .collect()
    }

    #[test]
    fn epochs_follow_one_another_cover_every_day_and_begin_with_one_without_data() {
        for (bounds, length_days, count) in [
            (Bounds::default(), 4.0, 2),
            (Bounds::of(Some(study("day")), false), 1.0, 5),
            (Bounds::of(Some(study("week")), false), 7.0, 2),
            (Bounds::of(Some(study("month")), false), 31.0, 2),
            (Bounds::of(Some(study("whole")), false), 4.0, 2),
        ] {
            let (days, epochs) = (days(3), bounds.epochs(&days(3)));
            assert_eq!(epochs.len(), count);
            assert!(epochs.windows(2).all(|two| two[0].1 < two[1].0 && two[0].1.next_up() == two[1].0));
            assert!(epochs.iter().all(|(from, to)| (to.next_up() - from) == length_days * DAY_S));
            assert!(epochs[0].1 < days[0].from && epochs[1].0 <= days[0].from);
            assert!(epochs[count - 1].1 >= days[2].to.next_down(), "{epochs:?}");
        }
        assert!(Bounds::default().epochs(&[]).is_empty());
    }

    #[test]
    fn numbers_outside_of_their_bounds_or_of_another_count_are_told_with_what_they_are() {
        let strict = Bounds::of(Some(study("day")), false);
        assert_eq!(strict.judge(&[-2.0, 10.0]), None);
        for (numbers, kind, words) in [
            (&[1.0][..], Kind::WrongLength, "the cell gave 1 numbers; the study has 2"),
            (&[0.0, 10.5], Kind::OutOfBounds, "far is 10.5, outside of 0 to 10"),
            (&[f64::NEG_INFINITY, 0.0], Kind::OutOfBounds, "near is -inf, outside of -2 to 10"),
            (&[7.0, 6.0], Kind::OutOfBounds, "count 13 together, more than the 12 of `l1`"),
        ] {
            let trouble = strict.judge(numbers).expect("it is wrong");
            assert!(trouble.kind == kind && trouble.words.contains(words), "{trouble:?}");
            let accepted = Bounds::of(Some(study("day")), true).judge(numbers);
            assert_eq!(accepted.is_none(), kind == Kind::OutOfBounds);
            assert_eq!(strict.are_clamped(numbers), kind == Kind::OutOfBounds);
        }
    }

    #[test]
    fn without_a_study_every_contribution_has_as_many_finite_numbers_as_the_first() {
        let bounds = Bounds::default();
        assert_eq!(bounds.judge(&[1e300, -3.0]), None);
        assert!(bounds.judge(&[1.0]).is_some_and(|trouble| trouble.kind == Kind::WrongLength));
        assert!(bounds.judge(&[1.0, f64::INFINITY]).is_some_and(|one| one.kind == Kind::OutOfBounds));
        assert_eq!(bounds.told(5.0, &[0.1 + 0.2, 1.0]), bounds.told(5.0, &[0.3, 1.0]));
        assert_ne!(bounds.told(5.0, &[0.3, 1.0]), bounds.told(5.0, &[0.301, 1.0]));
    }
}
