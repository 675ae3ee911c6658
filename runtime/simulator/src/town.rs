//! An invented town: its location, the offset of its clock from UTC, and the streets between its places.

use crate::geometry::{Spot, cosine_of_latitude};
use crate::route::{Route, StreetGrid};
use std::sync::Arc;

/// Metres in a degree of a great circle on the sphere of 6,371,000 m that the reference's distances use.
const METRES_PER_DEGREE: f64 = 111_194.926_644_558_74;

/// A place that people stay at.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The name, such as `home`; it is part of the truth, never of an entry.
    pub name: String,
    /// Its location.
    pub spot: Spot,
}

impl Place {
    /// A place of this name.
    pub fn new(name: &str, spot: Spot) -> Self {
        Self { name: name.to_owned(), spot }
    }
}

/// The location of a plan's coordinates on the globe, and the routes there.
#[derive(Clone)]
pub struct Town {
    /// South-west corner, degrees north.
    pub latitude_deg: f64,
    /// South-west corner, degrees east, -180 to 180; the town may reach over the 180th meridian.
    pub longitude_deg: f64,
    /// IANA name of the zone, which phones send.
    pub time_zone: String,
    /// Local time minus UTC, s. A simulated zone has no summer time: choose one that has none.
    pub utc_offset_s: i64,
    /// The routes between places, for every mode but the train, which has its own straight track.
    pub routes: Arc<dyn Route>,
}

impl Town {
    /// A town of 12 km by 8 km in the open Arabian Sea, so that no simulated home is a real one, in a zone with an
    /// offset of half an hour, so that confused zones are noticed.
    pub fn invented() -> Self {
        Self {
            latitude_deg: 12.5,
            longitude_deg: 68.0,
            time_zone: "Asia/Kolkata".to_owned(),
            utc_offset_s: 19_800,
            routes: Arc::new(StreetGrid::invented()),
        }
    }

    /// Turns points of this town into degrees.
    pub(crate) fn projection(&self) -> Projection {
        Projection {
            latitude_deg: self.latitude_deg,
            longitude_deg: self.longitude_deg,
            degrees_per_metre_north: 1.0 / METRES_PER_DEGREE,
            degrees_per_metre_east: 1.0 / (METRES_PER_DEGREE * cosine_of_latitude(self.latitude_deg)),
        }
    }
}

/// The circumference of the globe in units of 1e-7 degrees.
const TURN_E7: i64 = 3_600_000_000;

/// A flat map of a town-sized part of the globe: accurate to 0.2 % within 10 km below 60 degrees.
pub(crate) struct Projection {
    latitude_deg: f64,
    longitude_deg: f64,
    degrees_per_metre_north: f64,
    degrees_per_metre_east: f64,
}

impl Projection {
    /// Latitude and longitude in units of 1e-7 degrees, about a centimetre; the longitude within -180 to 180 degrees.
    pub(crate) fn degrees_e7(&self, spot: Spot) -> (i64, i64) {
        let latitude = self.latitude_deg + spot.north_m * self.degrees_per_metre_north;
        let longitude = self.longitude_deg + spot.east_m * self.degrees_per_metre_east;
        let (latitude_e7, longitude_e7) = ((latitude * 1e7).round() as i64, (longitude * 1e7).round() as i64);
        let turns = if longitude_e7 > TURN_E7 / 2 { -1 } else { i64::from(longitude_e7 < -TURN_E7 / 2) };
        (latitude_e7, longitude_e7 + turns * TURN_E7)
    }
}
