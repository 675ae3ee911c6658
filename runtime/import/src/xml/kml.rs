//! KML: tracks with a time for each place, and places or lines with a moment or a span.
//!
//! A line with a span has times for its two ends alone: the places between are not given, since nobody knows when they
//! were passed.

use std::collections::VecDeque;

use super::{Attributes, Follows, Sink};
use crate::number::plain;
use crate::{Fix, moment};

/// How many moments one track may have that wait for their places.
const WAITING_MAX: usize = 1 << 20;

/// What is open.
#[derive(Default)]
pub struct Kml {
    in_track: bool,
    whens: VecDeque<f64>,
    /// Places of a track that came before their moments.
    places: VecDeque<Option<[f64; 3]>>,
    begin: Option<f64>,
    end: Option<f64>,
    /// The coordinates of the placemark's own geometry.
    coordinates: Vec<String>,
    held_bytes: usize,
}

/// How much text of coordinates one placemark may have, bytes.
const COORDINATES_BYTES_MAX: usize = 16 << 20;

impl Follows for Kml {
    fn open(&mut self, name: &str, _: &Attributes<'_>, _: &mut Sink<'_>) {
        match name {
            "Placemark" => *self = Self::default(),
            "Track" => {
                self.in_track = true;
                self.whens.clear();
                self.places.clear();
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str, text: &str, sink: &mut Sink<'_>) {
        match name {
            "when" if self.in_track => self.when(text, sink),
            "coord" if self.in_track => self.coord(text, sink),
            "when" => {
                self.begin = moment::seconds(text);
                self.end = self.begin;
            }
            "begin" => self.begin = moment::seconds(text),
            "end" => self.end = moment::seconds(text),
            "coordinates" if self.held_bytes + text.len() <= COORDINATES_BYTES_MAX => {
                self.held_bytes += text.len();
                self.coordinates.push(text.to_owned());
            }
            "Track" => {
                self.in_track = false;
                if !(self.whens.is_empty() && self.places.is_empty()) {
                    sink.refuse("its track has another number of times than of places", "");
                }
            }
            "Placemark" => self.placemark(sink),
            _ => {}
        }
    }
}

impl Kml {
    fn when(&mut self, text: &str, sink: &mut Sink<'_>) {
        let ts = moment::seconds(text).unwrap_or(f64::NAN);
        match self.places.pop_front() {
            Some(place) => give(ts, place, sink),
            None if self.whens.len() < WAITING_MAX => self.whens.push_back(ts),
            None => sink.refuse("its track has too many points: cut it", ""),
        }
    }

    fn coord(&mut self, text: &str, sink: &mut Sink<'_>) {
        let place = place(text.split_ascii_whitespace());
        match self.whens.pop_front() {
            Some(ts) => give(ts, place, sink),
            None if self.places.len() < WAITING_MAX => self.places.push_back(place),
            None => sink.refuse("its track has too many points: cut it", ""),
        }
    }

    fn placemark(&mut self, sink: &mut Sink<'_>) {
        let (begin, end) = (self.begin.take(), self.end.take());
        for coordinates in std::mem::take(&mut self.coordinates) {
            let mut places = coordinates.split_ascii_whitespace();
            let (first, last) = (places.next(), places.next_back());
            let Some(begin) = begin else {
                sink.refuse("it has no time", &coordinates);
                continue;
            };
            let of = |text: Option<&str>| text.and_then(|text| place(text.split(',')));
            give(begin, of(first), sink);
            if let Some(end) = end.filter(|end| *end > begin) {
                give(end, of(last.or(first)), sink);
            }
        }
    }
}

fn give(ts: f64, place: Option<[f64; 3]>, sink: &mut Sink<'_>) {
    let Some([longitude, latitude, altitude]) = place else { return sink.refuse("it has no place", "") };
    if ts.is_nan() {
        return sink.refuse("it has no time", "");
    }
    let altitude = Some(altitude).filter(|metres| metres.is_finite());
    sink.fix(Fix { ts, latitude, longitude, altitude, ..Fix::default() }, "");
}

/// Longitude, latitude, altitude; NaN where the last is absent.
fn place<'a>(mut numbers: impl Iterator<Item = &'a str>) -> Option<[f64; 3]> {
    let [longitude, latitude] = [plain(numbers.next()?)?, plain(numbers.next()?)?];
    Some([longitude, latitude, numbers.next().and_then(plain).unwrap_or(f64::NAN)])
}
