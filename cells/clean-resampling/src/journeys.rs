//! Cleans every trip of the window separately; a span without readings stays unchanged.

use std::collections::HashMap;

use cells_locations::ANY_CADENCE;
use cells_sdk::model::EntryId;
use cells_sdk::{RunError, WINDOW_GAP_S};

use crate::fix::Fix;
use crate::inputs::Inputs;
use crate::section::{self, Around, Cleaned};
use crate::trip::CleanedTrip;
use crate::window::{Journey, Window};

/// The results for the window's journeys.
#[derive(Debug, Default)]
pub struct Journeys {
    /// By number; `None`: there was no trip.
    pub outcomes: Vec<Option<CleanedTrip>>,
    /// How many are so long that they count as no trip.
    pub too_long: usize,
}

impl Journeys {
    /// Cleans them.
    pub fn clean(inputs: &Inputs) -> Result<Self, RunError> {
        let window = &inputs.window;
        let sections = by_trip(window.sections.iter().map(|section| section.data.known.trip_id));
        let stops = by_trip(window.stops.iter().map(|stop| stop.data.known.trip_id));
        let of = |parts: &HashMap<EntryId, Vec<usize>>, id| parts.get(id).cloned().unwrap_or_default();
        let mut journeys = Self::default();
        for journey in &window.journeys {
            if journey.untracked {
                journeys.outcomes.push(Some(as_it_was(journey)));
                continue;
            }
            let id = &journey.entry.id;
            let cleaned = of(&sections, id).into_iter().map(|raw| clean_section(inputs, raw, journey));
            let cleaned: Option<Vec<Cleaned>> = cleaned.collect::<Result<_, _>>()?;
            journeys.too_long += usize::from(cleaned.is_none());
            let join = |sections| CleanedTrip::join(window, &inputs.points, sections, &of(&stops, id));
            journeys.outcomes.push(cleaned.and_then(join));
        }
        Ok(journeys)
    }

    /// Cuts a back-log after the last trip from which the next run can continue as this one would have. Returns whether
    /// there is one.
    pub fn cut(&mut self, window: &mut Window) -> bool {
        let mut last_is_trip = true;
        let mut best = None;
        for (number, (journey, outcome)) in window.journeys.iter().zip(&self.outcomes).enumerate() {
            if outcome.is_some() {
                last_is_trip = !journey.untracked;
            }
            // The fate of a span depends on what follows it; and the next window begins after the mark.
            let mark = window.mark_behind(journey);
            let next = window.journeys.get(number + 1).map(|next| next.entry.data.known.start_ts);
            let next = next.or(window.cut_before);
            let goes_on = next.is_some_and(|next| mark + WINDOW_GAP_S <= next);
            if last_is_trip && goes_on {
                best = Some(number + 1);
            }
        }
        if let Some(count) = best {
            window.cut(count);
            self.outcomes.truncate(count);
        }
        best.is_some()
    }
}

/// Cleans a section of a trip, by its number; `None`: it would have too many points.
fn clean_section(inputs: &Inputs, raw: usize, journey: &Journey) -> Result<Option<Cleaned>, RunError> {
    let Inputs { window, points, zones, anchors, deleted, .. } = inputs;
    let section = &window.sections[raw];
    let (trip, known) = (&journey.entry.data.known, &section.data.known);
    let device = known.device.as_deref();
    let rows = points.within(device, known.start_ts, known.end_ts);
    let anchor = |stop: Option<EntryId>, place: EntryId| match stop {
        Some(_) => None,
        None => anchors.of(place, points, device, &rows),
    };
    let around = Around {
        points,
        zones,
        start_place: anchor(known.start_stop, trip.start_place),
        end_place: anchor(known.end_stop, trip.end_place),
        deleted: deleted.of(section.id),
        departs: trip.source == ANY_CADENCE && known.start_stop.is_none(),
    };
    section::clean(raw, known, around)
}

/// The numbers of each trip's parts.
fn by_trip(trips: impl Iterator<Item = EntryId>) -> HashMap<EntryId, Vec<usize>> {
    let mut parts: HashMap<EntryId, Vec<usize>> = HashMap::new();
    for (number, trip) in trips.enumerate() {
        parts.entry(trip).or_default().push(number);
    }
    parts
}

/// A span without readings, unchanged.
fn as_it_was(journey: &Journey) -> CleanedTrip {
    let span = &journey.entry.data.known;
    let start = Fix {
        ts: span.start_ts,
        local_dt: span.start_local_dt.clone(),
        fmt_time: span.start_fmt_time.clone(),
        loc: span.start_loc,
    };
    let end = Fix {
        ts: span.end_ts,
        local_dt: span.end_local_dt.clone(),
        fmt_time: span.end_fmt_time.clone(),
        loc: span.end_loc,
    };
    CleanedTrip::without_sections(start, end, span.duration, span.distance)
}
