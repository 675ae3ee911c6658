//! Reads sections and locations, writes smoothings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};

use cells_locations::{Locations, read, spans_taken, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::model::analysis::Smoothing;
use cells_sdk::model::text::{number, string, value_of};
use cells_sdk::{
    Output, Query, ReadEntries, Run, RunError, TimeField, WINDOW_GAP_S, WriteEntries, walk_entries,
};

use crate::points::Points;
use crate::smooth::Smoothed;

const SECTION: &str = "segmentation/raw_section";
const LOCATION: &str = "background/filtered_location";
const SMOOTHING: &str = "analysis/smoothing";

/// The members of a raw section that a smoothing needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its entry.
    pub id: EntryId,
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
    /// The device that was carried, where the person has several: points of other devices do not count.
    pub device: Option<String>,
}

impl Section {
    /// The locations from its start to its end, both included.
    pub fn rows(&self, locations: &Locations) -> Range<usize> {
        let ts = &locations.columns().ts;
        let start = ts.partition_point(|ts| *ts < self.start_ts);
        let end = ts.partition_point(|ts| *ts <= self.end_ts);
        start..end.max(start)
    }
}

/// How many sections one run takes, if they have few points.
const SECTIONS_A_RUN: usize = 5_000;

/// What [`sections`] found.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of their ends.
    pub sections: Vec<Section>,
    /// When those ended that have no start that can be read, s.
    pub unreadable: Vec<f64>,
    /// Whether some were left to the next run.
    pub more: bool,
}

/// The sections that ended within the window; of a back-log, the first that have about that many points.
pub fn sections<R: ReadEntries>(runtime: &mut R, run: &Run, rows_a_run: usize) -> Result<Found, RunError> {
    let query = run.window(&[SECTION], TimeField::EndTs);
    let mut found = Found::default();
    walk_entries(runtime, &query, |_, entry| {
        let start_ts = value_of(entry.data, "start_ts").and_then(number);
        // Up to a pause before the next one; that others overlap it is not known here.
        let begins = start_ts.map_or(entry.time, |start_ts| start_ts.min(entry.time));
        let pauses = found.sections.last().is_some_and(|last| begins - last.end_ts > WINDOW_GAP_S);
        if found.sections.len() >= SECTIONS_A_RUN && pauses {
            found.more = true;
            return Ok(ControlFlow::Break(()));
        }
        match start_ts {
            Some(start_ts) => {
                let device = value_of(entry.data, "device").and_then(string).map(Cow::into_owned);
                found.sections.push(Section { id: entry.id, start_ts, end_ts: entry.time, device });
            }
            None => found.unreadable.push(entry.time),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.end_after_points(runtime, run, rows_a_run)?;
    Ok(found)
}

impl Found {
    /// Leaves sections to the next run whose points are too many for this one.
    fn end_after_points<R: ReadEntries>(
        &mut self,
        runtime: &mut R,
        run: &Run,
        rows_a_run: usize,
    ) -> Result<(), RunError> {
        let Some(points) = points_of(run, &self.sections) else { return Ok(()) };
        let spans: Vec<(f64, f64)> =
            self.sections.iter().map(|section| (section.start_ts, section.end_ts)).collect();
        let taken = spans_taken(runtime, &points, rows_a_run, &spans)?;
        if taken < spans.len() {
            self.sections.truncate(taken);
            self.unreadable.retain(|ended| *ended <= spans[taken - 1].1);
            self.more = true;
        }
        Ok(())
    }
}

/// The query for the points of sections, where there are any.
///
/// Quirk: the reference uses the window of the sections' ends for the locations too. So points before the last run's
/// mark are missing from a section that began before it.
fn points_of(run: &Run, sections: &[Section]) -> Option<Query> {
    let end = sections.last()?.end_ts;
    let first = sections.iter().map(|section| section.start_ts).fold(f64::INFINITY, f64::min);
    let start = run.start.map_or(first, |start| start.max(first));
    Some(Query::of(&[LOCATION], TimeField::DataTs).between(Some(start), Some(end)))
}

/// The locations of those sections in the order of their times, by the device that they name: of all devices for
/// sections that name none.
pub fn locations<R: ReadEntries>(
    runtime: &mut R,
    run: &Run,
    sections: &[Section],
) -> Result<BTreeMap<Option<String>, Locations>, RunError> {
    let Some(query) = points_of(run, sections) else { return Ok(BTreeMap::new()) };
    let mut locations = read(runtime, &query)?;
    let placed: Vec<bool> = (0..locations.len()).map(|row| locations.is_placed(row)).collect();
    locations.retain(|row| placed[row]);
    let locations = without_exact_duplicates(runtime, &query, locations)?;
    let devices: BTreeSet<_> = sections.iter().map(|section| section.device.clone()).collect();
    if devices.iter().all(Option::is_none) {
        return Ok(BTreeMap::from([(None, locations)]));
    }
    let of = |device: Option<String>| {
        let mut own = locations.clone();
        if device.is_some() {
            own.retain_device(device.as_deref());
        }
        (device, own)
    };
    Ok(devices.into_iter().map(of).collect())
}

/// What is kept of a section's smoothing.
pub fn smoothing(
    section: &Section,
    locations: &Locations,
    points: &Points,
    smoothed: &Smoothed,
) -> Smoothing {
    let deleted = points.rows.iter().zip(&smoothed.kept).filter(|(_, kept)| !**kept);
    Smoothing {
        section: section.id,
        deleted_points: deleted.filter_map(|(row, _)| row.map(|row| locations.columns().ids[row])).collect(),
        outlier_algo: Some("BoxplotOutlier".to_owned()),
        filtering_algo: Some(smoothed.rule.name().to_owned()),
    }
}

/// Writes the smoothings in their order.
pub fn write<R: WriteEntries>(runtime: &mut R, run: &Run, smoothings: &[Smoothing]) -> Result<(), RunError> {
    let mut output = Output::new(run);
    for smoothing in smoothings {
        let data = serde_json::to_string(smoothing).expect("ids and texts are always JSON");
        output.insert(runtime, SMOOTHING, &data)?;
    }
    output.finish(runtime)
}
