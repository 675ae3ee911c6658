//! TCX: track points with a place, and the sport of an activity as a motion.

use cells_model::background::MotionType;

use super::{Attributes, Follows, Others, Sink};
use crate::entry::motion_of;
use crate::number::plain;
use crate::{Fix, Motion, Reading, moment};

/// The point that is open, and the sport of its activity until it is told.
#[derive(Default)]
pub struct Tcx {
    sport: Option<MotionType>,
    fix: Option<Fix>,
    placed: bool,
    others: Others,
}

impl Follows for Tcx {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>, _: &mut Sink<'_>) {
        match name {
            "Activity" | "Course" => {
                let sport = attributes.get("Sport").map(|word| motion_of(&word));
                self.sport = sport.filter(|kind| *kind != MotionType::Unknown);
            }
            "Trackpoint" => {
                self.fix = Some(Fix { ts: f64::NAN, latitude: f64::INFINITY, ..Fix::default() });
                self.placed = false;
                self.others = Others::default();
            }
            "Position" => self.placed = true,
            _ => {}
        }
    }

    fn close(&mut self, name: &str, text: &str, sink: &mut Sink<'_>) {
        let Some(fix) = &mut self.fix else { return };
        match name {
            "Time" => fix.ts = moment::seconds(text).unwrap_or(f64::NAN),
            "LatitudeDegrees" => fix.latitude = plain(text).unwrap_or(f64::INFINITY),
            "LongitudeDegrees" => fix.longitude = plain(text).unwrap_or(f64::INFINITY),
            "AltitudeMeters" => fix.altitude = plain(text),
            "Speed" => fix.speed = plain(text),
            "Trackpoint" => {
                let (fix, placed, others) = (*fix, self.placed, self.others.take());
                self.fix = None;
                if !placed {
                    sink.refuse("it has no place", &others);
                } else if fix.ts.is_nan() {
                    sink.refuse("it has no time", &others);
                } else {
                    sink.fix(fix, &others);
                    self.tell_sport(fix.ts, sink);
                }
            }
            name => self.others.add(name, text),
        }
    }
}

impl Tcx {
    fn tell_sport(&mut self, ts: f64, sink: &mut Sink<'_>) {
        if let Some(kind) = self.sport.take().filter(|_| moment::is_a_moment(ts)) {
            sink.give(Reading::Motion(Motion { ts, kind, confidence: None }), "");
        }
    }
}
