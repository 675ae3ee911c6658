//! Stops and routes from documents of the person: an extract that the person or the operator has made from
//! OpenStreetMap or from timetables; see docs/formats/transit.md. Without the index there are no stops.
//!
//! * A tile is read when a section begins or ends in it; at most [`TILES_MAX`] are kept at once.
//! * A document that cannot be read makes the modes that depend on it unknown, with a message; it never counts as "no
//!   stops here", which would turn rides into drives.

use std::rc::Rc;

use cells_geometry::Position;
use cells_sdk::Documents;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Bounds, RailMode, Route, SourceError, Stop, StopSource};

/// The document that declares the extract and the size of its tiles.
pub const INDEX: &str = "transit/index";
/// The prefix of the names of tiles.
pub const TILE_PREFIX: &str = "transit/stops/";
/// How many tiles are kept at once; the oldest is dropped first.
pub const TILES_MAX: usize = 16;
const VERSION: u32 = 1;
/// Smaller tiles would make a box touch more than four.
const TILE_DEG_MIN: f64 = 0.005;
const TILE_DEG_MAX: f64 = 10.0;

/// The documents of a person's extract that one run has read.
#[derive(Debug, Default)]
pub struct Extract {
    index: Option<Result<Option<Index>, SourceError>>,
    tiles: Vec<(TileId, Result<Rc<Tile>, SourceError>)>,
}

/// Row and column: latitude and longitude in sizes of a tile, rounded down.
type TileId = (i64, i64);
type Tile = Vec<Rc<Stop>>;

#[derive(Debug, Clone, Copy, Deserialize)]
struct Index {
    version: u32,
    tile_deg: f64,
}

impl Extract {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The source over those documents.
    pub fn of<'e, R: Documents>(&'e mut self, runtime: &'e mut R) -> OfPerson<'e, R> {
        OfPerson { extract: self, runtime }
    }
}

/// The person's extract as a source of stops.
#[derive(Debug)]
pub struct OfPerson<'e, R> {
    extract: &'e mut Extract,
    runtime: &'e mut R,
}

impl<R: Documents> StopSource for OfPerson<'_, R> {
    fn stops_within(&mut self, bounds: &Bounds) -> Result<Vec<Rc<Stop>>, SourceError> {
        let Some(index) = self.index()? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for id in tiles_of(bounds, index.tile_deg) {
            let tile = self.tile(id)?;
            found.extend(tile.iter().filter(|stop| bounds.holds(stop.place)).map(Rc::clone));
        }
        Ok(found)
    }
}

impl<R: Documents> OfPerson<'_, R> {
    fn index(&mut self) -> Result<Option<Index>, SourceError> {
        let Self { extract, runtime } = self;
        extract.index.get_or_insert_with(|| read_index(*runtime)).clone()
    }

    fn tile(&mut self, id: TileId) -> Result<Rc<Tile>, SourceError> {
        let tiles = &mut self.extract.tiles;
        if let Some((_, tile)) = tiles.iter().find(|(known, _)| *known == id) {
            return tile.clone();
        }
        let tile = read_tile(self.runtime, id).map(Rc::new);
        if tiles.len() == TILES_MAX {
            tiles.drain(..1);
        }
        tiles.push((id, tile.clone()));
        tile
    }
}

/// The tiles that a box touches, from south to north and, in each row, from west to east, on both sides of the 180th
/// meridian; none where its edges are no numbers.
fn tiles_of(bounds: &Bounds, tile_deg: f64) -> Vec<TileId> {
    if ![bounds.south, bounds.west, bounds.north, bounds.east].into_iter().all(f64::is_finite) {
        return Vec::new();
    }
    let number = |degrees: f64| (degrees / tile_deg).floor() as i64;
    let mut tiles = Vec::new();
    for row in number(bounds.south)..=number(bounds.north) {
        for (west, east) in bounds.spans() {
            tiles.extend((number(west)..=number(east)).map(|column| (row, column)));
        }
    }
    tiles
}

fn read_index<R: Documents>(runtime: &mut R) -> Result<Option<Index>, SourceError> {
    let Some(index) = read::<Index, R>(runtime, INDEX)? else { return Ok(None) };
    if index.version != VERSION {
        return Err(SourceError(format!("form {} is not form {VERSION}", index.version)));
    }
    if !(TILE_DEG_MIN..=TILE_DEG_MAX).contains(&index.tile_deg) {
        return Err(SourceError(format!("tiles are not {TILE_DEG_MIN} to {TILE_DEG_MAX} degrees wide")));
    }
    Ok(Some(index))
}

#[derive(Deserialize)]
struct WireTile {
    #[serde(default)]
    routes: Vec<WireRoute>,
    stops: Vec<WireStop>,
}

#[derive(Deserialize)]
struct WireRoute {
    id: String,
    kind: String,
    network: Option<String>,
}

#[derive(Deserialize)]
struct WireStop {
    /// Longitude, latitude.
    at: [f64; 2],
    #[serde(default)]
    bus_stop: bool,
    #[serde(default)]
    rail: Vec<WireRail>,
    route_ref: Option<String>,
    #[serde(default)]
    routes: Vec<usize>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum WireRail {
    Subway,
    Train,
    Tram,
    LightRail,
}

impl From<WireRail> for RailMode {
    fn from(rail: WireRail) -> Self {
        match rail {
            WireRail::Subway => Self::Subway,
            WireRail::Train => Self::Train,
            WireRail::Tram => Self::Tram,
            WireRail::LightRail => Self::LightRail,
        }
    }
}

fn read_tile<R: Documents>(runtime: &mut R, (row, column): TileId) -> Result<Tile, SourceError> {
    let name = format!("{TILE_PREFIX}{row}_{column}");
    let Some(wire) = read::<WireTile, R>(runtime, &name)? else { return Ok(Tile::new()) };
    let route = |WireRoute { id, kind, network }| Rc::new(Route { id, kind, network });
    let routes: Vec<Rc<Route>> = wire.routes.into_iter().map(route).collect();
    let stop = |(index, stop): (usize, WireStop)| {
        let of_stop = stop.routes.iter().map(|route| routes.get(*route).map(Rc::clone));
        let [longitude, latitude] = stop.at;
        Ok(Rc::new(Stop {
            place: Position { latitude, longitude },
            bus_stop: stop.bus_stop,
            rail: stop.rail.into_iter().map(RailMode::from).collect(),
            route_ref: stop.route_ref,
            // The name of a tile reveals where its owner was: an error names only the stop.
            routes: of_stop.collect::<Option<_>>().ok_or_else(|| {
                SourceError(format!("stop {index} of a tile names a route that does not exist"))
            })?,
        }))
    };
    wire.stops.into_iter().enumerate().map(stop).collect()
}

fn read<T: DeserializeOwned, R: Documents>(runtime: &mut R, name: &str) -> Result<Option<T>, SourceError> {
    let what = if name == INDEX { "the index" } else { "a tile" };
    let document = runtime.document(name).map_err(|failure| match failure {
        // The text of a refusal may name the tile.
        cells_sdk::Failure::Unavailable => SourceError(format!("{what} cannot be read now")),
        _ => SourceError(format!("{what} may not be read")),
    })?;
    let Some(document) = document else { return Ok(None) };
    let parsed = serde_json::from_slice(&document);
    parsed.map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        SourceError(format!("{what} does not have the expected form at line {line}, column {column}"))
    })
}

#[cfg(test)]
mod tests;
