//! Stays and the trips between them, from points in the order of their times.

use cells_sdk::model::time::LocalDt;
use serde::{Deserialize, Serialize};

use crate::{DWELL_S, RADIUS_M};

/// The mean radius of the earth, m.
pub(crate) const EARTH_M: f64 = 6_371_008.8;
/// An excursion that remains within this of a stay, and ends in it, belongs to it, m.
const AROUND_M: f64 = 2.0 * RADIUS_M;

/// A point, as its entry has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// s
    pub ts: f64,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// m
    #[serde(default)]
    pub accuracy: Option<f64>,
    /// Local time of `ts`.
    pub local_dt: LocalDt,
    /// Local time of `ts`.
    pub fmt_time: String,
}

impl Fix {
    /// Whether it is on the earth; a phone without a fix says 0 degrees north, 0 degrees east.
    pub fn is_somewhere(&self) -> bool {
        self.ts.is_finite()
            && (-90.0..=90.0).contains(&self.latitude)
            && (-180.0..=180.0).contains(&self.longitude)
            && (self.latitude, self.longitude) != (0.0, 0.0)
    }
}

/// Points around their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    count: u32,
    latitude: f64,
    longitude: f64,
    /// The first of them.
    pub first: Fix,
    /// The last of them.
    pub last: Fix,
}

impl Stay {
    fn of(fix: Fix) -> Self {
        Self { count: 1, latitude: fix.latitude, longitude: fix.longitude, first: fix.clone(), last: fix }
    }

    fn add(&mut self, fix: Fix) {
        self.count = self.count.saturating_add(1);
        let part = 1.0 / f64::from(self.count);
        self.latitude += (fix.latitude - self.latitude) * part;
        self.longitude += turned(fix.longitude - self.longitude) * part;
        self.last = fix;
    }

    /// From the mean, m: on a plane, which is exact enough for a few hundred metres.
    fn distance_m(&self, fix: &Fix) -> f64 {
        let (north, east) = (fix.latitude - self.latitude, turned(fix.longitude - self.longitude));
        let east = east * self.latitude.to_radians().cos();
        EARTH_M * north.hypot(east).to_radians()
    }

    fn is_certain(&self) -> bool {
        self.last.ts - self.first.ts >= DWELL_S
    }
}

/// A difference of longitudes, the short way around the earth.
fn turned(degrees: f64) -> f64 {
    if degrees > 180.0 {
        degrees - 360.0
    } else if degrees < -180.0 {
        degrees + 360.0
    } else {
        degrees
    }
}

/// From the last point of a stay, or the first behind a silence, to the first point of the next stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    /// Where it began.
    pub start: Fix,
    /// Where it ended.
    pub end: Fix,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Found {
    /// In rising order.
    pub trips: Vec<Trip>,
    /// The last stay that is certain.
    pub last: Option<Stay>,
}

/// A search for stays.
#[derive(Debug)]
pub struct Search {
    /// The last stay that is certain.
    stay: Option<Stay>,
    /// The first point behind it, and how far from it points have come, m.
    departure: Option<Fix>,
    far_m: f64,
    /// Points that may become the next stay.
    gathered: Option<Stay>,
    trips: Vec<Trip>,
}

impl Search {
    /// One that goes on from a stay.
    pub fn from(stay: Option<Stay>) -> Self {
        Self { stay, departure: None, far_m: 0.0, gathered: None, trips: Vec::new() }
    }

    /// Adds the next point.
    pub fn add(&mut self, fix: Fix) {
        let Some(gathered) = &mut self.gathered else {
            match &mut self.stay {
                // Nobody has left it yet.
                Some(stay) if stay.distance_m(&fix) <= RADIUS_M => stay.add(fix),
                _ => self.begin(fix),
            }
            return;
        };
        if gathered.distance_m(&fix) <= RADIUS_M {
            gathered.add(fix);
            if gathered.is_certain() {
                self.arrive();
            }
        } else if fix.ts - gathered.last.ts >= DWELL_S {
            // The phone slept until somebody moved.
            self.arrive();
            self.begin(fix);
        } else {
            self.begin(fix);
        }
    }

    /// A point that is in no stay yet.
    fn begin(&mut self, fix: Fix) {
        if let Some(stay) = &self.stay {
            self.far_m = self.far_m.max(stay.distance_m(&fix));
        }
        self.departure.get_or_insert_with(|| fix.clone());
        self.gathered = Some(Stay::of(fix));
    }

    /// What was gathered is a stay.
    fn arrive(&mut self) {
        let Some(reached) = self.gathered.take() else { return };
        let (departure, far_m) = (self.departure.take(), std::mem::take(&mut self.far_m));
        let start = match &mut self.stay {
            Some(stay) if far_m <= AROUND_M && stay.distance_m(&reached.first) <= AROUND_M => {
                // Somebody walked about, or a reading was wrong.
                stay.last = reached.last;
                return;
            }
            Some(stay) => match departure {
                // Behind a silence, nobody knows when it was left but that it was before this point.
                Some(fix) if fix.ts - stay.last.ts >= DWELL_S && fix.ts < reached.first.ts => Some(fix),
                _ => Some(stay.last.clone()),
            },
            // Before the first stay there is a trip if there are points on the way.
            None => departure.filter(|fix| fix.ts < reached.first.ts),
        };
        let end = reached.first.clone();
        self.trips.extend(start.filter(|start| start.ts < end.ts).map(|start| Trip { start, end }));
        self.stay = Some(reached);
    }

    /// What was found. The rest of the points is no stay yet.
    pub fn finish(self) -> Found {
        Found { trips: self.trips, last: self.stay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point so many metres east of a spot.
    fn fix(ts: f64, east_m: f64) -> Fix {
        let local_dt =
            serde_json::from_value(serde_json::json!({ "year": 2026, "month": 3, "day": 1, "hour": 0,
            "minute": 0, "second": 0, "weekday": 6, "timezone": "UTC" }));
        let longitude = 8.5 + (east_m / (EARTH_M * 47.0_f64.to_radians().cos())).to_degrees();
        Fix {
            ts,
            latitude: 47.0,
            longitude,
            accuracy: None,
            local_dt: local_dt.expect("a local time"),
            fmt_time: String::new(),
        }
    }

    fn times(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut search = Search::from(None);
        points.iter().for_each(|(ts, east_m)| search.add(fix(*ts, *east_m)));
        search.finish().trips.iter().map(|trip| (trip.start.ts, trip.end.ts)).collect()
    }

    /// One hour at a spot, a ride of ten minutes over 6 km, and half an hour there.
    fn ride() -> Vec<(f64, f64)> {
        let stay = (0..60).map(|minute| (f64::from(minute) * 60.0, f64::from(minute % 3) * 20.0));
        let way = (0..20).map(|half| (3_600.0 + f64::from(half) * 30.0, 300.0 * f64::from(half + 1)));
        let there = (0..30).map(|minute| (4_200.0 + f64::from(minute) * 60.0, 6_010.0));
        stay.chain(way).chain(there).collect()
    }

    #[test]
    fn a_trip_goes_from_the_last_point_of_a_stay_to_the_first_of_the_next() {
        assert_eq!(times(&ride()), [(3_540.0, 4_170.0)]);
    }

    #[test]
    fn a_silence_is_a_stay_and_a_trip_begins_behind_it() {
        let way = |from_ts: f64| {
            (0..20).map(move |half| (from_ts + f64::from(half) * 30.0, 300.0 * f64::from(half)))
        };
        let mut points: Vec<_> = way(0.0).collect();
        points.extend(
            (0..20).map(|half| (9_000.0 + f64::from(half) * 30.0, 5_400.0 - 300.0 * f64::from(half))),
        );
        points.push((20_000.0, 5_000.0));
        assert_eq!(times(&points), [(0.0, 570.0), (9_000.0, 9_570.0)]);
    }

    #[test]
    fn a_walk_around_a_stay_and_a_wrong_reading_are_no_trips() {
        let mut points: Vec<_> = (0..30).map(|minute| (f64::from(minute) * 60.0, 0.0)).collect();
        points.push((1_800.0, 200.0));
        points.extend((31..60).map(|minute| (f64::from(minute) * 60.0, 0.0)));
        assert_eq!(times(&points), []);
    }

    #[test]
    fn output_does_not_depend_on_where_points_are_cut_into_runs() {
        let points =
            [ride(), ride().into_iter().map(|(ts, east)| (ts + 7_000.0, 6_000.0 - east)).collect()].concat();
        let whole = times(&points);
        assert_eq!(whole.len(), 2);
        for cut in 0..points.len() {
            let mut search = Search::from(None);
            points[..cut].iter().for_each(|(ts, east_m)| search.add(fix(*ts, *east_m)));
            let first = search.finish();
            let through = first.last.as_ref().map_or(f64::NEG_INFINITY, |stay| stay.last.ts);
            let mut search = Search::from(first.last);
            let rest = points.iter().filter(|(ts, _)| *ts > through);
            rest.for_each(|(ts, east_m)| search.add(fix(*ts, *east_m)));
            let all = first.trips.iter().chain(&search.trips).map(|trip| (trip.start.ts, trip.end.ts));
            assert_eq!(all.collect::<Vec<_>>(), whole, "{cut}");
        }
    }
}
