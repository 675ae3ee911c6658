//! Reading the open place, and writing a run's part of the chain.

use cells_sdk::model::rows::Row;
use cells_sdk::model::segmentation::{Place, Trip};
use cells_sdk::model::{EntryId, Kept};
use cells_sdk::{Output, Query, ReadEntries, Run, RunError, TimeField, WriteEntries, data_of, find_entry};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chain::{Chain, Journey, OpenPlace, Passage, Stay};
use crate::fix::Fix;
use crate::method::source;

const PLACE: &str = "segmentation/raw_place";
const TRIP: &str = "segmentation/raw_trip";
const UNTRACKED: &str = "segmentation/raw_untracked";

/// The entry of the place that an earlier run left open, as it is stored.
#[derive(Debug)]
pub struct OpenEntry {
    id: EntryId,
    metadata: String,
    data: Kept<Place>,
}

impl OpenEntry {
    /// Finds the place without an exit. There is at most one, and it is the last one reached, so the search goes back
    /// in time and as a rule ends at once.
    pub fn find<R: ReadEntries>(runtime: &mut R) -> Result<Option<Self>, RunError> {
        let query = Query::of(&[PLACE], TimeField::EnterTs).latest_first();
        find_entry(runtime, &query, |entry| {
            // Only the place that is written again must be valid in all its members.
            let Exit { exit_ts } = data_of(&entry)?;
            if exit_ts.is_some() {
                return Ok(None);
            }
            let bad = |why| RunError::bad_entry(entry.id, "cannot be read", why);
            let data = Kept::read(entry.data).map_err(bad)?;
            Ok(Some(Self { id: entry.id, metadata: entry.metadata.to_owned(), data }))
        })
    }

    /// The place from which the chain continues.
    pub fn place(&self) -> OpenPlace {
        let place = &self.data.known;
        let arrival = || {
            Some(Fix {
                ts: place.enter_ts?,
                local_dt: place.enter_local_dt.clone()?,
                fmt_time: place.enter_fmt_time.clone()?,
                loc: place.location,
            })
        };
        OpenPlace { id: self.id, enter_ts: place.enter_ts, arrival: arrival(), location: place.location }
    }
}

/// The last trip that earlier runs made.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct LastTrip {
    /// The device that was carried, where the person has several.
    #[serde(default)]
    pub device: Option<String>,
}

impl LastTrip {
    /// Finds it; a trip that cannot be read gives no device.
    pub fn find<R: ReadEntries>(runtime: &mut R) -> Result<Option<Self>, RunError> {
        let query = Query::of(&[TRIP], TimeField::EndTs).latest_first();
        let found = find_entry(runtime, &query, |entry| Ok(Some(serde_json::from_str(entry.data).ok())))?;
        Ok(found.flatten())
    }
}

#[derive(Deserialize)]
struct Exit {
    exit_ts: Option<IgnoredAny>,
}

/// Writes a run's part of the chain. Places and trips name each other, and ids come from inserting: so the places' ids
/// are drawn first, then the trips are inserted with their links, then the places get their content.
pub fn write<R: WriteEntries>(
    runtime: &mut R,
    chain: &Chain<'_>,
    open: Option<OpenEntry>,
    run: &Run,
) -> Result<(), RunError> {
    let mut output = Output::new(run);
    for _ in chain.stays.iter().filter(|stay| stay.earlier.is_none()) {
        output.draw(runtime, PLACE)?;
    }
    let mut new_places = output.take_ids(runtime)?.into_iter();
    let mut id = |stay: &Stay| stay.earlier.or_else(|| new_places.next()).expect("one was drawn for each");
    let place_ids: Vec<EntryId> = chain.stays.iter().map(&mut id).collect();

    for journey in &chain.journeys {
        let key = if journey.untracked { UNTRACKED } else { TRIP };
        let metadata = output.metadata_of(key, journey.created)?;
        let data = json(&trip(journey, &place_ids));
        let id = EntryId::NONE;
        output.push(runtime, Row { id, key, metadata: &metadata, data: &data, extra: "" })?;
    }
    let journey_ids = output.take_ids(runtime)?;

    let mut open = open;
    for (stay, id) in chain.stays.iter().zip(place_ids) {
        let linked = place(stay, &journey_ids);
        let (metadata, data) = match open.take_if(|open| Some(open.id) == stay.earlier) {
            Some(open) => (open.metadata, left(open.data, linked).write().expect(PLAIN)),
            None => (output.metadata_of(PLACE, stay.created)?, json(&linked)),
        };
        output.push(runtime, Row { id, key: PLACE, metadata: &metadata, data: &data, extra: "" })?;
    }
    output.finish(runtime)
}

const PLAIN: &str = "the types hold only what JSON can represent";

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect(PLAIN)
}

fn trip(journey: &Journey<'_>, places: &[EntryId]) -> Trip {
    let (start, end) = (journey.start.clone(), journey.end.clone());
    Trip {
        duration: end.ts - start.ts,
        distance: journey.distance(),
        start_ts: start.ts,
        start_local_dt: start.local_dt,
        start_fmt_time: start.fmt_time,
        end_ts: end.ts,
        end_local_dt: end.local_dt,
        end_fmt_time: end.fmt_time,
        start_place: places[journey.from],
        end_place: places[journey.to],
        start_loc: start.loc,
        end_loc: end.loc,
        source: source(journey.method).to_owned(),
        device: journey.device.map(str::to_owned),
    }
}

/// The place of a stay, linked to the journeys with these ids.
fn place(stay: &Stay, journeys: &[EntryId]) -> Place {
    let (entered, exited) = (stay.entered.clone(), stay.exited.clone());
    let journey = |passage: &Passage| journeys.get(passage.journey).copied();
    Place {
        ending_trip: entered.as_ref().and_then(journey),
        starting_trip: exited.as_ref().and_then(journey),
        duration: exited.as_ref().zip(stay.enter_ts).map(|(exit, enter_ts)| exit.ts - enter_ts),
        enter_ts: stay.enter_ts,
        enter_local_dt: entered.as_ref().map(|passage| passage.local_dt.clone()),
        enter_fmt_time: entered.map(|passage| passage.fmt_time),
        exit_ts: exited.as_ref().map(|passage| passage.ts),
        exit_local_dt: exited.as_ref().map(|passage| passage.local_dt.clone()),
        exit_fmt_time: exited.map(|passage| passage.fmt_time),
        location: stay.location,
        source: source(stay.method).to_owned(),
    }
}

/// An earlier place with the exit from this run; everything else stays.
fn left(earlier: Kept<Place>, linked: Place) -> Kept<Place> {
    let known = Place {
        exit_ts: linked.exit_ts,
        exit_local_dt: linked.exit_local_dt,
        exit_fmt_time: linked.exit_fmt_time,
        starting_trip: linked.starting_trip,
        duration: linked.duration,
        location: linked.location,
        ..earlier.known
    };
    Kept { known, rest: earlier.rest }
}
