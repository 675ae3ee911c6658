//! The confirmed diary as a phone shows it: composite trips and the places between them.

use std::fmt::Write as _;

use cells_geometry::{Position, distance};
use serde::Serialize;
use serde_json::Value;

/// Visits that are this close to each other are visits to one place, m.
const SAME_PLACE_M: f64 = 150.0;

/// The diary of a day.
#[derive(Debug, Serialize)]
pub(super) struct Diary {
    trips: Vec<Trip>,
    /// Longitude and latitude of each place, in the order of the first visits, degrees.
    places: Vec<[f64; 2]>,
}

/// One trip, with all that a phone shows.
#[derive(Debug, Serialize)]
struct Trip {
    /// Local time.
    start: String,
    /// Local time.
    end: String,
    start_ts: f64,
    end_ts: f64,
    distance_m: f64,
    /// Index of the first place.
    from: usize,
    /// Index of the last place.
    to: usize,
    sections: Vec<Section>,
    /// How many points of the route a map shows.
    points: usize,
}

/// A part of a trip.
#[derive(Debug, Serialize)]
struct Section {
    mode: String,
    distance_m: f64,
}

impl Diary {
    /// Reads composite trips, the earliest first.
    pub(super) fn read(composite_trips: &[Value]) -> Self {
        let mut diary = Self { trips: Vec::new(), places: Vec::new() };
        for entry in composite_trips {
            let trip = diary.trip(&entry["data"]);
            diary.trips.extend(trip);
        }
        diary
    }

    pub(super) fn is_empty(&self) -> bool {
        self.trips.is_empty()
    }

    fn trip(&mut self, data: &Value) -> Option<Trip> {
        let sections = data["sections"].as_array()?.iter().map(|section| &section["data"]);
        let sections = sections.filter_map(|section| {
            let mode = section["sensed_mode_str"].as_str()?.to_lowercase().replace('_', " ");
            Some(Section { mode, distance_m: section["distance"].as_f64()? })
        });
        Some(Trip {
            start: data["start_fmt_time"].as_str()?.to_owned(),
            end: data["end_fmt_time"].as_str()?.to_owned(),
            start_ts: data["start_ts"].as_f64()?,
            end_ts: data["end_ts"].as_f64()?,
            distance_m: data["distance"].as_f64()?,
            from: self.place(&data["start_confirmed_place"])?,
            to: self.place(&data["end_confirmed_place"])?,
            sections: sections.collect(),
            points: data["locations"].as_array().map_or(0, Vec::len),
        })
    }

    /// The index of a confirmed place: one visited before, or a new one.
    fn place(&mut self, entry: &Value) -> Option<usize> {
        let coordinates = &entry["data"]["location"]["coordinates"];
        let here = [coordinates[0].as_f64()?, coordinates[1].as_f64()?];
        let near = |there: &[f64; 2]| distance(position(here), position(*there)) < SAME_PLACE_M;
        Some(self.places.iter().position(near).unwrap_or_else(|| {
            self.places.push(here);
            self.places.len() - 1
        }))
    }

    /// Text for people: stays and trips in turn.
    pub(super) fn tell(&self, text: &mut String) {
        let mut line = |words: std::fmt::Arguments<'_>| {
            text.write_fmt(format_args!("  {words}\n")).expect("a text takes what it is given");
        };
        for (index, trip) in self.trips.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| &self.trips[before]);
            match before {
                None => line(format_args!("at {} until {}", letter(trip.from), clock(&trip.start))),
                Some(before) => {
                    let stay = duration(trip.start_ts - before.end_ts);
                    line(format_args!("at {} for {stay}", letter(trip.from)));
                }
            }
            line(format_args!(
                "{} to {}  {:6.2} km to {}: {}",
                clock(&trip.start),
                clock(&trip.end),
                trip.distance_m / 1e3,
                letter(trip.to),
                trip.modes()
            ));
        }
        if let Some(last) = self.trips.last() {
            line(format_args!("at {} since {}", letter(last.to), clock(&last.end)));
        }
    }
}

impl Trip {
    /// The distance by each mode, in turn. Consecutive sections of one mode are joined.
    fn modes(&self) -> String {
        let runs = self.sections.chunk_by(|one, next| one.mode == next.mode);
        let told = runs.map(|run| {
            let metres: f64 = run.iter().map(|section| section.distance_m).sum();
            format!("{} {:.2} km", run[0].mode, metres / 1e3)
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

fn position([longitude, latitude]: [f64; 2]) -> Position {
    Position { latitude, longitude }
}

/// A to Z, then A again: no invented person visits that many places in a day.
fn letter(place: usize) -> char {
    char::from(b'A' + u8::try_from(place % 26).expect("under 26"))
}

/// `HH:MM` of a local time.
fn clock(fmt_time: &str) -> &str {
    fmt_time.get(11..16).unwrap_or(fmt_time)
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as i64;
    match minutes {
        ..60 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trip(hours: [f64; 2], places: [f64; 2], sections: &[(&str, f64)]) -> Value {
        let place = |longitude: f64| json!({"data": {"location": {"coordinates": [longitude, 47.0]}}});
        let section =
            |(mode, metres): &(&str, f64)| json!({"data": {"sensed_mode_str": mode, "distance": metres}});
        let time =
            |hour: f64| format!("2024-03-04T{:02}:{:02}:00+01:00", hour as u8, (hour.fract() * 60.0).round());
        json!({"data": {
            "start_ts": hours[0] * 3_600.0, "end_ts": hours[1] * 3_600.0, "distance": 2_000.0,
            "start_fmt_time": time(hours[0]), "end_fmt_time": time(hours[1]), "locations": [1, 2],
            "start_confirmed_place": place(places[0]), "end_confirmed_place": place(places[1]),
            "sections": sections.iter().map(section).collect::<Vec<_>>(),
        }})
    }

    #[test]
    fn stays_and_trips_are_told_in_turn_and_a_place_has_one_name() {
        let trips = [
            trip([8.5, 9.0], [8.0, 8.1], &[("WALKING", 150.0), ("WALKING", 50.0), ("LIGHT_RAIL", 1_800.0)]),
            trip([17.25, 17.75], [8.1, 8.000_5], &[("BICYCLING", 2_000.0)]),
        ];
        let mut text = String::new();
        Diary::read(&trips).tell(&mut text);
        let want = "  at A until 08:30\n  08:30 to 09:00    2.00 km to B: walking 0.20 km, light rail 1.80 km\n  \
                    at B for 8 h 15 min\n  17:15 to 17:45    2.00 km to A: bicycling 2.00 km\n  at A since 17:45\n";
        assert_eq!(text, want);
    }

    #[test]
    fn what_is_no_trip_is_left_out() {
        let mut odd = trip([8.0, 9.0], [8.0, 8.1], &[]);
        odd["data"]["end_confirmed_place"] = Value::Null;
        assert!(Diary::read(&[odd, json!({}), json!(1)]).is_empty());
    }
}
