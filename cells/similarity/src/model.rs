//! The model of one person's trips, and the document that stores it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::binning::bins;
use crate::predictions::{LabelMap, shares};
use crate::{Ends, Given};

/// The document that keeps a person's model.
pub const MODEL_DOCUMENT: &str = "model/trip";
/// The version of the document's form.
const VERSION: u32 = 1;

/// Why a document is no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadModel {
    /// Not JSON, or not of this form.
    #[error("the model cannot be read")]
    Json(#[source] serde_json::Error),
    /// Made by another version.
    #[error("the model has form {found}, not form {VERSION}")]
    Version {
        /// The version in the document.
        found: u32,
    },
    /// A bin without trips, or a share with missing labels.
    #[error("bin {index} of the model is invalid")]
    Bin {
        /// The index of the bin, from 0.
        index: usize,
    },
}

/// Bins in the order in which they are checked; see docs/formats/trip-model.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TripModel {
    version: u32,
    /// How many trips it was built from.
    pub trips: u32,
    /// When the last of these ended, s.
    pub model_ts: f64,
    /// Each set of labels once.
    labels: Vec<LabelMap>,
    /// The first bin that fits a trip is used.
    pub bins: Vec<Bin>,
}

/// Trips between the same two places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many trips.
    pub trips: u32,
    /// The ends of each, without repetitions.
    #[serde(with = "ends_as_arrays")]
    pub ends: Vec<Ends>,
    /// The labels of its trips.
    pub shares: Vec<Share>,
}

/// A set of labels with its share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(usize, f64)", into = "(usize, f64)")]
pub struct Share {
    labels: usize,
    /// The share among the bin's trips that count, more than 0, at most 1.
    pub p: f64,
}

impl From<(usize, f64)> for Share {
    fn from((labels, p): (usize, f64)) -> Self {
        Self { labels, p }
    }
}

impl From<Share> for (usize, f64) {
    fn from(share: Share) -> Self {
        (share.labels, share.p)
    }
}

impl TripModel {
    /// Builds the model of labelled trips, given in the order of their writing with the ends and the labels of
    /// each; `model_ts`, s, is when the last of them ended.
    pub fn build(trips: &[(Ends, &Given)], model_ts: f64) -> Self {
        let all_ends: Vec<Ends> = trips.iter().map(|(ends, _)| *ends).collect();
        let mut numbers: BTreeMap<LabelMap, usize> = BTreeMap::new();
        let mut number = |map: LabelMap| {
            let next = numbers.len();
            *numbers.entry(map).or_insert(next)
        };
        let bin = |members: Vec<usize>| Bin {
            trips: count(members.len()),
            ends: distinct(members.iter().map(|member| all_ends[*member])),
            shares: shares(members.iter().map(|member| trips[*member].1))
                .into_iter()
                .map(|(map, p)| Share { labels: number(map), p })
                .collect(),
        };
        let bins = bins(&all_ends).into_iter().map(bin).collect();
        let mut labels = vec![LabelMap::new(); numbers.len()];
        for (map, number) in numbers {
            labels[number] = map;
        }
        Self { version: VERSION, trips: count(trips.len()), model_ts, labels, bins }
    }

    /// The bin that a trip falls into: the first with **any** member that is similar to it.
    pub fn bin_of(&self, trip: &Ends) -> Option<&Bin> {
        self.bins.iter().find(|bin| bin.ends.iter().any(|member| trip.similar(member)))
    }

    /// The labels of a share of one of this model's bins.
    pub fn labels(&self, share: &Share) -> &LabelMap {
        &self.labels[share.labels]
    }

    /// Reads the document; anything invalid refuses it whole.
    pub fn parse(document: &[u8]) -> Result<Self, BadModel> {
        let model: Self = serde_json::from_slice(document).map_err(BadModel::Json)?;
        if model.version != VERSION {
            return Err(BadModel::Version { found: model.version });
        }
        let sound =
            |bin: &Bin| bin.trips > 0 && bin.shares.iter().all(|share| share.labels < model.labels.len());
        match model.bins.iter().position(|bin| !sound(bin)) {
            Some(index) => Err(BadModel::Bin { index }),
            None => Ok(model),
        }
    }

    /// The document.
    pub fn to_document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("the types hold only what JSON can represent")
    }
}

fn count(trips: usize) -> u32 {
    u32::try_from(trips).expect("a person has under 4 billion trips")
}

fn distinct(ends: impl Iterator<Item = Ends>) -> Vec<Ends> {
    let mut distinct = Vec::new();
    for ends in ends {
        if !distinct.contains(&ends) {
            distinct.push(ends);
        }
    }
    distinct
}

mod ends_as_arrays {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::Ends;

    pub(super) fn serialize<S: Serializer>(ends: &[Ends], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ends.iter().map(Ends::to_array))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ends>, D::Error> {
        let arrays = Vec::<[f64; 4]>::deserialize(deserializer)?;
        Ok(arrays.into_iter().map(Ends::from_array).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;
    use proptest::prelude::*;

    fn mode(label: &str) -> Given {
        Given::Labels(Labels(vec![("mode_confirm".to_owned(), Some(label.to_owned()))]))
    }

    fn trip(north_m: f64) -> Ends {
        Ends::from_array([8.0, 47.0 + north_m / 111_195.0, 8.1, 47.1])
    }

    fn model(trips: &[(f64, &str)]) -> TripModel {
        let given: Vec<Given> = trips.iter().map(|(_, label)| mode(label)).collect();
        let trips: Vec<_> =
            trips.iter().zip(&given).map(|((north_m, _), given)| (trip(*north_m), given)).collect();
        TripModel::build(&trips, 7.5)
    }

    // Row: "A trip joins a bin only if like all its members"
    #[test]
    fn a_trip_falls_into_the_first_bin_with_any_trip_like_it() {
        let model = model(&[(0.0, "bike"), (400.0, "bike"), (900.0, "walk")]);
        let bin = |north_m| model.bin_of(&trip(north_m)).map(|bin| bin.trips);
        assert_eq!((bin(-450.0), bin(850.0), bin(901.0)), (Some(2), Some(2), Some(1)));
        assert_eq!((bin(-600.0), bin(1_500.0)), (None, None));
    }

    #[test]
    fn a_bin_gives_the_labels_of_its_trips() {
        let model = model(&[(0.0, "bike"), (0.0, "walk"), (10.0, "bike"), (20.0, "bike")]);
        let bin = model.bin_of(&trip(5.0)).unwrap();
        let called: Vec<_> =
            bin.shares.iter().map(|share| (model.labels(share)["mode_confirm"].as_str(), share.p)).collect();
        assert_eq!(called, [("bike", 0.75), ("walk", 0.25)]);
        assert_eq!((bin.trips, bin.ends.len()), (4, 3), "the second trip has the ends of the first");
    }

    #[test]
    fn an_invalid_model_is_refused() {
        let text = String::from_utf8(model(&[(0.0, "bike")]).to_document()).unwrap();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{text}");
            TripModel::parse(text.replace(from, to).as_bytes()).unwrap_err()
        };
        assert!(matches!(refused(r#""version":1"#, r#""version":2"#), BadModel::Version { found: 2 }));
        assert!(matches!(refused("[0,1.0]", "[1,1.0]"), BadModel::Bin { index: 0 }));
        assert!(matches!(refused(r#"[{"trips":1"#, r#"[{"trips":0"#), BadModel::Bin { index: 0 }));
        assert!(matches!(refused("47.0,", "null,"), BadModel::Json(_)));
    }

    proptest! {
        #[test]
        fn a_model_can_be_written_and_read_back(
            trips in prop::collection::vec((0.0..3_000.0_f64, "[a-cü\"\\\\]{1,3}"), 0..30),
        ) {
            let trips: Vec<_> = trips.iter().map(|(north_m, label)| (*north_m, label.as_str())).collect();
            let model = model(&trips);
            prop_assert_eq!(TripModel::parse(&model.to_document()).unwrap(), model);
        }

        #[test]
        fn the_reader_never_panics_whatever_the_document(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = TripModel::parse(&bytes);
        }
    }
}
