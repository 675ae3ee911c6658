//! Writes a run's part of the confirmed timeline.
//!
//! Places and trips name each other, so their ids are drawn first: empty entries are inserted in the order in which the
//! reference makes them (a place, then each trip with the place at its end), and replaced by the finished ones.

use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::model::text::{BadObject, Object};
use cells_sdk::{Output, Run, RunError, WriteEntries};
use cells_user_inputs::{Entered, Input, Next, Span};

use crate::open::{COMPOSITE, OpenPlace, PLACE, Shown};
use crate::summary::Sections;
use crate::timeline::{Journey, Stay, Timeline};

/// Confirmed trips.
pub const TRIP: &str = "analysis/confirmed_trip";
/// Confirmed spans without readings.
pub const UNTRACKED: &str = "analysis/confirmed_untracked";
/// Members that a place has only after it was left.
const OF_THE_EXIT: [&str; 5] = ["exit_ts", "exit_local_dt", "exit_fmt_time", "starting_trip", "duration"];

/// The material from which the confirmed timeline is made.
pub struct Material<'a> {
    /// Trips and places.
    pub timeline: &'a Timeline,
    /// What the person entered, by beginning and id.
    pub inputs: &'a [Input],
    /// How trips were travelled.
    pub sections: &'a Sections,
}

/// Where the timeline continues.
pub enum Start {
    /// At a place of earlier runs.
    At {
        /// The place.
        place: Box<OpenPlace>,
        /// The composite trip that shows it.
        shown: Option<Shown>,
        /// Whether it is recomputed from its cleaned place, without anything from earlier runs.
        anew: bool,
    },
    /// At a place that this run makes, reached by that confirmed trip if it was reached at all.
    New {
        /// The confirmed trip.
        ending_trip: Option<EntryId>,
    },
}

/// The result of writing.
pub struct Written {
    /// The place that was left open.
    pub open: EntryId,
    /// Inputs that could not be compared with trips or places.
    pub unmeasured: usize,
}

/// Writes the confirmed timeline.
pub fn write<R: WriteEntries>(
    runtime: &mut R,
    run: &Run,
    material: &Material<'_>,
    start: Start,
    first: &Stay,
) -> Result<Written, RunError> {
    let mut output = Output::new(run);
    for key in keys(material.timeline, &start) {
        output.draw(runtime, key)?;
    }
    let ids = output.take_ids(runtime)?;
    let mut writer = Writer { runtime, material, output, unmeasured: 0 };
    let open = writer.all(start, first, &ids)?;
    writer.output.finish(writer.runtime)?;
    Ok(Written { open, unmeasured: writer.unmeasured })
}

/// The keys of the new entries, in the order of creation.
fn keys(timeline: &Timeline, start: &Start) -> impl Iterator<Item = &'static str> {
    let first = matches!(start, Start::New { .. }).then_some(PLACE);
    let each = timeline
        .journeys()
        .flat_map(|(journey, _)| [if journey.untracked { UNTRACKED } else { TRIP }, PLACE]);
    first.into_iter().chain(each)
}

struct Writer<'a, R> {
    runtime: &'a mut R,
    material: &'a Material<'a>,
    output: Output,
    unmeasured: usize,
}

impl<R: WriteEntries> Writer<'_, R> {
    /// Writes all entries; returns the id of the place that is left open.
    fn all(&mut self, start: Start, first: &Stay, ids: &[EntryId]) -> Result<EntryId, RunError> {
        let timeline = self.material.timeline;
        let (mut place, ids) = match &start {
            Start::At { place, .. } => (place.id, ids),
            Start::New { .. } => (ids[0], &ids[1..]),
        };
        // A part of a window ends at a place from which the next part continues.
        let last = timeline.journeys().count();
        let stays_open = |at: usize| timeline.has_more() && at == last;
        self.first(&start, first, place, ids.first().copied())?;
        for (at, (journey, end)) in timeline.journeys().enumerate() {
            let (trip, next_place) = (ids[2 * at], ids[2 * at + 1]);
            let data = self.journey(journey, place, next_place)?;
            self.push(if journey.untracked { UNTRACKED } else { TRIP }, trip, &data)?;
            let data = self.stay(end, Some(trip), ids.get(2 * at + 2).copied(), stays_open(at + 1))?;
            self.push(PLACE, next_place, &data)?;
            place = next_place;
        }
        Ok(place)
    }

    fn first(
        &mut self,
        start: &Start,
        stay: &Stay,
        id: EntryId,
        starting_trip: Option<EntryId>,
    ) -> Result<(), RunError> {
        let (place, shown, anew) = match start {
            Start::At { place, shown, anew } => (place, shown, anew),
            Start::New { ending_trip } => {
                let data = self.stay(stay, *ending_trip, starting_trip, false)?;
                return self.push(PLACE, id, &data);
            }
        };
        let data = if *anew {
            self.stay(stay, place.ending_trip, starting_trip, false)?
        } else {
            let entered = self.entered(&stay.span(), || self.material.timeline.behind_stay(stay));
            let starting_trip = starting_trip.map(json);
            let bad = |why| cannot_copy(place.id, why);
            place.continued(stay, &self.count(entered), starting_trip.as_deref()).map_err(bad)?
        };
        let row = Row { id, key: PLACE, metadata: &place.metadata, data: &data, extra: "" };
        self.output.push(self.runtime, row)?;
        if let Some(shown) = shown {
            let bad = |why| cannot_copy(shown.id, why);
            let entry = place.entry_with(&data).map_err(bad)?;
            let data = shown.with_place(&entry).map_err(bad)?;
            let (id, metadata) = (shown.id, &*shown.metadata);
            let row = Row { id, key: COMPOSITE, metadata, data: &data, extra: "" };
            self.output.push(self.runtime, row)?;
        }
        Ok(())
    }

    /// A trip or untracked span with its links, its summaries and the inputs about it.
    fn journey(&mut self, journey: &Journey, from: EntryId, to: EntryId) -> Result<String, RunError> {
        let entered = self.entered(&journey.span(), || self.material.timeline.behind_journey(journey));
        let entered = self.count(entered);
        let bad = |why| cannot_copy(journey.id, why);
        let mut data = Object::read(&journey.data).map_err(bad)?;
        data.set("start_place", json(from));
        data.set("end_place", json(to));
        if !journey.untracked {
            let summaries = self.material.sections.of(journey.read.cleaned_trip);
            data.set("expected_trip", json(journey.id));
            data.set("inferred_section_summary", summaries.inferred);
            data.set("cleaned_section_summary", summaries.cleaned);
            data.set("ble_sensed_summary", summaries.ble);
        }
        Ok(with_entered(data, entered))
    }

    /// A place with its links and the inputs about it; if it `stays_open`, without the members of its exit.
    fn stay(
        &mut self,
        stay: &Stay,
        ending_trip: Option<EntryId>,
        starting_trip: Option<EntryId>,
        stays_open: bool,
    ) -> Result<String, RunError> {
        let entered = self.entered(&stay.span(), || self.material.timeline.behind_stay(stay));
        let entered = self.count(entered);
        let bad = |why| cannot_copy(stay.id, why);
        let mut data = Object::read(&stay.data).map_err(bad)?;
        link(&mut data, "ending_trip", ending_trip);
        link(&mut data, "starting_trip", starting_trip);
        if stays_open {
            OF_THE_EXIT.iter().for_each(|name| drop(data.remove(name)));
        }
        data.set("cleaned_place", json(stay.id));
        Ok(with_entered(data, entered))
    }

    fn entered(&self, span: &Span, next: impl Fn() -> Next) -> (Entered, usize) {
        Entered::of(self.material.inputs, span, next)
    }

    fn count(&mut self, (entered, unmeasured): (Entered, usize)) -> Entered {
        self.unmeasured += unmeasured;
        entered
    }

    fn push(&mut self, key: &str, id: EntryId, data: &str) -> Result<(), RunError> {
        self.output.replace(self.runtime, key, id, data)
    }
}

fn cannot_copy(id: EntryId, why: BadObject) -> RunError {
    RunError::bad_entry(id, "cannot be copied", why)
}

/// A cleaned place may name trips that are not confirmed: such a link is removed.
fn link(data: &mut Object<'_>, name: &'static str, id: Option<EntryId>) {
    match id {
        Some(id) => data.set(name, json(id)),
        None => drop(data.remove(name)),
    }
}

fn with_entered(mut data: Object<'_>, entered: Entered) -> String {
    data.set("user_input", entered.user_input);
    data.set("additions", entered.additions);
    data.write("")
}

fn json(id: EntryId) -> String {
    serde_json::to_string(&id).expect("an id is always JSON")
}
