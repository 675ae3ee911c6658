//! Says of each trip whether its owner is asked to label it: the stage `EXPECTATION_POPULATION`.
//!
//! Reads `analysis/inferred_trip`, writes `analysis/expected_trip`: the same trip with what is expected of it.
//! When much is asked and when little is the configuration in [`config`]; how it is read is in [`rules`].
//!
//! * Units: seconds. The window is on `data.end_ts`, closed at both ends.
//! * Memory: a page of trips, and at most 1 MiB of what is written.
//! * Not here: asking. Phones read the expectation.

pub mod config;
pub mod rules;

use std::borrow::Cow;

use cells_locations::{ReadError, for_each_entry};
use cells_sdk::model::EntryId;
use cells_sdk::model::page::Entry;
use cells_sdk::model::rows::{Row, Rows};
use cells_sdk::model::text::with_members;
use cells_sdk::model::time::{BadTime, Zone, Zones, server_metadata};
use cells_sdk::{Failure, Level, Log, Outcome, Query, ReadEntries, Run, TimeField, WriteEntries};
use serde::Deserialize;
use serde::de::IgnoredAny;

use rules::{Expected, Prediction, expectation, mode_at};

const INFERRED: &str = "analysis/inferred_trip";
const EXPECTED: &str = "analysis/expected_trip";
const ROWS_BYTES: usize = 128 << 10;

/// Why a run was given up; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
enum ExpectError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot write expected trips")]
    Write(#[from] Failure),
    #[error("the moment of the run has no local time")]
    Now(#[from] BadTime),
}

/// One run of the stage.
pub fn run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, String> {
    try_run(runtime, run).map_err(|error| {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
    })
}

fn try_run<R: ReadEntries + WriteEntries + Log>(runtime: &mut R, run: &Run) -> Result<Outcome, ExpectError> {
    let ended = Query::of(&[INFERRED], TimeField::EndTs).between(run.start, Some(run.end));
    let (mut rows, mut zones, mut last) = (Rows::new(), Zones::new(), None);
    let (mut written, mut unread) = (0_u32, 0_u32);
    for_each_entry(runtime, &ended, |runtime, entry| {
        last = Some(entry.time);
        let Some(data) = expected_trip(&entry, &mut zones) else {
            unread += 1;
            return Ok(());
        };
        let metadata = server_metadata(EXPECTED, run.now + f64::from(written) * 1e-6)?;
        rows.push(Row { id: EntryId::NONE, key: EXPECTED, metadata: &metadata, data: &data, extra: "" });
        written += 1;
        if rows.as_bytes().len() > ROWS_BYTES {
            runtime.insert(&rows)?;
            rows.clear();
        }
        Ok::<(), ExpectError>(())
    })?;
    if !rows.is_empty() {
        runtime.insert(&rows)?;
    }
    if unread > 0 {
        runtime.log(Level::Warn, &format!("{unread} trips cannot be read: passed over"));
    }
    Ok(Outcome { processed_through: last, state: Vec::new(), more: false })
}

/// What the stage reads of a trip.
#[derive(Deserialize)]
struct Trip<'a> {
    #[serde(borrow)]
    end_local_dt: End<'a>,
    #[serde(borrow)]
    inferred_labels: Vec<Labels<'a>>,
}

#[derive(Deserialize)]
struct End<'a> {
    #[serde(borrow)]
    timezone: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow)]
    labels: std::collections::BTreeMap<Cow<'a, str>, IgnoredAny>,
    p: f64,
}

/// The data of the expected trip; `None` where the inferred one cannot be read.
fn expected_trip(entry: &Entry<'_>, zones: &mut Zones) -> Option<String> {
    let trip: Trip<'_> = serde_json::from_str(entry.data).ok()?;
    let predictions: Vec<_> = trip.inferred_labels.iter().map(prediction).collect();
    let mode = mode_at(entry.time, || {
        // An unknown zone can only come from a history that was made elsewhere; the server's is as good as any.
        zones.get(&trip.end_local_dt.timezone).unwrap_or_else(|_| Zone::server())
    });
    let Expected { to_label, confidence_threshold } = expectation(mode, &predictions);
    let id = entry.id;
    let more = format!(
        r#""inferred_trip":{{"$oid":"{id}"}},"expectation":{{"to_label":{to_label}}},"confidence_threshold":{confidence_threshold}"#
    );
    with_members(entry.data, &more)
}

fn prediction<'a>(labels: &'a Labels<'_>) -> Prediction<'a> {
    Prediction { p: labels.p, kinds: labels.labels.keys().map(|kind| &**kind).collect() }
}

cells_sdk::export_stage!(run);
