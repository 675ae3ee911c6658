//! Which collection mode and which rule apply to a trip.

use cells_sdk::model::time::Zone;

use crate::config::{CollectionMode, Expect, LABEL_KINDS, MODES, NO_PREDICTION, Rule};

/// One set of labels that a trip may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction<'a> {
    /// Probability, 0 to 1.
    pub p: f64,
    /// Which kinds of labels it has.
    pub kinds: Vec<&'a str>,
}

/// What is expected of a trip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Whether the person is asked for labels.
    pub to_label: bool,
    /// A prediction must be surer than this to count, 0 to 1.
    pub confidence_threshold: f64,
}

/// The mode in force at `ts`, s, the end of a trip. `zone` is called only where local time is needed.
pub fn mode_at<'z>(ts: f64, zone: impl FnOnce() -> &'z Zone) -> &'static CollectionMode {
    let (last, scheduled) = MODES.split_last().expect("there are modes");
    let in_force = scheduled.iter().filter(|mode| mode.schedule.is_some_and(|it| !it.is_before_all(ts)));
    let mut in_force = in_force.peekable();
    if in_force.peek().is_none() {
        return last;
    }
    let zone = zone();
    in_force.find(|mode| mode.schedule.is_some_and(|it| it.covers(ts, zone))).unwrap_or(last)
}

/// What the mode's rules expect of a trip with those predictions, best or not, in any order.
///
/// Each kind of label has its rule; the one with the smallest trigger decides. A kind that the best prediction
/// lacks, or a best prediction that is not sure enough, is the rule for no prediction.
pub fn expectation(mode: &CollectionMode, predictions: &[Prediction<'_>]) -> Expected {
    let best = best(predictions);
    let rules = LABEL_KINDS.iter().filter_map(|kind| rule_for(mode, best, kind));
    // Only a "probability" over 1 leaves no rule: nothing can be concluded from it, so the owner is asked.
    let to_label = least(rules).is_none_or(|rule| rule.expect != Expect::Nothing);
    Expected { to_label, confidence_threshold: mode.confidence_threshold }
}

/// The most probable one; of equal ones the first.
fn best<'p>(predictions: &'p [Prediction<'p>]) -> Option<&'p Prediction<'p>> {
    predictions.iter().reduce(|best, next| if next.p > best.p { next } else { best })
}

fn rule_for(mode: &CollectionMode, best: Option<&Prediction<'_>>, kind: &str) -> Option<&'static Rule> {
    let sure = best
        .filter(|prediction| prediction.p > mode.confidence_threshold && prediction.kinds.contains(&kind));
    least(mode.rules.iter().filter(|rule| match sure {
        Some(prediction) => prediction.p <= rule.trigger,
        None => rule.trigger == NO_PREDICTION,
    }))
}

/// The rule with the smallest trigger; of equal ones the first.
fn least(rules: impl Iterator<Item = &'static Rule>) -> Option<&'static Rule> {
    rules.reduce(|least, next| if next.trigger < least.trigger { next } else { least })
}

#[cfg(test)]
mod tests;
