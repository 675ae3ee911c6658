//! The predictions from the labels of a bin's trips: each set of labels that was given, with its share.

use std::collections::BTreeMap;

use crate::{Given, Labels};

/// Labels by kind.
pub type LabelMap = BTreeMap<String, String>;

const MODE: &str = "mode_confirm";
const REPLACED_MODE: &str = "replaced_mode";
/// As a replaced mode: the mode itself.
const SAME_MODE: &str = "same_mode";

/// The sets of labels of a bin's trips with their shares, which add up to 1; none where no set is whole.
///
/// A trip counts if it has a label of every kind that any of the bin's trips has; forms never count. Sets are in
/// the order of their labels, kind by kind, in the order in which the kinds appear first.
pub fn shares<'g>(trips: impl Iterator<Item = &'g Given> + Clone) -> Vec<(LabelMap, f64)> {
    let labels = trips.filter_map(|given| match given {
        Given::Labels(labels) => Some(labels),
        Given::Nothing | Given::Form => None,
    });
    let kinds = kinds(labels.clone());
    let mut whole: Vec<Vec<&str>> = labels.filter_map(|labels| whole(labels, &kinds)).collect();
    whole.sort_unstable();
    let total = whole.len() as f64;
    let share = |alike: &[Vec<&str>]| {
        let labels =
            kinds.iter().map(|kind| (*kind).to_owned()).zip(alike[0].iter().map(|label| (*label).to_owned()));
        (labels.collect(), alike.len() as f64 / total)
    };
    whole.chunk_by(|a, b| a == b).map(share).collect()
}

/// Every kind, in the order in which they appear.
fn kinds<'g>(trips: impl Iterator<Item = &'g Labels>) -> Vec<&'g str> {
    let mut kinds: Vec<&str> = Vec::new();
    for (kind, _) in trips.flat_map(|labels| &labels.0) {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The labels of all kinds, in their order; `None` where one is missing.
fn whole<'g>(labels: &'g Labels, kinds: &[&str]) -> Option<Vec<&'g str>> {
    let label = |kind: &str| match (kind, synonym(labels.get(kind)?)) {
        (REPLACED_MODE, SAME_MODE) => labels.get(MODE).map(synonym),
        (_, label) => Some(label),
    };
    kinds.iter().map(|kind| label(kind)).collect()
}

/// A label by its usual name: Spanish ones in English first, then purposes that mean the same.
fn synonym(label: &str) -> &str {
    let english = match label {
        "revisado_bike" => "test ride with bike",
        "placas_de carro" => "car plates",
        "aseguranza" => "insurance",
        "iglesia" => "church",
        "curso" => "course",
        "mi_hija recién aliviada" => "my daughter just had a new baby",
        "servicio_comunitario" => "community service",
        "pago_de aseguranza" => "insurance payment",
        "grupo_comunitario" => "community group",
        "caminata_comunitaria" => "community walk",
        other => other,
    };
    match english {
        "course" => "school",
        "work_- lunch break" => "lunch_break",
        "on_the way home" => "home",
        "insurance_payment" => "insurance",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn given(labels: &[(&str, &str)]) -> Given {
        let label = |(kind, label): &(&str, &str)| ((*kind).to_owned(), Some((*label).to_owned()));
        if labels.is_empty() {
            Given::Nothing
        } else {
            Given::Labels(Labels(labels.iter().map(label).collect()))
        }
    }

    fn shares_of(trips: &[Given]) -> Vec<(Vec<String>, f64)> {
        shares(trips.iter()).into_iter().map(|(labels, p)| (labels.into_values().collect(), p)).collect()
    }

    fn set(labels: &[&str], p: f64) -> (Vec<String>, f64) {
        (labels.iter().map(|label| (*label).to_owned()).collect(), p)
    }

    #[test]
    fn each_set_of_labels_has_its_share_in_the_order_of_the_labels() {
        let bike = given(&[("mode_confirm", "bike"), ("purpose_confirm", "work")]);
        let walk = given(&[("mode_confirm", "walk"), ("purpose_confirm", "work")]);
        let trips = [walk.clone(), bike.clone(), bike.clone(), walk, bike];
        assert_eq!(shares_of(&trips), [set(&["bike", "work"], 0.6), set(&["walk", "work"], 0.4)]);
    }

    #[test]
    fn the_kind_that_appears_first_orders_first() {
        let trips = [
            given(&[("purpose_confirm", "work"), ("mode_confirm", "bike")]),
            given(&[("mode_confirm", "walk"), ("purpose_confirm", "home")]),
        ];
        assert_eq!(shares_of(&trips), [set(&["walk", "home"], 0.5), set(&["bike", "work"], 0.5)]);
    }

    #[test]
    fn a_trip_that_lacks_a_kind_of_label_does_not_count() {
        let trips = [
            given(&[("mode_confirm", "bike")]),
            given(&[("mode_confirm", "walk"), ("purpose_confirm", "a")]),
        ];
        assert_eq!(shares_of(&trips), [set(&["walk", "a"], 1.0)]);
        let never_both = [given(&[("mode_confirm", "bike")]), given(&[("purpose_confirm", "a")])];
        assert_eq!(shares_of(&never_both), []);
    }

    // Row: "A label that is a number, a truth value or a list"
    #[test]
    fn forms_do_not_count() {
        assert_eq!(shares_of(&[Given::Form, given(&[("mode_confirm", "walk")])]), [set(&["walk"], 1.0)]);
        assert_eq!(shares_of(&[Given::Form]), []);
    }

    // Row: "`same_mode` where no trip of the bin"
    #[test]
    fn the_same_mode_as_replaced_mode_is_the_mode() {
        let trips = [given(&[("replaced_mode", "same_mode"), ("mode_confirm", "bike")])];
        assert_eq!(shares_of(&trips), [set(&["bike", "bike"], 1.0)]);
        assert_eq!(shares_of(&[given(&[("replaced_mode", "same_mode")])]), []);
    }

    #[test]
    fn labels_that_mean_the_same_count_together() {
        let purpose = |label| given(&[("purpose_confirm", label)]);
        let trips = [purpose("curso"), purpose("course"), purpose("school"), purpose("insurance_payment")];
        assert_eq!(shares_of(&trips), [set(&["insurance"], 0.25), set(&["school"], 0.75)]);
    }

    proptest! {
        #[test]
        fn shares_add_up_to_one_and_no_set_comes_twice(
            trips in prop::collection::vec(prop::collection::vec(("[ab]", "[xyz]"), 0..3), 0..12),
        ) {
            let trips: Vec<_> = trips
                .iter()
                .map(|labels| given(&labels.iter().map(|(kind, label)| (kind.as_str(), label.as_str())).collect::<Vec<_>>()))
                .collect();
            let shares = shares(trips.iter());
            let sum: f64 = shares.iter().map(|(_, p)| p).sum();
            prop_assert!(shares.is_empty() || (sum - 1.0).abs() < 1e-9);
            let distinct: std::collections::BTreeSet<_> = shares.iter().map(|(labels, _)| labels).collect();
            prop_assert_eq!(distinct.len(), shares.len());
        }
    }
}
