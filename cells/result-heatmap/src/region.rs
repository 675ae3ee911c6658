//! A part of the map: polygons with holes, whose edges are straight in degrees (RFC 7946, 3.1.1).

use serde_json::Value;

/// How many positions a region may have.
pub const REGION_POSITIONS_MAX: usize = 10_000;

/// Why a geometry is no region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRegion {
    /// It is no polygon.
    #[error(
        "`sel_region` needs a `geometry` that is a Polygon or a MultiPolygon, with numbers as coordinates"
    )]
    Geometry,
    /// It has too many corners.
    #[error("`sel_region` has more than {REGION_POSITIONS_MAX} positions")]
    Positions,
}

/// Polygons, each with its holes.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    polygons: Vec<Vec<Ring>>,
}

/// Corners in their order; the last is joined with the first.
type Ring = Vec<[f64; 2]>;

impl Region {
    /// Reads a GeoJSON geometry.
    ///
    /// # Errors
    /// `BadRegion`: what is wrong with it.
    pub fn read(geometry: &Value) -> Result<Self, BadRegion> {
        let coordinates = &geometry["coordinates"];
        let polygons = match geometry["type"].as_str() {
            Some("Polygon") => polygon(coordinates).map(|polygon| vec![polygon]),
            Some("MultiPolygon") => all(coordinates, polygon),
            _ => None,
        };
        let polygons = polygons.ok_or(BadRegion::Geometry)?;
        let positions: usize = polygons.iter().flatten().map(Vec::len).sum();
        if positions > REGION_POSITIONS_MAX { Err(BadRegion::Positions) } else { Ok(Self { polygons }) }
    }

    /// Whether a position is in one of the polygons and in none of its holes. One on an edge may be on either side.
    pub fn has(&self, place: [f64; 2]) -> bool {
        // Each ring that a ray to the east leaves turns inside into outside.
        self.polygons.iter().any(|rings| rings.iter().filter(|ring| is_within(ring, place)).count() % 2 == 1)
    }
}

fn all<T>(list: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    list.as_array()?.iter().map(read).collect()
}

fn polygon(rings: &Value) -> Option<Vec<Ring>> {
    all(rings, |ring| all(ring, position))
}

fn position(position: &Value) -> Option<[f64; 2]> {
    let [longitude, latitude, ..] = position.as_array()?.as_slice() else { return None };
    Some([longitude.as_f64()?, latitude.as_f64()?])
}

/// Whether a ray from the place to the east crosses the ring an odd number of times.
fn is_within(ring: &Ring, [x, y]: [f64; 2]) -> bool {
    let ends = ring.iter().zip(ring.iter().cycle().skip(1));
    let crossed = |(from, to): &(&[f64; 2], &[f64; 2])| {
        let spans = (from[1] > y) != (to[1] > y);
        spans && x < (to[0] - from[0]) * (y - from[1]) / (to[1] - from[1]) + from[0]
    };
    ends.filter(crossed).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn square(west: f64, side: f64) -> Value {
        json!([[west, 0.0], [west + side, 0.0], [west + side, side], [west, side], [west, 0.0]])
    }

    #[test]
    fn a_place_is_in_a_polygon_and_not_in_its_hole() {
        let region = json!({ "type": "Polygon", "coordinates": [square(0.0, 10.0), square(1.0, 2.0)] });
        let region = Region::read(&region).expect("a region");
        assert!(region.has([5.0, 5.0]) && region.has([0.5, 1.0]));
        assert!(!region.has([2.0, 1.0]) && !region.has([11.0, 5.0]) && !region.has([5.0, -0.1]));
        assert!(!region.has([f64::NAN, 5.0]));
    }

    #[test]
    fn several_polygons_are_one_region() {
        let region =
            json!({ "type": "MultiPolygon", "coordinates": [[square(0.0, 1.0)], [square(5.0, 1.0)]] });
        let region = Region::read(&region).expect("a region");
        assert!(region.has([0.5, 0.5]) && region.has([5.5, 0.5]) && !region.has([3.0, 0.5]));
    }

    #[test]
    fn what_is_no_polygon_or_too_much_of_one_is_refused() {
        for bad in [
            json!(null),
            json!({}),
            json!({ "type": "Point", "coordinates": [1, 2] }),
            json!({ "type": "Polygon", "coordinates": [1, 2] }),
            json!({ "type": "Polygon", "coordinates": [[[1], [2, 3]]] }),
            json!({ "type": "Polygon", "coordinates": [[["1", "2"]]] }),
            json!({ "type": "MultiPolygon", "coordinates": [square(0.0, 1.0)] }),
        ] {
            assert_eq!(Region::read(&bad), Err(BadRegion::Geometry), "{bad}");
        }
        let ring = vec![[0.0, 0.0]; REGION_POSITIONS_MAX + 1];
        let large = json!({ "type": "Polygon", "coordinates": [ring] });
        assert_eq!(Region::read(&large), Err(BadRegion::Positions));
        let empty = Region::read(&json!({ "type": "Polygon", "coordinates": [[]] })).expect("nowhere");
        assert!(!empty.has([0.0, 0.0]));
    }
}
