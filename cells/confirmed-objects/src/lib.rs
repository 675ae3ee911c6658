//! Adds a person's labels and forms to the trips and places of the cleaned timeline: the stage
//! `CREATE_CONFIRMED_OBJECTS`.
//!
//! Each expected trip becomes an `analysis/confirmed_trip`, each untracked span an `analysis/confirmed_untracked`, each
//! place an `analysis/confirmed_place`: copies that name each other, with the labels and forms that belong to them (the
//! rule is that of `cells/user-inputs`) and, for trips, how they were travelled. The place at the end stays open, and
//! the next run continues from it. The results equal the reference entry by entry; odd rules are the reference's and
//! are marked so.
//!
//! ```text
//! analysis/expected_trip, cleaned_untracked, cleaned_place, cleaned_trip     manual/*     cleaned_, inferred_section
//!        │                                                                      │                   │
//! timeline   the window's trips and spans by their beginnings,                  │                   │
//!        │   and the places that they name                                      │                   │
//!        ├── left_out   trips that no window will reach: counted and logged     │                   │
//!        │                                                                      │                   │
//!        │                                                                    inputs             summary
//!        │   open       the confirmed place at which the last run ended,        │        sums over each trip's
//!        │   │          and the composite trip that shows it                    │        sections, by mode
//!        │   memory     whether that place still is the right one               │                   │
//!        │   │                                                                  │                   │
//!        └── start ─────────────────────────────┬───────────────────────────────┴───────────────────┘
//!                                             store    ids first, since places and trips name each other,
//!                                               │      then each copy with its links, labels and sums
//! analysis/confirmed_place, confirmed_trip or confirmed_untracked, confirmed_place, …
//! ```
//!
//! [`run`] follows that order from top to bottom; `timeline` uses no other file, `open` and `left_out` use it, and
//! `store` uses them all.
//!
//! * Units: seconds, metres. The window is on the beginnings of trips, closed at both ends.
//! * State: the place that the last run left open, and which trips were checked (see the module `memory`).
//! * Memory: texts of trips, places and inputs of the window and of the results; longer windows are processed in parts.
//! * Not here: inputs that arrive after their trip was made (`cells/user-input-matching`).

mod left_out;
mod memory;
mod open;
mod store;
mod summary;
mod timeline;

use cells_sdk::{
    Log, Outcome, Query, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, WriteEntries, for_each_entry,
    warn_count,
};
use cells_user_inputs::{Input, Kind};

use left_out::LeftOut;
use memory::Memory;
use open::{OpenPlace, Shown};
use store::{Material, Start};
use summary::Sections;
use timeline::{Stay, Timeline};

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let open = OpenPlace::find(runtime)?;
    let timeline = Timeline::read(runtime, run)?;
    warn_count(runtime, timeline.unreadable, "trips or places cannot be read: left out");
    warn_count(runtime, timeline.nowhere.len(), "trips end at a place that does not exist: left out");
    let memory = Memory::read(&run.state);
    let left_out = LeftOut::find(runtime, run, &timeline, memory.looked_through)?;
    warn_count(
        runtime,
        left_out.count,
        "trips or spans begin or end before the mark of earlier runs: they are left out of the diary",
    );
    let looked_through = left_out.looked_through;
    let (processed_through, more) = (timeline.mark(), timeline.has_more());
    let (Some(first), Some(last)) = (timeline.first_place(), timeline.last_place()) else {
        // The reference fails here, and reads the same window again until a trip begins in it.
        warn_count(
            runtime,
            timeline.places_alone(),
            "places have no trip between them: the window is read again by the next run",
        );
        let state = Memory { looked_through, ..memory }.to_state();
        return Ok(Outcome { processed_through, state, more });
    };
    warn_count(
        runtime,
        usize::from(timeline.first_is_missing),
        "place where trips begin does not exist: the first trip's own start is used instead",
    );
    let inputs = read_inputs(runtime, first, last)?;
    let sections = read_sections(runtime, &timeline)?;
    let start = start(runtime, run, open, first, &memory)?;
    let material = Material { timeline: &timeline, inputs: &inputs, sections: &sections };
    let written = store::write(runtime, run, &material, start, first)?;
    warn_count(
        runtime,
        written.unmeasured,
        "inputs end too late for a place without a duration: passed over",
    );
    let next_start = processed_through.map(|mark| mark + WINDOW_GAP_S).or(run.start);
    // A part of a window ends at a place that the next part creates again.
    let open = (!more).then_some((written.open, next_start.unwrap_or(f64::NEG_INFINITY)));
    let state = Memory { open, looked_through }.to_state();
    Ok(Outcome { processed_through, state, more })
}

/// Labels and forms that may belong to something between two places, by beginning and id.
fn read_inputs<R: ReadEntries + Log>(
    runtime: &mut R,
    first: &Stay,
    last: &Stay,
) -> Result<Vec<Input>, RunError> {
    let (begin, end) = (first.span().begin_or_min(), last.span().end_or_max());
    let query = Query::of(&Kind::keys(), TimeField::StartTs).between(Some(begin), Some(end.max(begin)));
    let (mut inputs, mut bad) = (Vec::new(), 0);
    for_each_entry(runtime, &query, |_, entry| {
        match Input::parse(&entry) {
            Ok(input) => inputs.push(input),
            Err(_) => bad += 1,
        }
        Ok(())
    })?;
    warn_count(runtime, bad, "labels or forms cannot be read: passed over");
    Ok(inputs)
}

fn read_sections<R: ReadEntries + Log>(runtime: &mut R, timeline: &Timeline) -> Result<Sections, RunError> {
    let Some((start, end)) = timeline.sections_span(runtime)? else { return Ok(Sections::default()) };
    let sections = Sections::read(runtime, start, end)?;
    warn_count(runtime, sections.unreadable, "sections cannot be read: they do not count");
    Ok(sections)
}

fn start<R: ReadEntries + Log>(
    runtime: &mut R,
    run: &Run,
    open: Option<OpenPlace>,
    first: &Stay,
    memory: &Memory,
) -> Result<Start, RunError> {
    if let Some(place) = open {
        let shown = Shown::find(runtime, &place)?;
        let left_by_the_last_run = memory.open_at(run.start) == Some(place.id);
        let anew = !left_by_the_last_run && place.cleaned_place == Some(first.id);
        return Ok(Start::At { place: Box::new(place), shown, anew });
    }
    let ending_trip = match first.read.ending_trip.zip(first.read.enter_ts) {
        Some((cleaned, enter_ts)) => open::confirmed_trip_of(runtime, cleaned, enter_ts)?,
        None => None,
    };
    let lost = usize::from(first.read.ending_trip.is_some() && ending_trip.is_none());
    warn_count(
        runtime,
        lost,
        "place was reached by a trip that is not confirmed: the timeline begins with the place",
    );
    Ok(Start::New { ending_trip })
}

cells_sdk::export_stage!(run);
