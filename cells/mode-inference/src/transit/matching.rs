//! Which kinds of transport the two ends of a section have in common: rules from the surest to the least sure, of which
//! the first that applies decides.

use std::rc::Rc;

use super::{RailMode, Route, Stop};

/// Kinds of routes on rails. Two routes of one such kind and one network connect as one route does.
const ON_RAILS: [&str; 10] = [
    "funicular",
    "miniature",
    "rail",
    "railway",
    "light_rail",
    "subway",
    "monorail",
    "tram",
    "aerialway",
    "tracks",
];

/// Whether the last rule, for bus stops without any route, may apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LonelyStops {
    /// Never.
    ///
    /// Quirk: the reference intends the rule for stops without any known route, but tests whether a stop has a list of
    /// routes, and all have one, even if it is empty.
    AsInReference,
    /// As it was meant: where one end has exactly one bus stop without routes, both ends having bus stops.
    AsMeant,
}

/// The kinds of transport in common, with repeats, in the order of the start's stops; `None` or empty: none.
///
/// 1. Routes that stop at both ends, or routes on rails of one kind and one network.
/// 2. What stops at both ends on rails.
/// 3. Bus routes that are named at both ends.
/// 4. A bus, where bus stops are rare; see [`LonelyStops`].
///
/// Quirk: where both ends have something on rails the second rule decides, even if they have nothing in common.
pub fn modes_in_common<'s>(
    start: &'s [Rc<Stop>],
    end: &'s [Rc<Stop>],
    lonely: LonelyStops,
) -> Option<Vec<&'s str>> {
    let routes = routes_in_common(start, end);
    if !routes.is_empty() {
        return Some(routes.into_iter().map(|route| route.kind.as_str()).collect());
    }
    let (start_rail, end_rail) = (rail_modes(start), rail_modes(end));
    if !start_rail.is_empty() && !end_rail.is_empty() {
        return Some(
            start_rail.into_iter().filter(|mode| end_rail.contains(mode)).map(RailMode::name).collect(),
        );
    }
    let named = named_in_common(start, end);
    if named > 0 {
        return Some(vec!["bus"; named]);
    }
    let is_meant = lonely == LonelyStops::AsMeant;
    (is_meant && is_rare_bus(start, end)).then(|| vec!["BUS"])
}

/// Of each pair of routes that are one or connect, the start's.
fn routes_in_common<'s>(start: &'s [Rc<Stop>], end: &'s [Rc<Stop>]) -> Vec<&'s Route> {
    let routes = |stops: &'s [Rc<Stop>]| stops.iter().flat_map(|stop| &stop.routes).map(Rc::as_ref);
    let ends: Vec<&Route> = routes(end).collect();
    let connected =
        |route: &'s Route| ends.iter().filter(move |other| is_connected(route, other)).map(move |_| route);
    routes(start).flat_map(connected).collect()
}

fn is_connected(here: &Route, there: &Route) -> bool {
    let on_rails = || ON_RAILS.contains(&here.kind.as_str()) && here.kind == there.kind;
    here.id == there.id || on_rails() && here.network.is_some() && here.network == there.network
}

/// In the order in which the modes are tried; in the reference it varies from process to process.
fn rail_modes(stops: &[Rc<Stop>]) -> Vec<RailMode> {
    RailMode::ALL.into_iter().filter(|mode| stops.iter().any(|stop| stop.rail.contains(mode))).collect()
}

/// How many pairs of names of bus routes are equal.
fn named_in_common(start: &[Rc<Stop>], end: &[Rc<Stop>]) -> usize {
    let ends: Vec<&str> = bus_route_names(end).collect();
    bus_route_names(start).map(|name| ends.iter().filter(|other| **other == name).count()).sum()
}

/// Quirk: names are not trimmed, so `1; 2` names a route ` 2`.
fn bus_route_names(stops: &[Rc<Stop>]) -> impl Iterator<Item = &str> {
    let named = stops.iter().filter(|stop| stop.bus_stop).filter_map(|stop| stop.route_ref.as_deref());
    named.flat_map(|names| names.split(';'))
}

fn is_rare_bus(start: &[Rc<Stop>], end: &[Rc<Stop>]) -> bool {
    let both_have = [start, end].iter().all(|stops| stops.iter().any(|stop| stop.bus_stop));
    let lonely = |stops: &[Rc<Stop>]| {
        let is_lonely =
            |stop: &&Rc<Stop>| stop.bus_stop && stop.route_ref.is_none() && stop.routes.is_empty();
        stops.iter().filter(is_lonely).count()
    };
    both_have && (lonely(start) == 1 || lonely(end) == 1)
}

#[cfg(test)]
mod tests;
