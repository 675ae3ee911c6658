//! What a phone records of a day: which readings it takes, when, and when it writes them.
//!
//! A phone sleeps at a place. It wakes when it has left a circle around the place, reads positions while it moves, and
//! sleeps again once it has stood still for some minutes; a transition records each change.

mod android;
mod ios;

use crate::entry::{Body, Location, Record, STREAMS};
use crate::motion::{Moment, Trip};
use crate::random::Random;
use crate::receiver::{Errors, Fix, Receiver};
use crate::town::Projection;

/// Radius of the circle that a phone watches around a place while it sleeps, m.
const GEOFENCE_M: f64 = 110.0;
/// Fixes that are less accurate than this never become `background/filtered_location`, m.
const FILTERED_ACCURACY_M_MAX: f64 = 200.0;

/// A phone's system, which decides what it records and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phone {
    /// A fix about every 30 s while moving (`"filter":"time"`), `local.*` states and transitions.
    Android,
    /// A fix about every 50 m (`"filter":"distance"`), `STATE_*` and `T_*`, motion as flags.
    Ios,
}

/// A part of a day, s since the plan's midnight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// First moment.
    pub from_s: f64,
    /// The moment after the last.
    pub to_s: f64,
}

impl Span {
    fn covers(&self, at_s: f64) -> bool {
        at_s >= self.from_s && at_s < self.to_s
    }
}

/// Faults of a phone's readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Share of fixes with an error of tens of metres and an accuracy of 35 to 150 m.
    pub poor: f64,
    /// Share of fixes with an accuracy beyond 200 m, which the phone keeps out of `filtered_location`.
    pub coarse: f64,
    /// Share of fixes on the way that are up to 1.2 km off on each axis, with a good accuracy.
    pub outliers: f64,
    /// Spans in which the phone is off and records nothing; afterwards an Android phone reports `booted`.
    pub off: Vec<Span>,
}

impl Faults {
    /// A receiver with errors of only a few metres, and a phone that is always on.
    pub fn none() -> Self {
        Self { poor: 0.0, coarse: 0.0, outliers: 0.0, off: Vec::new() }
    }

    /// 3 % poor, 1 % coarse, one outlier in 1,000; always on.
    pub fn usual() -> Self {
        Self { poor: 0.03, coarse: 0.01, outliers: 0.001, off: Vec::new() }
    }
}

/// Everything a phone needs to watch one day.
pub(crate) struct Watch<'a> {
    pub(crate) trips: &'a [Trip],
    pub(crate) faults: &'a Faults,
    pub(crate) projection: Projection,
    /// The plan's midnight, ms since 1970.
    pub(crate) midnight_ms: i64,
    /// When the person's day ends, s since midnight.
    pub(crate) day_end_s: f64,
}

impl Phone {
    /// The day's records in the order of `write_ms`, which no two of one stream share.
    pub(crate) fn watch(self, watch: &Watch<'_>, random: &mut Random) -> Vec<Record> {
        let mut notes = Notes::new(watch, random);
        match self {
            Phone::Android => android::watch(watch, &mut notes),
            Phone::Ios => ios::watch(watch, &mut notes),
        }
        in_order(notes.records)
    }
}

/// The notes of a phone so far.
struct Notes<'a, 'b> {
    watch: &'a Watch<'a>,
    random: &'b mut Random,
    receiver: Receiver,
    records: Vec<Record>,
    last_write_ms: [i64; STREAMS],
    booted_ms: i64,
}

impl<'a, 'b> Notes<'a, 'b> {
    fn new(watch: &'a Watch<'a>, random: &'b mut Random) -> Self {
        let faults = watch.faults;
        let errors = Errors { poor: faults.poor, coarse: faults.coarse, outlier: faults.outliers };
        let booted_ms = watch.midnight_ms - 86_400_000 - random.below(900_000_000) as i64;
        Self {
            watch,
            random,
            receiver: Receiver::new(errors),
            records: Vec::with_capacity(2048),
            last_write_ms: [i64::MIN; STREAMS],
            booted_ms,
        }
    }

    fn is_off(&self, at_s: f64) -> bool {
        self.watch.faults.off.iter().any(|span| span.covers(at_s))
    }

    fn moment_ms(&self, at_s: f64) -> i64 {
        self.watch.midnight_ms + (at_s * 1000.0).round() as i64
    }

    /// Notes a body that was read at `at_s` and is written `lag_s` later, but after the earlier notes of the same
    /// stream: phones deliver late, but in order.
    fn note(&mut self, at_s: f64, lag_s: f64, body: Body) {
        if self.is_off(at_s) {
            return;
        }
        let last = &mut self.last_write_ms[body.stream()];
        let write_ms =
            (self.watch.midnight_ms + ((at_s + lag_s) * 1000.0).round() as i64).max(last.saturating_add(1));
        *last = write_ms;
        self.records.push(Record { write_ms, body });
    }

    /// Forgets the order of writing, for a watcher that notes one kind of reading for the whole day before it starts on
    /// the next.
    fn rewind(&mut self) {
        self.last_write_ms = [i64::MIN; STREAMS];
    }

    fn transition(&mut self, at_s: f64, state: &'static str, transition: &'static str) {
        let at_ms = self.moment_ms(at_s);
        self.note(at_s, 0.0, Body::Transition { state, transition, at_ms });
    }

    /// Full in the morning, 4 % less every hour, charging before six and after 22:30.
    fn battery(&mut self, at_s: f64) {
        let hours = at_s / 3600.0;
        let charging = !(6.0..22.5).contains(&hours);
        let level = if charging { 100.0 } else { 100.0 - 4.0 * (hours - 6.0) };
        let at_ms = self.moment_ms(at_s);
        self.note(
            at_s,
            0.0,
            Body::Battery { level_pct: level.clamp(5.0, 100.0).round() as u8, charging, at_ms },
        );
    }

    fn read(&mut self, at_s: f64, moment: &Moment) -> Fix {
        self.receiver.read(at_s, moment, self.random)
    }

    /// Notes a fix as `background/location` and, if `filtered` and accurate enough, again as
    /// `background/filtered_location` a little later.
    fn fix(&mut self, at_s: f64, fix: &Fix, lag_s: f64, filtered: bool) {
        let at_ms = self.moment_ms(at_s);
        let (latitude_e7, longitude_e7) = self.watch.projection.degrees_e7(fix.spot);
        let location = Location {
            at_ms,
            latitude_e7,
            longitude_e7,
            accuracy_mm: (fix.accuracy_m * 1000.0).round() as i64,
            altitude_dm: (fix.altitude_m * 10.0).round() as i64,
            speed_cm: (fix.speed >= 0.0).then(|| (fix.speed * 100.0).round() as i64),
            bearing_ddeg: (fix.bearing_deg >= 0.0).then(|| (fix.bearing_deg * 10.0).round() as i64),
            since_boot_ns: (at_ms - self.booted_ms) * 1_000_000 + self.random.below(1_000_000) as i64,
        };
        self.note(at_s, lag_s, Body::Location(location));
        if filtered && fix.accuracy_m < FILTERED_ACCURACY_M_MAX {
            let filtered_lag_s = lag_s + self.random.within(0.03, 0.6);
            self.note(at_s, filtered_lag_s, Body::FilteredLocation(location));
        }
    }
}

/// When a person on this trip leaves the circle around the start of the trip, checked second by second. `None`: never.
fn leaves_geofence_s(trip: &Trip) -> Option<f64> {
    let start = trip.at(trip.start_s()).spot;
    let seconds = (trip.end_s() - trip.start_s()) as usize;
    (1..=seconds)
        .map(|second| trip.start_s() + second as f64)
        .find(|&at_s| trip.at(at_s).spot.distance_m(start) > GEOFENCE_M)
}

/// Sorts by `write_ms` and separates equal values within a stream, since the server distinguishes entries by it.
fn in_order(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| record.write_ms);
    let mut last_ms = [i64::MIN; STREAMS];
    for record in &mut records {
        let last = &mut last_ms[record.body.stream()];
        record.write_ms = record.write_ms.max(last.saturating_add(1));
        *last = record.write_ms;
    }
    records.sort_by_key(|record| record.write_ms);
    records
}
