//! A consent as every read passes through it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use cells_contract::EntryId;
use runtime_types::{Area, EntryTimes, TimeField};

use crate::consent::{Consent, StreamGrant};
use crate::data::{Showing, stripped};
use crate::grid::centre_of;
use crate::ids::Pseudonyms;
use crate::metadata;
use crate::precision::{Place, Time};
use crate::shape::Shape;

/// A consent, compiled.
#[derive(Debug)]
pub struct Reach {
    streams: Vec<StreamGrant>,
    shapes: HashMap<String, Arc<Shape>>,
    ids: Pseudonyms,
}

/// What of one stream is shown: the strictest of each bound that the consent has for it.
#[derive(Debug, Clone)]
pub struct StreamReach {
    from: f64,
    until: f64,
    place: Place,
    time: Time,
    without: Vec<String>,
    shape: Option<Arc<Shape>>,
    ids: Pseudonyms,
}

impl Reach {
    /// Compiles a consent. `secret` is the grant's own: under coarse times, ids are shown under it. `shape` finds what
    /// is known about a stream's data; under a coarse grant a stream about which nothing is known is denied.
    pub fn new(
        consent: &Consent,
        secret: &[u8; 32],
        shapes: impl IntoIterator<Item = (String, Arc<Shape>)>,
    ) -> Self {
        let streams = consent.streams.clone();
        let covered = |key: &str| streams.iter().any(|grant| grant.covers(Area::Timeseries, key));
        let shapes = shapes.into_iter().filter(|(key, _)| covered(key)).collect();
        Self { streams, shapes, ids: Pseudonyms::new(secret) }
    }

    /// What of a stream is shown; `None`: nothing, since the consent does not name it, or since it is to be shown
    /// coarsely and no schema says where its places and times are.
    pub fn of(&self, area: Area, key: &str) -> Option<StreamReach> {
        self.of_unchecked(area, key).and_then(StreamReach::checked)
    }

    /// The same, whether or not there is a schema: to be followed by [`StreamReach::checked`] or
    /// [`StreamReach::of_its_own`].
    pub fn of_unchecked(&self, area: Area, key: &str) -> Option<StreamReach> {
        if area != Area::Timeseries {
            return None;
        }
        let mut grants = self.streams.iter().filter(|grant| grant.covers(area, key));
        let mut reach = StreamReach::everything(&self.ids, self.shapes.get(key).cloned());
        reach.tighten(grants.next()?);
        grants.for_each(|grant| reach.tighten(grant));
        Some(reach)
    }

    /// Ids as they are shown under coarse times.
    pub fn ids(&self) -> &Pseudonyms {
        &self.ids
    }
}

impl StreamReach {
    fn everything(ids: &Pseudonyms, shape: Option<Arc<Shape>>) -> Self {
        let (from, until) = (f64::NEG_INFINITY, f64::INFINITY);
        let (place, time) = (Place::Exact, Time::Exact);
        Self { from, until, place, time, without: Vec::new(), shape, ids: ids.clone() }
    }

    /// The same, unless it is to be shown coarsely and no schema says where its places and times are.
    pub fn checked(self) -> Option<Self> {
        let known = self.shape.is_some() || !self.is_coarse();
        known.then_some(self)
    }

    /// The same stream, as the cell shows it to itself: one of its own making, whose ids it must know.
    #[must_use]
    pub fn of_its_own(self) -> Self {
        Self { place: Place::Exact, time: Time::Exact, without: Vec::new(), shape: None, ..self }
    }

    fn tighten(&mut self, grant: &StreamGrant) {
        self.from = self.from.max(grant.from.unwrap_or(f64::NEG_INFINITY));
        self.until = self.until.min(grant.until.unwrap_or(f64::INFINITY));
        self.place = self.place.max(grant.place);
        self.time = self.time.max(grant.time);
        self.without.extend(grant.without.iter().cloned());
    }

    fn is_coarse(&self) -> bool {
        self.place != Place::Exact || self.time != Time::Exact
    }

    /// How precisely times are shown.
    pub fn time(&self) -> Time {
        self.time
    }

    /// How precisely places are shown.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The positions whose entries are shown at `now`, s: the first and the last, both closed; `None`: none are. Under a
    /// coarse time these are whole grains that have passed: of a grain that has begun, each entry would tell by its
    /// appearing when it was made.
    pub fn positions(&self, now: f64) -> Option<(f64, f64)> {
        let (mut from, mut until) = (self.from, self.until);
        if self.time != Time::Exact {
            from = self.time.ceil(from);
            let end = if until.is_finite() { self.time.floor(until.next_up()) } else { until };
            until = end.min(self.passed(now)).next_down();
        }
        (from <= until).then_some((from, until))
    }

    /// Whether an entry with these times is shown at `now`, s. Under a coarse time all of them lie in grains that have
    /// passed: of a trip that has just ended, its appearing would tell when.
    pub fn shows(&self, times: &EntryTimes, now: f64) -> bool {
        let position = times.get(TimeField::Position);
        // As in the store: an entry without any time is at 0.
        let position = if position.is_nan() { 0.0 } else { position };
        let inside = self.positions(now).is_some_and(|(from, until)| from <= position && position <= until);
        let passed = self.passed(now);
        inside && times.own.iter().all(|time| time.is_nan() || *time < passed)
    }

    /// The moment before which all times of an entry lie that is shown at `now`, s: infinity if times are exact.
    pub fn passed(&self, now: f64) -> f64 {
        match self.time {
            Time::Exact => f64::INFINITY,
            // A clock that is no number shows nothing.
            _ if now.is_nan() => f64::NEG_INFINITY,
            time => time.floor(now),
        }
    }

    /// A time of an entry as it is shown, s.
    pub fn moment(&self, moment: f64) -> f64 {
        self.time.floor(moment)
    }

    /// The bounds of stored times, both closed, whose entries match a query with these: an entry is shown if its shown
    /// time lies within. So bounds that are finer than the grain tell no more than bounds on the grain.
    pub fn stored_bounds(&self, start: f64, end: f64) -> (f64, f64) {
        (self.time.ceil(start), self.time.end_of(end))
    }

    /// An id as it is shown.
    pub fn id(&self, stored: EntryId) -> EntryId {
        if self.time == Time::Exact { stored } else { self.ids.shown(stored) }
    }

    /// Metadata as it is shown.
    pub fn metadata(&self, metadata: &str) -> String {
        metadata::shown(self.time, metadata)
    }

    /// Data as it is shown.
    pub fn data<'d>(&self, data: &'d str) -> Cow<'d, str> {
        match &self.shape {
            Some(shape) if self.is_coarse() => {
                let Self { place, time, without, ids, .. } = self;
                Cow::Owned(Showing { place: *place, time: *time, shape, ids, without }.data(data))
            }
            shape => {
                let devices = shape.iter().flat_map(|shape| &shape.devices);
                let names: Vec<&str> = self.without.iter().chain(devices).map(String::as_str).collect();
                if names.is_empty() { Cow::Borrowed(data) } else { stripped(data, &names) }
            }
        }
    }

    /// Whether columns of locations can be made of stored columns, with [`Self::located`] alone.
    pub fn has_columns(&self) -> bool {
        let plain =
            self.place == Place::Exact || self.shape.as_ref().is_some_and(|shape| shape.has_columns());
        plain && self.time == Time::Exact && self.without.is_empty()
    }

    /// A place as it is shown: latitude and longitude, degrees; NaN stays.
    pub fn located(&self, latitude: f64, longitude: f64) -> (f64, f64) {
        centre_of(self.place, latitude, longitude)
    }
}
