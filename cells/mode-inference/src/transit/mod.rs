//! Stops of public transport near the ends of a section, and what they show about its mode.
//!
//! * [`StopSource`]: the known stops; pluggable. [`NoStops`] is the empty source, [`extract`] reads documents that the
//!   person or the operator has put there.
//! * [`matching`]: which kinds of transport the two ends have in common. [`collapse`]: the mode of these.
//! * Not here: making an extract; docs/formats/transit.md says what it holds.

pub mod collapse;
pub mod extract;
pub mod matching;

use std::rc::Rc;

use cells_geometry::{Position, wrapped};

/// Degrees of latitude in a metre, as the reference has them: a quarter of the meridian is 10,001.965729 km.
const DEGREES_A_METRE: f64 = 90.0 / (10_001.965_729 * 1000.0);

/// A box between two parallels and two meridians, degrees; its edges belong to it. One that reaches over the 180th
/// meridian has its west edge below -180 or its east edge above 180.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least latitude.
    pub south: f64,
    /// Western edge.
    pub west: f64,
    /// Greatest latitude.
    pub north: f64,
    /// Eastern edge; never less than the western one.
    pub east: f64,
}

impl Bounds {
    /// The box around a place that reaches `metres` to each side.
    ///
    /// Quirk: as many degrees to the east as to the north, so that away from the equator it is narrower than high.
    pub fn around(place: Position, metres: f64) -> Self {
        let reach = DEGREES_A_METRE * metres;
        let (latitude, longitude) = (place.latitude, wrapped(place.longitude));
        Self {
            south: latitude - reach,
            west: longitude - reach,
            north: latitude + reach,
            east: longitude + reach,
        }
    }

    /// Whether a place lies within.
    pub fn holds(&self, place: Position) -> bool {
        let meridians = [place.longitude, place.longitude - 360.0, place.longitude + 360.0];
        (self.south..=self.north).contains(&place.latitude)
            && meridians.iter().any(|meridian| (self.west..=self.east).contains(meridian))
    }

    /// Its spans of longitude, each within -180 to 180, from west to east: two where it reaches over the 180th
    /// meridian.
    pub fn spans(&self) -> impl Iterator<Item = (f64, f64)> {
        let Self { west, east, .. } = *self;
        let parts = [(west + 360.0, 180.0), (west.max(-180.0), east.min(180.0)), (-180.0, east - 360.0)];
        let is_there = [west < -180.0, true, east > 180.0];
        parts.into_iter().zip(is_there).filter_map(|(part, is_there)| is_there.then_some(part))
    }
}

/// A place where vehicles stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Where.
    pub place: Position,
    /// Whether buses stop here.
    pub bus_stop: bool,
    /// The modes on rails that stop here.
    pub rail: Vec<RailMode>,
    /// Names of bus routes, joined by `;`, for stops whose routes are only named.
    pub route_ref: Option<String>,
    /// Routes that have it among their stops.
    pub routes: Vec<Rc<Route>>,
}

/// Modes on rails, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RailMode {
    /// Underground.
    Subway,
    /// Trains of all kinds.
    Train,
    /// In streets.
    Tram,
    /// Between tram and train.
    LightRail,
}

impl RailMode {
    /// Every value, in their order.
    pub const ALL: [Self; 4] = [Self::Subway, Self::Train, Self::Tram, Self::LightRail];

    /// The name of the mode.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subway => "SUBWAY",
            Self::Train => "TRAIN",
            Self::Tram => "TRAM",
            Self::LightRail => "LIGHT_RAIL",
        }
    }
}

/// A line that vehicles follow from stop to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The same wherever the route is named, and unique.
    pub id: String,
    /// Such as `bus`, `train`, `light_rail`: a value of OpenStreetMap's `route`.
    pub kind: String,
    /// The operator or network whose tickets are valid.
    pub network: Option<String>,
}

/// Why stops are not known although there is a source of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the extract of stops cannot be used: {0}")]
pub struct SourceError(pub String);

/// A source of stops.
pub trait StopSource {
    /// The stops within the box, always in the same order. Empty: none are known there.
    fn stops_within(&mut self, bounds: &Bounds) -> Result<Vec<Rc<Stop>>, SourceError>;
}

/// Knows no stop.
#[derive(Debug, Clone, Copy)]
pub struct NoStops;

impl StopSource for NoStops {
    fn stops_within(&mut self, _: &Bounds) -> Result<Vec<Rc<Stop>>, SourceError> {
        Ok(Vec::new())
    }
}

impl StopSource for Vec<Rc<Stop>> {
    fn stops_within(&mut self, bounds: &Bounds) -> Result<Vec<Rc<Stop>>, SourceError> {
        Ok(self.iter().filter(|stop| bounds.holds(stop.place)).map(Rc::clone).collect())
    }
}
