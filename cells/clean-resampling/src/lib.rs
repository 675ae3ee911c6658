//! Makes a person's diary clean: the stage `CLEAN_RESAMPLING`.
//!
//! Trips lose the points that smoothing has deleted and are drawn to the places around them; their sections get
//! points at even times; stops that are none go to a section; and what was no trip is joined into the place where the
//! person stayed. Reads the raw diary, smoothing and filtered locations of the run's window; writes
//! `analysis/cleaned_trip`, `cleaned_untracked`, `cleaned_place`, `cleaned_section`, `cleaned_stop` and
//! `recreated_location`, linked to a chain that every run goes on with. What it computes equals the reference entry by
//! entry; each rule that looks odd is the reference's and stands as "Quirk" in the module that has it.
//!
//! * Units: seconds, metres, degrees. The window is on `data.start_ts` of trips and sections, `data.enter_ts` of
//!   places and stops and `data.ts` of points, closed at both ends. The mark is the arrival at the last raw place,
//!   but never one from which a trip of the window would be read again: an old fix leaves trips that end before they
//!   begin.
//! * Memory: about 100 bytes a point of the window and 100 bytes a point made. A back-log that would make more than
//!   some 20,000 points is cut behind a trip, and the run asks to be run again.
//! * Not here: names of places (no network), and how a section was really travelled.

mod alone;
mod anchors;
mod chain;
mod ends;
mod entries;
mod fix;
mod mode;
mod moved;
mod open;
mod phone_point;
mod points;
mod resample;
mod section;
mod smoothing;
mod stop;
mod trip;
mod window;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use cells_locations::ReadError;
use cells_sdk::model::EntryId;
use cells_sdk::model::time::BadTime;
use cells_sdk::{Failure, Level, Log, MARK_AHEAD_S, Outcome, ReadEntries, Run, WriteEntries};

use anchors::Anchors;
use chain::Chain;
use fix::Fix;
use open::OpenPlace;
use points::{Points, ZoneTable};
use section::{Around, Cleaned, Path};
use smoothing::Deleted;
use trip::CleanedTrip;
use window::{BEFORE_S, Journey, Window};
use write::Sources;

/// What a run's error may say, bytes.
const ERROR_BYTES_MAX: usize = 500;
/// A run that makes about this many points ends, so that what it holds and writes stays small.
const POINTS_A_RUN: f64 = 20_000.0;
/// The stage's memory of a run that goes on with a window.
const GOES_ON: &[u8] = b"goes on";

/// Why a run was given up; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
enum CleanError {
    #[error("cannot read the window")]
    Read(#[from] ReadError),
    #[error("cannot write the cleaned diary")]
    Write(#[from] Failure),
    #[error("cleaned place {id} cannot be read")]
    BadPlace {
        id: EntryId,
        #[source]
        source: serde_json::Error,
    },
    #[error("the runtime gave fewer ids than there were rows")]
    IdsMissing,
    #[error("a moment has no local time")]
    LocalTime(#[source] BadTime),
}

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    try_run(runtime, run).map_err(|error| with_causes(&error))
}

fn try_run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, CleanError> {
    let mut points_max = POINTS_A_RUN;
    loop {
        let mut piece = Piece::read(runtime, run, points_max)?;
        if piece.window.is_cut() && !piece.cut() {
            // Nothing in it could be decided without what comes behind it.
            points_max *= 4.0;
            continue;
        }
        return piece.finish(runtime, run);
    }
}

/// What one run works on, and what became of its trips.
struct Piece {
    window: Window,
    points: Points,
    zones: ZoneTable,
    outcomes: Vec<Option<CleanedTrip>>,
    too_long: usize,
}

impl Piece {
    fn read<R: ReadEntries>(runtime: &mut R, run: &Run, points_max: f64) -> Result<Self, CleanError> {
        let window = Window::read(runtime, run.start, run.end, points_max)?;
        let (mut points, mut zones) = (Points::default(), ZoneTable::default());
        let (mut anchors, mut deleted) = (Anchors::default(), Deleted::default());
        if !window.sections.is_empty() {
            let (start, end) = (run.start.map(|start| start - BEFORE_S), window.end_ts().min(run.end));
            points = Points::read(runtime, start, end, &mut zones)?;
            anchors = Anchors::find(runtime, &window, &points, &mut zones)?;
            deleted = Deleted::read(runtime, &window)?;
        }
        let mut piece = Self { window, points, zones, outcomes: Vec::new(), too_long: 0 };
        piece.outcomes = piece.clean(&anchors, &deleted)?;
        Ok(piece)
    }

    /// What became of each journey.
    fn clean(
        &mut self,
        anchors: &Anchors,
        deleted: &Deleted,
    ) -> Result<Vec<Option<CleanedTrip>>, CleanError> {
        let window = &self.window;
        let sections = by_trip(window.sections.iter().map(|section| section.data.known.trip_id));
        let stops = by_trip(window.stops.iter().map(|stop| stop.data.known.trip_id));
        let of = |parts: &HashMap<EntryId, Vec<usize>>, id| parts.get(id).cloned().unwrap_or_default();
        let mut outcomes = Vec::with_capacity(window.journeys.len());
        for journey in &window.journeys {
            if journey.untracked {
                outcomes.push(Some(as_it_was(journey)));
                continue;
            }
            let mut cleaned = Some(Vec::new());
            for raw in of(&sections, &journey.entry.id) {
                let section = self.clean_section(raw, journey, anchors, deleted)?;
                cleaned = cleaned.zip(section).map(|(mut sections, section)| {
                    sections.push(section);
                    sections
                });
            }
            self.too_long += usize::from(cleaned.is_none());
            let stops = of(&stops, &journey.entry.id);
            let join = |sections| CleanedTrip::join(window, &self.points, sections, &stops);
            outcomes.push(cleaned.and_then(join));
        }
        Ok(outcomes)
    }

    fn clean_section(
        &self,
        raw: usize,
        journey: &Journey,
        anchors: &Anchors,
        deleted: &Deleted,
    ) -> Result<Option<Cleaned>, CleanError> {
        let section = &self.window.sections[raw];
        let (trip, known) = (&journey.entry.data.known, &section.data.known);
        let rows = self.points.within(known.start_ts, known.end_ts);
        let anchor = |stop: Option<EntryId>, place: EntryId| match stop {
            Some(_) => None,
            None => anchors.of(place, &self.points, &rows),
        };
        let around = Around {
            points: &self.points,
            zones: &self.zones,
            start_place: anchor(known.start_stop, trip.start_place),
            end_place: anchor(known.end_stop, trip.end_place),
            deleted: deleted.of(section.id),
        };
        section::clean(raw, known, around)
    }

    /// Cuts a back-log behind the last trip from which a next run can go on as this one would have. Answers whether
    /// there is one.
    fn cut(&mut self) -> bool {
        let journeys = &self.window.journeys;
        let mut last_is_trip = true;
        let mut best = None;
        for (number, (journey, outcome)) in journeys.iter().zip(&self.outcomes).enumerate() {
            if outcome.is_some() {
                last_is_trip = !journey.untracked;
            }
            // What a span was is decided by what comes behind it; and the next window begins behind the mark.
            let mark = self.window.mark_behind(journey);
            let next = journeys.get(number + 1).map(|next| next.entry.data.known.start_ts);
            let next = next.or(self.window.cut_before);
            let goes_on = next.is_some_and(|next| mark + MARK_AHEAD_S <= next);
            if last_is_trip && goes_on {
                best = Some(number + 1);
            }
        }
        if let Some(count) = best {
            self.window.cut(count);
            self.outcomes.truncate(count);
        }
        best.is_some()
    }

    fn finish<R: ReadEntries + WriteEntries + Log>(
        mut self,
        runtime: &mut R,
        run: &Run,
    ) -> Result<Outcome, CleanError> {
        self.report(runtime, run)?;
        let more = self.window.is_cut();
        let state = if more { GOES_ON.to_vec() } else { Vec::new() };
        let outcome = Outcome { processed_through: self.window.mark(), state, more };
        if self.window.first_place().is_none() {
            return Ok(outcome);
        }
        let alone = self.settle_alone(runtime, run)?;
        let open = OpenPlace::find(runtime)?;
        let outcomes = std::mem::take(&mut self.outcomes);
        let Some(chain) = Chain::link(&self.window, outcomes, open.as_ref().map(OpenPlace::stay))? else {
            return Ok(outcome);
        };
        let sources =
            Sources { window: &self.window, points: &self.points, zones: &self.zones, alone: &alone };
        write::write(runtime, sources, &chain, open, run.now)?;
        Ok(outcome)
    }

    /// Finds out which sections of one point keep it.
    fn settle_alone<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        run: &Run,
    ) -> Result<BTreeMap<EntryId, alone::Row>, CleanError> {
        let sections = self.outcomes.iter_mut().flatten().flat_map(|trip| &mut trip.sections);
        let mut alone: Vec<(&mut Cleaned, EntryId)> = sections
            .filter_map(|section| match &section.path {
                Path::Alone(point) => {
                    let id = self.points.ids[point.row];
                    Some((section, id))
                }
                Path::Steps(_) => None,
            })
            .collect();
        let wanted: BTreeSet<EntryId> = alone.iter().map(|(_, id)| *id).collect();
        // Of a back-log that was cut, only this piece: what comes behind it is read by the next run.
        let end = if self.window.is_cut() { self.window.end_ts() } else { run.end };
        let rows = alone::read_rows(runtime, run.start, end, &wanted)?;
        for (section, id) in &mut alone {
            if !rows.contains_key(id) {
                section.lose_path();
            }
        }
        Ok(rows)
    }

    /// Tells the owner what did not count, and why; no places.
    fn report<R: ReadEntries + Log>(&self, runtime: &mut R, run: &Run) -> Result<(), CleanError> {
        let passed_over = if run.state == GOES_ON { 0 } else { window::passed_over(runtime, run)? };
        let mut tell = |count: usize, what: &str| {
            if count > 0 {
                runtime.log(Level::Warn, &format!("{count} {what}"));
            }
        };
        tell(self.window.unreadable, "entries of the raw diary cannot be read: passed over");
        tell(self.points.unplaced, "points have no time or no place: passed over");
        tell(self.too_long, "trips last longer than three weeks: taken as none");
        tell(
            passed_over,
            "trips or spans begin before what earlier runs have come to: they stay out of the diary",
        );
        Ok(())
    }
}

/// The numbers of a trip's parts, by the trip.
fn by_trip(trips: impl Iterator<Item = EntryId>) -> HashMap<EntryId, Vec<usize>> {
    let mut parts: HashMap<EntryId, Vec<usize>> = HashMap::new();
    for (number, trip) in trips.enumerate() {
        parts.entry(trip).or_default().push(number);
    }
    parts
}

/// A span without readings stays what it was.
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

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a string does not fail");
        cause = error.source();
    }
    text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
    text
}

cells_sdk::export_stage!(run);
