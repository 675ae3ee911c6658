use super::*;
use cells_geometry::Position;
use proptest::prelude::*;

const NOWHERE: Position = Position { latitude: 0.0, longitude: 0.0 };

fn stop() -> Stop {
    Stop { place: NOWHERE, bus_stop: false, rail: Vec::new(), route_ref: None, routes: Vec::new() }
}

fn route(id: &str, kind: &str, network: Option<&str>) -> Rc<Route> {
    Rc::new(Route { id: id.to_owned(), kind: kind.to_owned(), network: network.map(str::to_owned) })
}

fn with_routes<const N: usize>(routes: [&Rc<Route>; N]) -> Rc<Stop> {
    Rc::new(Stop { routes: routes.map(Rc::clone).to_vec(), ..stop() })
}

fn with_rail(rail: &[RailMode]) -> Rc<Stop> {
    Rc::new(Stop { rail: rail.to_vec(), ..stop() })
}

fn bus_stop(route_ref: Option<&str>) -> Rc<Stop> {
    Rc::new(Stop { bus_stop: true, route_ref: route_ref.map(str::to_owned), ..stop() })
}

fn modes<'s>(start: &'s [Rc<Stop>], end: &'s [Rc<Stop>]) -> Option<Vec<&'s str>> {
    modes_in_common(start, end, LonelyStops::AsInReference)
}

#[test]
fn without_stops_nothing_is_in_common() {
    assert_eq!(modes(&[], &[]), None);
    assert_eq!(modes(&[with_routes([&route("1", "bus", None)])], &[]), None);
}

#[test]
fn a_route_that_stops_at_both_ends_gives_its_kind() {
    let (bus, tram) = (route("1", "bus", None), route("2", "tram", None));
    let start = [with_routes([&bus]), with_routes([&tram])];
    assert_eq!(modes(&start, &[with_routes([&bus])]), Some(vec!["bus"]));
    assert_eq!(
        modes(&start, &[with_routes([&tram, &bus])]),
        Some(vec!["bus", "tram"]),
        "in the start's order"
    );
}

#[test]
fn two_routes_on_rails_of_one_kind_and_network_connect() {
    let start = [with_routes([&route("1", "subway", Some("city"))])];
    let end = |kind, network| [with_routes([&route("2", kind, network)])];
    assert_eq!(modes(&start, &end("subway", Some("city"))), Some(vec!["subway"]));
    assert_eq!(modes(&start, &end("subway", Some("land"))), None);
    assert_eq!(modes(&start, &end("subway", None)), None);
    assert_eq!(modes(&start, &end("tram", Some("city"))), None);
    let bus = |id| [with_routes([&route(id, "bus", Some("city"))])];
    assert_eq!(modes(&bus("1"), &bus("2")), None, "buses do not");
}

// Row: "Of several rail modes in common"
#[test]
fn rail_routes_that_stop_at_both_ends_are_in_common() {
    let start = [with_rail(&[RailMode::Tram]), with_rail(&[RailMode::Subway, RailMode::Train])];
    let end = [with_rail(&[RailMode::Train, RailMode::Tram])];
    assert_eq!(modes(&start, &end), Some(vec!["TRAIN", "TRAM"]));
    let all = [RailMode::LightRail, RailMode::Tram, RailMode::Train, RailMode::Subway]
        .map(|mode| with_rail(&[mode]));
    assert_eq!(modes(&all, &all), Some(vec!["SUBWAY", "TRAIN", "TRAM", "LIGHT_RAIL"]));
}

// Row: "Different things on rails"
#[test]
fn different_rail_routes_prevent_a_search_for_buses() {
    let bus = bus_stop(Some("7"));
    let start = [with_rail(&[RailMode::Subway]), bus.clone()];
    let end = [with_rail(&[RailMode::Tram]), bus.clone()];
    assert_eq!(modes(&start, &end), Some(Vec::new()));
    assert_eq!(modes(&start, &[bus]), Some(vec!["bus"]), "one end without rails");
}

// Row: "Names in `route_ref` are not trimmed"
#[test]
fn a_bus_route_that_is_named_at_both_ends_is_in_common() {
    let (start, end) = ([bus_stop(Some("31;33"))], [bus_stop(Some("12;33"))]);
    assert_eq!(modes(&start, &end), Some(vec!["bus"]));
    assert_eq!(modes(&[bus_stop(Some("31; 33"))], &end), None, "names are not trimmed");
    let no_bus = [Rc::new(Stop { route_ref: Some("33".to_owned()), ..stop() })];
    assert_eq!(modes(&no_bus, &end), None);
}

// Row: "The rule for bus stops without routes"
#[test]
fn the_rule_for_stops_without_routes_never_applies_as_the_reference_has_it() {
    let (start, end) = ([bus_stop(None)], [bus_stop(None)]);
    assert_eq!(modes_in_common(&start, &end, LonelyStops::AsInReference), None);
    assert_eq!(modes_in_common(&start, &end, LonelyStops::AsMeant), Some(vec!["BUS"]));
}

#[test]
fn as_intended_it_applies_if_one_end_has_exactly_one_such_stop() {
    let meant =
        |start: &[Rc<Stop>], end: &[Rc<Stop>]| modes_in_common(start, end, LonelyStops::AsMeant).is_some();
    let many = [bus_stop(None), bus_stop(None)];
    assert!(meant(&many, &[bus_stop(None)]));
    assert!(!meant(&many, &many));
    assert!(!meant(&[bus_stop(None)], &[with_rail(&[])]), "no bus stop at the end");
    assert!(!meant(&[bus_stop(Some("1"))], &[bus_stop(Some("2"))]));
}

fn any_stop() -> impl Strategy<Value = Rc<Stop>> {
    let kind = prop_oneof![Just("bus"), Just("tram"), Just("subway")];
    let any_route = ("[12]", kind, prop::option::of("[ab]"))
        .prop_map(|(id, kind, network)| route(&id, kind, network.as_deref()));
    let rail = prop::collection::vec(prop::sample::select(RailMode::ALL.to_vec()), 0..3);
    (any::<bool>(), rail, prop::option::of("[12;]{0,4}"), prop::collection::vec(any_route, 0..3)).prop_map(
        |(bus_stop, rail, route_ref, routes)| {
            Rc::new(Stop { place: NOWHERE, bus_stop, rail, route_ref, routes })
        },
    )
}

proptest! {
    #[test]
    fn the_way_back_has_routes_in_common_exactly_if_the_way_there_does(
        start in prop::collection::vec(any_stop(), 0..4), end in prop::collection::vec(any_stop(), 0..4),
    ) {
        for lonely in [LonelyStops::AsInReference, LonelyStops::AsMeant] {
            let there = modes_in_common(&start, &end, lonely).map(|modes| modes.is_empty());
            let back = modes_in_common(&end, &start, lonely).map(|modes| modes.is_empty());
            prop_assert_eq!(there, back);
        }
    }
}
