//! GPX 1.0 and 1.1: the points of tracks, routes and waypoints that have a time.

use super::{Attributes, Follows, Others, Sink};
use crate::number::plain;
use crate::{Fix, moment};

/// The point that is open.
#[derive(Default)]
pub struct Gpx {
    fix: Option<Fix>,
    others: Others,
}

fn is_point(name: &str) -> bool {
    matches!(name, "trkpt" | "rtept" | "wpt")
}

impl Follows for Gpx {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>, _: &mut Sink<'_>) {
        if is_point(name) {
            // A place that is absent is on no globe.
            let number = |name| attributes.number(name).unwrap_or(f64::INFINITY);
            let (latitude, longitude) = (number("lat"), number("lon"));
            self.fix = Some(Fix { ts: f64::NAN, latitude, longitude, ..Fix::default() });
            self.others = Others::default();
        }
    }

    fn close(&mut self, name: &str, text: &str, sink: &mut Sink<'_>) {
        let Some(fix) = &mut self.fix else { return };
        match name {
            "time" => fix.ts = moment::seconds(text).unwrap_or(f64::NAN),
            "ele" => fix.altitude = plain(text),
            "speed" => fix.speed = plain(text),
            "course" | "bearing" => fix.heading = plain(text),
            "accuracy" => fix.accuracy = plain(text),
            name if is_point(name) => {
                let (fix, others) = (*fix, self.others.take());
                self.fix = None;
                match fix.ts.is_nan() {
                    true => sink.refuse("it has no time", &others),
                    false => sink.fix(fix, &others),
                }
            }
            name => self.others.add(name, text),
        }
    }
}
