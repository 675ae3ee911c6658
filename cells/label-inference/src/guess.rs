//! The model's guess for one trip.

use cells_sdk::model::inference::LabelSet;
use cells_similarity::{Ends, TripModel, confidence};

/// The sets of labels that the trip may have, with probabilities: the shares of its bin, discounted for the small
/// number of its trips. Empty without a model or a bin.
pub fn labels(model: Option<&TripModel>, trip: &Ends) -> Vec<LabelSet> {
    let Some((model, bin)) = model.and_then(|model| Some((model, model.bin_of(trip)?))) else {
        return Vec::new();
    };
    let coefficient = confidence::coefficient(bin.trips);
    let set = |share| LabelSet {
        labels: model
            .labels(share)
            .iter()
            .map(|(kind, label)| (kind.clone(), label.as_str().into()))
            .collect(),
        p: share.p * coefficient,
    };
    bin.shares.iter().map(set).collect()
}
