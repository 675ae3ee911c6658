//! The flat plane of a town, and lines on it.
//!
//! * Units: metres east and north of the town's south-west corner.
//! * Not here: libm. Its last digits differ between machines, and one different byte breaks "same seed, same bytes";
//!   the necessary trigonometry is computed here with exact operations.

/// A point of the town.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// Metres east of the corner.
    pub east_m: f64,
    /// Metres north of the corner.
    pub north_m: f64,
}

impl Spot {
    /// A point of the town.
    pub const fn new(east_m: f64, north_m: f64) -> Self {
        Self { east_m, north_m }
    }

    /// Straight distance, m.
    pub fn distance_m(self, other: Self) -> f64 {
        let (east, north) = (other.east_m - self.east_m, other.north_m - self.north_m);
        (east * east + north * north).sqrt()
    }

    pub(crate) fn shifted(self, east_m: f64, north_m: f64) -> Self {
        Self::new(self.east_m + east_m, self.north_m + north_m)
    }

    fn between(self, other: Self, share: f64) -> Self {
        self.shifted((other.east_m - self.east_m) * share, (other.north_m - self.north_m) * share)
    }
}

/// A line through at least one point, measured along itself.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    points: Vec<Spot>,
    /// Distance from the start, point by point.
    along_m: Vec<f64>,
}

impl Path {
    /// Drops repeated points. An empty list is a path of length 0 at the town's corner.
    pub(crate) fn new(mut points: Vec<Spot>) -> Self {
        points.dedup_by(|b, a| a.distance_m(*b) < 0.01);
        if points.is_empty() {
            points.push(Spot::new(0.0, 0.0));
        }
        let mut along_m = Vec::with_capacity(points.len());
        let mut total = 0.0;
        for (index, point) in points.iter().enumerate() {
            if index > 0 {
                total += points[index - 1].distance_m(*point);
            }
            along_m.push(total);
        }
        Self { points, along_m }
    }

    pub(crate) fn length_m(&self) -> f64 {
        self.along_m.last().copied().expect("a path has a point")
    }

    /// The position after `distance_m` and the direction of movement, degrees clockwise from north.
    pub(crate) fn at(&self, distance_m: f64) -> (Spot, f64) {
        if self.points.len() == 1 {
            return (self.points[0], 0.0);
        }
        let next = self.along_m.partition_point(|&along| along <= distance_m).clamp(1, self.points.len() - 1);
        let (from, to) = (self.points[next - 1], self.points[next]);
        let share = (distance_m - self.along_m[next - 1]) / (self.along_m[next] - self.along_m[next - 1]);
        (from.between(to, share.clamp(0.0, 1.0)), bearing_deg(from, to))
    }

    /// The piece between two distances from the start.
    pub(crate) fn cut(&self, from_m: f64, to_m: f64) -> Path {
        let mut points = vec![self.at(from_m).0];
        let inside = self.along_m.iter().zip(&self.points);
        points
            .extend(inside.filter(|(along, _)| **along > from_m && **along < to_m).map(|(_, point)| *point));
        points.push(self.at(to_m).0);
        Path::new(points)
    }
}

/// Direction in degrees clockwise from north, accurate to a quarter of a degree: a phone's compass is worse.
fn bearing_deg(from: Spot, to: Spot) -> f64 {
    let (east, north) = (to.east_m - from.east_m, to.north_m - from.north_m);
    let (long, short) = (east.abs().max(north.abs()), east.abs().min(north.abs()));
    if long == 0.0 {
        return 0.0;
    }
    let ratio = short / long;
    let octant = ratio * (45.0 + 15.64 * (1.0 - ratio));
    let quadrant = if east.abs() > north.abs() { 90.0 - octant } else { octant };
    match (east >= 0.0, north >= 0.0) {
        (true, true) => quadrant,
        (true, false) => 180.0 - quadrant,
        (false, false) => 180.0 + quadrant,
        (false, true) => (360.0 - quadrant) % 360.0,
    }
}

/// Cosine of a latitude, by its series: accurate to 1e-12 between the poles.
pub(crate) fn cosine_of_latitude(latitude_deg: f64) -> f64 {
    let x = latitude_deg * (std::f64::consts::PI / 180.0);
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..=12 {
        let n = 2.0 * f64::from(k);
        term *= -x * x / ((n - 1.0) * n);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearing_is_clockwise_from_north() {
        let centre = Spot::new(0.0, 0.0);
        for (to, expected) in [
            ((0.0, 5.0), 0.0),
            ((5.0, 5.0), 45.0),
            ((5.0, 0.0), 90.0),
            ((0.0, -5.0), 180.0),
            ((-5.0, 0.0), 270.0),
        ] {
            let bearing = bearing_deg(centre, Spot::new(to.0, to.1));
            assert!((bearing - expected).abs() < 0.3, "{to:?}: {bearing}");
        }
        let thirty = bearing_deg(centre, Spot::new(1.0, 3f64.sqrt()));
        assert!((thirty - 30.0).abs() < 0.3, "{thirty}");
    }

    #[test]
    fn a_path_is_measured_along_its_bends() {
        let path = Path::new(vec![Spot::new(0.0, 0.0), Spot::new(30.0, 0.0), Spot::new(30.0, 40.0)]);
        assert_eq!(path.length_m(), 70.0);
        assert_eq!(path.at(50.0).0, Spot::new(30.0, 20.0));
        assert_eq!(path.cut(10.0, 50.0).length_m(), 40.0);
    }

    #[test]
    fn the_cosine_is_that_of_the_library() {
        for latitude in [0.0_f64, 12.5, 51.3, 80.0] {
            let difference = cosine_of_latitude(latitude) - latitude.to_radians().cos();
            assert!(difference.abs() < 1e-12, "{latitude}: {difference}");
        }
    }
}
