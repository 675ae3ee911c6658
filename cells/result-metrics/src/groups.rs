//! What trips are grouped by.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The members of a confirmed trip that count here.
#[derive(Debug, Deserialize)]
pub(crate) struct Trip {
    pub(crate) start_fmt_time: String,
    pub(crate) distance: f64,
    pub(crate) duration: f64,
    #[serde(default)]
    user_input: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    ble_sensed_summary: Option<Distances>,
    #[serde(default)]
    cleaned_section_summary: Option<Distances>,
}

#[derive(Debug, Deserialize)]
struct Distances {
    /// m, by mode
    distance: BTreeMap<String, f64>,
}

impl Distances {
    /// The mode over most of the way; `None` where nothing was travelled.
    fn longest(&self) -> Option<&str> {
        let mut best: Option<(&str, f64)> = None;
        for (mode, m) in &self.distance {
            if *m > best.map_or(0.0, |(_, most)| most) {
                best = Some((mode, *m));
            }
        }
        best.map(|(mode, _)| mode)
    }
}

/// One way to group trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// By the person's label of that kind: `mode`, `purpose` or `replaced_mode`.
    Label(&'static str),
    /// By the vehicle whose beacon was near over most of the way.
    Beacon,
    /// By the label, else the beacon, else the mode that was sensed over most of the way.
    Mode,
}

impl Group {
    /// The group of that name; `None` for any other.
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "mode_confirm" => Some(Self::Label("mode")),
            "purpose_confirm" => Some(Self::Label("purpose")),
            "replaced_mode_confirm" => Some(Self::Label("replaced_mode")),
            "primary_ble_sensed_mode" => Some(Self::Beacon),
            "mode" => Some(Self::Mode),
            _ => None,
        }
    }

    /// The member of the answer for a trip, and whether it says anything of the trip.
    pub(crate) fn of(self, trip: &Trip) -> (String, bool) {
        match self {
            Self::Label(kind) => {
                let label = label(trip, kind);
                (format!("{kind}_confirm_{}", label.unwrap_or("UNLABELED")), label.is_some())
            }
            Self::Beacon => {
                let mode = beacon(trip);
                (format!("primary_ble_sensed_mode_{}", mode.unwrap_or("UNKNOWN")), mode.is_some_and(is_known))
            }
            Self::Mode => {
                let sensed = || trip.cleaned_section_summary.as_ref()?.longest();
                let mode = label(trip, "mode").or_else(|| beacon(trip)).or_else(sensed);
                (format!("mode_{}", mode.unwrap_or("UNKNOWN")), mode.is_some_and(is_known))
            }
        }
    }
}

fn is_known(mode: &str) -> bool {
    mode != "UNKNOWN"
}

fn beacon(trip: &Trip) -> Option<&str> {
    trip.ble_sensed_summary.as_ref()?.longest()
}

/// The person's label. That of the replaced mode stands under its key without `_confirm`, which the reference misses.
fn label<'t>(trip: &'t Trip, kind: &str) -> Option<&'t str> {
    let input = trip.user_input.as_ref()?;
    let label = input.get(&format!("{kind}_confirm")).or_else(|| input.get(kind))?;
    label.as_str().filter(|label| !label.is_empty())
}
