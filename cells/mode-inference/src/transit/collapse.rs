//! Reduces all kinds of transport that the two ends of a section have in common to one mode.

use cells_sdk::model::inference::PredictedMode;

/// Kinds of routes that count as trains.
const TRAINS: [&str; 7] = ["funicular", "miniature", "rail", "railway", "monorail", "aerialway", "tracks"];
/// The modes that may be combined.
const SUPPORTED: [&str; 5] = ["BUS", "TRAIN", "LIGHT_RAIL", "SUBWAY", "TRAM"];
/// A bus in town is no faster than a bicycle for half of the time, m/s.
const BUS_M_S_MAX: f64 = 8.5;

/// The ends have a kind of route in common for which there is no mode, such as a ferry's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kind of route {0:?} has no mode")]
pub struct Unsupported(pub String);

/// The mode of those kinds of transport; none for no kinds. Between a bus and something on rails the median speed
/// decides, which is computed only then: m/s, NaN where there is none.
pub fn collapse(
    kinds: &[&str],
    median_speed: impl FnOnce() -> f64,
) -> Result<Option<PredictedMode>, Unsupported> {
    let names: Vec<String> = kinds.iter().map(|kind| name_of(kind)).collect();
    let Some(first) = names.first() else { return Ok(None) };
    if names.iter().all(|name| name == first) {
        return mode_of(first).map(Some);
    }
    if let Some(odd) = names.iter().find(|name| !SUPPORTED.contains(&name.as_str())) {
        return Err(Unsupported(odd.clone()));
    }
    let speed = median_speed();
    if speed.is_nan() || speed <= BUS_M_S_MAX {
        return Ok(Some(PredictedMode::Bus));
    }
    mode_of(fast(&names)).map(Some)
}

/// Quirk: only the first bus is left out, so after two buses a bus may still be the first.
fn fast(names: &[String]) -> &str {
    let bus = names.iter().position(|name| name == "BUS");
    if bus == Some(0) { &names[1] } else { &names[0] }
}

/// A kind of route as a mode's name; routes out of service count as if they were in service.
fn name_of(kind: &str) -> String {
    let kind = kind.replace(":suspended", "").replace(":SUSPENDED", "");
    if TRAINS.contains(&kind.as_str()) { "TRAIN".to_owned() } else { kind.to_uppercase() }
}

fn mode_of(name: &str) -> Result<PredictedMode, Unsupported> {
    PredictedMode::from_name(name).ok_or_else(|| Unsupported(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLOW: f64 = 8.5;
    const FAST: f64 = 8.6;

    fn mode(kinds: &[&str], speed: f64) -> Option<PredictedMode> {
        collapse(kinds, || speed).unwrap()
    }

    #[test]
    fn a_single_kind_of_route_gives_its_mode_at_any_speed() {
        assert_eq!(mode(&[], SLOW), None);
        assert_eq!(mode(&["bus"], FAST), Some(PredictedMode::Bus));
        assert_eq!(mode(&["tram", "tram"], SLOW), Some(PredictedMode::Tram));
        assert_eq!(mode(&["monorail", "rail", "train"], SLOW), Some(PredictedMode::Train));
        assert_eq!(mode(&["light_rail:suspended"], SLOW), Some(PredictedMode::LightRail));
    }

    #[test]
    fn between_bus_and_rails_the_speed_decides() {
        assert_eq!(mode(&["subway", "bus"], SLOW), Some(PredictedMode::Bus));
        assert_eq!(mode(&["bus", "subway", "tram"], FAST), Some(PredictedMode::Subway));
        assert_eq!(mode(&["tram", "bus", "subway"], FAST), Some(PredictedMode::Tram));
        assert_eq!(mode(&["tram", "subway"], f64::NAN), Some(PredictedMode::Bus));
    }

    // Row: "Names in `route_ref` are not trimmed"
    #[test]
    fn only_the_first_bus_is_left_out_of_a_fast_section() {
        assert_eq!(mode(&["bus", "bus", "subway"], FAST), Some(PredictedMode::Bus));
    }

    #[test]
    fn a_kind_of_route_without_a_mode_is_named() {
        assert_eq!(collapse(&["ferry"], || SLOW), Err(Unsupported("FERRY".to_owned())));
        assert_eq!(collapse(&["bus", "ferry"], || SLOW), Err(Unsupported("FERRY".to_owned())));
    }

    proptest! {
        #[test]
        fn collapse_never_panics_whatever_the_kinds(kinds in prop::collection::vec("(bus|tram|rail|[a-zü:]{0,4})", 0..6), speed: f64) {
            let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
            let _ = collapse(&kinds, || speed);
        }
    }
}
