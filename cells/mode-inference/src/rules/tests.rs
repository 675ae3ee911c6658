use std::rc::Rc;

use cells_geometry::Position;
use proptest::prelude::*;

use super::*;
use crate::transit::{NoStops, Route, Stop};

const START: Position = Position { latitude: 47.0, longitude: 8.0 };
const END: Position = Position { latitude: 47.1, longitude: 8.1 };

/// 600 s with those speeds, over 3 km.
fn section(sensed: MotionType, speeds: &[f64]) -> Section {
    Section {
        sensed: Some(sensed),
        speeds: Some(speeds.to_vec()),
        distance_m: Some(3_000.0),
        duration_s: Some(600.0),
        start: START,
        end: END,
    }
}

fn mode(section: &Section) -> PredictedMode {
    predict(section, &mut NoStops).unwrap()
}

/// Stops of those kinds of routes at both ends.
fn stops_of(kinds: &[&str]) -> Vec<Rc<Stop>> {
    let route =
        |kind: &&str| Rc::new(Route { id: (*kind).to_owned(), kind: (*kind).to_owned(), network: None });
    let routes: Vec<_> = kinds.iter().map(route).collect();
    let stop = |place| {
        Rc::new(Stop { place, bus_stop: false, rail: Vec::new(), route_ref: None, routes: routes.clone() })
    };
    vec![stop(START), stop(END)]
}

#[test]
fn without_an_engine_the_median_speed_distinguishes_walking_from_cycling() {
    for sensed in [MotionType::OnFoot, MotionType::Walking, MotionType::Running, MotionType::Bicycling] {
        assert_eq!(mode(&section(sensed, &[0.0, 1.7, 1.7])), PredictedMode::Walking);
        assert_eq!(mode(&section(sensed, &[0.0, 1.71, 1.71])), PredictedMode::Bicycling);
        assert_eq!(mode(&section(sensed, &[])), PredictedMode::Walking, "no speed is no fast one");
    }
}

// Row: "Asks a server on the network"
#[test]
fn a_motorised_section_is_a_car_if_no_stops_are_known() {
    assert_eq!(mode(&section(MotionType::InVehicle, &[0.0, 1.0])), PredictedMode::Car);
}

#[test]
fn a_sensed_flight_stays_a_flight() {
    assert_eq!(mode(&section(MotionType::AirOrHsr, &[])), PredictedMode::AirOrHsr);
}

#[test]
fn a_section_without_a_sensed_mode_is_walking_if_either_speed_is_slow() {
    let unknown = |speeds: &[f64]| section(MotionType::Unknown, speeds);
    assert_eq!(mode(&unknown(&[0.0, 1.0, 9.0])), PredictedMode::Walking);
    assert_eq!(mode(&unknown(&[5.0, 6.0])), PredictedMode::Unknown);
    let slow = Section { distance_m: Some(1_020.0), ..unknown(&[5.0, 6.0]) };
    assert_eq!(mode(&slow), PredictedMode::Walking, "1.7 m/s over all");
    assert_eq!(mode(&unknown(&[])), PredictedMode::Unknown, "5 m/s over all");
}

#[test]
fn a_section_between_two_stops_of_a_route_is_transit() {
    let vehicle = section(MotionType::InVehicle, &[0.0, 10.0, 10.0]);
    let unknown = section(MotionType::Unknown, &[0.0, 10.0, 10.0]);
    for section in [vehicle, unknown] {
        assert_eq!(predict(&section, &mut stops_of(&["subway"])).unwrap(), PredictedMode::Subway);
        assert_eq!(predict(&section, &mut stops_of(&["bus", "tram"])).unwrap(), PredictedMode::Tram);
    }
    let slow = section(MotionType::InVehicle, &[0.0, 8.0, 8.0]);
    assert_eq!(predict(&slow, &mut stops_of(&["bus", "tram"])).unwrap(), PredictedMode::Bus);
    let cycling = section(MotionType::Bicycling, &[0.0, 10.0, 10.0]);
    assert_eq!(predict(&cycling, &mut stops_of(&["bus"])).unwrap(), PredictedMode::Bicycling);
}

// Row: "Names in `route_ref` are not trimmed"
#[test]
fn a_stop_further_than_150_m_to_the_north_does_not_count() {
    let moved = |north_m: f64| Section {
        start: Position { latitude: START.latitude + north_m / 111_132.95, ..START },
        ..section(MotionType::InVehicle, &[10.0])
    };
    assert_eq!(predict(&moved(149.0), &mut stops_of(&["bus"])).unwrap(), PredictedMode::Bus);
    assert_eq!(predict(&moved(151.0), &mut stops_of(&["bus"])).unwrap(), PredictedMode::Car);
}

// Row: "Names in `route_ref` are not trimmed"
#[test]
fn degrees_of_longitude_count_like_degrees_of_latitude() {
    // At 47 degrees north, 0.00134 degrees of longitude are 102 m.
    let moved = |east_deg: f64| Section {
        start: Position { longitude: START.longitude + east_deg, ..START },
        ..section(MotionType::InVehicle, &[10.0])
    };
    assert_eq!(predict(&moved(149.0 / 111_132.95), &mut stops_of(&["bus"])).unwrap(), PredictedMode::Bus);
    assert_eq!(predict(&moved(151.0 / 111_132.95), &mut stops_of(&["bus"])).unwrap(), PredictedMode::Car);
}

// Row: "A single kind of route that no mode stands for"
#[test]
fn an_unknown_mode_comes_with_a_reason() {
    let vehicle = section(MotionType::InVehicle, &[10.0]);
    let odd = Section { sensed: None, ..vehicle.clone() };
    assert!(matches!(predict(&odd, &mut NoStops), Err(Unpredictable::Sensed)));
    let still = Section { duration_s: Some(0.0), ..section(MotionType::Unknown, &[5.0]) };
    assert!(matches!(predict(&still, &mut NoStops), Err(Unpredictable::NoOverallSpeed)));
    let bare = Section { speeds: None, ..section(MotionType::OnFoot, &[]) };
    assert!(matches!(predict(&bare, &mut NoStops), Err(Unpredictable::NoSpeeds)));
    assert!(matches!(predict(&vehicle, &mut stops_of(&["ferry"])), Err(Unpredictable::Unsupported(_))));
}

proptest! {
    #[test]
    fn every_section_has_a_mode_or_a_reason(
        sensed in prop::option::of(prop::sample::select(MotionType::ALL.to_vec())),
        speeds in prop::option::of(prop::collection::vec(any::<f64>(), 0..5)),
        distance_m: Option<f64>, duration_s: Option<f64>, latitude: f64, longitude: f64,
        kinds in prop::collection::vec("(bus|tram|rail|ferry)", 0..3),
    ) {
        let start = Position { latitude, longitude };
        let section = Section { sensed, speeds, distance_m, duration_s, start, end: END };
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let _ = predict(&section, &mut stops_of(&kinds));
    }
}
