//! Writes sections and stops.

use cells_geometry::distance;
use cells_sdk::model::EntryId;
use cells_sdk::model::background::MotionType;
use cells_sdk::model::rows::Row;
use cells_sdk::model::segmentation::{Section, Stop};
use cells_sdk::model::time::Zones;
use cells_sdk::{Output, Run, RunError, WriteEntries};
use serde_json::Value;

use crate::ends::{Moment, position};

const SECTION: &str = "segmentation/raw_section";
const STOP: &str = "segmentation/raw_stop";
/// The reference writes this name whatever the method was.
const SOURCE: &str = "SmoothedHighConfidenceMotion";

/// A section of a trip.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// Its first moment.
    pub start: Moment,
    /// Its last moment.
    pub end: Moment,
    /// How the owner travelled.
    pub kind: MotionType,
    /// The vehicle, if its beacon was received.
    pub vehicle: Option<Value>,
}

/// A trip with its sections, at least one. Between neighbours there is a stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The trip's entry.
    pub trip: EntryId,
    /// The device that was carried, if the trip names it.
    pub device: Option<String>,
    /// In the order of the trip.
    pub legs: Vec<Leg>,
}

/// Writes the sections and stops of a run.
///
/// Sections and stops name each other, and ids come from inserting: so sections are inserted without links, then the
/// stops with theirs, then the sections that have stops are replaced.
pub fn write<R: WriteEntries>(runtime: &mut R, run: &Run, cuts: &[Cut]) -> Result<(), RunError> {
    let mut output = Output::new(run);
    let Made { mut sections, mut stops } = Made::of(cuts, &mut output)?;
    for section in &sections {
        section.write(runtime, &mut output, EntryId::NONE)?;
    }
    let section_ids = output.take_ids(runtime)?;
    for (stop, before) in &mut stops {
        stop.data.ending_section = section_ids[*before];
        stop.data.starting_section = section_ids[*before + 1];
        stop.write(runtime, &mut output, EntryId::NONE)?;
    }
    let stop_ids = output.take_ids(runtime)?;
    for ((_, before), id) in stops.iter().zip(stop_ids) {
        sections[*before].data.end_stop = Some(id);
        sections[*before + 1].data.start_stop = Some(id);
    }
    let linked = |section: &Section| section.start_stop.is_some() || section.end_stop.is_some();
    for (section, id) in sections.iter().zip(section_ids).filter(|(section, _)| linked(&section.data)) {
        section.write(runtime, &mut output, id)?;
    }
    output.finish(runtime)
}

/// An entry that is not written yet.
struct New<T> {
    key: &'static str,
    metadata: String,
    data: T,
}

impl<T: serde::Serialize> New<T> {
    /// As a new entry, or in place of the one that has the id.
    fn write<R: WriteEntries>(
        &self,
        runtime: &mut R,
        output: &mut Output,
        id: EntryId,
    ) -> Result<(), RunError> {
        let data = serde_json::to_string(&self.data).expect("the types hold only what JSON can represent");
        let Self { key, metadata, .. } = self;
        output.push(runtime, Row { id, key, metadata, data: &data, extra: "" })
    }
}

/// What a run makes, not linked yet.
struct Made {
    sections: Vec<New<Section>>,
    /// Each with the number of the section before it.
    stops: Vec<(New<Stop>, usize)>,
}

impl Made {
    /// In the reference's order of creation, in which write times rise: a stop right behind the section that ends it.
    fn of(cuts: &[Cut], output: &mut Output) -> Result<Self, RunError> {
        let (mut zones, mut created) = (Zones::new(), 0_u32);
        let mut metadata = |key: &str| {
            created += 1;
            output.metadata_of(key, created - 1)
        };
        let mut made = Self { sections: Vec::new(), stops: Vec::new() };
        for cut in cuts {
            for (number, leg) in cut.legs.iter().enumerate() {
                let data = section(cut, leg, &mut zones)?;
                made.sections.push(New { key: SECTION, metadata: metadata(SECTION)?, data });
                if number > 0 {
                    let before = made.sections.len() - 2;
                    let data = stop(&made.sections[before].data, &made.sections[before + 1].data);
                    made.stops.push((New { key: STOP, metadata: metadata(STOP)?, data }, before));
                }
            }
        }
        Ok(made)
    }
}

fn section(cut: &Cut, leg: &Leg, zones: &mut Zones) -> Result<Section, RunError> {
    let mut local_dt = |moment: &Moment| moment.local_dt(zones).map_err(RunError::LocalTime);
    Ok(Section {
        trip_id: cut.trip,
        start_ts: leg.start.ts,
        start_local_dt: local_dt(&leg.start)?,
        start_fmt_time: leg.start.fmt_time.clone(),
        end_ts: leg.end.ts,
        end_local_dt: local_dt(&leg.end)?,
        end_fmt_time: leg.end.fmt_time.clone(),
        start_loc: leg.start.loc,
        end_loc: leg.end.loc,
        start_stop: None,
        end_stop: None,
        duration: leg.end.ts - leg.start.ts,
        sensed_mode: leg.kind,
        ble_sensed_mode: leg.vehicle.clone(),
        source: SOURCE.to_owned(),
        device: cut.device.clone(),
    })
}

fn stop(before: &Section, after: &Section) -> Stop {
    Stop {
        trip_id: before.trip_id,
        enter_ts: before.end_ts,
        enter_local_dt: before.end_local_dt.clone(),
        enter_fmt_time: before.end_fmt_time.clone(),
        exit_ts: after.start_ts,
        exit_local_dt: after.start_local_dt.clone(),
        exit_fmt_time: after.start_fmt_time.clone(),
        enter_loc: before.end_loc,
        exit_loc: after.start_loc,
        ending_section: EntryId::NONE,
        starting_section: EntryId::NONE,
        duration: after.start_ts - before.end_ts,
        distance: distance(position(before.end_loc), position(after.start_loc)),
        source: SOURCE.to_owned(),
        device: before.device.clone(),
    }
}
