use super::*;
use proptest::prelude::*;

const ALL: [&str; 5] = LABEL_KINDS;

fn intensive() -> &'static CollectionMode {
    &MODES[0]
}

fn relaxed() -> &'static CollectionMode {
    &MODES[1]
}

fn prediction<'a>(p: f64, kinds: &[&'a str]) -> Prediction<'a> {
    Prediction { p, kinds: kinds.to_vec() }
}

fn is_intensive(ts: f64, zone: &str) -> bool {
    let zone = Zone::find(zone).unwrap();
    mode_at(ts, || &zone) == intensive()
}

#[test]
fn a_trip_without_prediction_is_to_be_labelled_in_both_modes() {
    assert_eq!(expectation(relaxed(), &[]), Expected { to_label: true, confidence_threshold: 0.55 });
    assert_eq!(expectation(intensive(), &[]), Expected { to_label: true, confidence_threshold: 0.65 });
}

#[test]
fn a_confident_prediction_of_every_kind_need_not_be_labelled_in_the_relaxed_mode() {
    let to_label = |mode, p| expectation(mode, &[prediction(p, &ALL)]).to_label;
    assert!(!to_label(relaxed(), 0.96), "only the rule at 1 holds");
    assert!(to_label(relaxed(), 0.95), "a trigger holds up to its own value");
    assert!(to_label(relaxed(), 0.55), "no surer than the threshold counts as no prediction");
    assert!(to_label(intensive(), 0.99));
}

// Row: "Kinds never predicted count among the labels"
#[test]
fn a_kind_that_the_prediction_lacks_is_asked_for() {
    let lacking = prediction(0.99, &["mode_confirm", "purpose_confirm", "replaced_mode"]);
    assert!(expectation(relaxed(), &[lacking]).to_label);
}

#[test]
fn the_most_probable_prediction_decides() {
    let predictions = [prediction(0.2, &[]), prediction(0.97, &ALL), prediction(0.97, &[])];
    assert!(!expectation(relaxed(), &predictions).to_label);
}

#[test]
fn the_intensive_mode_lasts_seven_days_from_the_evening_of_each_first() {
    let new_york = "America/New_York";
    // 2021-06-01T20:00 in New York is midnight UTC.
    let begin = 1_622_592_000.0;
    assert!(!is_intensive(begin - 0.001, new_york));
    assert!(is_intensive(begin, new_york));
    assert!(is_intensive(begin + 7.0 * 86_400.0 - 0.001, new_york));
    assert!(!is_intensive(begin + 7.0 * 86_400.0, new_york));
    // 2022-03-01T20:00-05:00, of which summer time takes no hour, and 2022-01-01T00:30-05:00.
    assert!(is_intensive(1_646_182_800.0, new_york));
    assert!(!is_intensive(1_646_182_799.0, new_york));
    assert!(!is_intensive(1_641_015_000.0, new_york));
}

#[test]
fn before_the_first_schedule_the_mode_is_relaxed() {
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"] {
        assert!(!is_intensive(1_619_913_600.0 + 86_400.0, zone), "2 and 3 May 2021 in {zone}");
    }
    assert_eq!(mode_at(1_466_436_427.0, || unreachable!("no zone is needed")), relaxed());
}

#[test]
fn a_week_by_the_clock_on_the_wall_may_have_an_hour_more() {
    // In Santiago 2024-04-07 has 25 hours, so the week from 2024-04-01T20:00-03:00 on has an hour more.
    let begin = 1_712_012_400.0;
    assert!(is_intensive(begin, "America/Santiago"));
    assert!(is_intensive(begin + 7.0 * 86_400.0 + 3_599.0, "America/Santiago"));
    assert!(!is_intensive(begin + 7.0 * 86_400.0 + 3_600.0, "America/Santiago"));
}

// Row: "An unknown zone, or a trip that matches no rule"
#[test]
fn a_trip_with_an_invalid_probability_is_to_be_labelled() {
    assert!(expectation(relaxed(), &[prediction(1.5, &ALL)]).to_label);
}

proptest! {
    #[test]
    fn every_moment_has_a_mode_and_every_trip_an_expectation(
        ts: f64, p in prop::collection::vec((any::<f64>(), 0..6_usize), 0..4),
    ) {
        let zone = Zone::find("Asia/Kathmandu").unwrap();
        let predictions: Vec<_> = p.iter().map(|(p, kinds)| prediction(*p, &ALL[..(*kinds).min(5)])).collect();
        let mode = mode_at(ts, || &zone);
        prop_assert_eq!(expectation(mode, &predictions).confidence_threshold, mode.confidence_threshold);
    }
}
