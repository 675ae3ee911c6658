//! Cleans one trip: its sections, the stops between them, and their totals.
//!
//! * A trip without sections, or of less than 100 m, was none: the person stayed where they were.
//! * Quirk: the sections and stops that are kept are those that can be reached from the first one, link by link; and
//!   where the first stop is left no later than the first section begins, the walk begins at that stop, and the first
//!   section is lost, although its points stay.

use cells_sdk::model::EntryId;
use cells_sdk::model::segmentation::Stop;

use crate::fix::Fix;
use crate::points::Points;
use crate::section::Cleaned;
use crate::stop::{self, CleanedStop};
use crate::window::{Raw, Window};

/// A shorter trip is none, m.
const TRIP_MIN_M: f64 = 100.0;

/// A cleaned trip.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanedTrip {
    /// Of its first section.
    pub start: Fix,
    /// Of its last section.
    pub end: Fix,
    /// s
    pub duration: f64,
    /// m
    pub distance: f64,
    /// In order of the raw ones.
    pub sections: Vec<Cleaned>,
    /// In order of the raw ones.
    pub stops: Vec<CleanedStop>,
    /// Which sections are kept, by number.
    pub kept_sections: Vec<usize>,
    /// Which stops are kept, by number.
    pub kept_stops: Vec<usize>,
}

impl CleanedTrip {
    /// A span with nothing known in between.
    pub fn without_sections(start: Fix, end: Fix, duration: f64, distance: f64) -> Self {
        let (sections, stops, kept_sections, kept_stops) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { start, end, duration, distance, sections, stops, kept_sections, kept_stops }
    }

    /// Joins cleaned sections; `stops` are the numbers of the trip's raw stops. `None` where there was no trip, and
    /// where a stop names a section of another trip.
    pub fn join(
        window: &Window,
        points: &Points,
        mut sections: Vec<Cleaned>,
        stops: &[usize],
    ) -> Option<Self> {
        let (start, end) = (sections.first()?.start.clone(), sections.last()?.end.clone());
        let number = |id: EntryId| sections.iter().position(|section| window.sections[section.raw].id == id);
        let links: Vec<(usize, usize)> = stops
            .iter()
            .map(|raw| {
                let stop = &window.stops[*raw].data.known;
                Some((number(stop.ending_section)?, number(stop.starting_section)?))
            })
            .collect::<Option<_>>()?;
        let mut cleaned = Vec::with_capacity(stops.len());
        for (raw, (ending, starting)) in stops.iter().zip(links) {
            let device = window.stops[*raw].data.known.device.as_deref();
            cleaned.push(stop::clean(*raw, &mut sections, ending, starting, points, device));
        }
        let distance = sections.iter().map(|section| section.distance).sum::<f64>()
            + cleaned.iter().map(|stop| stop.distance).sum::<f64>();
        if distance < TRIP_MIN_M {
            return None;
        }
        let (kept_sections, kept_stops) = reachable(window, &sections, &cleaned);
        let duration = end.ts - start.ts;
        Some(Self { start, end, duration, distance, sections, stops: cleaned, kept_sections, kept_stops })
    }
}

/// The sections and stops that the reference finds by following the links.
fn reachable(window: &Window, sections: &[Cleaned], stops: &[CleanedStop]) -> (Vec<usize>, Vec<usize>) {
    let begins_at_stop = stops.first().is_some_and(|stop| stop.exit.ts <= sections[0].start.ts);
    let mut kept = (Vec::new(), Vec::new());
    let mut section = if begins_at_stop { None } else { Some(0) };
    let mut stop = if begins_at_stop { Some(0) } else { None };
    // Each is visited once: circular links end there.
    while section.is_some() || stop.is_some() {
        if let Some(number) = section.take().filter(|number| !kept.0.contains(number)) {
            kept.0.push(number);
            let end_stop = window.sections[sections[number].raw].data.known.end_stop;
            stop = end_stop.and_then(|id| stops.iter().position(|stop| raw(window, stop).id == id));
        } else if let Some(number) = stop.take().filter(|number| !kept.1.contains(number)) {
            kept.1.push(number);
            section = Some(stops[number].starting);
        }
    }
    kept
}

fn raw<'a>(window: &'a Window, stop: &CleanedStop) -> &'a Raw<Stop> {
    &window.stops[stop.raw]
}
